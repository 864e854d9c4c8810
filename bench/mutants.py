"""Mistakes that could be made in what guards the engine and the person's files: ``make mutants``.

Each is one edit, tried in a copy of the sources with the tests beside it. A mistake that no test notices is a test that
is missing. Prints each with its fate, and the score; the exit code is 1 below ``GOAL``, or when an edit no longer fits
its file. Mutation tools make mutants by the hundred, mostly of messages and of numbers that nothing depends on; these
were chosen by hand, one for each decision.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mistakes import MISTAKES, TESTS

ROOT = Path(__file__).resolve().parents[1]
GOAL = 0.95
DEADLINE_SECONDS = 300


def outcome(copy: Path, name: str, old: str, new: str) -> str:
    """Return ``killed`` or ``survived``, or why the edit could not be tried."""
    file = copy / name
    whole = file.read_text(encoding="utf-8")
    if old not in whole:
        return "does not fit any more"
    file.write_text(whole.replace(old, new, 1), encoding="utf-8")
    # Before what is installed, which may be these very folders in their own place.
    environ = {**os.environ, "PYTHONPATH": f"{copy / 'bootstrap'}{os.pathsep}{copy / 'engine'}"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS[name].split()]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, check=False, timeout=DEADLINE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "killed"
    finally:
        file.write_text(whole, encoding="utf-8")
    return {0: "survived", 1: "killed", 2: "killed"}.get(
        done.returncode, f"pytest ended with {done.returncode}"
    )


def main() -> int:
    """Try all of them, or those whose file has one of the arguments in its name; print the score."""
    words = sys.argv[1:] or [""]
    chosen = [
        (name, old, new)
        for name, pairs in MISTAKES.items()
        for old, new in pairs
        if any(word in name for word in words)
    ]
    killed = 0
    broken = False
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("bootstrap", "engine", "tests", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(ROOT / "pyproject.toml", copy)
        for number, (name, old, new) in enumerate(chosen, 1):
            how = outcome(copy, name, old, new)
            killed += how == "killed"
            broken |= how not in ("killed", "survived")
            print(
                f"{number:3} of {len(chosen)}  {how:9} {name}: {old.strip()[:60]!r} -> {new.strip()[:60]!r}",
                flush=True,
            )
    score = killed / len(chosen)
    print(f"{killed} of {len(chosen)} mutants killed: {100 * score:.0f} % (goal {100 * GOAL:.0f} %)")
    return 1 if broken or score < GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
