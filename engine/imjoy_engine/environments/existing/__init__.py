"""Environments that somebody else made and a person lets plugins use: known by a name, read, and never written to."""
