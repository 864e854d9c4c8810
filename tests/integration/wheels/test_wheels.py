"""For every dependency, platform and Python that is promised the index has a wheel: nobody needs a compiler."""

from __future__ import annotations

import itertools
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imjoy_engine.environments.builders.venv_env import build_variables, find_uv

ROOT = Path(__file__).resolve().parents[3]
# The oldest system of each that is promised (docs/dependencies.md), in uv's words.
PLATFORMS = (
    "x86_64-manylinux_2_17",
    "aarch64-manylinux_2_28",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
)
PYTHONS = ("3.10", "3.13", "3.14")
OLDEST_MACOS = "11.0"
COMPILE_SECONDS = 300
NO_NETWORK = ("error sending request", "dns error", "Failed to fetch", "operation timed out")


def choose(platform: str, python: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Have uv choose versions; what it prints are those of today."""
    uv = find_uv()
    if uv is None:
        pytest.skip("uv is missing")
    command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", str(ROOT / "pyproject.toml")]
    # A source would be asked by the Python that is here: each try to fetch the other takes several seconds.
    command += ["--no-python-downloads"]
    done = subprocess.run(
        [*command, "--python-platform", platform, "--python-version", python, *options],
        env={**build_variables(os.environ), "MACOSX_DEPLOYMENT_TARGET": OLDEST_MACOS},
        capture_output=True,
        text=True,
        timeout=COMPILE_SECONDS,
        check=False,
    )
    if done.returncode != 0 and any(sign in done.stderr for sign in NO_NETWORK):
        pytest.skip("the package index does not answer")
    return done


def what_has_no_wheel(platform: str, python: str) -> str:
    """Return why a compiler would be needed, or nothing."""
    chosen = choose(platform, python)
    if chosen.returncode != 0 or "imjoy-rpc==" not in chosen.stdout:
        return f"{platform}, Python {python}: {chosen.stdout}{chosen.stderr}"
    # pip takes the newest, as a source if need be. What the index said a moment ago is in uv's cache; only where that
    # does not give the same is the index asked once more.
    for more in (("--offline",), ()):
        built = choose(platform, python, "--only-binary", ":all:", *more)
        if built.returncode == 0 and built.stdout == chosen.stdout:
            return ""
    return f"{platform}, Python {python}: {chosen.stdout} is chosen, of wheels {built.stdout}{built.stderr}"


@pytest.mark.timeout(COMPILE_SECONDS * 3)
def test_what_is_chosen_comes_as_a_wheel() -> None:
    # All at once, as each waits for the index, not for this machine.
    pairs = list(itertools.product(PLATFORMS, PYTHONS))
    with ThreadPoolExecutor(len(pairs)) as pool:
        without = list(pool.map(what_has_no_wheel, *zip(*pairs, strict=True)))
    assert not "\n".join(filter(None, without))
