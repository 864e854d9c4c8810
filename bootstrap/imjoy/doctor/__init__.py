"""``imjoy doctor``: looks at all that can be wrong, says what, why and the one command, and repairs what it can."""
