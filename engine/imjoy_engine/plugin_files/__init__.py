"""A plugin's file: read as data, bounded, as one document."""
