"""One swap, killed at each of its changes: what is in place is whole, and then the old state or the new one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.upgrade.facts.origin import Origin
from imjoy.upgrade.steps.candidate import Candidate
from imjoy.upgrade.steps.journal import exchange, recover
from imjoy.upgrade.steps.swap import Swap

SITE = Path("lib") / "site"
CHANGED, COMING, GOING = (Path("bin") / name for name in ("changed", "coming", "going"))
OF_THE_OLD, OF_THE_NEW = {CHANGED: "old", GOING: "old"}, {CHANGED: "new", COMING: "new"}
# Kills a fork of itself at the first change of a file, at the second, and so on, until a swap comes to its end.
KILLER = """
import os, signal, sys
from pathlib import Path
from tests.unit.imjoy.upgrade.steps.test_swap import make_swap
CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "ctypes.dlsym"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
left, seen = 0, 0
def hook(event, args):
    global seen
    if left and (event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITES)):
        seen += 1
        if seen == left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
for step in range(1, 200):
    swap = make_swap(Path(sys.argv[1]) / f"{step:03d}")
    child = os.fork()
    if not child:
        left = step
        swap.do()
        swap.commit()
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def make_swap(folder: Path) -> Swap:
    """Make an environment and a candidate in a folder; of the commands one changes, one comes and one goes."""
    live, waiting = folder / "environment", folder / "candidate"
    for root, files in ((live, OF_THE_OLD), (waiting, OF_THE_NEW)):
        for path, text in {**files, SITE / "package": next(iter(files.values()))}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    origin = Origin("1", live, Path(sys.executable), live / SITE, live / "bin", "pip", "", "")
    origin.home.mkdir(parents=True)
    candidate = Candidate(waiting, waiting / SITE, frozenset(), frozenset(), frozenset())
    changes = {CHANGED: waiting / CHANGED, COMING: waiting / COMING, GOING: None}
    return Swap(origin, candidate, changes, folder / "saved")


def state(environment: Path) -> dict[str, str]:
    """Return the text of each file of an environment, without what belongs to a swap."""
    return {
        str(each.relative_to(environment)): each.read_text()
        for each in environment.rglob("*")
        if each.is_file() and not each.name.startswith("imjoy-upgrade.") and ".imjoy" not in each.parts
    }


def whole(texts: dict[str, str]) -> bool:
    """Whether all commands are there that belong to the packages that are in place."""
    return {
        str(each) for each in (OF_THE_OLD if texts[str(SITE / "package")] == "old" else OF_THE_NEW)
    } <= set(texts)


@pytest.fixture
def _exchange(tmp_path: Path) -> None:
    try:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        exchange(tmp_path / "one", tmp_path / "two")
    except OSError as error:
        pytest.skip(f"no exchange of folders here: {error}")


@pytest.mark.usefixtures("_exchange")
def test_killed_at_any_change_a_swap_leaves_no_package_without_its_command(tmp_path: Path) -> None:
    folder = tmp_path / "swaps"
    subprocess.run([sys.executable, "-c", KILLER, str(folder)], check=True, cwd=Path(__file__).parents[5])
    ends = []
    for each in sorted(folder.iterdir()):
        environment = each / "environment"
        killed = state(environment)
        assert whole(killed), f"at change {each.name}: {json.dumps(killed)}"
        recover(environment / ".imjoy" / "upgrade")
        ends.append(state(environment))
    old, new = state_of(OF_THE_OLD, "old"), state_of(OF_THE_NEW, "new")
    assert len(ends) > 20
    assert all(each in (old, new) for each in ends)
    assert (ends[0], ends[-1]) == (old, new)


def state_of(files: dict[Path, str], text: str) -> dict[str, str]:
    """Return what :func:`state` says when these files are installed."""
    return {**{str(path): content for path, content in files.items()}, str(SITE / "package"): text}
