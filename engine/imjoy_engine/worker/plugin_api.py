"""What of ``api`` is local to the worker: ``export``, the constants, and ``api.utils``."""

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Optional

from imjoy_rpc.utils import dotdict


def kill(pid: int) -> None:
    """End a process that the plugin started, and its children. A process that is gone already is no error."""
    try:
        import psutil
    except ImportError:
        _kill_without_psutil(pid)
        return
    try:
        process = psutil.Process(pid)
        family = process.children(recursive=True) + [process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue


def _kill_without_psutil(pid: int) -> None:
    if sys.platform == "win32":
        subprocess.call(["taskkill", "/F", "/T", "/PID", str(int(pid))])
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def ndarray(typed_array: Any, shape: Any = None, dtype: Optional[str] = None) -> Dict[str, Any]:
    """Return ``typed_array`` (anything with the buffer interface) in the form that crosses as an ndarray.

    ``shape`` defaults to one dimension, ``dtype`` to the array's own. Raises TypeError for bytes without a ``dtype``.
    """
    view = memoryview(typed_array)
    own = getattr(typed_array, "dtype", None)
    if dtype is None and own is None and isinstance(typed_array, (bytes, bytearray, memoryview)):
        raise TypeError("the dtype of bytes has to be given")
    codes = {
        "b": "int8",
        "B": "uint8",
        "h": "int16",
        "H": "uint16",
        "i": "int32",
        "I": "uint32",
        "f": "float32",
    }
    codes.update({"d": "float64", "q": "int64", "Q": "uint64", "l": "int64", "L": "uint64"})
    name = dtype or (str(own) if own is not None else codes[view.format])
    default_shape: List[int] = [len(typed_array)]
    return {
        "_rtype": "ndarray",
        "_rvalue": view.tobytes(),
        "_rshape": list(shape) if shape else default_shape,
        "_rdtype": name,
    }


def debounce(seconds: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function so that calls within ``seconds`` of the last one that ran do nothing and return None."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        last: List[float] = []

        def debounced(*args: Any, **kwargs: Any) -> Any:
            now = time.monotonic()
            if last and now - last[0] < seconds:
                return None
            result = function(*args, **kwargs)
            last[:] = [time.monotonic()]
            return result

        return debounced

    return decorate


def set_interval(seconds: float) -> Callable[[Callable[..., Any]], Callable[..., threading.Event]]:
    """Decorate a function so that a call repeats it every ``seconds`` in a thread until its result is set."""

    def decorate(function: Callable[..., Any]) -> Callable[..., threading.Event]:
        def start(*args: Any, **kwargs: Any) -> threading.Event:
            stopped = threading.Event()

            def repeat() -> None:
                while not stopped.wait(seconds):
                    function(*args, **kwargs)

            threading.Thread(target=repeat, daemon=True).start()
            return stopped

        return start

    return decorate


def check_codec(config: Dict[str, Any]) -> Dict[str, Any]:
    """Return what ``api.registerCodec`` was given; raise TypeError where it cannot be one."""
    if not isinstance(config, dict) or not isinstance(config.get("name"), str):
        raise TypeError("a codec is a dict with name, type, encoder and decoder")
    if config.get("encoder") is not None and not isinstance(config.get("type"), type):
        raise TypeError("a codec with an encoder needs the type that it encodes")
    return config


def utils() -> Any:
    """Return ``api.utils``, as far as it is ours."""
    return dotdict(kill=kill, ndarray=ndarray, debounce=debounce, set_interval=set_interval)


def constants(load: Dict[str, Any]) -> Dict[str, Any]:
    """Return the constants of ``api``, for the plugin that ``load`` describes."""
    return {
        "WORK_DIR": load["work_dir"],
        "WORKSPACE": load["workspace"],
        "TAG": load["tag"],
        "ENGINE_URL": load["engine_url"],
        "FILE_MANAGER_URL": load["engine_url"],
    }


def local_api(
    load: Dict[str, Any], export: Callable[..., Any], register_codec: Callable[..., Any]
) -> Dict[str, Any]:
    """Return what the worker adds to the app's interface, for the plugin that ``load`` describes."""
    codecs = {"registerCodec": register_codec, "register_codec": register_codec}
    return dict(constants(load), export=export, utils=utils(), **codecs)
