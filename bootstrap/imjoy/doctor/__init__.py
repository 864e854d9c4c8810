"""``imjoy doctor``: looks at all that can be wrong, says what, why and the one command, and mends what it can."""
