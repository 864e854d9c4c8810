"""The app's address and the defaults that the command line and the engine share."""

APP_HOME = "https://imjoy.io"

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_FORCE_QUIT_SECONDS = 5.0
DEFAULT_MAX_MESSAGE_BYTES = 2 * 1024**3
