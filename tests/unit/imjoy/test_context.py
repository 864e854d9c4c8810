"""Where the prefix and the workspace are, by option, environment and home."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy.context import Context

HOME = Path("/home/ada")


def test_without_a_word_both_folders_are_in_the_home() -> None:
    layout = Context(HOME, {}).layout()
    assert (layout.prefix, layout.workspace) == (HOME / "ImJoyApp", HOME / "ImJoyWorkspace")


def test_the_environment_moves_them() -> None:
    environ = {"IMJOY_PREFIX": "/opt/imjoy", "IMJOY_WORKSPACE": "/data/imjoy"}
    layout = Context(HOME, environ).layout()
    assert (layout.prefix, layout.workspace) == (
        Path("/opt/imjoy").absolute(),
        Path("/data/imjoy").absolute(),
    )


def test_an_option_wins_over_the_environment() -> None:
    layout = Context(HOME, {"IMJOY_WORKSPACE": "/data"}).layout(workspace="/mine")
    assert layout.workspace == Path("/mine").absolute()


def test_a_relative_folder_is_one_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Context(HOME, {}).layout(workspace="w").workspace == tmp_path / "w"


def test_a_tilde_in_a_setting_is_the_home(home: Path) -> None:
    context = Context.of_this_process()
    assert context.layout(workspace="~/w").workspace == home / "w"


def test_a_path_in_the_home_is_told_with_a_tilde() -> None:
    assert Context(HOME, {}).tilde(HOME / "a" / "b") == str(Path("~/a/b"))
    assert Context(HOME, {}).tilde(Path("/elsewhere")) == str(Path("/elsewhere"))


def test_without_a_home_there_is_docker_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    context = Context.of_this_process()
    assert context.layout(workspace="/data/w").workspace == Path("/data/w").absolute()
    assert context.layout(prefix="~ada/app").prefix == Path("~ada/app").absolute()
    assert context.layout().workspace == Path("/ImJoyWorkspace")
