"""Plugins get conda packages the way that conda itself goes: its proxies, its certificates, or none of the network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine.certificates import certificate_for
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.environments.store.store import EnvironmentStore
from imjoy_engine.settings import Settings

if TYPE_CHECKING:
    from tests.kit.channel_server import ChannelServer

pytest.importorskip("rattler", reason="py-rattler is missing")
SPEC = EnvironmentSpec("3.11", (), channels=("conda-forge",), conda=("small",))


@pytest.fixture
def institute(channel: ChannelServer, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The channel over https, with a certificate that nobody trusts but who has its file: its url, and that file."""
    from tests.kit.channel_server import ChannelServer

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


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prefix with a conda of its own, and nothing that a person has told conda."""
    for name in ("CONDA_CHANNEL_ALIAS", "CONDA_PKGS_DIRS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "ImJoyApp"
    (folder / "conda" / "conda-meta").mkdir(parents=True)
    (folder / "conda" / "bin").mkdir()
    (folder / "conda" / "bin" / "conda").touch()
    return folder


def build(prefix: Path, tmp_path: Path, condarc: str) -> Path:
    """Build an environment with that in the `.condarc` of the prefix's conda; return its interpreter."""

    def ignore(progress: Progress) -> None:
        """Take progress and do nothing with it."""

    (prefix / "conda" / ".condarc").write_text(condarc)
    store = EnvironmentStore(tmp_path / "environments", freeze=False, prefix=prefix)
    return asyncio.run(store.ensure(SPEC, ignore))


def test_a_mirror_whose_certificate_conda_knows_serves_plugins_too(
    institute: tuple[str, Path], prefix: Path, tmp_path: Path
) -> None:
    url, file = institute
    assert build(prefix, tmp_path, f"channel_alias: {url}\nssl_verify: {file}\n").exists()
    assert list((prefix / "conda" / "pkgs").glob("small-*"))


def test_whom_conda_does_not_verify_plugins_do_not_verify_either(
    institute: tuple[str, Path], prefix: Path, tmp_path: Path
) -> None:
    assert build(prefix, tmp_path, f"channel_alias: {institute[0]}\nssl_verify: false\n").exists()


def test_a_certificate_that_nobody_knows_is_refused(
    institute: tuple[str, Path], prefix: Path, tmp_path: Path
) -> None:
    with pytest.raises(ImJoyError) as caught:
        build(prefix, tmp_path, f"channel_alias: {institute[0]}\n")
    assert caught.value.id in ("env.offline", "env.channel")


def test_the_proxy_of_conda_is_asked_for_plugins_too(
    channel: ChannelServer, prefix: Path, tmp_path: Path
) -> None:
    condarc = f"channel_alias: http://channel.invalid\nproxy_servers: {{http: '{channel.url}'}}\n"
    with pytest.raises(ImJoyError):
        build(prefix, tmp_path, condarc)
    assert any(path.startswith("http://channel.invalid/conda-forge/") for path in channel.asked)


@pytest.mark.parametrize("left_out", ["127.0.0.1", "*"])
def test_what_no_proxy_leaves_out_is_reached_without_the_proxy_of_conda(
    left_out: str, channel: ChannelServer, prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", left_out)
    # Nothing listens at port 9.
    condarc = f"channel_alias: {channel.url}\nproxy_servers: {{http: 'http://127.0.0.1:9'}}\n"
    assert build(prefix, tmp_path, condarc).exists()


def test_a_conda_that_stays_offline_keeps_plugins_offline(
    channel: ChannelServer, prefix: Path, tmp_path: Path
) -> None:
    with pytest.raises(ImJoyError) as caught:
        build(prefix, tmp_path, f"channel_alias: {channel.url}\noffline: true\n")
    assert (caught.value.id, caught.value.exit_code) == ("env.offline", ExitCode.NETWORK_NEEDED)
    assert "offline: true" in caught.value.fix
    assert channel.asked == []
