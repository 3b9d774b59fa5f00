"""The gateway, over parts held in the memory of the test."""
