"""Brings imjoy up to date: staged, tried, swapped in under a journal, tested, and taken back when anything is wrong."""
