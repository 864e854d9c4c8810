"""ImJoy without a terminal: an entry in the menu of the desktop, and a start at login."""

from __future__ import annotations

import os

MENU = "the Start menu" if os.name == "nt" else "the menu of this desktop"
