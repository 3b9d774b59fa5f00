"""How open files read, read ahead, write, and are wrapped for text and compression."""
