"""What an install says before it does anything, letter by letter. IMJOY_WRITE_GOLDEN=1 writes the files anew."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.integration.provision.entry_points import ENTRY_POINTS, command, run
from tests.kit.mirror import Mirror

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the plan is one for Linux")

GOLDEN = Path(__file__).with_name("golden")
PLAN = ("--dry-run", "--distribution", "miniconda", "--modify-path")


def check(name: str, text: str) -> None:
    """Compare with a golden file, or write it."""
    file = GOLDEN / name
    if os.environ.get("IMJOY_WRITE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def plan(entry_point: str, home: Path, mirror: Mirror, tmp_path: Path, words: Sequence[str]) -> str:
    """Return what an entry point prints of its plan, with what differs from machine to machine in capitals."""
    from tests.kit.miniconda import installer_names

    for each in installer_names():
        (mirror.folder / each).touch()
    wheel = tmp_path / "imjoy-9-py3-none-any.whl"
    wheel.touch()
    done = run([*command(entry_point), *PLAN, *words, "--mirror", f"{mirror.url}/ok", "--from", wheel])
    assert done.returncode == 0, done.stderr
    text = done.stdout.replace(str(wheel), "WHEEL").replace(str(home), "HOME").replace(mirror.url, "MIRROR")
    text = re.sub(r"-Linux-\w+\.sh", "-Linux-MACHINE.sh", text)
    # Notes on the machine that the tests run on.
    text = re.sub(r"^  note  (you are|this machine|this is).*\n", "", text, flags=re.MULTILINE)
    return re.sub(r'(, )?"(you are|this machine|this is) [^"]*"', "", text)


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
@pytest.mark.parametrize(("kind", "words"), [("txt", ()), ("json", ("--json",))])
def test_the_plan(
    entry_point: str, kind: str, words: tuple[str, ...], home: Path, mirror: Mirror, tmp_path: Path
) -> None:
    name = f"plan.{kind}"
    check(name, plan(entry_point, home, mirror, tmp_path, words))


def test_the_help_of_the_command() -> None:
    done = run([*command("imjoy install"), "--help"], COLUMNS="80")
    check("imjoy-install.help.txt", done.stdout)
