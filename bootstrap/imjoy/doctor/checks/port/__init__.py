"""Checks of the port."""
