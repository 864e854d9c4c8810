"""How long an install takes, beside what it took when each script planned for itself; and what install.sh takes."""

from __future__ import annotations

import io
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

BEFORE = "0f8a8e8"
"""The last commit in which ``install.sh`` installed by itself."""
ROOT = Path(__file__).parents[1]
SCRIPT_LIMIT_MS = 300
PLANNER = "def main(words):\n    return 0\n"


def checkout(folder: Path, commit: str) -> Path:
    """Unpack a commit; return the folder. Raises ``CalledProcessError`` where the repository lacks it."""
    argv = ["git", "-C", str(ROOT), "archive", commit]
    packed = subprocess.run(argv, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def measure_installs(rounds: int) -> list[dict[str, Any]]:
    """Return the rows about ``bash install.sh``, up to "Installed", from a checkout and a Python that are here."""
    with tempfile.TemporaryDirectory(prefix="imjoy-bench-") as name:
        folder = Path(name)
        sides = {"now": checkout(folder / "now", "HEAD"), BEFORE: checkout(folder / "before", BEFORE)}
        samples: dict[str, list[float]] = {side: [] for side in sides}
        # Which side goes first changes, as the second finds more of the disk in memory.
        for number in range(rounds + 1):
            for side in sorted(sides, reverse=bool(number % 2)):
                seconds = _install(sides[side], folder / "home")
                # The first round fills the caches of pip and uv.
                samples[side] += [seconds] if number else []
        now, before = (statistics.median(samples[side]) for side in ("now", BEFORE))
        rows = [{"figure": "install.sh, to the end of an install", "value": now, "unit": "s"}]
        rows[0] |= {"ratio": now / before, "against": f"{BEFORE}, when it installed by itself", "limit": 1.0}
        return [*rows, _script_alone(sides["now"], folder, rounds)]


def _script_alone(source: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """Return the row about what ``install.sh`` takes beyond the Python that it hands over to."""
    planner = folder / "script" / "bootstrap" / "imjoy" / "provision" / "main.py"
    planner.parent.mkdir(parents=True)
    for each in (planner.parent, planner.parent.parent):
        (each / "__init__.py").touch()
    planner.write_text(PLANNER)
    script = shutil.copy(source / "install.sh", folder / "script")
    beyond = []
    for _ in range(5 * rounds):
        alone = _wall([sys.executable, "-I", "-B", "-c", "pass"], folder / "home")
        beyond.append((_wall(["bash", str(script)], folder / "home") - alone) * 1000)
    value = statistics.median(beyond)
    return {
        "figure": f"install.sh without its planner (at most {SCRIPT_LIMIT_MS})",
        "value": value,
        "unit": "ms",
    }


def _install(source: Path, home: Path) -> float:
    options = ["--yes", "--quiet", "--distribution", "venv", "--prefix", str(home / "ImJoyApp")]
    seconds = _wall(["bash", str(source / "install.sh"), *options], home)
    shutil.rmtree(home)
    return seconds


def _wall(command: list[str], home: Path) -> float:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environ |= {"HOME": str(home), "CONDA_EXE": ""}
    # Of all the Pythons of pyenv each side would choose another, and some are twice as fast.
    environ.pop("PYENV_ROOT", None)
    environ |= {"PIP_CACHE_DIR": str(caches / "pip"), "UV_CACHE_DIR": str(caches / "uv")}
    home.mkdir(exist_ok=True)
    before = time.perf_counter()
    subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - before


if __name__ == "__main__":
    for row in measure_installs(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        print(row)
