"""What of a conversation is said again when the client comes back: it may not have got what was on its way."""

from typing import Any, Dict, List, Tuple

from ..transport.connection import RpcConnection

_REGISTERING = frozenset(["register", "registerService", "register_service"])
_UNREGISTERING = frozenset(["unregister", "unregisterService", "unregister_service"])


class Resumption:
    """Keeps of one conversation the outcome of the calls that the client would come back for, until it has got it.

    While there are any, also what the plugin asks the client, until that has answered; and what it has registered.
    """

    def __init__(self, link: RpcConnection) -> None:
        self._link = link
        self._calls: Dict[str, List[str]] = {}  # with the names of the callbacks that take their outcome
        self._outcomes: Dict[str, Dict[str, Any]] = {}
        self._asked: Dict[str, Dict[str, Any]] = {}
        self._registered: Dict[Tuple[str, ...], Dict[str, Any]] = {}
        link.on_emit = self._note_emitted
        link.on("resumed", self._say_again)
        link.on("callOver", lambda message: self._forget(message.get("call")))

    def note_call(self, message: Dict[str, Any]) -> None:
        """Take note of what the client calls."""
        call = message.get("call")
        if isinstance(call, str):
            self._calls[call] = [each["_rvalue"] for each in message.get("promise", ())]

    def note_answer(self, callback: str) -> None:
        """Take note of an answer of the client's: a promise's second callback has the number after its first."""
        asked = self._asked.pop(callback, None)
        if asked is None and callback.isdigit():
            self._asked.pop(str(int(callback) - 1), None)

    def _note_emitted(self, message: Dict[str, Any]) -> None:
        if message["type"] == "method" and message["name"] in _REGISTERING:
            key = _key_of(message["name"], message["args"])
            self._registered.pop(key, None)  # what is registered again comes last
            self._registered[key] = {name: message[name] for name in message if name != "promise"}
        elif message["type"] == "method" and message["name"] in _UNREGISTERING:
            for key, each in list(self._registered.items()):
                if _names(message["args"], each["args"]):
                    del self._registered[key]
        if not self._calls:
            return
        if message["type"] == "callback":
            for call, callbacks in list(self._calls.items()):
                if message["id"] in callbacks:
                    self._outcomes[call] = message
        if "promise" in message:
            self._asked[message["promise"][0]["_rvalue"]] = message

    def _forget(self, call: Any) -> None:
        self._calls.pop(call, None)
        self._outcomes.pop(call, None)
        if not self._calls:
            self._asked.clear()

    def _say_again(self, message: Dict[str, Any]) -> None:
        """Say to a client that is back what it has to know; what it has got already, it knows by its names."""
        for registered in list(self._registered.values()):
            self._link.emit_again(registered)
        for asked in list(self._asked.values()):
            self._link.emit_again(asked)
        for call in message["calls"]:
            if call in self._outcomes:
                self._link.emit_again(self._outcomes[call])
            elif call not in self._calls:
                self._link.emit_again({"type": "callLost", "call": call})
        self._link.emit_again({"type": "saidAgain", "id": message.get("id")})


def _key_of(method: str, args: Any) -> Tuple[str, ...]:
    """Return what a registration has in common with the one that it replaces."""
    config = args[0] if args and isinstance(args[0], dict) else {}
    kind = method.replace("_s", "S")  # the method has two spellings
    return (kind,) + tuple(str(config.get(name)) for name in ("type", "id", "name"))


def _names(wanted: Any, registered: Any) -> bool:
    """Whether what is unregistered with the arguments ``wanted`` is what was registered with ``registered``."""
    if not wanted:
        return True
    named = wanted[0].get("name") if isinstance(wanted[0], dict) else wanted[0]
    return bool(registered) and isinstance(registered[0], dict) and registered[0].get("name") == named
