"""The checks: one module each, found by its id: ``host.home`` is ``host/home.py``."""
