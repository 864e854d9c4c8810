"""In which order an uninstall removes things."""

from __future__ import annotations

from pathlib import Path

from imjoy.context import Context
from imjoy.provision.facts.install_script import InstallScript
from imjoy.provision.uninstall import Uninstall, _effects


def test_imjoy_itself_goes_after_all_that_may_be_in_use(home: Path) -> None:
    prefix = home / "ImJoyApp"
    parts = tuple(prefix / each for each in ("Include", "Lib", "Scripts", "pyvenv.cfg"))
    plan = Uninstall(prefix, parts, (), None, None, ())
    effects = [each.name for each in _effects(plan, prefix, prefix, Context(home, {}), InstallScript())]
    assert [each for each in effects if each.startswith("remove ") and " our " not in each] == [
        "remove Include",
        "remove Scripts",
        "remove pyvenv.cfg",
        "remove Lib",
    ]
