"""imjoy: installs, starts and mends the ImJoy Plugin Engine."""

__version__ = "0.12.0"
