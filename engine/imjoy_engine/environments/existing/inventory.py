"""The person's own environments, for `imjoy env list` and the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.existing.choice import HOST_NAME
from imjoy_engine.environments.existing.records import ExistingEnvironments
from imjoy_engine.environments.existing.sizes import sizes_of

SIZE_SECONDS = 1.0


def list_existing(folder: Path, environ: Mapping[str, str]) -> list[dict[str, object]]:
    """Return those that were added and the Python that imjoy runs in, as JSON; each with its ``state``.

    That is ``ready``, ``gone``, or ``changed``, with ``notes`` that say what changed since it was last used.
    """
    environments = ExistingEnvironments(folder, environ)
    listed = [_look(environments, name) for name in (*environments.names(), HOST_NAME)]
    sizes = sizes_of([Path(str(each["prefix"])) for each in listed], SIZE_SECONDS)
    for each in listed:
        each["bytes"], each["counted"] = sizes[Path(str(each["prefix"]))]
    return listed


def _look(environments: ExistingEnvironments, name: str) -> dict[str, object]:
    try:
        examined = environments.examine(name, note=False)
    except ImJoyError as error:
        return {**environments.get(name).as_json(), "state": "gone", "notes": [error.what]}
    notes = list(examined.notes)
    return {**examined.environment.as_json(), "state": "changed" if notes else "ready", "notes": notes}
