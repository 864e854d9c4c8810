"""Starts the engine without what it does not use."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
import types
from pathlib import Path


class _Deferred(types.ModuleType):
    """A package whose own code runs when something is first asked of it that is not one of its modules."""

    def __getattr__(self, name: str) -> object:
        spec = self.__spec__
        if name.startswith("__") or spec is None or spec.loader is None:
            raise AttributeError(name)
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(f"{self.__name__}.{name}")
        self.__class__ = types.ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def _written_version(source: Path) -> str:
    """Return the version that a package's source states; the engine names it in its ``Server`` header only."""
    stated = re.search(r'^__version__ = "([^"]+)"', source.read_text(encoding="utf-8"), re.MULTILINE)
    return stated[1] if stated else "unknown"


def defer_aiohttp_client() -> None:
    """Let ``import aiohttp.web`` load aiohttp's server only.

    ``aiohttp/__init__.py`` imports its HTTP client first, which reads every CA certificate of the system: 85 of the 220
    ms that the import takes, for a client that the engine never uses. Whoever asks for it still gets it.
    """
    spec = importlib.util.find_spec("aiohttp")
    if spec is None or "aiohttp" in sys.modules:
        return
    package = importlib.util.module_from_spec(spec)
    package.__class__ = _Deferred
    package.__dict__["__version__"] = _written_version(Path(spec.origin or ""))
    sys.modules["aiohttp"] = package
