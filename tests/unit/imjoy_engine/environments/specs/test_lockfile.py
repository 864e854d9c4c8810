"""A plugin's lock: where it lies, what it says for a platform, and when it does not count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.specs.lockfile import ANSWERS, digest_of, lock_file_of, locked, read_lock
from imjoy_engine.environments.specs.spec import EnvironmentSpec

SPEC = EnvironmentSpec("3.12", ("six",), channels=("conda-forge",), conda=("small",), platform="linux-64")
SHA256 = "ab" * 32


def entry(name: str, manager: str, **more: object) -> dict[str, object]:
    """Return a package of a lock."""
    url = f"https://channel/conda-forge/linux-64/{name}-1.0-h1_7.conda"
    return {
        "name": name,
        "version": "1.0",
        "manager": manager,
        "platform": "linux-64",
        "dependencies": {"python": ">=3.10"},
        "url": url,
        "hash": {"md5": "cd" * 16, "sha256": SHA256},
        **more,
    }


def lock_of(*packages: dict[str, object], answers: str = digest_of(SPEC)) -> str:
    """Return the text of a lock for linux-64."""
    metadata = {"platforms": ["linux-64"], "custom_metadata": {f"{ANSWERS}linux-64": answers}}
    return yaml.safe_dump({"version": 1, "metadata": metadata, "package": list(packages)})


WHOLE = lock_of(entry("python", "conda"), entry("six", "pip"))


def test_a_lock_lies_beside_its_plugin_one_for_each_tag_that_is_named() -> None:
    plugin = Path("/plugins/My plugin.imjoy.html")
    assert lock_file_of(plugin, None) == Path("/plugins/My plugin.conda-lock.yml")
    assert lock_file_of(plugin, "GPU") == Path("/plugins/My plugin.GPU.conda-lock.yml")


def test_a_locked_environment_is_what_the_lock_names_and_nothing_else() -> None:
    spec = locked(SPEC, WHOLE)
    assert [each.name for each in spec.locked] == ["python"]
    assert spec.locked[0].sha256 == SHA256
    assert (spec.conda, spec.requirements) == ((), (f"six==1.0 --hash=sha256:{SHA256}",))
    assert spec != SPEC


def test_an_archive_is_held_by_its_address_and_a_repository_by_its_commit() -> None:
    git = "git+https://host/repository@0123"
    source = {"type": "url", "url": "https://host/a.zip"}
    lock = read_lock(
        lock_of(
            entry("python", "conda"),
            entry("a", "pip", url="https://host/a.zip", source=source),
            entry("b", "pip", url=git, hash={}, source={"type": "url", "url": git}),
        ),
        "linux-64",
    )
    assert lock.pip == (f"a @ https://host/a.zip --hash=sha256:{SHA256}", f"b @ {git}")


@pytest.mark.parametrize(
    ("spec", "text", "id"),
    [
        (replace(SPEC, requirements=("six>1",)), WHOLE, "lock.stale"),
        (replace(SPEC, python="3.11"), WHOLE, "lock.stale"),
        (replace(SPEC, platform="win-64"), WHOLE, "lock.platform"),
        (replace(SPEC, local=("-e ./here",)), WHOLE, "lock.unlockable"),
        (replace(SPEC, files=("environment.yml",)), WHOLE, "lock.unlockable"),
        (SPEC, "just words", "lock.unreadable"),
        (SPEC, "{[", "lock.unreadable"),
        (SPEC, "version: 2\npackage: []", "lock.unreadable"),
        (SPEC, "version: 1\npackage: [1]", "lock.unreadable"),
        (SPEC, lock_of(entry("python", "conda", hash={"md5": "cd" * 16})), "lock.unreadable"),
        (SPEC, lock_of(entry("python", "conda", hash={"sha256": "short"})), "lock.unreadable"),
    ],
)
def test_a_lock_that_does_not_count_is_refused_by_name(spec: EnvironmentSpec, text: str, id: str) -> None:
    with pytest.raises(ImJoyError) as refused:
        locked(spec, text)
    assert refused.value.id == id
