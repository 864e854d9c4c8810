"""Which package may import which, as ``docs/architecture.md`` says: one way, without circles."""

from __future__ import annotations

import html
import re
import runpy
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

import grimp
import pytest

import imjoy
from imjoy_engine.web.routes.pages import STATIC

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
BOOTSTRAP = Path(imjoy.__file__).parent
IMPORT = re.compile(r'^(?:import|export)\b[^"]*?\bfrom "(\.[^"]+)";|\bimport\("(\.[^"]+)"\)', re.MULTILINE)


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Return who imports whom, also inside functions; what is for the type checker alone is left out."""
    return grimp.build_graph("imjoy", "imjoy_engine", exclude_type_checking_imports=True, cache_dir=None)


def test_no_modules_import_each_other_in_a_circle(imports: grimp.ImportGraph) -> None:
    assert_no_circle(
        {module: imports.find_modules_directly_imported_by(module) for module in imports.modules}
    )


def test_at_no_depth_do_packages_import_each_other_in_a_circle(imports: grimp.ImportGraph) -> None:
    seen: dict[str, set[str]] = {}
    for package in (each for each in imports.modules if imports.find_children(each)):
        needs = parts_of(imports, package)
        seen.update(needs)
        assert_no_circle(needs)
    assert seen["imjoy_engine.web"] >= {"imjoy_engine.plugins", "imjoy_engine.sockets"}
    assert seen["imjoy.provision.plan"] >= {"imjoy.provision.arguments", "imjoy.provision.facts"}


@pytest.mark.parametrize(
    ("package", "layers"),
    [
        (
            "imjoy.provision",
            "records | facts | arguments | plan | steps | apply | uninstall finish | rendering | main | from_script",
        ),
        ("imjoy.upgrade", "facts | plan | steps | transaction check | notifier"),
        (
            "imjoy.doctor",
            "model | condas engine_smoke_test installed network webapp | checks | registry runner | "
            "cluster | text | report",
        ),
        (
            "imjoy_engine.environments",
            "specs prefix progress disk_use | existing | builders | store | command",
        ),
        (
            "imjoy_engine.worker",
            "processes transport | rpc | plugin_api spawned | node main | __main__",
        ),
        ("imjoy_engine.plugins", "events output socket_pair | lifecycle | registry reading"),
        (
            "imjoy_engine.web",
            "reverse_proxy | context bodies errors file_response | guard relay | routes | app",
        ),
    ],
)
def test_data_goes_one_way_through_a_package(imports: grimp.ImportGraph, package: str, layers: str) -> None:
    """What was asked for, facts, plan, effects, result, rendering: each knows only what comes before it."""
    rank = {
        f"{package}.{part}": number
        for number, layer in enumerate(layers.split(" | "))
        for part in layer.split()
    }
    needs = parts_of(imports, package)
    assert rank.keys() == imports.find_children(package), "each part of a package has its layer"
    assert [
        f"{part} imports {known}"
        for part, all_ in needs.items()
        for known in all_
        if rank[known] > rank[part]
    ] == []


def test_only_what_a_person_types_and_what_ends_the_command_renders_its_results(
    imports: grimp.ImportGraph,
) -> None:
    importers = imports.find_modules_that_directly_import("imjoy.render")
    assert {each for each in importers if not each.startswith("imjoy.cli.")} == {"imjoy.error_handler"}
    assert imports.find_modules_that_directly_import("imjoy.provision.rendering") == {"imjoy.provision.main"}


@pytest.mark.parametrize(
    ("package", "may_know"),
    [
        ("imjoy.model", ["imjoy.model"]),
        ("imjoy.effects", ["imjoy.effects", "imjoy.model"]),
        ("imjoy.legacy", ["imjoy.legacy"]),
        ("imjoy_engine.worker", ["imjoy_engine.worker"]),
        ("imjoy_engine.plugin_files", ["imjoy_engine.plugin_files", "imjoy.model"]),
        ("imjoy_engine.sockets", ["imjoy_engine.sockets"]),
    ],
)
def test_a_package_at_the_bottom_knows_no_other(
    imports: grimp.ImportGraph, package: str, may_know: list[str]
) -> None:
    assert foreign(imports, package, may_know) == set()


@pytest.mark.parametrize("package", ["imjoy.cli", "imjoy.doctor"])
def test_what_is_at_the_top_is_imported_by_its_own_and_by_the_command(
    imports: grimp.ImportGraph, package: str
) -> None:
    inside = {package, *imports.find_descendants(package)}
    importers = set().union(*(imports.find_modules_that_directly_import(module) for module in inside))
    assert {
        each for each in importers - inside if not each.startswith(("imjoy.cli", "imjoy.__main__"))
    } == set()


def test_the_command_never_imports_the_engine(imports: grimp.ImportGraph) -> None:
    command = {"imjoy", *imports.find_descendants("imjoy")}
    engine = {"imjoy_engine", *imports.find_descendants("imjoy_engine")}
    assert {each for each in command if imports.find_modules_directly_imported_by(each) & engine} == set()


@pytest.fixture(scope="module")
def page_imports() -> dict[str, set[str]]:
    """Return what each of the page's modules imports; all by their path in ``static``."""
    found = {}
    for file in STATIC.rglob("*.js"):
        names = (name or later for name, later in IMPORT.findall(file.read_text("utf-8")))
        paths = [(file.parent / name).resolve() for name in names]
        found[file.relative_to(STATIC).as_posix()] = {path.relative_to(STATIC).as_posix() for path in paths}
    assert found["app/main.js"] >= {"app/core/core.js", "app/views/app.js"}
    return found


