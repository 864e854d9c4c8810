"""contextvars (PEP 567) for Python 3.6, which lacks it, as far as imjoy-rpc uses it.

A Context is a plain dict that belongs to the code that runs in it; ``aiocontextvars`` beside this carries it along the
event loop.
"""

import threading
from typing import Any, Callable, Dict, Optional

_MISSING = object()
_thread = threading.local()


def _values() -> Dict[Any, Any]:
    if not hasattr(_thread, "values"):
        _thread.values = {}
    values: Dict[Any, Any] = _thread.values
    return values


class Token:
    """What ``set`` returns, for ``reset``."""

    MISSING = _MISSING

    def __init__(self, var: "ContextVar", old_value: Any) -> None:
        self.var = var
        self.old_value = old_value


class ContextVar:
    """A variable with a value of its own in each context."""

    def __init__(self, name: str, default: Any = _MISSING) -> None:
        self.name = name
        self._default = default

    def get(self, default: Any = _MISSING) -> Any:
        """Return the value here, else ``default``, else the variable's own default; raise LookupError without any."""
        values = _values()
        if self in values:
            return values[self]
        for candidate in (default, self._default):
            if candidate is not _MISSING:
                return candidate
        raise LookupError(self)

    def set(self, value: Any) -> Token:
        """Give it another value, here."""
        token = Token(self, _values().get(self, _MISSING))
        _values()[self] = value
        return token

    def reset(self, token: Token) -> None:
        """Give it the value back that it had before the ``set`` that returned ``token``."""
        if token.old_value is _MISSING:
            _values().pop(self, None)
        else:
            _values()[self] = token.old_value


class Context:
    """The values of all variables at one place."""

    def __init__(self, values: Optional[Dict[Any, Any]] = None) -> None:
        self._values = {} if values is None else values

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call ``function`` with these values; what it sets stays in here."""
        before = _values()
        _thread.values = self._values
        try:
            return function(*args, **kwargs)
        finally:
            _thread.values = before

    def copy(self) -> "Context":
        """Return a context of its own with the same values."""
        return Context(dict(self._values))


def copy_context() -> Context:
    """Return a copy of the context that the caller runs in."""
    return Context(dict(_values()))
