"""The parts of the under store ``obstore``."""
