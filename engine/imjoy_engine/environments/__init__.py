"""Environments: what a plugin asks for as one normal form, and the interpreters that are built from it."""
