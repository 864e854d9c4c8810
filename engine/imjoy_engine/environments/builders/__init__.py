"""Builds environments: the interpreters, packages and repositories that a normal form names."""
