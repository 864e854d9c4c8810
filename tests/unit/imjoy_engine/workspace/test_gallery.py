"""The list of public plugins: read, kept, and the files behind it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as enumerate_threads

import pytest
from tests.kit.manifest_server import MANIFEST, ManifestServer, manifest_server

from imjoy.effects.disk.files import write_private
from imjoy.model.errors import ImJoyError
from imjoy_engine.workspace import gallery as module
from imjoy_engine.workspace.gallery import PUBLIC_URL, Gallery, PublicList, PublicPlugin, read_manifest

RAW = "https://raw.example.org/team/plugins/master/manifest.imjoy.json"


@pytest.fixture
def server() -> Iterator[ManifestServer]:
    with manifest_server({"/repository/3D Glass.imjoy.html": b"<config>"}) as server:
        yield server


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return Gallery(tmp_path / "gallery.json")


def test_the_list_is_the_public_one_until_another_is_chosen(gallery: Gallery) -> None:
    assert gallery.kept().url == PUBLIC_URL
    gallery.choose("")
    assert gallery.listed().url == ""


def test_a_list_is_kept_and_shown_with_the_reason_when_no_new_one_comes(
    gallery: Gallery, server: ManifestServer
) -> None:
    gallery.choose(server.url)
    fresh = gallery.listed()
    root = server.url.rpartition("/")[0]
    assert fresh.plugins[0] == PublicPlugin(
        "3D Glass",
        f"{root}/repository/3D%20Glass.imjoy.html",
        "window",
        "0.1.2",
        "Shows a table in 3D.",
        ("Linux CPU", "GPU"),
    )
    assert fresh.plugins[1].type == ""
    server.files["/manifest.imjoy.json"] = b"<html>Log in to the hotel's network</html>"
    last = gallery.listed()
    assert (last.plugins, last.time) == (fresh.plugins, fresh.time)
    assert "is no list of plugins" in last.why
    del server.files["/manifest.imjoy.json"]
    assert "404" in gallery.listed().why
    gallery.choose(f"{root}/another.json")
    assert gallery.kept().plugins == ()


def test_a_list_that_comes_late_does_not_undo_a_choice(
    gallery: Gallery, server: ManifestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.choose(server.url)

    def late(url: str, limit: int) -> bytes:
        gallery.choose("")
        return json.dumps(MANIFEST).encode()

    monkeypatch.setattr(module, "fetch", late)
    assert gallery.listed().url == server.url
    assert gallery.kept() == PublicList("")


def test_two_keep_one_after_the_other(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    overlapped = Event()

    def keep(path: Path, text: str) -> None:
        inside.append(1)
        if len(inside) == 2:
            overlapped.set()
        overlapped.wait(0.05)
        write_private(path, text)
        inside.pop()

    monkeypatch.setattr(module, "write_private", keep)
    choices = [Thread(target=gallery.choose, args=(f"https://a.org/{n}",)) for n in range(3)]
    for each in choices:
        each.start()
    for each in choices:
        each.join()
    assert not overlapped.is_set()


def test_only_files_of_the_list_are_fetched(gallery: Gallery, server: ManifestServer) -> None:
    gallery.choose(server.url)
    listed = gallery.listed()
    assert gallery.source(listed.plugins[0].uri) == b"<config>"
    with pytest.raises(ImJoyError) as caught:
        gallery.source(server.url)
    assert caught.value.id == "gallery.unlisted"


def test_what_is_too_large_is_not_read_to_its_end(
    gallery: Gallery, server: ManifestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.choose(server.url)
    monkeypatch.setattr(module, "MAX_LIST_BYTES", 100)
    assert "has more than" in gallery.listed().why


def test_who_asks_a_server_that_never_answers_waits_for_a_bounded_time_and_in_one_thread(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEADLINE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gallery.choose(f"http://127.0.0.1:{silent.getsockname()[1]}/m.json")
        for _ in range(3):
            assert "It did not end within" in gallery.listed().why
        asking = [each for each in enumerate_threads() if each.name == "public plugins"]
        connection, _ = silent.accept()
        connection.close()
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()
    for each in asking:
        each.join(10)
    assert [each.is_alive() for each in asking] == [False]
    assert module._asked == {}


def test_an_encrypted_list_leads_to_nothing_that_is_not() -> None:
    uris = [
        "http://a.org/x.html",
        "file:///etc/passwd",
        "//b.org/y.html",
        "javascript:1",
        "https://[",
        "z.html",
        7,
    ]
    document = {"plugins": [{"name": "A", "uri": uri} for uri in uris]}
    plugins = read_manifest(json.dumps(document).encode(), RAW)
    assert [plugin.uri for plugin in plugins] == [
        "https://b.org/y.html",
        "https://raw.example.org/team/plugins/master/z.html",
    ]


def test_files_lie_under_the_root_that_a_list_names() -> None:
    document = {**MANIFEST, "uri_root": "https://files.example.org/a"}
    first = read_manifest(json.dumps(document).encode(), RAW)[0]
    assert first.uri == "https://files.example.org/a/repository/3D%20Glass.imjoy.html"


def test_files_of_an_encrypted_list_are_encrypted_whatever_its_root_says() -> None:
    document = {**MANIFEST, "uri_root": "http://files.example.org/a"}
    assert read_manifest(json.dumps(document).encode(), RAW) == ()


def test_half_a_character_in_a_list_is_replaced_and_the_list_is_kept(
    gallery: Gallery, server: ManifestServer
) -> None:
    half = {"name": "A\ud800", "uri": "a.html", "description": "\udc00", "tags": ["\ud800"]}
    server.files["/manifest.imjoy.json"] = json.dumps(
        {"plugins": [half, {"name": "B", "uri": "\ud800"}]}
    ).encode()
    gallery.choose(server.url)
    (plugin,) = gallery.listed().plugins
    assert (plugin.name, plugin.description, plugin.tags) == ("A?", "?", ("?",))
    assert gallery.kept().plugins == (plugin,)


def test_the_largest_list_is_kept_and_reads_back(gallery: Gallery, server: ManifestServer) -> None:
    root = "a" * 500
    room = 1_200 - len(server.url)
    # Each blank is three characters of a url.
    plugins = [{"name": str(n), "uri": f"{n:04}{' ' * (room // 3)}"} for n in range(2_010)]
    too_long = [{"name": "x", "uri": "b" * 2_000}, {"name": "x", "uri": " " * 1_000_000}]
    document = {"uri_root": root, "plugins": [*too_long, *plugins]}
    server.files["/manifest.imjoy.json"] = json.dumps(document).encode()
    gallery.choose(server.url)
    fresh = gallery.listed()
    assert len(fresh.plugins) == module.MAX_PLUGINS
    assert gallery.kept() == fresh
    server.files["/manifest.imjoy.json"] = json.dumps({**document, "uri_root": "a" * 100_000}).encode()
    assert "is no list of plugins" in gallery.listed().why
    assert gallery.kept() == fresh


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"plugins": {}}',
        b'{"plugins": [], "uri_root": 1}',
        b'{"plugins": [], "uri_root": "https://["}',
        b'{"plugins": [], "uri_root": "\\ud800"}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_list_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(ImJoyError) as caught:
        read_manifest(content, RAW)
    assert caught.value.id == "gallery.unreadable"


@pytest.mark.parametrize("entry", [None, 1, {}, {"name": "A"}, {"uri": "a"}, {"name": [], "uri": "a"}])
def test_what_is_no_plugin_in_a_list_is_left_out(entry: object) -> None:
    assert read_manifest(json.dumps({"plugins": [entry]}).encode(), RAW) == ()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.org/m.json",
        "nonsense",
        "https://",
        "https://[",
        "file:///etc/passwd",
        "https://a.org/\ud800",
        "https://a.org/" + "a" * 2_000,
    ],
)
def test_a_url_that_is_none_is_refused(gallery: Gallery, url: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        gallery.choose(url)
    assert caught.value.id == "gallery.url"


@pytest.mark.parametrize("content", ["", "[]", '{"url": 1}', '{"url": "", "time": "x", "plugins": []}'])
def test_a_spoilt_file_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "gallery.json").write_text(content)
    assert Gallery(tmp_path / "gallery.json").kept().url == PUBLIC_URL
