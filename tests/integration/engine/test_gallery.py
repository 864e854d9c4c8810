"""The list of public plugins, as an engine hands it to who has the token."""

from __future__ import annotations

import json
from urllib.parse import quote

from tests.kit.manifest_server import manifest_server

from .conftest import RunningEngine
from .knocking import ask, error_id


def test_the_list_and_the_files_on_it_are_for_who_has_the_token(engine: RunningEngine) -> None:
    glass = "<config>…</config>".encode()
    with manifest_server({"/repository/3D Glass.imjoy.html": glass}) as server:
        wanted = json.dumps({"url": server.url}).encode()
        assert ask(engine, "/api/v1/gallery", "PUT", None, wanted)[0] == 401
        assert ask(engine, "/api/v1/gallery", token=None)[0] == 401
        assert ask(engine, "/api/v1/gallery", "PUT", body=wanted)[0] == 204
        listed = json.loads(ask(engine, "/api/v1/gallery")[2])
        assert [plugin["name"] for plugin in listed["plugins"]] == ["3D Glass", "Old Talker"]
        first, second = (f"/api/v1/gallery/source?uri={quote(each['uri'])}" for each in listed["plugins"])
        assert ask(engine, first, token=None)[0] == 401
        assert ask(engine, first)[::2] == (200, glass)
        status, _, body = ask(engine, second)
        assert (status, error_id(body)) == (502, "gallery.unreachable")
    again = json.loads(ask(engine, "/api/v1/gallery")[2])
    assert again["plugins"] == listed["plugins"]
    assert again["why"]
    status, _, body = ask(engine, "/api/v1/gallery", "PUT", body=b'{"url": "file:///etc/passwd"}')
    assert (status, error_id(body)) == (400, "gallery.url")
