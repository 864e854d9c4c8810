"""Compiles what is installed, by default in the background: installers leave that to whoever imports first."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from imjoy_engine.environments.builders.venv_env import build_variables
from imjoy_engine.processes.guarded_process import GUARD_SCRIPT
from imjoy_engine.worker.processes.process_tree import kill_group

# A plugin that has waited for its environment starts first.
COMPILE_AFTER_SECONDS = 5.0
COMPILE_SECONDS = 900.0
POLL_SECONDS = 0.2
# Runs on every Python from 3.6; what cannot be compiled (templates, code for other Pythons) is passed over.
_PROGRAM = """
import compileall, os, sysconfig
if hasattr(os, "nice"):
    os.nice(19)
for folder in sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
    compileall.compile_dir(folder, maxlevels=20, quiet=2)
"""


async def compile_packages(interpreter: Path, environ: Mapping[str, str], *, at_once: bool = False) -> None:
    """Compile every package of the environment in a while, or at once, with the lowest priority, in one process.

    It ends when this is cancelled, when this process ends, and after ``COMPILE_SECONDS``.
    """
    if not at_once:
        await asyncio.sleep(COMPILE_AFTER_SECONDS)
    process = subprocess.Popen(  # noqa: ASYNC220 - a few ms; a loop that closes cannot leave it half started
        [sys.executable, "-I", "-S", str(GUARD_SCRIPT), str(interpreter), "-I", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=build_variables(environ),
        cwd=interpreter.anchor,
        start_new_session=True,
    )
    deadline = time.monotonic() + COMPILE_SECONDS
    try:
        while process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - a Popen has no event
            await asyncio.sleep(POLL_SECONDS)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        if process.poll() is None:
            if sys.platform == "win32":
                process.kill()
            else:
                kill_group(process.pid)
        process.wait()
