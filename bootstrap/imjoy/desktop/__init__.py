"""ImJoy without a terminal: an entry in the menu of the desktop, and a start at login."""
