"""Verbs about an engine: started, opened, stopped, asked."""
