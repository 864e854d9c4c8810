"""Checks of the app without a network."""
