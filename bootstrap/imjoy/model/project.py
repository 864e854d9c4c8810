"""What the command line and the engine have to agree on: names, defaults, the app's address."""

ENGINE_MODULE = "imjoy_engine"
TOKEN_VARIABLE = "IMJOY_ENGINE_TOKEN"
URL_VARIABLE = "IMJOY_ENGINE_URL"
"""The environment variables that hand over a connection token, and the engine that it is for."""
CERTIFICATE_VARIABLE = "IMJOY_ENGINE_CERTIFICATE"
"""The one that hands over that engine's certificate (PEM), where it has one."""

# For processes that pass messages on: keep freed memory instead of returning it to the system after each message.
# 64 MiB there and back took 0.62 s instead of 0.85 s, a bare echo of 100 bytes 51 instead of 85 microseconds (asyncio
# takes 256 KiB for each read, which glibc otherwise gives back each time). Only glibc reads them; a person's own
# settings win.
ALLOCATOR_VARIABLES = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}

APP_HOME = "https://imjoy.io"

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_FORCE_QUIT_SECONDS = 5.0
DEFAULT_MAX_MESSAGE_BYTES = 2 * 1024**3
