"""Checks of the way to the engine from elsewhere."""
