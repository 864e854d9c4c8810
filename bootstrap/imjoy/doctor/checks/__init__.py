"""The checks: one module each, named after its id."""
