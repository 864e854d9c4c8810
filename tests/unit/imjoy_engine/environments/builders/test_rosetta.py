"""Plugins of before Apple silicon, on Apple silicon."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.builders import conda_env, rosetta
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.specs.spec import EnvironmentSpec


class AppleSilicon:
    """In the place of a Mac with Apple silicon, and of the solver: it notes what was asked of it."""

    def __init__(self) -> None:
        self.has_rosetta = True
        self.solvable = {"osx-64"}
        self.built: list[str] = []
        self.said: list[str] = []
        self.probed = 0

    def ask(self, argv: tuple[str, ...], *, timeout: float) -> SimpleNamespace:
        assert argv[:2] == ("/usr/bin/arch", "-x86_64")
        self.probed += 1
        return SimpleNamespace(ok=self.has_rosetta)

    def solve(self, spec: EnvironmentSpec) -> None:
        if spec.platform not in self.solvable:
            raise ImJoyError("env.unsolvable", f"There is no package for {spec.platform}.")

    def build(self, spec: EnvironmentSpec) -> None:
        asyncio.run(
            conda_env.build_conda(Path("prefix"), spec, settings=Any, environ={}, report=self.report)  # type: ignore[arg-type]
        )

    def report(self, progress: Progress) -> None:
        self.said.append(progress.text)


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> AppleSilicon:
    made = AppleSilicon()

    class Solver:
        def __init__(self, rattler: object, spec: EnvironmentSpec, *rest: object) -> None:
            self._spec = spec

        async def solve(self) -> None:
            made.solve(self._spec)

    async def load() -> object:
        return object()

    async def build(rattler: object, prefix: Path, spec: EnvironmentSpec, *rest: object) -> list[Path]:
        made.solve(spec)
        made.built.append(spec.platform)
        return []

    monkeypatch.setattr(rosetta, "this_platform", lambda: "osx-arm64")
    monkeypatch.setattr(conda_env, "this_platform", lambda: "osx-arm64")
    monkeypatch.setattr(rosetta, "ask", made.ask)
    monkeypatch.setattr(conda_env, "_Rattler", Solver)
    monkeypatch.setattr(conda_env, "_load_rattler", load)
    monkeypatch.setattr(conda_env, "_build_with_rattler", build)
    return made


OLD = EnvironmentSpec("<3.8", (), conda=("tensorflow=1.13.1",), platform="osx-arm64")


def test_what_apple_silicon_has_no_packages_for_is_made_of_those_for_intel_with_a_note(
    mac: AppleSilicon,
) -> None:
    mac.build(OLD)
    assert mac.built == ["osx-64"]
    assert "Packages for osx-64 were chosen" in mac.said[-1]


def test_what_there_is_for_apple_silicon_is_taken_and_nobody_asks_for_rosetta(mac: AppleSilicon) -> None:
    mac.solvable.add("osx-arm64")
    mac.has_rosetta = False
    mac.build(OLD)
    assert mac.built == ["osx-arm64"]
    assert mac.probed == 0


def test_without_rosetta_nothing_is_downloaded_and_the_command_for_it_is_named(mac: AppleSilicon) -> None:
    mac.has_rosetta = False
    intel = EnvironmentSpec("3.6", (), platform="osx-64")
    for spec in (OLD, intel):
        with pytest.raises(ImJoyError) as caught:
            mac.build(spec)
        assert (caught.value.id, caught.value.fix) == ("env.rosetta", "softwareupdate --install-rosetta")
    assert mac.built == []


def test_what_no_mac_has_is_told_as_it_is_for_this_one(mac: AppleSilicon) -> None:
    mac.solvable.clear()
    with pytest.raises(ImJoyError, match="no package for osx-arm64"):
        mac.build(OLD)


def test_on_an_intel_mac_nothing_of_that_is_done(mac: AppleSilicon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rosetta, "this_platform", lambda: "osx-64")
    mac.solvable.clear()
    with pytest.raises(ImJoyError, match="no package for osx-64"):
        mac.build(EnvironmentSpec("3.6", (), platform="osx-64"))
    assert mac.probed == 0


def test_a_conda_is_told_the_platform_where_it_is_another(
    mac: AppleSilicon, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Mapping[str, str]] = []

    async def run(argv: list[str], variables: Mapping[str, str], *rest: object, **more: object) -> int:
        given.append(variables)
        return 0

    monkeypatch.setattr(conda_env, "find_conda", lambda environ: "conda")
    monkeypatch.setattr(conda_env, "channel_urls", lambda channels, settings: [])
    monkeypatch.setattr(conda_env, "run_guarded", run)
    for platform in ("osx-64", "osx-arm64"):
        spec = EnvironmentSpec("3.6", (), platform=platform)
        asyncio.run(conda_env._build_with_command(Path("p"), spec, Any, {}, mac.report))  # type: ignore[arg-type]
    assert [each.get("CONDA_SUBDIR") for each in given] == ["osx-64", None]
