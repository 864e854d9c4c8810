"""The commands of the pages for the first steps, word by word, in their order."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "engine" / "imjoy_engine" / "webapp" / "examples"
SECONDS = 180.0
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def workspace(home: Path, stores: Path) -> Iterator[Path]:
    """The workspace of a home that has the app's files, and shares environments; its engine is stopped at the end."""
    folder = home / "ImJoyWorkspace"
    (folder / ".imjoy").mkdir(parents=True, mode=0o700)
    for name in ("webapp", "environments"):
        (folder / ".imjoy" / name).symlink_to(stores / name, target_is_directory=True)
    yield folder
    run("imjoy stop", home)


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the blocks of code of a page: the language, and the text."""
    return BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))


def commands(page: str) -> list[str]:
    """Return the lines of a page that begin with imjoy."""
    lines = [line for language, text in blocks(page) if not language for line in text.splitlines()]
    return [line for line in lines if line.startswith("imjoy ")]


def run(line: str, folder: Path) -> str:
    """Run a line as it stands, in a folder; nobody is there to answer. Return what it prints."""
    program, *words = shlex.split(line)
    assert program == "imjoy"
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=SECONDS,
        env={**os.environ, "CI": "true"},
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.timeout(600)
def test_your_first_plugin(tmp_path: Path) -> None:
    make, *runs = commands("first-plugin.md")
    run(make, tmp_path)
    file = tmp_path / "Blur.imjoy.html"
    for line in runs:
        assert "256" in run(line, tmp_path)
    edits = [text for language, text in blocks("first-plugin.md") if language in ("json", "python")]
    requirements, module, answer = edits
    text = file.read_text(encoding="utf-8")
    text = text.replace('  "requirements": ["numpy"],\n', f"  {requirements}")
    text = text.replace("import numpy as np\n", f"import numpy as np\n{module}")
    kept = [line for line in text.splitlines() if not line.strip().startswith(("return {", "inverted ="))]
    at = next(number for number, line in enumerate(kept) if "showStatus" in line)
    file.write_text("\n".join([*kept[: at + 1], answer.rstrip(), *kept[at + 1 :]]) + "\n", encoding="utf-8")
    assert '"scipy"' in file.read_text(encoding="utf-8")
    assert "float32" in run(runs[0], tmp_path)


@pytest.mark.timeout(600)
def test_my_own_image(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "Filters.imjoy.html", tmp_path)
    numpy.save(tmp_path / "image.npy", numpy.eye(32))
    [line] = commands("own-image.md")
    assert "uint8" in run(line, tmp_path)


@pytest.mark.timeout(600)
def test_a_day_in_a_lab(tmp_path: Path, workspace: Path) -> None:
    start, status = commands("lab.md")
    # Another person may have the port.
    run(f"{start} --port 0", tmp_path)
    url = json.loads(run(f"{status} --json", tmp_path))["url"]
    assert url in run(status, tmp_path)
