"""A running engine answers as its OpenAPI description says, to what it allows and to what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from requests import Session
from requests.adapters import HTTPAdapter
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from imjoy_engine.web.app import openapi_document

from .conftest import RunningEngine
from .knocking import another_address, ask, bearer, raw, status_of

# The others take what the schema allows for enough, but a plugin file is more than text; or they knock without the
# token, which is answered late on purpose.
FIT = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# Its stop, what it answers late, and what takes seconds or asks the network: test_upkeep.py and test_gallery.py do.
LEFT_OUT = {
    "stopEngine",
    "restartEngine",
    "examine",
    "showAutostart",
    "setAutostart",
    "findUpgrade",
    "upgrade",
    "redeemCode",
    "renewToken",
    "showGallery",
}
OPERATIONS = sorted(
    {
        operation["operationId"]
        for item in openapi_document()["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    }
    - LEFT_OUT
)
# `make fuzz` asks for more.
CASES = max(10, settings().max_examples // 100)


@pytest.fixture(scope="module")
def description(shared_engine: RunningEngine) -> Any:
    """Return the description that the engine serves."""
    schema = schemathesis.openapi.from_url(f"{shared_engine.url}/api/v1/openapi.json")
    # As is the custom of HTTP, what a server does not know in a query is nothing to it.
    schema.config.generation.update(allow_extra_parameters=False)
    return schema


@pytest.fixture
def engine(unshaken_engine: RunningEngine) -> RunningEngine:
    """Return the engine that these tests share."""
    return unshaken_engine


class From(HTTPAdapter):
    """Connects from an address."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pool of connections."""
        super().init_poolmanager(*args, source_address=(self._address, 0), **options)


def session_from(address: str) -> Session:
    """Return a session whose requests come from ``address``, where no wrong token has come from before."""
    session = Session()
    session.mount("http://", From(address))
    return session


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_the_engine_answers_as_it_is_described(
    description: Any, engine: RunningEngine, operation_id: str
) -> None:
    operation = description.find_operation_by_id(operation_id)
    right = operation.as_strategy()
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
    @given(case=right | wrong)
    def answers(case: schemathesis.Case[Any]) -> None:
        # Some cases leave the token out.
        with session_from(another_address()) as session:
            case.call_and_validate(headers=bearer(engine), checks=FIT, timeout=20, session=session)

    answers()


def test_every_operation_that_needs_the_token_is_refused_without(shared_engine: RunningEngine) -> None:
    document = json.loads(ask(shared_engine, "/api/v1/openapi.json", token=None)[2])
    asked = 0
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            if {"token": []} in item[method].get("security", document["security"]):
                line = f"{method.upper()} {path.replace('{', '').replace('}', '')} HTTP/1.1"
                head = f"{line}\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode()
                assert status_of(raw(shared_engine, head, another_address())) == 401, line
                asked += 1
    assert asked > 10
