"""The built-in page stores, one module each. They know the interfaces and values, and nothing of who uses them."""
