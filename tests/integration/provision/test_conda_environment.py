"""The environment `imjoy` is made by py-rattler from the lock, whatever conda there is."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import rattler
from tests.integration.provision.entry_points import every_step
from tests.kit.channel_server import ChannelServer
from tests.kit.files import link_or_copy
from tests.kit.locks import lock_of

from imjoy.effects.tools.conda import Conda, ask_conda
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy.provision.steps import conda_environment
from imjoy.provision.steps.conda_environment import locked_packages, make_environment, register
from imjoy_engine.certificates import certificate_for
from imjoy_engine.environments.specs.spec import this_platform
from imjoy_engine.settings import Settings

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kit's packages are for Linux"
)

Make = Callable[..., Path]
FETCHING = "fetching what makes it"


class StepSaidNo(Exception):
    """What a step of the planner raises."""


class Steps:
    """Runs steps as the planner does, and remembers them; ``fetched`` is linked instead of fetched once more."""

    def __init__(self, fetched: Path | None = None) -> None:
        self.titles: list[str] = []
        self.said = ""
        self._fetched = fetched

    def __call__(
        self, title: str, command: Sequence[str], *, environ: Mapping[str, str] | None = None
    ) -> None:
        self.titles.append(title)
        if title == FETCHING and self._fetched is not None:
            target = command[command.index("--target") + 1]
            shutil.copytree(self._fetched, target, copy_function=link_or_copy, dirs_exist_ok=True)
            return
        done = subprocess.run(
            command,
            env={**os.environ, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.said += done.stdout
        if done.returncode != 0:
            raise StepSaidNo(f"{title}: {done.stdout}")


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of py-rattler that is installed here, as `--offline` wants it."""
    folder = tmp_path_factory.mktemp("wheels")
    version = __import__("importlib.metadata").metadata.version("py-rattler")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, f"py-rattler=={version}"],
        check=True,
    )
    return folder


