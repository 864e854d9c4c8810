"""multiprocessing in plugins, where it does not fork: a process that it starts finds the plugin's functions again.

Such a process runs the file that ``__main__.__file__`` names, under the name ``__mp_main__``, and takes from there what
came pickled. A plugin has no file that could be run twice: its script uses ``api``, and exports. So :class:`MainModule`
writes one when it is asked, which runs the script with an ``api`` that exports nothing.
"""

import importlib.machinery
import importlib.util
import linecache
import os
import sys
import types
from typing import Any, Dict

FILE = '''"""Made by ImJoy: what a process that a plugin starts runs in place of the plugin's script."""

import importlib.util as _util

_spec = _util.spec_from_file_location("_imjoy_spawned", {here!a})
_spawned = _util.module_from_spec(_spec)
_spec.loader.exec_module(_spawned)
_spawned.run(globals(), {source!a}, {file!a}, {constants!a})
'''


class MainModule(types.ModuleType):
    """The plugin's ``__main__``. Its ``__file__`` lies in a folder of the engine's, which removes it afterwards."""

    def __init__(self, source: str, file: str, folder: str, constants: Dict[str, Any]) -> None:
        super().__init__("__main__")
        self.__dict__["__imjoy__"] = (source, file, folder, constants)

    def __getattr__(self, name: str) -> Any:
        if name != "__file__":
            raise AttributeError("module '__main__' has no attribute {!r}".format(name))
        source, file, folder, constants = self.__dict__["__imjoy__"]
        path = os.path.join(folder, "plugin.py")
        if not os.path.exists(path):
            try:
                write(path, source, file, constants)
            except OSError as error:
                raise AttributeError("__file__: {}".format(error)) from error
            # What is looked up by this name, such as the source of a class, is looked up in the script.
            linecache.cache[path] = (len(source), None, source.splitlines(True), path)
        return path


def write(path: str, source: str, file: str, constants: Dict[str, Any]) -> None:
    """Write the file that a spawned process runs."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    here = os.path.abspath(__file__)
    beside = "{}.{}".format(path, os.getpid())
    with open(beside, "w", encoding="ascii") as target:
        target.write(FILE.format(file=file, here=here, source=source, constants=constants))
    os.replace(beside, path)


def run(namespace: Dict[str, Any], source: str, file: str, constants: Dict[str, Any]) -> None:
    """Run the script in ``namespace``, in a process that the plugin has started."""
    for name in ("_util", "_spec", "_spawned"):
        del namespace[name]
    api = Api(constants)
    module = types.ModuleType("imjoy")
    module.__dict__["api"] = namespace["api"] = api
    sys.modules["imjoy"] = module
    if "imjoy_rpc" in source:
        import imjoy_rpc

        imjoy_rpc._rpc_context.api = api
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    exec(compile(source, file, "exec"), namespace)
    api._loaded = True


class Nothing:
    """What a call returns that was not made."""

    def __call__(self, *args: Any, **kwargs: Any) -> "Nothing":
        return self

    def __getattr__(self, name: str) -> "Nothing":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __bool__(self) -> bool:
        return False


class Api:
    """``api`` in a process that the plugin has started: its constants and ``utils``, and nobody to call.

    While the script is run again, calls do nothing, ``export`` first of all. Later they raise RuntimeError.
    """

    def __init__(self, constants: Dict[str, Any]) -> None:
        self.__dict__.update(constants)
        self._loaded = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "utils":
            self.__dict__[name] = _utils()
            return self.__dict__[name]

        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._loaded:
                return Nothing()
            raise RuntimeError(
                "api.{}() works in the plugin's own process only, not in one that it has started: "
                "return what it is about, and call it there".format(name)
            )

        return call

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def _utils() -> Any:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugin_api.py")
    loader = importlib.machinery.SourceFileLoader("_imjoy_plugin_api", path)
    spec = importlib.util.spec_from_file_location(loader.name, path, loader=loader)
    if spec is None:
        raise AttributeError("utils")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module.utils()
