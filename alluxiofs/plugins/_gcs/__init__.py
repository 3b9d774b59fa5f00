"""The parts of the under store ``gcs``."""
