"""What an install writes down in the prefix and beside it, for the next one and for the uninstall."""
