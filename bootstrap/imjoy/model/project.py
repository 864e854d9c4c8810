"""Where the project and the ImJoy app live: each address stands once, here."""

PROJECT_HOME = "https://github.com/oeway/ImJoy-Engine"
APP_HOME = "https://imjoy.io"

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_FORCE_QUIT_SECONDS = 5
DEFAULT_MAX_MESSAGE_BYTES = 2 * 1024**3

TOKEN_PATTERN = r"[A-Za-z0-9._~-]{16,128}"
"""What a connection token may look like (docs/protocol.md)."""
