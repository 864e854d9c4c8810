"""What makes an environment the same, ready, or forbidden; building is tested with real tools elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.builders import compiling
from imjoy_engine.environments.prefix import MARKER_NAME, interpreter_of
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.specs.spec import (
    DEFAULT_ENVIRONMENT,
    EnvironmentSpec,
    GpuRequest,
    Repository,
)
from imjoy_engine.environments.store import store
from imjoy_engine.environments.store.store import EnvironmentStore

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")

STORE = EnvironmentStore(Path("environments"), freeze=True)


def ignore(progress: Progress) -> None:
    """Take progress and do nothing with it."""


def refusal(store: EnvironmentStore, spec: EnvironmentSpec) -> ImJoyError:
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(store.ensure(spec, ignore))
    return caught.value


@given(st.lists(st.text(), max_size=4))
def test_the_folder_is_named_by_the_content_alone(requirements: list[str]) -> None:
    spec = EnvironmentSpec(None, tuple(requirements), ("a note",))
    again = EnvironmentSpec(None, tuple(reversed(requirements)))
    assert STORE.prefix(spec) == STORE.prefix(again)
    assert STORE.prefix(spec).parent == Path("environments")
    assert STORE.prefix(spec).name.isalnum()


@given(st.text(), st.text())
def test_other_requirements_or_another_python_mean_another_folder(one: str, other: str) -> None:
    first, second = EnvironmentSpec(None, (one,)), EnvironmentSpec(None, (other,))
    assert (STORE.prefix(first) == STORE.prefix(second)) == (one == other)
    assert STORE.prefix(first) != STORE.prefix(EnvironmentSpec("3.8", (one,)))


def test_where_windows_has_no_names_for_its_files_nothing_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "takes_long_names", lambda: False)
    root = tmp_path / "environments" / ("e" * 100)
    error = refusal(EnvironmentStore(root, freeze=False), DEFAULT_ENVIRONMENT)
    assert error.id == "env.long-name"
    assert str(root) in error.what
    assert "--workspace" in error.fix
    assert not root.exists()


def test_frozen_refuses_what_is_not_ready_and_touches_nothing(tmp_path: Path) -> None:
    store = EnvironmentStore(tmp_path / "environments", freeze=True)
    error = refusal(store, EnvironmentSpec(None, ("scipy", "git+https://me:hunter2@host/x")))
    assert error.id == "env.frozen"
    assert "scipy" in error.why
    assert "hunter2" not in str(error.as_json())
    assert "--freeze" in error.fix
    assert not (tmp_path / "environments").exists()


def test_frozen_uses_what_is_ready(tmp_path: Path) -> None:
    store = EnvironmentStore(tmp_path, freeze=True)
    prefix = store.prefix(DEFAULT_ENVIRONMENT)
    interpreter = interpreter_of(prefix)
    interpreter.parent.mkdir(parents=True)
    interpreter.touch()
    assert refusal(store, DEFAULT_ENVIRONMENT).id == "env.frozen"
    (prefix / MARKER_NAME).touch()
    assert asyncio.run(store.ensure(DEFAULT_ENVIRONMENT, ignore)) == interpreter


def test_frozen_names_the_python_and_the_conda_packages_that_are_missing(tmp_path: Path) -> None:
    spec = EnvironmentSpec("3.6", (), channels=("conda-forge",), conda=("gdal",))
    error = refusal(EnvironmentStore(tmp_path, freeze=True), spec)
    assert error.id == "env.frozen"
    assert "Python 3.6, gdal" in error.why


@pytest.mark.parametrize(
    "change",
    [
        {"python": "3.8"},
        {"channels": ("bioconda",)},
        {"conda": ("gdal",)},
        {"commands": ("make",)},
        {"variables": (("A", "1"),)},
        {"repos": (Repository("https://host/x", "x"),)},
        {"gpu": GpuRequest()},
        {"platform": "osx-64"},
        {"local": ("./x",), "work_dir": "/w"},
    ],
)
def test_every_part_of_the_normal_form_makes_another_folder(change: dict[str, Any]) -> None:
    assert STORE.prefix(replace(DEFAULT_ENVIRONMENT, **change)) != STORE.prefix(DEFAULT_ENVIRONMENT)


def test_the_order_of_channels_makes_another_folder() -> None:
    one = EnvironmentSpec("3.8", (), channels=("a", "b"))
    assert STORE.prefix(one) != STORE.prefix(replace(one, channels=("b", "a")))


def test_names_and_notes_are_no_part_of_an_environment() -> None:
    spec = replace(DEFAULT_ENVIRONMENT, label="mine", notes=("a note",))
    assert STORE.prefix(spec) == STORE.prefix(DEFAULT_ENVIRONMENT)


def test_what_another_made_while_the_lock_was_waited_for_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EnvironmentStore(tmp_path / "environments", freeze=False)
    spec = EnvironmentSpec(None, ("scipy",))
    lock = EnvironmentStore._lock
    made: list[Path] = []

    async def fill(prefix: Path, report: object) -> None:
        made.append(prefix)
        interpreter = interpreter_of(prefix)
        interpreter.parent.mkdir(parents=True)
        interpreter.touch()

    async def locked_late(self: EnvironmentStore, *arguments: Any) -> Any:
        got = await lock(self, *arguments)
        if not made:
            await self._build_locked(spec, self.prefix(spec), ignore, fill)
        return got

    monkeypatch.setattr(EnvironmentStore, "_lock", locked_late)
    assert asyncio.run(store.ensure(spec, ignore, fill)) == interpreter_of(store.prefix(spec))
    assert made == [store.prefix(spec)]


def with_day(monkeypatch: pytest.MonkeyPatch, failure: str) -> list[EnvironmentSpec]:
    """Have old plugins get Python 3.8, whose environments fail with ``failure``; return what is built."""
    built: list[EnvironmentSpec] = []

    async def adapt_to_old_pins(spec: EnvironmentSpec, *arguments: Any, **options: Any) -> EnvironmentSpec:
        dated = replace(spec, python="3.8", dated=True, notes=("Made as of March 2020",))
        return dated if spec.as_of else spec

    async def fill(self: EnvironmentStore, spec: EnvironmentSpec, prefix: Path, report: object) -> None:
        built.append(spec)
        if spec.python == "3.8":
            raise ImJoyError(failure, "It was not to be had.")
        interpreter_of(prefix).parent.mkdir(parents=True)
        interpreter_of(prefix).touch()

    monkeypatch.setattr("imjoy_engine.environments.builders.old_pins.adapt_to_old_pins", adapt_to_old_pins)
    monkeypatch.setattr(EnvironmentStore, "_fill", fill)
    monkeypatch.setattr(EnvironmentStore, "_compile_later", lambda self, prefix: None)
    return built


OLD = EnvironmentSpec(None, ("lib",), asked=("lib",), as_of="2020-03-27")


def test_what_its_own_day_cannot_make_is_made_with_the_newest_packages_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = with_day(monkeypatch, "env.channel")
    store = EnvironmentStore(tmp_path / "environments", freeze=False)
    said: list[Progress] = []
    python = asyncio.run(store.ensure(OLD, said.append))
    assert [each.python for each in built] == ["3.8", None]
    assert python == interpreter_of(store.prefix(OLD))
    assert "Made with the newest packages instead: It was not to be had." in [each.text for each in said]


@pytest.mark.parametrize("explicit", [True, False])
def test_a_day_that_a_person_names_is_kept_and_so_is_what_newer_packages_would_not_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, explicit: bool
) -> None:
    built = with_day(monkeypatch, "env.channel" if explicit else "env.checksum")
    store = EnvironmentStore(tmp_path / "environments", freeze=False)
    assert refusal(store, replace(OLD, explicit_day=explicit)).what == "It was not to be had."
    assert len(built) == 1


def test_an_environment_of_today_is_not_taken_for_that_of_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_day(monkeypatch, "env.checksum")
    store = EnvironmentStore(tmp_path / "environments", freeze=False)
    today = replace(OLD, as_of="")
    assert asyncio.run(store.ensure(today, ignore)) == interpreter_of(store.prefix(today))
    assert refusal(store, OLD).id == "env.checksum"


async def make(prefix: Path, report: object) -> None:
    """Make what counts as an environment."""
    interpreter = interpreter_of(prefix)
    interpreter.parent.mkdir(parents=True)
    interpreter.touch()


@pytest.fixture
def building(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EnvironmentStore:
    """Return a store that may build; what it builds is not compiled."""

    async def leave_it(*arguments: object, at_once: bool) -> None:
        pass

    monkeypatch.setattr(compiling, "compile_packages", leave_it)
    return EnvironmentStore(tmp_path / "environments", freeze=False)


SPEC = EnvironmentSpec(None, ("scipy", "git+https://me:hunter2@host/x"))


def left_in(building: EnvironmentStore) -> set[str]:
    """Return the folders, and what tells of progress, below the root of ``building``."""
    return {each.name for each in building.root.iterdir() if each.suffix != ".lock"}


def test_another_host_python_or_format_means_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    conda = replace(SPEC, python="3.8")
    assert conda.needs_conda
    before = STORE.prefix(SPEC), STORE.prefix(conda)
    monkeypatch.setattr(STORE, "_host", "another Python")
    assert STORE.prefix(SPEC) != before[0]
    assert STORE.prefix(conda) == before[1]
    monkeypatch.setattr(store, "FORMAT", store.FORMAT + 1)
    assert STORE.prefix(conda) != before[1]


def test_a_build_leaves_a_marker_without_passwords_and_nothing_else(building: EnvironmentStore) -> None:
    prefix = building.prefix(SPEC)
    (prefix / "left over").mkdir(parents=True)
    assert asyncio.run(building.ensure(SPEC, ignore, make)) == building.ready(SPEC)
    assert not (prefix / "left over").exists()
    marker = (prefix / MARKER_NAME).read_text(encoding="utf-8")
    assert "hunter2" not in marker
    assert json.loads(marker)["format"] == store.FORMAT
    assert left_in(building) == {prefix.name}
    # And another store, as of another engine, finds the lock open.
    other = EnvironmentStore(building.root, freeze=False)
    assert asyncio.run(asyncio.wait_for(other._lock(SPEC, prefix.with_suffix(".progress"), ignore), 30))


@pytest.mark.parametrize("error", [OSError("no way to https://me:hunter2@host/x"), ValueError("a bug")])
def test_a_build_that_fails_is_cleared_away_and_may_be_tried_again(
    building: EnvironmentStore, error: Exception
) -> None:
    async def fail(prefix: Path, report: object) -> None:
        await make(prefix, report)
        raise error

    with pytest.raises((ImJoyError, ValueError)) as caught:
        asyncio.run(building.ensure(SPEC, ignore, fail))
    if isinstance(caught.value, ImJoyError):
        assert caught.value.id == "env.failed"
        assert "hunter2" not in caught.value.why
    assert left_in(building) == set()
    assert building._builds == {}
    assert asyncio.run(building.ensure(SPEC, ignore, make)) == building.ready(SPEC)


class Slow:
    """A build that waits until it is let go on; it counts how often it was begun and given up."""

    def __init__(self) -> None:
        self.begun = 0
        self.given_up = 0
        self.running = asyncio.Event()
        self.go_on = asyncio.Event()

    async def fill(self, prefix: Path, report: Callable[[Progress], None]) -> None:
        self.begun += 1
        report(Progress("environment", "half of it", 0.5))
        self.running.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        await make(prefix, report)


async def in_time(what: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(what, 30)


def test_of_many_callers_one_builds_and_who_comes_late_hears_how_far_it_is(
    building: EnvironmentStore,
) -> None:
    async def scenario() -> None:
        slow = Slow()
        heard = asyncio.Event()

        def hear(progress: Progress) -> None:
            assert progress.text == "half of it"
            heard.set()

        first = asyncio.ensure_future(building.ensure(SPEC, ignore, slow.fill))
        await in_time(slow.running.wait())
        second = asyncio.ensure_future(building.ensure(SPEC, hear, slow.fill))
        await in_time(heard.wait())
        # One that goes away takes nothing from the other.
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        slow.go_on.set()
        assert await in_time(second) == building.ready(SPEC)
        assert (slow.begun, slow.given_up) == (1, 0)
        assert building._builds == {}

    asyncio.run(scenario())


def test_a_build_for_which_nobody_waits_any_more_is_given_up(building: EnvironmentStore) -> None:
    async def scenario() -> None:
        slow = Slow()
        only = asyncio.ensure_future(building.ensure(SPEC, ignore, slow.fill))
        await in_time(slow.running.wait())
        only.cancel()
        await asyncio.gather(only, return_exceptions=True)
        assert (slow.begun, slow.given_up) == (1, 1)
        assert left_in(building) == set()
        again = asyncio.ensure_future(building.ensure(SPEC, ignore, slow.fill))
        slow.go_on.set()
        assert await in_time(again) == building.ready(SPEC)

    asyncio.run(scenario())


def test_who_comes_while_a_build_is_being_given_up_gets_one_of_their_own(building: EnvironmentStore) -> None:
    async def scenario() -> None:
        begun, may_end = asyncio.Event(), asyncio.Event()
        giving_up = asyncio.Event()

        async def slow(prefix: Path, report: object) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                giving_up.set()
                await may_end.wait()

        only = asyncio.ensure_future(building.ensure(SPEC, ignore, slow))
        await in_time(begun.wait())
        only.cancel()
        await in_time(giving_up.wait())
        again = asyncio.ensure_future(building.ensure(SPEC, ignore, make))
        await asyncio.sleep(0)
        may_end.set()
        assert await in_time(again) == building.ready(SPEC)
        await asyncio.gather(only, return_exceptions=True)

    asyncio.run(scenario())
