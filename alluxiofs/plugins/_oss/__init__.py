"""The parts of the under store ``oss``."""
