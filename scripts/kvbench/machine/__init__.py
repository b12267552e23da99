"""What this machine has, what it may use, and whose turn it is."""
