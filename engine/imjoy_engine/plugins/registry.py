"""The plugins of one engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterator

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugins.lifecycle import Plugin, PluginContext, PluginRequest

KEPT_ENDED = 50


class Registry:
    """Starts plugins, hands out running ones, and stops them all at the end."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._plugins: OrderedDict[str, Plugin] = OrderedDict()
        self._stopping: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Plugin]:
        return iter(list(self._plugins.values()))

    def start(self, request: PluginRequest) -> tuple[Plugin, bool]:
        """Return a plugin for ``request`` and whether it was running already. A new one begins at once."""
        for plugin in self._plugins.values():
            if plugin.call_for(request) is not None:
                return plugin, True
        for plugin in self._plugins.values():
            if plugin.can_be_handed_to(request):
                return plugin, True
        plugin = Plugin(request, self._context.for_plugin(request.manifest))
        self._plugins[plugin.id] = plugin
        self._forget_old()
        plugin.begin()
        return plugin, False

    async def wait_for_leave(self, request: PluginRequest, seconds: float) -> bool:
        """Wait, at most ``seconds``, until the client has gone that made the calls that ``request`` resumes.

        Whether it has is looked after. Returns false where it has not: it has those calls.
        """
        for plugin in self._plugins.values():
            call = plugin.call_for(request, waits=False)
            found = plugin.pair_with(call) if call is not None else None
            if found is not None:
                return await found[1].leaves_within(seconds)
        return True

    def loss_of(self, request: PluginRequest) -> dict[str, object] | None:
        """Return why a call that ``request`` resumes ended, as an error document; None where that is not known."""
        losses = (plugin.loss_of(request) for plugin in self._plugins.values())
        return next((loss for loss in losses if loss is not None), None)

    def get(self, plugin_id: str) -> Plugin:
        """Return a plugin. Raises ImJoyError ``plugin.not-found``."""
        try:
            return self._plugins[plugin_id]
        except KeyError:
            raise ImJoyError(
                "plugin.not-found",
                "There is no such plugin.",
                why="It ended a while ago, or the engine has been restarted since.",
                fix="Load the plugin again.",
            ) from None

    def stop_later(self, plugin: Plugin, grace: float | None = None, after: float = 0.0) -> None:
        """Begin to stop ``plugin`` unless it ends by itself within ``after`` seconds; does not wait for its end."""
        task = asyncio.create_task(self._stop(plugin, grace, after))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    @staticmethod
    async def _stop(plugin: Plugin, grace: float | None, after: float) -> None:
        if after:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(plugin.ended.wait(), after)
        await plugin.stop(grace)

    async def stop_all(self, grace: float | None = None) -> None:
        """Stop every plugin, side by side; return when all are gone."""
        await asyncio.gather(*(plugin.stop(grace) for plugin in self._plugins.values() if not plugin.final))

    def _forget_old(self) -> None:
        ended = [plugin.id for plugin in self._plugins.values() if plugin.final]
        for plugin_id in ended[:-KEPT_ENDED]:
            del self._plugins[plugin_id]
