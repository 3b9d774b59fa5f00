"""How Alluxio's workers are spoken to: one worker as it is known, and the two dialects."""
