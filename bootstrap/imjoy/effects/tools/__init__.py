"""The programs that bring packages and sources, each asked in one module."""
