"""How Alluxio's workers are spoken to: connections, and the two dialects."""
