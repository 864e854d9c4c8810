"""Checks of the imjoy command."""
