"""The web app's packages: fetched by hash from a registry or a CDN, both doubles here that speak the real formats."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import shutil
import ssl
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.proxies import certificate

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.webapp import fetch
from imjoy_engine.webapp.fetch import Package, PackageFile, ensure_webapp, library_files

ROOT = Path(__file__).parents[4]
CONTENT = b"export const answer = 42;\n"
NOBODY = "http://127.0.0.1:9"
"""The discard port: nobody listens."""


def tarball(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("package/dist/answer.js")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def test_the_types_that_the_page_is_checked_with_are_of_the_packages_that_it_has() -> None:
    served = {package.name: package.version for package in fetch.pinned_packages()}
    served["@vue/runtime-dom"] = served["vue"]
    checked = json.loads((ROOT / "package.json").read_text("utf-8"))["devDependencies"]
    typed = {
        name: version
        for name, version in checked.items()
        if name.startswith(("@codemirror/", "@lezer/", "@vue/"))
    }
    assert typed
    assert typed.items() <= served.items()


class Mirror:
    """A registry and a CDN in one; ``paths`` maps a path to its answer, ``asked`` is what came in."""

    def __init__(self) -> None:
        self.paths: dict[str, bytes] = {}
        self.asked: list[str] = []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                body = mirror.paths.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def publish(self, name: str, version: str, packed: bytes) -> None:
        url = f"{self.url}/tarballs/{version}.tgz"
        document = {"versions": {version: {"dist": {"tarball": url}}}}
        self.paths[f"/{name.replace('/', '%2F')}"] = json.dumps(document).encode()
        self.paths[f"/tarballs/{version}.tgz"] = packed


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    mirror = Mirror()
    thread = threading.Thread(target=mirror.server.serve_forever)
    thread.start()
    yield mirror
    mirror.server.shutdown()
    thread.join()
    mirror.server.server_close()


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Package:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball(CONTENT)).digest()).decode()
    file = PackageFile("dist/answer.js", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    package = Package("@scope/answer", "1.2.3", integrity, (file,))
    monkeypatch.setattr(fetch, "pinned_packages", lambda: (package,))
    return package


class Reports(list[tuple[str, int, int]]):
    def __call__(self, text: str, done: int, total: int) -> None:
        self.append((text, done, total))


def test_a_package_comes_from_the_registry_that_npm_is_set_to(
    package: Package, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.publish(package.name, package.version, tarball(CONTENT))
    reports = Reports()
    ensure_webapp(tmp_path, reports, environ={"npm_config_registry": mirror.url + "/"}, cdn=NOBODY)
    assert library_files(tmp_path)["answer.js"].read_bytes() == CONTENT
    text, done, total = reports[-1]
    assert "@scope/answer 1.2.3" in text
    assert done == total > 0


def test_a_file_is_on_the_disk_before_it_has_its_name(
    package: Package, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def sync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, "answer.js" in library_files(tmp_path)))

    monkeypatch.setattr(os, "fsync", sync)
    mirror.publish(package.name, package.version, tarball(CONTENT))
    ensure_webapp(tmp_path, Reports(), environ={"npm_config_registry": mirror.url}, cdn=NOBODY)
    assert synced == [(len(CONTENT), False)]


def test_what_is_there_is_not_asked_for_again(package: Package, mirror: Mirror, tmp_path: Path) -> None:
    mirror.publish(package.name, package.version, tarball(CONTENT))
    environ = {"npm_config_registry": mirror.url}
    ensure_webapp(tmp_path, Reports(), environ=environ, cdn=NOBODY)
    mirror.asked.clear()
    ensure_webapp(tmp_path, Reports(), environ=environ, cdn=NOBODY)
    assert mirror.asked == []


def test_a_file_that_was_changed_on_disk_is_fetched_again(
    package: Package, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.publish(package.name, package.version, tarball(CONTENT))
    environ = {"npm_config_registry": mirror.url}
    ensure_webapp(tmp_path, Reports(), environ=environ, cdn=NOBODY)
    kept = library_files(tmp_path)["answer.js"]
    kept.write_bytes(CONTENT[:5])
    ensure_webapp(tmp_path, Reports(), environ=environ, cdn=NOBODY)
    assert kept.read_bytes() == CONTENT


def test_without_a_registry_that_answers_single_files_come_from_the_cdn(
    package: Package, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.paths["/@scope/answer@1.2.3/dist/answer.js"] = CONTENT
    ensure_webapp(tmp_path, Reports(), environ={"npm_config_registry": NOBODY}, cdn=mirror.url)
    assert library_files(tmp_path)["answer.js"].read_bytes() == CONTENT


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")
def test_a_registry_is_trusted_whom_the_system_trusts(
    package: Package, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, key = certificate(tmp_path)
    # Where OpenSSL itself looks for the system's certificates; requests looks into its own alone.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file, key)
    mirror.server.socket = server.wrap_socket(mirror.server.socket, server_side=True)
    mirror.url = mirror.url.replace("http:", "https:")
    mirror.publish(package.name, package.version, tarball(CONTENT))
    environ = {"npm_config_registry": mirror.url}
    ensure_webapp(tmp_path / "root", Reports(), environ=environ, cdn=NOBODY)
    assert library_files(tmp_path / "root")


@pytest.mark.parametrize("by_cdn", [False, True])
def test_what_is_not_what_was_pinned_is_refused_and_nothing_of_it_kept(
    package: Package, mirror: Mirror, tmp_path: Path, by_cdn: bool
) -> None:
    if by_cdn:
        mirror.paths["/@scope/answer@1.2.3/dist/answer.js"] = b"something else"
    else:
        mirror.publish(package.name, package.version, tarball(b"something else"))
    environ = {"npm_config_registry": NOBODY if by_cdn else mirror.url}
    with pytest.raises(ImJoyError) as raised:
        ensure_webapp(tmp_path / "kept", Reports(), environ=environ, cdn=mirror.url)
    assert raised.value.id == "webapp.checksum"
    assert raised.value.exit_code == ExitCode.CHECKSUM_MISMATCH
    assert not (tmp_path / "kept").exists()


def test_without_a_network_the_error_says_how_to_get_them(package: Package, tmp_path: Path) -> None:
    environ = {"npm_config_registry": "http://user:secret@127.0.0.1:9"}
    with pytest.raises(ImJoyError) as raised:
        ensure_webapp(tmp_path, Reports(), environ=environ, cdn=NOBODY)
    assert raised.value.id == "webapp.offline"
    assert raised.value.exit_code == ExitCode.NETWORK_NEEDED
    assert "imjoy start --serve" in raised.value.fix
    assert "secret" not in raised.value.why
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(package: Package, mirror: Mirror, tmp_path: Path) -> None:
    mirror.publish(package.name, package.version, tarball(CONTENT))
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(ImJoyError) as raised:
        ensure_webapp(in_the_way, Reports(), environ={"npm_config_registry": mirror.url}, cdn=NOBODY)
    assert raised.value.id == "webapp.unwritable"


def test_modules_are_found_by_the_names_by_which_others_import_them() -> None:
    imports = fetch.import_map()["imports"]
    assert imports["@codemirror/view"] == "./lib/codemirror-view.js"
    assert imports["crelt"] == "./lib/crelt.js"
    assert not any("vue" in name for name in imports)


def test_every_pinned_file_has_a_name_of_its_own() -> None:
    names = [file.name for package in fetch.pinned_packages() for file in package.files]
    assert len(names) == len(set(names))
    assert {"imjoy-core.min.js", "imjoy-rpc.min.js", "msgpack.min.js", "vue.global.prod.js"} <= set(names)
