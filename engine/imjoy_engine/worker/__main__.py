"""The worker: runs one plugin, in the plugin's own interpreter.

The engine starts it by path, hands it the address and a secret in the environment, and holds the other
end of its standard input: when that closes, the engine is gone and this process ends.
"""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from typing import Tuple

PACKAGE = "_imjoy_worker"
# Set in an interpreter that the engine did not make: a folder with what it may lack, and which of that it lacks.
PACKAGES_VARIABLE = "IMJOY_WORKER_PACKAGES"
OURS_VARIABLE = "IMJOY_WORKER_OURS"


def load_package(ours: Tuple[str, ...]) -> None:
    """Make this folder importable as a package of a name that no plugin uses, and only so.

    ``ours`` are the packages that do not come from the interpreter.
    """
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]
    spec = importlib.machinery.ModuleSpec(PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [folder]
    sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE].ours = ours  # type: ignore[attr-defined]


def add_worker_packages(folder: str, ours: Tuple[str, ...]) -> None:
    """Add ``folder`` at the end of the search path, and take the packages ``ours`` from there whatever comes before."""
    before = list(sys.path)
    sys.path.insert(0, folder)
    for name in ours:
        if name != "websockets":  # we have a protocol of our own
            importlib.import_module(name)
    sys.path[:] = before + [folder]


if __name__ == "__main__":
    folder = os.environ.pop(PACKAGES_VARIABLE, "")
    ours = tuple(name for name in os.environ.pop(OURS_VARIABLE, "").split(",") if name)
    if sys.argv[1:] == ["node"]:
        # Importing websockets takes nearly as long as importing asyncio, and here no large array passes.
        load_package(("websockets",))
        node = importlib.import_module(PACKAGE + ".node")
        sys.exit(node.main(os.path.dirname(os.path.abspath(__file__))))
    load_package(ours)
    supervised = os.name == "posix"
    if supervised:
        supervised = importlib.import_module(PACKAGE + ".processes.supervisor").fork_supervised()
    if folder:
        add_worker_packages(folder, ours)
    main = importlib.import_module(PACKAGE + ".main").main
    sys.exit(main(supervised))
