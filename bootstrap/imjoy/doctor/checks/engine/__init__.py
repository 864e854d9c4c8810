"""Checks of the engine of the workspace."""
