"""How what a plugin has started ends with it."""
