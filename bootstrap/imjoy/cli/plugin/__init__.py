"""Verbs about plugins in a terminal, and their environments."""
