"""What ``.ci/run`` has where it runs the tests, with doubles of what it calls."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TELLS = '#!/bin/sh\necho "$1 ${IMJOY_PWSH:+powershell} ${IMJOY_WINDOWS_BENCH:+windows}" >>../said\n'
NEEDED = ("bash", "dirname", "mkdir", "python3", "tar", "xz")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a bash script")


def double(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("1", ["test powershell ", "check powershell ", "test-windows powershell windows"]),
        ("", ["test  ", "check  "]),
    ],
)
def test_all_tests_have_the_powershell_and_only_those_of_windows_the_windows(
    wanted: str, said: list[str], tmp_path: Path
) -> None:
    commands = tmp_path / "commands"
    double(commands / "make", TELLS)
    for name in NEEDED:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not here")
        (commands / name).symlink_to(found)
    run = tmp_path / "checkout" / ".ci" / "run"
    double(run, (ROOT / ".ci" / "run").read_text())
    double(tmp_path / "shared" / "windows" / "make-windows-bench", '#!/bin/sh\nmkdir -p "$1"\n')
    archive = tmp_path / "shared" / "tools" / "pwsh-linux-x64.tar.xz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:xz") as packed:
        program = tarfile.TarInfo("pwsh/bin/pwsh")
        program.mode, program.size = 0o755, 2
        packed.addfile(program, io.BytesIO(b"#!"))
    environ = {"PATH": str(commands), "HOME": str(tmp_path), "IMJOY_WITH_WINDOWS": wanted}
    done = subprocess.run([str(run)], env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "said").read_text().splitlines() == said
