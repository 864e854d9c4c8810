"""What the command line and the engine have to agree on: names, defaults, the app's address."""

ENGINE_MODULE = "imjoy_engine"
TOKEN_VARIABLE = "IMJOY_ENGINE_TOKEN"
URL_VARIABLE = "IMJOY_ENGINE_URL"
"""The environment variables that hand over a connection token, and the engine that it is for."""

APP_HOME = "https://imjoy.io"

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_FORCE_QUIT_SECONDS = 5.0
DEFAULT_MAX_MESSAGE_BYTES = 2 * 1024**3
