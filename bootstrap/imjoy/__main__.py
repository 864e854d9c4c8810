"""``python -m imjoy`` and the ``imjoy`` command: hand over to what this interpreter can run.

Parses on Python 2.7, where `pip` may have put it.
"""

import sys

from imjoy import FLOOR


def main():
    # type: () -> int
    """Run imjoy with the process's arguments and return its exit code."""
    if sys.version_info >= FLOOR:
        from imjoy.user_site import search_user_site_last

        search_user_site_last()
        from imjoy import cli

        return cli.main()

    from imjoy.legacy import bootstrap

    return bootstrap.main()


if __name__ == "__main__":
    sys.exit(main())
