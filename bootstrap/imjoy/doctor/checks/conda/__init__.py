"""Checks of the conda that imjoy uses."""
