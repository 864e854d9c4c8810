"""Which room may know which, as ``docs/architecture.md`` says: one way, without circles."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Return who imports whom, also inside functions; what is for the type checker alone is left out."""
    return grimp.build_graph("imjoy", "imjoy_engine", exclude_type_checking_imports=True, cache_dir=None)


def test_no_modules_import_each_other_in_a_circle(imports: grimp.ImportGraph) -> None:
    needs = {module: imports.find_modules_directly_imported_by(module) for module in imports.modules}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize(
    ("room", "may_know"),
    [
        ("imjoy.model", ["imjoy.model"]),
        ("imjoy.effects", ["imjoy.effects", "imjoy.model"]),
        ("imjoy.legacy", ["imjoy.legacy"]),
        ("imjoy_engine.worker", ["imjoy_engine.worker"]),
    ],
)
def test_a_room_at_the_bottom_knows_no_other(
    imports: grimp.ImportGraph, room: str, may_know: list[str]
) -> None:
    assert foreign(imports, room, may_know) == set()


@pytest.mark.parametrize("room", ["imjoy.cli", "imjoy.doctor"])
def test_what_is_at_the_top_is_imported_by_its_own_and_by_the_command(
    imports: grimp.ImportGraph, room: str
) -> None:
    inside = {room, *imports.find_descendants(room)}
    importers = set().union(*(imports.find_modules_that_directly_import(module) for module in inside))
    assert {
        each for each in importers - inside if not each.startswith(("imjoy.cli", "imjoy.__main__"))
    } == set()


def test_the_command_never_imports_the_engine(imports: grimp.ImportGraph) -> None:
    command = {"imjoy", *imports.find_descendants("imjoy")}
    engine = {"imjoy_engine", *imports.find_descendants("imjoy_engine")}
    assert {each for each in command if imports.find_modules_directly_imported_by(each) & engine} == set()


def foreign(imports: grimp.ImportGraph, room: str, may_know: list[str]) -> set[str]:
    """Return what the modules of ``room`` import outside ``may_know``, as "importer imports imported"."""
    found = set()
    for module in (room, *imports.find_descendants(room)):
        for imported in imports.find_modules_directly_imported_by(module):
            # The package itself holds nothing but the version.
            known = imported == "imjoy" or any(f"{imported}.".startswith(f"{each}.") for each in may_know)
            if not known:
                found.add(f"{module} imports {imported}")
    return found
