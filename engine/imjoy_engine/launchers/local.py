"""Starts workers as processes of this machine, and ends them with everything they started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from imjoy.model.project import ALLOCATOR_VARIABLES

CHUNK_BYTES = 64 * 1024
TERMINATE_SECONDS = 2.0
KILL_SECONDS = 3.0

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
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "LOCALAPPDATA",
        "LOGNAME",
        "NO_PROXY",
        "NUMBER_OF_PROCESSORS",
        "NVIDIA_VISIBLE_DEVICES",
        "OMP_NUM_THREADS",
        "OS",
        "PATH",
        "PATHEXT",
        "PROCESSOR_ARCHITECTURE",
        "PROGRAMDATA",
        "PROGRAMFILES",
        "PROGRAMFILES(X86)",
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


def plugin_environment(environ: Mapping[str, str], python: Path) -> dict[str, str]:
    """Return the environment variables for a worker that runs under ``python``, whose folder comes first on PATH."""
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() in INHERITED_VARIABLES or name.startswith("LC_")
    }
    kept["PATH"] = os.pathsep.join([str(python.parent), kept.get("PATH", os.defpath)])
    kept["PYTHONNOUSERSITE"] = "1"
    kept["PYTHONUNBUFFERED"] = "1"
    kept["PYTHONIOENCODING"] = "utf-8:backslashreplace"
    return {**ALLOCATOR_VARIABLES, **kept}


class LocalWorker:
    """One worker process. Its standard input is the lifeline: it ends when we do, however we end."""

    def __init__(self, process: asyncio.subprocess.Process, on_output: Callable[[str, bytes], None]) -> None:
        self._process = process
        self.pid = process.pid
        self._readers = [
            asyncio.create_task(self._read("stdout", process.stdout, on_output)),
            asyncio.create_task(self._read("stderr", process.stderr, on_output)),
        ]

    @staticmethod
    async def _read(
        name: str, stream: asyncio.StreamReader | None, on_output: Callable[[str, bytes], None]
    ) -> None:
        while stream is not None and (chunk := await stream.read(CHUNK_BYTES)):
            on_output(name, chunk)

    async def wait(self) -> int:
        """Wait for the process to end and for what it wrote; return its exit code, negative for a signal."""
        code = await self._process.wait()
        # A grandchild may hold the pipes open; its output is not waited for.
        _, unfinished = await asyncio.wait(self._readers, timeout=0.5)
        for reader in unfinished:
            reader.cancel()
        return code

    def suspended(self) -> bool:
        """Whether the process was stopped by a signal and waits to be continued."""
        import psutil

        try:
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False

    async def end(self, grace: float) -> None:
        """Wait ``grace`` seconds for it to leave by itself, then terminate and kill it with all its descendants.

        Takes at most ``grace`` + 5 seconds; returns when it is gone.
        """
        if not await self._gone_within(grace):
            self._signal_group(signal.SIGTERM)
            if not await self._gone_within(TERMINATE_SECONDS):
                self._kill_tree()
                await self._gone_within(KILL_SECONDS)
        # What it left behind in its process group goes too.
        self._signal_group(getattr(signal, "SIGKILL", signal.SIGTERM))

    async def _gone_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                if self._process.returncode is None:
                    self._process.terminate()
            else:
                os.killpg(self.pid, number)

    def _kill_tree(self) -> None:
        import psutil

        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    child.kill()
        self._signal_group(getattr(signal, "SIGKILL", signal.SIGTERM))


# A group in our session, not a session of its own: POSIX then hangs up on a worker that is suspended when we are killed
# (a group with stopped members loses its last parent in the session), which could not end itself.
_OWN_GROUP: dict[str, Any] = {}
if sys.platform != "win32":
    _OWN_GROUP = {"process_group": 0} if sys.version_info >= (3, 11) else {"preexec_fn": os.setpgrp}

WORKER_SCRIPT = Path(__file__).parent.parent / "worker" / "__main__.py"


class LocalLauncher:
    """Starts workers here."""

    async def start(
        self,
        python: Path,
        options: Sequence[str],
        variables: Mapping[str, str],
        work_dir: Path,
        on_output: Callable[[str, bytes], None],
    ) -> LocalWorker:
        """Start a worker under ``python options…`` with ``variables`` added to its environment.

        ``on_output`` gets ``("stdout" | "stderr", bytes)`` as it is written. The process leads a group of its own, so
        that Ctrl-C in our terminal does not reach it. Raises OSError when it cannot be started.
        """
        process = await asyncio.create_subprocess_exec(
            str(python),
            "-s",
            *options,
            str(WORKER_SCRIPT),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**plugin_environment(os.environ, python), **variables},
            cwd=work_dir,
            limit=CHUNK_BYTES,
            **_OWN_GROUP,
        )
        return LocalWorker(process, on_output)
