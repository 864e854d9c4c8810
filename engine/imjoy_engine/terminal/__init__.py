"""The engine used from Python and from a terminal: what runs in ``imjoy run``."""
