"""What a plugin finds in place of what its client has not: things that say so when they are used."""

import asyncio
from typing import Any, Callable, Dict

from imjoy_rpc.utils import dotdict

WITHOUT_APP = "without_app"
"""The name under which a client without an app says what it is."""
WINDOW_TYPE = "absent-window"
# A window that nobody sees may be moved, closed and listened to all the same.
QUIET = frozenset(
    [
        "close",
        "emit",
        "focus",
        "hide",
        "off",
        "on",
        "once",
        "onClose",
        "refresh",
        "resize",
        "setConfig",
        "show",
    ]
)


class Absent(object):
    """Stands for ``api.NAME``. It is false, and whoever calls it reads what it would take."""

    def __init__(self, name: str, client: str) -> None:
        self._name = name
        self._client = client

    def __bool__(self) -> bool:
        return False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("{} needs the ImJoy app; {} has none".format(self._name, self._client))

    def __getattr__(self, name: str) -> "Absent":
        if name.startswith("_"):
            raise AttributeError(name)
        return Absent("{}.{}".format(self._name, name), self._client)

    def __repr__(self) -> str:
        return "<{}: needs the ImJoy app>".format(self._name)


def _done(*args: Any, **kwargs: Any) -> Any:
    """Do nothing, and be awaitable as the real one is."""
    future = asyncio.get_event_loop().create_future()
    future.set_result(None)
    return future


class AbsentWindow(dotdict):  # type: ignore[misc]
    """Stands for a window: it has what it was made with, and its functions do nothing, or say why they cannot."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        if name.startswith("_"):
            return None
        if name in QUIET:
            return _done
        return Absent("the window's " + name, self.get("client", "this client"))


class ClientApi(dotdict):  # type: ignore[misc]
    """An interface of a client without an app: what it lacks is :class:`Absent`, not None."""

    def __getattr__(self, name: str) -> Any:
        if name in self or name.startswith("_"):
            return self.get(name)
        return Absent("{}.{}".format(self._absent_path, name), self._absent_client)


def as_client_api(remote: Dict[str, Any]) -> None:
    """Have the interface of a client that says it has no app answer for whatever it lacks."""
    client = remote.pop(WITHOUT_APP, None)
    if client:
        for path, part in (("api", remote), ("api.utils", remote["utils"])):
            # As attributes proper: a dotdict takes those that are set for its content.
            object.__setattr__(part, "_absent_path", path)
            object.__setattr__(part, "_absent_client", client)
            object.__setattr__(part, "__class__", ClientApi)


def window_decoder() -> Callable[[Dict[str, Any]], AbsentWindow]:
    """Return what makes a window's stand-in of what travels."""
    return lambda value: AbsentWindow(value["_rvalue"])
