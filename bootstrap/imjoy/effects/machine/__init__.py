"""The machine and the person at it: terminal, browser, clipboard, home folder, and what only Windows has."""
