"""Checks of git."""
