"""What every handler may reach: the engine's settings, its gate, its plugins."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from imjoy_engine.auth import Gate
from imjoy_engine.plugins.registry import Registry
from imjoy_engine.settings import Settings
from imjoy_engine.web.reverse_proxy import TrustedProxies

API = "/api/v1"


@dataclass(frozen=True)
class Context:
    """One running engine, as its handlers see it.

    ``started`` is seconds since the epoch, ``cluster`` what can be asked of the one that plugins run on, if they do.
    """

    settings: Settings
    gate: Gate
    registry: Registry
    instance: str
    secret: str
    url: str
    port: int
    started: float
    stop_wanted: asyncio.Event
    cluster: Mapping[str, object] | None = None
    proxies: TrustedProxies = field(default_factory=TrustedProxies)


CONTEXT = web.AppKey("context", Context)
