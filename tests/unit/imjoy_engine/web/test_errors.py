"""Errors as answers."""

from __future__ import annotations

import json

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.web.errors import error_response, error_status


@pytest.mark.parametrize(
    ("id", "status"),
    [
        ("auth.token", 401),
        ("auth.origin", 403),
        ("files.outside", 403),
        ("files.signature", 403),
        ("files.not-found", 404),
        ("plugin.not-found", 404),
        ("files.exists", 409),
        ("files.expired", 410),
        ("files.too-large", 413),
        ("files.request", 400),
        ("request.invalid", 400),
        ("plugin.config-syntax", 422),
        ("env.failed", 422),
        ("gallery.unlisted", 404),
        ("gallery.unreachable", 502),
        ("internal", 500),
        ("anything.else", 500),
        ("", 500),
    ],
)
def test_every_id_has_its_status(id: str, status: int) -> None:
    assert error_status(id) == status


def test_an_error_is_a_document_with_what_a_person_needs() -> None:
    response = error_response(ImJoyError("files.exists", "What.", why="Why.", fix="Fix."))
    assert response.status == 409
    assert response.content_type == "application/json"
    document = json.loads(response.text or "")
    assert document["error"] == {
        "id": "files.exists",
        "what": "What.",
        "why": "Why.",
        "fix": "Fix.",
        "exit_code": 1,
    }
