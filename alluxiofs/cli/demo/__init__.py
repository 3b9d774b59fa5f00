"""The demonstration: real data, written and read through the gateway in every way that the documentation names."""
