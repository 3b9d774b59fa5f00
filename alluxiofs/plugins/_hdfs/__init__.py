"""The parts of the under store ``hdfs``."""
