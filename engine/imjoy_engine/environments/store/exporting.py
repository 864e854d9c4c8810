"""An environment as a conda environment file: what is in it, in exact versions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from imjoy_engine.environments.store.inventory import Environment
from imjoy_engine.processes.redact import redact


def environment_file(environment: Environment) -> str:
    """Return the text of an ``environment.yml`` with every package of ``environment`` in its version.

    What conda installed stands with its build; the rest is what pip installed.
    """
    conda = dict(_conda_packages(environment.path))
    by_conda = {name.replace("_", "-").lower() for name in conda}
    pip = [
        f"{name}=={version}"
        for name, version in sorted(_pip_packages(environment.path))
        if name not in by_conda
    ]
    channels = environment.spec.get("channels") or ["conda-forge"]
    python = environment.spec.get("python")
    dependencies: list[object] = [f"{name}={version}" for name, version in sorted(conda.items())]
    if not conda:
        dependencies.append("python" if python is None else f"python={python}")
    if pip:
        dependencies += [*([] if "pip" in conda else ["pip"]), {"pip": pip}]
    document = {
        "name": environment.spec.get("label") or f"imjoy-{environment.id[:8]}",
        "channels": [redact(str(channel)) for channel in channels],
        "dependencies": dependencies,
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _conda_packages(prefix: Path) -> Iterator[tuple[str, str]]:
    for file in sorted((prefix / "conda-meta").glob("*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        yield str(record["name"]), f"{record['version']}={record['build']}"


def _pip_packages(prefix: Path) -> Iterator[tuple[str, str]]:
    for info in [
        *prefix.glob("lib/python*/site-packages/*.dist-info"),
        *prefix.glob("Lib/site-packages/*.dist-info"),
    ]:
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        if version:
            yield re.sub(r"[-_.]+", "-", name).lower(), version