def test_no_modules_of_the_page_import_each_other_in_a_circle(page_imports: dict[str, set[str]]) -> None:
    assert_no_circle(page_imports)


def test_no_folders_of_the_page_import_each_other_in_a_circle(page_imports: dict[str, set[str]]) -> None:
    """Also in what only the type checker reads: a module that needs another's types is read with it."""
    needs: dict[str, set[str]] = {}
    for module, imported in page_imports.items():
        folder = folder_of(module)
        needs.setdefault(folder, set()).update({folder_of(each) for each in imported} - {folder})
    assert needs["app"] >= {"app/core", "app/views"}
    assert_no_circle(needs)


@pytest.mark.parametrize(
    ("folder", "importers"),
    [
        # What the app knows and does is below what it shows.
        ("app/views/", ("app/views/", "app/main.js")),
        ("app/", ("app/", "connect.js")),
    ],
)
def test_what_the_page_shows_is_above_what_it_does(
    page_imports: dict[str, set[str]], folder: str, importers: tuple[str, ...]
) -> None:
    assert [
        f"{module} imports {imported}"
        for module, names in page_imports.items()
        for imported in names
        if imported.startswith(folder) and not module.startswith(importers)
    ] == []


def test_every_module_of_the_page_that_is_imported_is_there(page_imports: dict[str, set[str]]) -> None:
    assert set().union(*page_imports.values()) - set(page_imports) == set()


@pytest.mark.parametrize(
    ("heading", "folder"),
    [
        ("## The command: `imjoy`, in `bootstrap/`", BOOTSTRAP),
        ("## The server: `imjoy_engine`, in `engine/`", STATIC.parents[1]),
        ("## The app, in `webapp/static/app/`", STATIC / "app"),
    ],
)
def test_each_folder_has_its_reason_on_the_page(heading: str, folder: Path) -> None:
    files = [file.relative_to(folder) for kind in ("*.py", "*.js") for file in folder.rglob(kind)]
    listed = set(folders_below(heading))
    assert listed - {"locks"} == {file.parts[0] for file in files if len(file.parts) > 1}


def test_each_folder_of_the_app_imports_only_those_below_it_on_the_page(
    page_imports: dict[str, set[str]],
) -> None:
    order = [f"app/{folder}" for folder in folders_below("## The app, in `webapp/static/app/`")]

    def top(module: str) -> str:
        return "/".join(module.split("/")[:2])

    assert [
        f"{module} imports {imported}"
        for module, names in page_imports.items()
        for imported in names
        if {top(module), top(imported)} <= set(order)
        and order.index(top(imported)) < order.index(top(module))
    ] == []


def test_the_picture_has_the_arrows_of_today(imports: grimp.ImportGraph) -> None:
    drawing = runpy.run_path(str(PAGE.parents[1] / ".ci" / "draw-architecture"))
    picture = html.unescape(PAGE.with_suffix(".svg").read_text("utf-8"))
    drawn = re.findall(r"<title>([\w.]+)->([\w.]+)</title>", picture)
    assert sorted(drawn) == drawing["arrows_of"](imports), "make architecture"


def folders_below(heading: str) -> list[str]:
    """Return the folders that have a reason on the page, in its order."""
    table = PAGE.read_text("utf-8").partition(f"\n{heading}")[2].partition("\n\n|")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)/` \| .+ \|$", table, re.MULTILINE)


def assert_no_circle(needs: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        # It names who is imported before who imports it.
        pytest.fail(" -> ".join(reversed(error.args[1])))


def folder_of(module: str) -> str:
    return PurePosixPath(module).parent.as_posix()


def parts_of(imports: grimp.ImportGraph, package: str) -> dict[str, set[str]]:
    """Return which of the modules and packages right below ``package`` import which others of them."""
    home = {
        module: part
        for part in imports.find_children(package)
        for module in (part, *imports.find_descendants(part))
    }
    needs: dict[str, set[str]] = {part: set() for part in home.values()}
    for module, part in home.items():
        known = {home[each] for each in imports.find_modules_directly_imported_by(module) if each in home}
        needs[part] |= known - {part}
    return needs


def foreign(imports: grimp.ImportGraph, package: str, may_know: list[str]) -> set[str]:
    """Return what the modules of ``package`` import outside ``may_know``, as "importer imports imported"."""
    found = set()
    for module in (package, *imports.find_descendants(package)):
        for imported in imports.find_modules_directly_imported_by(module):
            # The package itself holds nothing but the version.
            known = imported == "imjoy" or any(f"{imported}.".startswith(f"{each}.") for each in may_know)
            if not known:
                found.add(f"{module} imports {imported}")
    return found
