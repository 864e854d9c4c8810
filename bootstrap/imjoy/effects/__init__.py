"""What imjoy does to the machine: one external tool, one module."""
