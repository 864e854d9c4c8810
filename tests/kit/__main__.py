"""``python -m tests.kit FOLDER``: for the tests of the shell.

Writes the installers and the channel (as ``conda-forge``) into FOLDER, prints the installers' SHA-256, and ends with 3
where this machine lacks what they are made of.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bootstrap"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "engine"))

from tests.kit.parts import CannotBeMade, base, installers, make_channel

CANNOT_BE_MADE = 3


def main() -> int:
    """Make both."""
    folder = Path(sys.argv[1])
    try:
        channel = make_channel(folder / "conda-forge")
        sys.stdout.write(installers(folder, base(channel)) + "\n")
    except CannotBeMade as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_BE_MADE
    return 0


if __name__ == "__main__":
    sys.exit(main())
