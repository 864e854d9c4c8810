"""The description that the engine serves names what its router has, and no more."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from imjoy.model.layout import Layout
from imjoy_engine.auth import Gate
from imjoy_engine.plugins.registry import Registry
from imjoy_engine.settings import Settings
from imjoy_engine.web.app import build_app, openapi, openapi_document
from imjoy_engine.web.context import API, Context
from imjoy_engine.web.guard import needs_token

METHODS = {"get", "head", "post", "put", "delete", "patch", "options"}


@pytest.fixture
def app(tmp_path: Path) -> web.Application:
    """The engine's application, which no request ever reaches."""
    context = Context(
        settings=Settings(Layout(tmp_path / "prefix", tmp_path / "workspace")),
        gate=Gate("t" * 43, "127.0.0.1"),
        registry=cast("Registry", None),
        instance="",
        secret="",
        url="",
        port=0,
        started=0.0,
        stop_wanted=asyncio.Event(),
    )
    return build_app(context)


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): item[method]
        for path, item in openapi_document()["paths"].items()
        for method in METHODS & item.keys()
    }


def test_every_route_is_described_and_every_description_has_a_route(app: web.Application) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith((API, "/healthz"))
    }
    assert routes == set(operations())


def test_the_page_about_the_wire_names_every_path() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "protocol.md").read_text("utf-8")
    told = {re.sub(r"\{.*?\}", "{}", path) for path in re.findall(r"/api/v1/[^`?\s]+|/healthz", page)}
    described = {re.sub(r"\{.*?\}", "{}", path) for _, path in operations()}
    assert described - told == set()


def test_every_operation_says_whether_it_needs_the_token() -> None:
    default = openapi_document()["security"]
    for (method, path), operation in operations().items():
        described = operation.get("security", default)
        assert ({"token": []} in described) == needs_token(path), (method, path)


def test_every_operation_has_an_id_of_its_own_and_a_sentence() -> None:
    described = operations().values()
    ids = [operation["operationId"] for operation in described]
    assert len(set(ids)) == len(ids)
    assert all(operation["summary"].endswith(".") for operation in described)


def test_the_description_is_made_once_however_many_ask(
    app: web.Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []

    def make() -> dict[str, Any]:
        made.append({"made": None})
        return made[-1]

    monkeypatch.setattr("imjoy_engine.web.app.openapi_document", make)

    async def ask_often() -> list[web.Response]:
        request = cast("web.Request", SimpleNamespace(app=app))
        first = await asyncio.gather(*(openapi(request) for _ in range(20)))
        return [*first, await openapi(request)]

    answers = asyncio.run(ask_often())
    assert len(made) == 1
    assert {answer.body for answer in answers} == {b'{"made": null}'}
