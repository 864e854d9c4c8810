"""Plugins: their file format, their life cycle, and the ones that are running."""