@pytest.fixture(scope="session")
def fetched(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the first step fetches: to unpack it is most of the work of most of these tests."""
    folder = tmp_path_factory.mktemp("fetched")
    words = ("install", "-q", "--no-index", "--find-links", tools, "--no-compile", "--target", folder)
    subprocess.run((sys.executable, "-m", "pip", *words, "py-rattler"), check=True)
    return folder


@pytest.fixture
def no_index(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pip find py-rattler in that folder, and nothing else anywhere."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tools))


@pytest.fixture
def lock(channel: ChannelServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Have the lock name what the channel has for a Python and pip; return its files by name."""
    records = asyncio.run(
        rattler.solve(
            sources=[rattler.Channel(f"{channel.url}/conda-forge")],
            specs=["python=3.12", "pip"],
            virtual_packages=rattler.VirtualPackage.detect(),
        )
    )
    files = lock_of(records)
    monkeypatch.setattr(
        conda_environment, "_lock_file", lambda name: files[name].encode() if name in files else None
    )
    return files


@pytest.fixture
def old_conda(tmp_path: Path) -> Make:
    """Return a function that makes a conda which can say what it is, and nothing more."""

    def make(version: str = "4.3.30", **settings: object) -> Path:
        root = tmp_path / "old conda"
        (root / "bin").mkdir(parents=True)
        told = {
            "conda_version": version,
            "platform": this_platform(),
            "root_prefix": str(root),
            "envs_dirs": [str(root / "envs")],
            "pkgs_dirs": ["/dev/null/pkgs", str(root / "pkgs")],
        }
        shown = {"channel_alias": {"scheme": "https", "location": "conda.anaconda.org"}, **settings}
        (root / "info.json").write_text(json.dumps(told))
        (root / "config.json").write_text(json.dumps(shown))
        command = root / "bin" / "conda"
        command.write_text(
            '#!/bin/sh\ncd "$(dirname "$0")/.."\n'
            'case "$*" in "info --json") cat info.json ;; "config --show --json") cat config.json ;;\n'
            '*) echo "conda $*" >&2; exit 1 ;; esac\n'
        )
        command.chmod(0o755)
        return command

    return make


def make(
    command: Path,
    tmp_path: Path,
    steps: Steps,
    *,
    offline: Path | None = None,
    notices: list[str] | None = None,
) -> Path:
    """Make the environment of that conda; return it."""
    conda = ask_conda(command, os.environ)
    assert isinstance(conda, Conda), conda
    target = conda.envs_dirs[0] / "imjoy"
    stage = tmp_path / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    make_environment(
        target,
        conda,
        Path(sys.executable),
        stage,
        steps,
        offline=offline,
        environ=os.environ,
        notices=[] if notices is None else notices,
    )
    return target


@pytest.mark.usefixtures("lock", "no_index")
def test_a_conda_of_2017_gets_an_environment_as_if_it_had_made_it(
    old_conda: Make, channel: ChannelServer, fetched: Path, tmp_path: Path, home: Path
) -> None:
    steps, command = Steps(), old_conda("4.3.30")
    target = make(command, tmp_path, steps)
    assert steps.titles == [
        FETCHING,
        f"downloading {len(locked_packages(this_platform()))} packages of the lock",
        "making the environment",
    ]

    said = subprocess.run(
        [target / "bin" / "python", "-I", "-m", "pip", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{target}/lib/python3.12/site-packages/pip" in said.stdout
    entry_point = subprocess.run(
        [target / "bin" / "pip", "--version"], capture_output=True, text=True, check=True
    )
    assert entry_point.stdout == said.stdout

    records = {each["name"]: each for each in map(read_json, (target / "conda-meta").glob("*.json"))}
    assert set(records) == {"python", "pip"}
    for record in records.values():
        assert record["url"].startswith(f"{channel.url}/conda-forge/")
        assert record["channel"] == f"{channel.url}/conda-forge"
        # A conda of 2017 overlooks the record of any other file.
        assert record["fn"] == record["url"].rpartition("/")[2].replace(".conda", ".tar.bz2")
        kept = Path(record["package_tarball_full_path"])
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == record["sha256"]
    assert records["pip"]["depends"] == ["python"]
    assert records["pip"]["noarch"] == "python"

    history = (target / "conda-meta" / "history").read_text().splitlines()
    assert f"+conda-forge/noarch::{records['pip']['fn'].removesuffix('.tar.bz2')}" in history
    assert history[-1] == '# update specs: ["python=3.12", "pip"]'
    assert (home / ".conda" / "environments.txt").read_text().splitlines() == [str(target)]
    assert not (target / "CACHEDIR.TAG").exists()

    caches = command.parent.parent / "pkgs"
    files = {each["url"].rpartition("/")[2] for each in records.values()}
    assert {each.name for each in caches.iterdir()} == {"urls.txt", *files}
    assert (target / "lib" / "python3.1" / "site-packages" / "pip").is_dir()
    assert set((caches / "urls.txt").read_text().split()) == {each["url"] for each in records.values()}

    wrapper = target / "bin" / "conda"
    assert wrapper.stat().st_mode & stat.S_IXUSR
    told = subprocess.run([wrapper, "info", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)["conda_version"] == "4.3.30"

    # What is in the package cache already is not fetched again.
    shutil.rmtree(target)
    before = len(channel.asked)
    make(command, tmp_path, Steps(fetched))
    assert len(channel.asked) == before


def read_json(file: Path) -> dict[str, Any]:
    """Return a document."""
    document: dict[str, object] = json.loads(file.read_text())
    return document


@pytest.mark.usefixtures("no_index")
def test_a_package_that_is_not_what_the_lock_says_is_never_linked(
    old_conda: Make, lock: dict[str, str], fetched: Path, tmp_path: Path
) -> None:
    right = [line for line in lock["conda-lock.yml"].splitlines() if "sha256" in line][-1]
    lock["conda-lock.yml"] = lock["conda-lock.yml"].replace(right, "    sha256: " + "0" * 64)
    command = old_conda()
    with pytest.raises(ImJoyError) as caught:
        make(command, tmp_path, Steps(fetched))
    assert (caught.value.id, int(caught.value.exit_code)) == ("download.checksum", 6)
    assert "0" * 64 in caught.value.why
    assert not (command.parent.parent / "envs").exists()


@pytest.mark.usefixtures("no_index")
def test_channels_that_cannot_be_reached_are_a_matter_of_the_network(
    old_conda: Make, lock: dict[str, str], fetched: Path, channel: ChannelServer, tmp_path: Path
) -> None:
    for name in lock:
        lock[name] = lock[name].replace(channel.url, "http://127.0.0.1:9")
    with pytest.raises(ImJoyError) as caught:
        make(old_conda(), tmp_path, Steps(fetched))
    assert int(caught.value.exit_code) == 4
    assert "http://127.0.0.1:9/conda-forge" in caught.value.what


@pytest.mark.usefixtures("no_index")
@pytest.mark.parametrize("way", ["alias", pytest.param("custom channel", marks=every_step)])
def test_packages_come_from_where_that_conda_has_its_channels(
    old_conda: Make, lock: dict[str, str], fetched: Path, channel: ChannelServer, tmp_path: Path, way: str
) -> None:
    # The lock names the server that everybody knows, and only this conda knows the institute's.
    for name in lock:
        lock[name] = lock[name].replace(channel.url, "https://conda.anaconda.org")
    place = {"scheme": "http", "location": channel.url.partition("://")[2], "auth": None, "token": None}
    settings: dict[str, object] = (
        {"channel_alias": place}
        if way == "alias"
        else {"custom_channels": {"conda-forge": {**place, "name": "conda-forge"}}}
    )
    target = make(old_conda(**settings), tmp_path, Steps(fetched))
    [record] = map(read_json, (target / "conda-meta").glob("pip-*.json"))
    assert str(record["url"]).startswith(f"{channel.url}/conda-forge/noarch/pip-")


@pytest.mark.usefixtures("no_index")
def test_the_proxy_and_certificates_of_that_conda_are_used(
    old_conda: Make,
    lock: dict[str, str],
    fetched: Path,
    channel: ChannelServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A server that nobody can name but the proxy.
    for name in lock:
        lock[name] = lock[name].replace(channel.url, "http://channel.invalid")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(ImJoyError):
        make(old_conda(proxy_servers={"http": channel.url}), tmp_path, Steps(fetched))
    assert any(path.startswith("http://channel.invalid/conda-forge/") for path in channel.asked)


@pytest.fixture
def institute(channel: ChannelServer, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The channel over https, with a certificate that nobody trusts but who has its file: its url, and that file."""
    settings = Settings(Layout(tmp_path / "prefix", tmp_path / "workspace"), host="127.0.0.1", tls=True)
    certificate = certificate_for(settings)
    assert certificate is not None
    file = tmp_path / "institute.pem"
    file.write_text(certificate.pem)
    with ChannelServer(channel.channel) as server:
        server.socket = certificate.context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}", file
        server.closing.set()
        server.shutdown()
        thread.join(10)


@pytest.mark.usefixtures("no_index")
def test_a_mirror_is_trusted_as_that_conda_trusts_it(
    old_conda: Make,
    lock: dict[str, str],
    fetched: Path,
    channel: ChannelServer,
    institute: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, file = institute
    for name in lock:
        lock[name] = lock[name].replace(channel.url, url)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    command = old_conda()
    with pytest.raises(ImJoyError) as caught:
        make(command, tmp_path, Steps(fetched))
    assert (caught.value.id, int(caught.value.exit_code)) == ("download.certificate", 4)
    config = command.parent.parent / "config.json"
    told = read_json(config)
    for verify in (str(file), False):
        config.write_text(json.dumps({**told, "ssl_verify": verify}))
        shutil.rmtree(make(command, tmp_path, Steps(fetched)))
        shutil.rmtree(command.parent.parent / "pkgs")


def test_everything_may_lie_in_a_folder(
    old_conda: Make, lock: dict[str, str], channel: ChannelServer, tools: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "offline"
    shutil.copytree(tools, folder)
    for archive in channel.channel.folder.rglob("*.conda"):
        if archive.name in lock[f"conda-{this_platform()}.lock"]:
            shutil.copy2(archive, folder)
    for name in lock:
        lock[name] = lock[name].replace(channel.url, "https://conda.anaconda.org")
    command = old_conda()
    target = make(command, tmp_path, Steps(), offline=folder)
    [record] = map(read_json, (target / "conda-meta").glob("python-*.json"))
    assert str(record["url"]).startswith("https://conda.anaconda.org/conda-forge/")
    assert not [path for path in channel.asked if path.endswith(".conda")]

    shutil.rmtree(target)
    gone = next(folder.glob("pip-*.conda"))
    gone.unlink()
    with pytest.raises(ImJoyError) as caught:
        make(command, tmp_path, Steps(), offline=folder)
    assert (caught.value.id, int(caught.value.exit_code)) == ("conda.offline", 4)
    assert gone.name in caught.value.what
    assert str(folder) in caught.value.fix


@pytest.mark.usefixtures("no_index")
def test_a_conda_that_does_not_tell_its_channels_is_noted(
    old_conda: Make, lock: dict[str, str], fetched: Path, tmp_path: Path
) -> None:
    command = old_conda()
    (command.parent.parent / "config.json").write_text("broken")
    notices: list[str] = []
    make(command, tmp_path, Steps(fetched), notices=notices)
    [notice] = notices
    assert f"{command} does not say where its channels are" in notice


@pytest.mark.usefixtures("no_index")
def test_where_a_mirror_has_other_builds_a_conda_that_knows_new_pythons_is_asked(
    miniconda: Callable[..., Path],
    lock: dict[str, str],
    fetched: Path,
    channel: ChannelServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What other tests have fetched would do.
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "empty"))
    for name in lock:
        lock[name] = lock[name].replace("/conda-forge/", "/elsewhere/")
    steps, notices = Steps(fetched), list[str]()
    target = make(miniconda(), tmp_path, steps, notices=notices)
    assert steps.titles[-1] == "having conda make the environment"
    [notice] = notices
    assert f"{channel.url}/elsewhere/" in notice
    assert (target / "bin" / "pip").exists()


@pytest.mark.parametrize(("version", "does"), [("4.10.3", False), ("4.11.0", True), ("26.7.1", True)])
def test_where_the_lock_cannot_serve_a_conda_that_knows_new_pythons_is_asked(
    old_conda: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, does: bool
) -> None:
    monkeypatch.setattr(conda_environment, "_lock_file", lambda name: None)
    asked: list[Sequence[str]] = []
    command = old_conda(version)

    def step(title: str, argv: Sequence[str], **more: object) -> None:
        asked.append(argv)
        (command.parent.parent / "envs" / "imjoy" / "bin").mkdir(parents=True)

    if does:
        make(command, tmp_path, step)  # type: ignore[arg-type]
        [argv] = asked
        assert list(argv[:2]) == [str(command), "create"]
        assert argv[-2:] == ["python=3.13", "pip"]
        return
    with pytest.raises(ImJoyError) as caught:
        make(command, tmp_path, step)  # type: ignore[arg-type]
    assert (caught.value.id, int(caught.value.exit_code)) == ("conda.too-old", 3)
    assert "conda 4.10.3 cannot make an environment with Python 3.13" in caught.value.what
    assert asked == []


def test_a_list_of_environments_keeps_what_is_in_it(home: Path) -> None:
    registry = home / ".conda" / "environments.txt"
    registry.parent.mkdir()
    registry.write_text("/somebody/else\n")
    for _ in range(2):
        register(Path("/envs/imjoy"), {"HOME": str(home)})
    assert registry.read_text() == "/somebody/else\n/envs/imjoy\n"


def test_the_lock_that_ships_names_every_package_with_its_hash() -> None:
    for name in ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"):
        packages = locked_packages(name)
        assert {"python", "pip"} <= {each.name for each in packages}
        assert all(len(each.sha256) == 64 and len(each.md5) == 32 and each.version for each in packages)
        assert all(each.subdir in (name, "noarch") for each in packages)
    assert locked_packages("linux-ppc64le") == ()
