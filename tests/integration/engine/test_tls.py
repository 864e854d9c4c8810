"""https: the certificate, who trusts it, and every command that speaks to an engine which has one."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from imjoy.effects.network.tls import fingerprint, http_connection
from imjoy.engines.running import Condition, find_engine, read_state
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine.certificates import certificate_for
from imjoy_engine.settings import Settings
from imjoy_engine.terminal.client import EngineClient

from .conftest import RunningEngine, StartEngine, plugin_source

Play = Callable[[Any], Any]
PLUGIN = "api.export({'setup': lambda: None, 'run': lambda ctx: 'ran', 'echo': lambda value: value})"


def certificate_of(engine: RunningEngine) -> str:
    """Return what the engine shows to whoever connects."""
    parts = urlsplit(engine.url)
    return ssl.get_server_certificate((parts.hostname or "", parts.port or 0), timeout=20)


def private(engine: RunningEngine) -> Path:
    return engine.workspace / ".imjoy"


def test_a_certificate_is_made_kept_and_private(start_engine: StartEngine) -> None:
    first = start_engine("--tls")
    shown = certificate_of(first)
    assert first.url.startswith("https://127.0.0.1:")
    for name in ("key.pem", "certificate.pem"):
        assert stat.S_IMODE((private(first) / "tls" / name).stat().st_mode) == 0o600
    first.stop()
    again = start_engine("--tls")
    assert fingerprint(certificate_of(again)) == fingerprint(shown)


def test_plugins_run_over_https_with_big_arrays_and_their_workers_stay_on_loopback(
    start_engine: StartEngine, play: Play
) -> None:
    engine = start_engine("--tls")
    client = EngineClient(engine.url, engine.token, certificate_of(engine))

    async def scenario() -> None:
        plugin = await client.start_plugin(source=plugin_source(PLUGIN), file="echo.imjoy.html")
        async with await client.connect(plugin["id"], {}) as connection:
            assert await connection.call("echo", [1, "two"]) == [1, "two"]
            content = bytes(range(256)) * (3 << 12)
            assert bytes(await connection.call("echo", content)) == content
            # A file is sent otherwise than what the engine makes up, and asked for twice on one connection.
            (engine.workspace / "default" / "numbers.bin").write_bytes(content)
            signed = await client.request(
                "POST", "/api/v1/files/url", {"path": "numbers.bin", "workspace": "default"}
            )
            files = http_connection(engine.url, certificate_of(engine), timeout=20)
            for _ in range(2):
                files.request("GET", urlsplit(signed["url"]).path)
                assert files.getresponse().read() == content
            files.close()
            process = psutil.Process(engine.process.pid)
            listening = [each.laddr for each in process.net_connections("tcp") if each.status == "LISTEN"]
            assert sorted(address.ip for address in listening) == ["127.0.0.1", "127.0.0.1"]
        kinds = {kind async for kind, _ in client.events(plugin["id"])}
        assert "state" in kinds

    play(scenario())


def test_where_workers_connect_nothing_else_is_answered(start_engine: StartEngine) -> None:
    engine = start_engine("--tls")
    process = psutil.Process(engine.process.pid)
    ports = {each.laddr.port for each in process.net_connections("tcp") if each.status == "LISTEN"}
    (port,) = ports - {urlsplit(engine.url).port}
    for path in ("/", "/healthz", "/api/v1/status", "/api/v1/plugins", "/api/v1/files"):
        connection = http_connection(f"http://127.0.0.1:{port}", timeout=20)
        connection.request("GET", path, headers={"Authorization": f"Bearer {engine.token}"})
        assert connection.getresponse().status == 404, path
        connection.close()


def test_an_engine_with_another_certificate_gets_no_token(start_engine: StartEngine, play: Play) -> None:
    engine = start_engine("--tls")
    other = certificate_for(Settings(Layout(engine.workspace, engine.workspace / "other"), tls=True))
    assert other is not None
    for certificate in (other.pem, ""):
        client = EngineClient(engine.url, engine.token, certificate)
        with pytest.raises(ImJoyError) as caught:
            play(client.request("GET", "/api/v1/status"))
        assert caught.value.id == "engine.unreachable"
        assert "CERTIFICATE_VERIFY_FAILED" in caught.value.why
        with pytest.raises(ImJoyError):
            play(client.connect("1", {}))


def test_an_impostor_on_the_port_does_not_pass_for_the_engine(start_engine: StartEngine) -> None:
    engine = start_engine("--tls")
    layout = Layout(engine.workspace / "prefix", engine.workspace)
    assert find_engine(layout).condition is Condition.PROVEN
    other = certificate_for(Settings(Layout(engine.workspace, engine.workspace / "other"), tls=True))
    assert other is not None
    state = json.loads(layout.state_file.read_text())
    layout.state_file.write_text(json.dumps({**state, "certificate": other.pem}))
    assert find_engine(layout).condition is Condition.SILENT


def test_old_versions_of_tls_are_refused(start_engine: StartEngine) -> None:
    parts = urlsplit(start_engine("--tls").url)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((parts.hostname or "", parts.port or 0), 20) as plain,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(plain)


def test_plain_http_on_the_same_port_is_hung_up_on(start_engine: StartEngine) -> None:
    parts = urlsplit(start_engine("--tls").url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), 20) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"alive" not in plain.recv(1000)


@pytest.fixture
def own_certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return a certificate and its key as a lab would have them: made by openssl, in two files."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certfile, keyfile = tmp_path / "lab.pem", tmp_path / "lab-key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2"),
            *("-subj", "/CN=lab.example", "-addext", "subjectAltName=DNS:lab.example,IP:127.0.0.1"),
            *("-keyout", str(keyfile), "-out", str(certfile)),
        ],
        check=True,
        capture_output=True,
    )
    return certfile, keyfile


def test_a_certificate_of_one_s_own_is_shown(
    start_engine: StartEngine, own_certificate: tuple[Path, Path]
) -> None:
    certfile, keyfile = own_certificate
    engine = start_engine("--certfile", str(certfile), "--keyfile", str(keyfile))
    assert certificate_of(engine) == certfile.read_text()
    assert not (private(engine) / "tls").exists()
    # Anybody who trusts it, as a browser or curl would, gets through.
    context = ssl.create_default_context(cafile=str(certfile))
    parts = urlsplit(engine.url)
    with socket.create_connection(("127.0.0.1", parts.port or 0), 20) as plain:
        context.wrap_socket(plain, server_hostname="lab.example").close()


def test_a_certificate_and_its_key_may_share_a_file(
    start_engine: StartEngine, own_certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_text(own_certificate[1].read_text() + own_certificate[0].read_text())
    engine = start_engine("--certfile", str(both))
    assert certificate_of(engine) == own_certificate[0].read_text()
    state = (private(engine) / "engine.json").read_text()
    assert "PRIVATE KEY" not in state


@pytest.mark.parametrize("wrong", ["missing", "no certificate", "another key", "locked key"])
def test_a_certificate_that_cannot_be_used_is_one_clear_error(
    own_certificate: tuple[Path, Path], tmp_path: Path, wrong: str
) -> None:
    certfile, keyfile = own_certificate
    if wrong == "missing":
        certfile.unlink()
    elif wrong == "no certificate":
        certfile.write_text("hello")
    elif wrong == "another key":
        subprocess.run(["openssl", "genrsa", "-out", str(keyfile)], check=True, capture_output=True)
    else:
        subprocess.run(
            ["openssl", "rsa", "-aes128", "-passout", "pass:secret", "-in", keyfile, "-out", keyfile],
            check=True,
            capture_output=True,
        )
    arguments = ["serve", "--port", "0", "--workspace", str(tmp_path / "workspace")]
    done = subprocess.run(
        [sys.executable, "-m", "imjoy_engine", *arguments, "--certfile", certfile, "--keyfile", keyfile],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["id"]) == (2, "tls.certificate")
    assert str(certfile) in error["why"]
    assert "--tls" in error["fix"]


def test_every_command_works_with_an_engine_that_has_a_certificate(workspace: Path, home: Path) -> None:
    def imjoy(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "imjoy", *arguments, "--workspace", str(workspace)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert imjoy("start", "--keyfile", sys.executable).returncode == 2
    started = json.loads(imjoy("start", "--tls", "--port", "0", "--detach", "--json").stdout)
    try:
        state = read_state(Layout(home, workspace))
        assert state is not None
        assert started["url"].startswith("https://")
        assert started["fingerprint"] == fingerprint(state.certificate)
        again = imjoy("start", "--tls", "--port", "0")
        assert "already running" in again.stdout
        assert started["fingerprint"][:40] in again.stdout
        assert started["url"] in imjoy("status").stdout
        assert json.loads(imjoy("status", "--json").stdout)["details"]["pid"] == started["pid"]
        file = home / "Plugin.imjoy.html"
        file.write_text(plugin_source(PLUGIN))
        run = imjoy("run", str(file))
        assert (run.returncode, run.stdout) == (0, "ran\n"), run.stderr
        checks = json.loads(imjoy("doctor", "--json", "--only", "engine").stdout)["checks"]
        found = {check["id"]: (check["status"], check["what"]) for check in checks}
        assert found["engine.state"] == ("ok", f"an engine serves this workspace at {started['url']}")
        for log in (workspace / ".imjoy" / "logs").iterdir():
            assert "PRIVATE" not in log.read_text()
    finally:
        stopped = imjoy("stop", "--json")
    assert json.loads(stopped.stdout)["how"] == "asked"
