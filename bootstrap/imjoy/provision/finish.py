"""The second half of every install, in the prefix's own Python: receipt, health check, PATH, and what to do next.

The planner hands over to it by absolute path, with what it knows as one JSON document.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

from imjoy import __version__
from imjoy.context import Context
from imjoy.desktop.operations import add_entry, find_desktop
from imjoy.engines.launch import ServeOptions, launch_engine
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import TOKEN_VARIABLE
from imjoy.model.results import Result
from imjoy.path.operations import PathChanged, apply, path_guidance
from imjoy.path.shells import ShellEnvironment, ShellName, command_folders
from imjoy.provision.records.receipt import Receipt, own_folder, write_receipt


@dataclass(frozen=True)
class Installed(Result):
    """An install that is whole, and the line that puts it on PATH; ``edited`` is the start-up file that has it.

    ``in_menu`` is whether this run has put ImJoy into the desktop's menu; ``menu_problem`` says why it could not.
    """

    action: str
    version: str
    prefix: Path
    distribution: str
    command: Path
    shell: ShellName
    on_path: bool
    path_line: str
    edited: str
    in_menu: bool
    menu_problem: str
    notices: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the document that ``--json`` prints."""
        return {"schema": 1, "kind": "result", **super().as_json()}


def finish(
    handed: Mapping[str, object],
    prefix: Path,
    shell: ShellName,
    context: Context,
    shell_environment: ShellEnvironment,
    *,
    modify_path: bool,
) -> Installed:
    """Check that the engine serves, write the receipt, edit PATH and put ImJoy into the desktop's menu if asked.

    ``handed`` has what the first half knows: ``action`` (``none`` when there was nothing to do, so that nothing is
    written), ``distribution``, ``python``, ``source``, ``source_id``, ``made_folder``, ``conda``, ``parts``,
    ``notices``, ``desktop``. It may be repeated. Raises :class:`ImJoyError` ``install.unhealthy`` and what editing PATH
    raises.
    """
    action = str(handed.get("action", "install"))
    name = str(handed.get("distribution", "venv"))
    if action != "none":
        _check_engine(prefix, context)
        write_receipt(
            prefix,
            Receipt(
                version=__version__,
                distribution=name,
                python=str(handed.get("python", "")),
                source=str(handed.get("source", "")),
                source_id=str(handed.get("source_id", "")),
                parts=_parts(handed, prefix),
                installed=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                made_folder=str(handed.get("made_folder", "")),
                conda=str(handed.get("conda", "")),
            ),
        )
        # The mark of imjoy 0.12, which lay inside.
        (own_folder(prefix) / "incomplete").unlink(missing_ok=True)
    _tell_github(prefix, context, shell_environment)
    changed = apply(prefix, shell, shell_environment, dry_run=False) if modify_path else None
    result = _result(
        handed,
        action,
        name,
        path_guidance(prefix, shell, shell_environment).session,
        prefix,
        shell,
        shell_environment,
        changed,
    )
    return _into_menu(result, context) if handed.get("desktop") is True else result


def _into_menu(result: Installed, context: Context) -> Installed:
    """Put ImJoy into the menu; a desktop that does not take it fails no install, as imjoy itself is whole."""
    layout = context.layout(str(result.prefix))
    try:
        add_entry(find_desktop(layout, context), layout.prefix, dry_run=False)
    except ImJoyError as error:
        return replace(result, menu_problem=f"{error.what} {error.why}".strip())
    return replace(result, in_menu=True)


def _result(
    handed: Mapping[str, object],
    action: str,
    name: str,
    session: str,
    prefix: Path,
    shell: ShellName,
    shell_environment: ShellEnvironment,
    changed: PathChanged | None,
) -> Installed:
    folders = command_folders(prefix, shell_environment.system)
    suffix = ".exe" if shell_environment.system == "win32" else ""
    noticed = handed.get("notices", ())
    return Installed(
        action=action,
        version=__version__,
        prefix=prefix,
        distribution=name,
        command=folders[-1] / f"imjoy{suffix}",
        shell=shell,
        on_path=path_guidance(prefix, shell, shell_environment).on_path,
        path_line=session,
        edited=changed.file if changed else "",
        in_menu=False,
        menu_problem="",
        notices=tuple(map(str, cast("list[object]", noticed))) if isinstance(noticed, list | tuple) else (),
    )


def _check_engine(prefix: Path, context: Context) -> None:
    environ = {name: value for name, value in context.environ.items() if name != TOKEN_VARIABLE}
    with tempfile.TemporaryDirectory(prefix="check-", dir=own_folder(prefix)) as folder:
        options = ServeOptions(Layout(prefix, Path(folder)), port=0)
        engine = launch_engine(options, replace(context, environ=environ), detach=False)
        try:
            engine.wait_until_ready(lambda text, fraction: None)
        except ImJoyError as error:
            raise ImJoyError(
                "install.unhealthy",
                "imjoy is installed, but its engine does not start.",
                why=f"{error.what}\n{error.why}",
                fix="imjoy doctor",
            ) from error
        finally:
            engine.request_stop()
            engine.wait()


def _parts(handed: Mapping[str, object], prefix: Path) -> tuple[str, ...]:
    named = handed.get("parts")
    # Who hands over nothing has made the prefix from nothing.
    names = map(str, named) if isinstance(named, list) else (each.name for each in prefix.iterdir())
    return tuple(sorted({*names, ".imjoy"}))


def _tell_github(prefix: Path, context: Context, shell_environment: ShellEnvironment) -> None:
    file = context.environ.get("GITHUB_PATH")
    if not file:
        return
    known = Path(file).read_text(encoding="utf-8") if Path(file).exists() else ""
    new = [
        str(each)
        for each in command_folders(prefix, shell_environment.system)
        if str(each) not in known.splitlines()
    ]
    with Path(file).open("a", encoding="utf-8") as lines:
        lines.writelines(f"{each}\n" for each in new)
