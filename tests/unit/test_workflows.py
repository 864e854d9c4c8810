"""What continuous integration does on the Macs that nobody here has."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
INTEL, APPLE_SILICON = re.compile(r"macos-\d+-intel"), re.compile(r"macos-(latest|\d+)")
# https://github.com/actions/runner-images: images that are no more, which a job waits for in vain.
RETIRED = {"macos-11", "macos-12", "macos-13"}
JOURNEY = ("--modify-path", "imjoy doctor", "imjoy start", "pip: ", "conda: ", "imjoy upgrade", "--uninstall")


def jobs(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document["jobs"]  # type: ignore[no-any-return]


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def on_macs() -> list[dict[str, str]]:
    return list(jobs(ROOT / ".github/workflows/test.yml")["mac"]["strategy"]["matrix"]["include"])


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_workflow_waits_for_a_mac_that_is_no_more(file: Path) -> None:
    named = set(re.findall(r"macos-[\w-]+", file.read_text(encoding="utf-8")))
    assert not named & RETIRED
    assert all(INTEL.fullmatch(each) or APPLE_SILICON.fullmatch(each) for each in named)


def test_both_kinds_of_mac_go_the_whole_way_with_a_distribution_that_has_builds_for_them() -> None:
    installers = json.loads(
        (ROOT / "bootstrap/imjoy/provision/facts/installers.json").read_text(encoding="utf-8")
    )
    kinds = {}
    for run in on_macs():
        kind = "osx-64" if INTEL.fullmatch(run["system"]) else "osx-arm64"
        kinds[kind] = kind in installers[run["distribution"]]["platforms"]
    assert kinds == {"osx-64": True, "osx-arm64": True}
    said = "\n".join(commands(jobs(ROOT / ".github/workflows/test.yml")["mac"]))
    assert [
        words for words in JOURNEY if words not in said.replace('"$IMJOY_PREFIX/bin/imjoy"', "imjoy")
    ] == []


def test_what_is_run_on_a_mac_can_be_read_by_a_bash() -> None:
    """With TEST_BASH by a bash 3.2, as a Mac's is."""
    bash = os.environ.get("TEST_BASH") or shutil.which("bash")
    if bash is None:
        pytest.skip("bash is missing")
    for text in commands(jobs(ROOT / ".github/workflows/test.yml")["mac"]):
        plain = re.sub(r"\$\{\{.*?\}\}", "x", text)
        done = subprocess.run([bash, "-n", "-c", plain], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
