"""What a worker says again to a client that comes back: what it has to know, and no more than that."""

from __future__ import annotations

from typing import Any, cast

import pytest

from imjoy_engine.worker.rpc.resumption import Resumption
from imjoy_engine.worker.transport.connection import RpcConnection


class Link:
    """In a connection's place: notes what is said."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}
        self.said: list[dict[str, Any]] = []
        self.on_emit: Any = None

    def on(self, event: str, handler: Any) -> None:
        """Note who takes that kind of message."""
        self.handlers[event] = handler

    def emit(self, message: dict[str, Any]) -> None:
        """Say something."""
        self.on_emit(message)
        self.said.append(message)

    def emit_again(self, message: dict[str, Any]) -> None:
        """Say something that was noted."""
        self.said.append(message)


class Worker:
    """A worker's end of a conversation."""

    def __init__(self) -> None:
        self.link = Link()
        self.resumption = Resumption(cast("RpcConnection", self.link))

    def begin(self, call: str) -> None:
        """Be called."""
        promise = [{"_rvalue": f"{call}/{end}"} for end in ("resolve", "reject")]
        self.resumption.note_call({"type": "method", "name": "run", "call": call, "promise": promise})

    def emit(self, kind: str, **message: Any) -> dict[str, Any]:
        """Say something, and return it."""
        self.link.emit({"type": kind, **message})
        return self.link.said[-1]

    def register(self, method: str = "register", **config: Any) -> dict[str, Any]:
        """Register an operation; return what is said of it again."""
        promise = [{"_rvalue": "1"}, {"_rvalue": "2"}]
        said = self.emit("method", name=method, args=[config], promise=promise)
        self.resumption.note_answer("1")
        return {key: value for key, value in said.items() if key != "promise"}

    def ask(self, number: int) -> dict[str, Any]:
        """Ask the client something."""
        promise = [{"_rvalue": str(number)}, {"_rvalue": str(number + 1)}]
        return self.emit("method", name="prompt", args=["How many?"], promise=promise)

    def resumed(self, *calls: str) -> list[dict[str, Any]]:
        """Return what is said to a client that comes back for ``calls``, up to the end of it."""
        self.link.said.clear()
        self.link.handlers["resumed"]({"type": "resumed", "calls": list(calls), "id": 7})
        *said, end = self.link.said
        assert end == {"type": "saidAgain", "id": 7}
        return said

    def over(self, call: str) -> None:
        """Have a client that has got what ``call`` came to."""
        self.link.handlers["callOver"]({"type": "callOver", "call": call})


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_an_outcome_is_said_again_until_the_client_has_it(worker: Worker) -> None:
    worker.begin("a")
    worker.begin("b")
    outcome = worker.emit("callback", id="a/resolve", args=[1])
    worker.emit("callback", id="another's", args=[2])
    # A client that comes back twice gets it twice; what goes on says nothing; what never came is lost.
    for _ in range(2):
        assert worker.resumed("a", "b", "c") == [outcome, {"type": "callLost", "call": "c"}]
    worker.over("a")
    assert worker.resumed("b") == []


def test_what_was_asked_is_asked_again_until_it_is_answered_or_nothing_goes_on(worker: Worker) -> None:
    worker.ask(1)
    worker.begin("a")
    asked = [worker.ask(number) for number in (3, 5, 7)]
    assert worker.resumed("a") == asked
    worker.resumption.note_answer("3")
    worker.resumption.note_answer("6")
    assert worker.resumed("a") == asked[2:]
    worker.over("a")
    worker.begin("b")
    assert worker.resumed("b") == []


def test_what_is_registered_again_takes_the_place_of_what_was(worker: Worker) -> None:
    worker.begin("a")
    first = worker.register(name="Blur", ui="1")
    worker.register(name="Sharpen", ui="1")
    other = worker.register(name="Sharpen", type="service", ui="1")
    newest = [worker.register(name="Sharpen", ui=str(number)) for number in range(100)][-1]
    assert worker.resumed("a") == [first, other, newest]
    worker.emit("method", name="unregister", args=["Sharpen"])
    assert worker.resumed("a") == [first]
    worker.emit("method", name="unregister", args=[])
    assert worker.resumed("a") == []


def test_an_operation_and_a_service_of_one_name_and_type_do_not_take_each_other_s_place(
    worker: Worker,
) -> None:
    worker.begin("a")
    operation = worker.register(type="operator", name="Blur")
    worker.register("registerService", type="operator", name="Blur")
    service = worker.register("register_service", type="operator", name="Blur")
    assert worker.resumed("a") == [operation, service]


def test_a_call_of_a_client_that_does_not_come_back_is_not_noted(worker: Worker) -> None:
    worker.resumption.note_call({"type": "method", "name": "run", "promise": []})
    worker.resumption.note_call({"type": "method", "name": "run", "call": 7})
    worker.emit("callback", id="x", args=[])
    assert worker.resumed() == []
