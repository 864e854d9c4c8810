"""The worker: runs one plugin, in the plugin's own interpreter.

The engine starts it by path, hands it the address and a secret in the environment, and holds the other
end of its standard input: when that closes, the engine is gone and this process ends.
"""

import importlib.machinery
import importlib.util
import os
import sys

PACKAGE = "_imjoy_worker"


def load_package() -> None:
    """Make this folder importable as a package of a name that no plugin uses, and only so."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]
    spec = importlib.machinery.ModuleSpec(PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [folder]
    sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)


if __name__ == "__main__":
    load_package()
    supervised = os.name == "posix" and importlib.import_module(PACKAGE + ".supervisor").split()
    main = importlib.import_module(PACKAGE + ".main").main
    sys.exit(main(supervised))
