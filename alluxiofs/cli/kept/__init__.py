"""Looking after page stores: which ones, what is in them, and whose it is."""
