"""A pluggable storage gateway: an fsspec filesystem over a cache."""
