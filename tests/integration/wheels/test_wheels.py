"""For every dependency, platform and Python that is promised the index has a wheel: nobody needs a compiler."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imjoy_engine.environments.venv_env import build_variables, find_uv

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
PYTHONS = ("3.10", "3.13")
OLDEST_MACOS = "11.0"
COMPILE_SECONDS = 300
NO_NETWORK = ("error sending request", "dns error", "Failed to fetch", "operation timed out")


def choose(platform: str, python: str, *options: str) -> dict[str, str]:
    """Return the versions that are chosen today."""
    uv = find_uv()
    if uv is None:
        pytest.skip("uv is missing")
    command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", str(ROOT / "pyproject.toml")]
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
    assert done.returncode == 0, f"{platform}, Python {python}: {done.stderr}"
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", done.stdout, re.MULTILINE))


@pytest.mark.timeout(COMPILE_SECONDS * 2)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_chosen_comes_as_a_wheel(platform: str) -> None:
    def both(python: str) -> tuple[dict[str, str], dict[str, str]]:
        return choose(platform, python), choose(platform, python, "--only-binary", ":all:")

    with ThreadPoolExecutor(len(PYTHONS)) as pool:
        for python, (chosen, built) in zip(PYTHONS, pool.map(both, PYTHONS), strict=True):
            assert "imjoy-rpc" in chosen
            # pip takes the newest, as a source if need be.
            assert chosen == built, f"{platform}, Python {python}"
