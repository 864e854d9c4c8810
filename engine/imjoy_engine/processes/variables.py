"""Which environment variables a plugin's processes get of ours, and which are set for them."""

from __future__ import annotations

# What a plugin may see of our environment: enough to find programs, a home, a language, a screen, a GPU and the way
# through a proxy; not whatever else (secrets among it) the engine was started with.
INHERITED_VARIABLES = frozenset(
    [
        "ALL_PROXY",
        "APPDATA",
        "COMSPEC",
        "CUDA_HOME",
        "CUDA_PATH",
        "CUDA_VISIBLE_DEVICES",
        "CURL_CA_BUNDLE",
        "DBUS_SESSION_BUS_ADDRESS",
        "DISPLAY",
        "HOME",
        "HOMEDRIVE",
        "HOMEPATH",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "KMP_DUPLICATE_LIB_OK",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "LOCALAPPDATA",
        "LOGNAME",
        "NO_PROXY",
        "NUMBER_OF_PROCESSORS",
        "NVIDIA_VISIBLE_DEVICES",
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY",
        "OMP_NUM_THREADS",
        "OS",
        "PATH",
        "PATHEXT",
        "PROCESSOR_ARCHITECTURE",
        "PROGRAMDATA",
        "PROGRAMFILES",
        "PROGRAMFILES(X86)",
        "PYTORCH_ENABLE_MPS_FALLBACK",
        "REQUESTS_CA_BUNDLE",
        "SHELL",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "SYSTEMDRIVE",
        "SYSTEMROOT",
        "TEMP",
        "TERM",
        "TMP",
        "TMPDIR",
        "TZ",
        "USER",
        "USERDOMAIN",
        "USERNAME",
        "USERPROFILE",
        "WAYLAND_DISPLAY",
        "WINDIR",
        "XAUTHORITY",
        "XDG_RUNTIME_DIR",
    ]
)

SET_VARIABLES = {
    # A worker has no screen of its own; matplotlib's default on macOS and Windows would open a window from it.
    "MPLBACKEND": "Agg",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8:backslashreplace",
}
