"""Makes the prefix and takes it away again: what is there, what is wanted, the steps in between."""
