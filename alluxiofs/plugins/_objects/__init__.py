"""What stores of keys (objects in buckets) have in common."""
