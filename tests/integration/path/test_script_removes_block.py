"""install.sh takes a block away just as `imjoy path --remove` does, without a Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.path.block import with_block, without_block

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="bash is not here")

SCRIPT = Path(__file__).resolve().parents[3] / "install.sh"
# Everything of the script but the call on its last line.
REMOVE = f"eval \"$(sed '/^{{ main/d' '{SCRIPT}')\"; OURS=$1; remove_block \"$2\""


@pytest.mark.parametrize("later", [b"", b"alias c=d\n", b"alias c=d"])
@pytest.mark.parametrize(
    "content", [b"", b"a", b"a\n", b"a\r\nb", b"a\r\nb\r\n", b"\r", b"\xff\xfe\n", b"a\n\n"]
)
def test_both_leave_the_same_bytes(content: bytes, later: bytes, tmp_path: Path) -> None:
    file = tmp_path / "rc"
    changed = with_block(content, ["export PATH=a"]) + later
    file.write_bytes(changed)
    subprocess.run(["bash", "-c", REMOVE, "bash", str(tmp_path), str(file)], check=True)
    assert file.read_bytes() == without_block(changed).content


def test_a_file_and_folders_that_were_made_go(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "rc"
    file.parent.mkdir(parents=True)
    file.write_bytes(with_block(None, ["export PATH=a"], made_folders=2))
    subprocess.run(["bash", "-c", REMOVE, "bash", str(tmp_path), str(file)], check=True)
    assert not (tmp_path / "a").exists()
