"""The network checks against a double of the remote side, which speaks HTTP, TLS or nothing on loopback."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kit.ports import free_port

from imjoy.doctor import network
from imjoy.doctor.checks.net.index import index_url
from imjoy.doctor.model import Finding, Machine, Status
from imjoy.doctor.network import reach

MakeMachine = Callable[..., Machine]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class DoubleRemote:
    """Answers every request with one status code; ``asked`` holds the request lines."""

    def __init__(self, code: int, certificate: Path | None = None) -> None:
        self.asked: list[str] = []
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                double.asked.append(self.requestline)
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_CONNECT = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that does not trust us hangs up."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "http" if certificate is None else "https"
        self.url = f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def remote() -> Iterator[Callable[..., DoubleRemote]]:
    """Return a function that starts a double of the remote side."""
    begun: list[DoubleRemote] = []

    def start(code: int = 200, certificate: Path | None = None) -> DoubleRemote:
        begun.append(DoubleRemote(code, certificate))
        return begun[-1]

    yield start
    for each in begun:
        each.server.shutdown()
        each.server.server_close()


@pytest.fixture
def ask(machine: MakeMachine) -> Callable[[str], Finding]:
    """Return a function that looks whether a url can be reached."""
    return lambda url: reach(url, machine(), need="nothing works")


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (200, Status.OK, "answers"),
        (404, Status.OK, "answers"),
        (403, Status.WARN, "refuses access"),
        (503, Status.WARN, "reports an error"),
    ],
)
def test_the_answer_decides(
    remote: Callable[..., DoubleRemote], ask: Callable[[str], Finding], code: int, status: Status, words: str
) -> None:
    finding = ask(remote(code).url)
    assert finding.status is status
    assert words in finding.what


def test_nobody_there_is_a_failed_connection(ask: Callable[[str], Finding]) -> None:
    port = free_port()
    finding = ask(f"http://127.0.0.1:{port}")
    assert finding.status is Status.FAIL
    assert "no connection" in finding.what
    assert finding.command


def test_a_name_that_does_not_resolve_is_dns(ask: Callable[[str], Finding]) -> None:
    finding = ask("http://no-such-host.invalid")
    assert finding.status is Status.FAIL
    assert "DNS" in finding.what


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_certificate_that_nobody_knows_is_tls(
    remote: Callable[..., DoubleRemote], ask: Callable[[str], Finding], tmp_path: Path
) -> None:
    pem = tmp_path / "both.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            pem,
            "-out",
            tmp_path / "c",
            *subject,
        ],
        check=True,
        capture_output=True,
    )
    with pem.open("a") as file:
        file.write((tmp_path / "c").read_text())
    finding = ask(remote(certificate=pem).url)
    assert finding.status is Status.FAIL
    assert finding.what.startswith("TLS")
    assert "REQUESTS_CA_BUNDLE" in finding.command


def test_a_proxy_that_refuses_is_named_without_its_password(
    remote: Callable[..., DoubleRemote], ask: Callable[[str], Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = remote(407).url.replace("http://", "http://ada:secret@")
    monkeypatch.setenv("https_proxy", address)
    finding = ask("https://example.invalid")
    assert finding.status is Status.FAIL
    assert "proxy" in finding.what
    assert "secret" not in finding.what + finding.why
    monkeypatch.setenv("http_proxy", address)
    assert "user name and password" in ask("http://example.invalid").what


def test_silence_is_a_slow_network_and_only_a_warning(
    ask: Callable[[str], Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        finding = ask(f"http://127.0.0.1:{server.getsockname()[1]}")
    assert finding.status is Status.WARN
    assert "slow" in finding.what


def test_the_index_is_the_one_that_pip_is_set_to(
    look: Callable[..., Finding], machine: MakeMachine, home: Path, remote: Callable[..., DoubleRemote]
) -> None:
    double = remote()
    finding = look("net.index", PIP_INDEX_URL=f"{double.url}/simple")
    assert finding.status is Status.OK
    assert double.asked == ["GET /simple/pip/ HTTP/1.1"]
    settings = home / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text("[global]\nindex-url = http://127.0.0.1:9/own\n")
    assert index_url(machine()) == "http://127.0.0.1:9/own"


def test_the_channels_are_those_that_conda_is_set_to(
    look: Callable[..., Finding],
    double_conda: Path,
    remote: Callable[..., DoubleRemote],
) -> None:
    assert look("net.conda", CONDA_EXE=str(double_conda)).status is Status.FAIL
    double = remote()
    scheme, _, location = double.url.partition("://")
    told = {"channel_alias": {"scheme": scheme, "location": location}}
    (double_conda.parents[1] / "config.json").write_text(json.dumps(told))
    assert look("net.conda", CONDA_EXE=str(double_conda)).status is Status.OK
    assert look("net.conda", PATH="/nowhere").status is Status.SKIPPED


def test_the_app_comes_from_the_registry_that_npm_is_set_to(
    look: Callable[..., Finding], home: Path, remote: Callable[..., DoubleRemote]
) -> None:
    double = remote()
    assert look("net.webapp", npm_config_registry=double.url).status is Status.OK
    assert double.asked == ["GET /imjoy-core HTTP/1.1"]
    nobody = f"http://127.0.0.1:{free_port()}"
    assert look("net.webapp", npm_config_registry=nobody).status is Status.FAIL
    (home / ".npmrc").write_text(f"registry={double.url}/npm/\n")
    assert look("net.webapp", PATH="/nowhere").status is Status.OK
    assert double.asked[1:] == ["GET /npm/imjoy-core HTTP/1.1"]


def test_the_repository_is_asked_as_git_asks(
    look: Callable[..., Finding], remote: Callable[..., DoubleRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    from imjoy.doctor.checks.net import git as net_git

    double = remote()
    monkeypatch.setattr(net_git, "PROJECT_URL", double.url)
    assert look("net.git").status is Status.OK
    assert double.asked == ["GET /info/refs?service=git-upload-pack HTTP/1.1"]
    double.server.server_close()
    monkeypatch.setattr(net_git, "PROJECT_URL", "http://no-such-host.invalid")
    assert look("net.git").status is Status.FAIL
