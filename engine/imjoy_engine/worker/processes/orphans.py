"""Has a process become the parent of what its descendants leave behind; imports little, as builds wait for it."""

import sys

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> bool:
    """Become the parent of each descendant whose own parent ends; false where nobody can (all but Linux)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):  # a Python without ctypes, a libc without the call
        return False
