"""`imjoy upgrade` of an imjoy that came from a package index, with two wheels of this project in one of our own."""

from __future__ import annotations

import csv
import functools
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.kit.upgrade_runs import NOWHERE
from tests.kit.upgrades import GOOD, NEW_VERSION, Kit, Machine, broken_records, build_wheel, installed_commit

from imjoy import __version__

pytestmark = pytest.mark.timeout(600)


class Index:
    """A package index on loopback, below ``folder``: a folder per project, its listing being the project's page."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "imjoy"
        self.project.mkdir(parents=True)
        handler = functools.partial(_Quiet, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Index:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def newer_wheel(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel of the newer commit."""
    return build_wheel(GOOD, kit.repository, tmp_path_factory.mktemp("newer") / "source")


@pytest.fixture
def index(wheel: Path, tmp_path: Path) -> Iterator[Index]:
    """Return an index that has what is installed, and nothing newer."""
    with Index(tmp_path / "index") as made:
        shutil.copy2(wheel, made.project)
        yield made


@pytest.fixture
def machine(make: Callable[..., Machine], index: Index) -> Machine:
    """Return a machine whose imjoy pip had from the index, in an environment of the person's own."""
    made = make(receipt=False)
    info = next(made.site.glob("imjoy-*.dist-info"))
    (info / "direct_url.json").unlink()
    rows = csv.reader((info / "RECORD").read_text(encoding="utf-8").splitlines())
    kept = [row for row in rows if not row[0].endswith("/direct_url.json")]
    (info / "RECORD").unlink()
    with (info / "RECORD").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(kept)
    made.environ["PIP_INDEX_URL"] = index.url
    assert broken_records(made.site) == []
    return made


def check(machine: Machine, *arguments: str, code: int = 0, **environ: str) -> dict[str, Any]:
    """Run ``imjoy upgrade --check --json`` and return its document."""
    done = machine.imjoy("upgrade", "--check", "--json", *arguments, **environ)
    assert done.returncode == code, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def test_it_is_upgraded_from_there_and_back_to_a_version_that_is_named(
    machine: Machine, index: Index, newer_wheel: Path
) -> None:
    assert check(machine)["available"] is False
    assert machine.upgrade()["action"] == "none"

    shutil.copy2(newer_wheel, index.project)
    found = check(machine)
    assert (found["available"], found["new_id"], found["command"]) == (
        True,
        f"version:{NEW_VERSION}",
        "imjoy upgrade",
    )
    done = machine.upgrade()
    assert (done["done"], done["new_version"], done["source"]) == (True, NEW_VERSION, "")
    assert installed_commit(machine) == GOOD
    assert not list(machine.site.glob("imjoy-*.dist-info/direct_url.json"))

    # An index that has only older ones has nothing newer.
    (index.project / newer_wheel.name).unlink()
    found = check(machine)
    assert (found["available"], found["new_id"]) == (False, f"version:{__version__}")
    assert machine.upgrade()["action"] == "none"

    error = machine.upgrade("--to", __version__, code=3)["error"]
    assert (error["id"], error["fix"]) == (
        "upgrade.downgrade",
        f"imjoy upgrade --to {__version__} --allow-downgrade",
    )
    assert machine.upgrade("--to", __version__, "--allow-downgrade")["done"]
    assert installed_commit(machine) == "old"
    assert broken_records(machine.site) == []


def test_a_version_that_the_index_has_not_is_told_before_anything_is_fetched(machine: Machine) -> None:
    for said in (check(machine, "--to", "77.7", code=3), machine.upgrade("--to", "77.7", code=3)):
        assert said["error"]["id"] == "upgrade.no-version"
        assert "77.7" in said["error"]["what"]
    assert not (machine.upgrades / "stage").exists()


def test_an_index_that_is_not_reached_is_the_network_s_matter(machine: Machine) -> None:
    for arguments in ((), ("--to", NEW_VERSION)):
        error = check(machine, *arguments, code=4, PIP_INDEX_URL=NOWHERE, PIP_FIND_LINKS="")["error"]
        assert error["id"] == "upgrade.index"
    assert installed_commit(machine) == "old"
