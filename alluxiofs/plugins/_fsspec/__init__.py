"""What the under stores on fsspec clients share: names, versions, waiting with a limit, errors."""
