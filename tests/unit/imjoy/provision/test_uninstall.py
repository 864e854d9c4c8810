"""An uninstall that cannot remove something: it says what, and the next one goes on from there."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from imjoy.context import Context
from imjoy.effects.disk.removal import remove
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.provision import uninstall as module
from imjoy.provision.facts.install_script import InstallScript
from imjoy.provision.records.receipt import Receipt, write_receipt
from imjoy.provision.uninstall import plan_uninstall, uninstall

PARTS = ("bin", "lib", "pyvenv.cfg")


@pytest.fixture
def layout(home: Path) -> Layout:
    """Return an installed prefix that was made for imjoy, with a file of the person's own, and a workspace."""
    paths = Layout(home / "ImJoyApp", home / "ImJoyWorkspace")
    for name in PARTS:
        (paths.prefix / name).mkdir(parents=True)
    (paths.prefix / "notes.txt").write_text("mine")
    paths.private.mkdir(parents=True)
    (paths.workspace / "data").mkdir()
    write_receipt(paths.prefix, Receipt("0.12.0", "venv", "3.12.1", "", "", PARTS, "", str(paths.prefix)))
    return paths


@pytest.mark.parametrize("stuck", ["lib", "data", ".imjoy"])
def test_what_cannot_be_removed_is_named_and_the_next_run_goes_on(
    layout: Layout, home: Path, monkeypatch: pytest.MonkeyPatch, stuck: str
) -> None:
    context, script = Context(home, {}), InstallScript()

    def refuse(path: Path) -> None:
        if path.name == stuck:
            raise PermissionError(errno.EACCES, "it is in use", str(path))
        remove(path)

    plan = plan_uninstall(layout, context, script, with_workspace=True)
    monkeypatch.setattr(module, "remove", refuse)
    with pytest.raises(ImJoyError) as caught:
        uninstall(plan, layout, context, script, lambda line: None)
    assert (caught.value.id, caught.value.exit_code) == ("uninstall.failed", ExitCode.PREFLIGHT_REFUSED)
    assert str(home) in caught.value.what and stuck in caught.value.what
    assert "it is in use" in caught.value.why
    assert "imjoy uninstall" in caught.value.fix

    monkeypatch.setattr(module, "remove", remove)
    again = plan_uninstall(layout, context, script, with_workspace=True)
    assert not again.empty
    assert uninstall(again, layout, context, script, lambda line: None).done
    assert [each.name for each in layout.prefix.iterdir()] == ["notes.txt"]
    assert not layout.workspace.exists()
