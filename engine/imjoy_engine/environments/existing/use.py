"""A plugin's start in an environment that was there: looked at, compared, furnished, and left as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from imjoy_engine.environments.existing.choice import Choice
from imjoy_engine.environments.existing.compatibility import (
    missing_usual_packages,
    unmet_error,
    unmet_requirements,
)
from imjoy_engine.environments.existing.records import ExistingEnvironment, ExistingEnvironments
from imjoy_engine.environments.existing.worker_packages import packages_to_bring, worker_packages
from imjoy_engine.environments.specs.spec import EnvironmentSpec

PACKAGES_FOLDER = "worker-packages"
NUMBA_FOLDER = "numba"


def use_existing(
    choice: Choice,
    plugin: str,
    spec: EnvironmentSpec,
    environments: ExistingEnvironments,
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> tuple[Path, Mapping[str, str]] | None:
    """Return the interpreter to start and the variables it needs; None when the plugin has to have one of its own.

    Not a byte of the environment is written, by us or, as far as variables can ask for it, by what runs there.

    Raises:
        ImJoyError: ``env.lacks``, and what ``ExistingEnvironments.examine`` raises.
    """
    examined = environments.examine(choice.name)
    environment = examined.environment
    for note in examined.notes:
        say(note)
    unmet = unmet_requirements(spec, environment)
    listed = ", ".join(map(str, unmet))
    if unmet and not choice.explicit:
        say(
            f"{environment.words} is not used, as it lacks {listed}: the plugin gets an environment of its own."
        )
        return None
    if unmet and not choice.anyway:
        raise unmet_error(plugin, spec, environment, unmet)
    say(f"{plugin} runs in {environment.words}: Python {environment.version}, {environment.prefix}.")
    if unmet:
        say(f"It lacks {listed}; the plugin runs all the same, as was asked for.")
    unusual = missing_usual_packages(environment)
    if unusual:
        say(
            f"It has no {', '.join(unusual)}, which environments of the engine's making have: a plugin that imports "
            "them without asking for them fails."
        )
    for command in spec.commands:
        say(f"Not run, as it may change the environment: {command}")
    return Path(environment.python), _variables(environment, environments.folder.parent, environ)


def _variables(environment: ExistingEnvironment, private: Path, environ: Mapping[str, str]) -> dict[str, str]:
    return {
        **environment.variables,
        "PYTHONDONTWRITEBYTECODE": "1",
        # What a person installed for themselves belongs to their Python.
        "PYTHONNOUSERSITE": "",
        "IMJOY_WORKER_PACKAGES": str(worker_packages(private / PACKAGES_FOLDER, environment, environ)),
        "IMJOY_WORKER_OURS": ",".join(packages_to_bring(environment)),
        # numba keeps what it compiled beside the source, which may lie in the environment.
        "NUMBA_CACHE_DIR": environ.get("NUMBA_CACHE_DIR") or str(private / NUMBA_FOLDER / environment.name),
    }
