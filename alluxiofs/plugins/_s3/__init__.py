"""The parts of the under store ``s3``: its client, its errors, its writer."""
