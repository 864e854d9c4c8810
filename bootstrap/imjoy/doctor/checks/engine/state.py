"""What the state file of the workspace says, and what stands behind it."""

from __future__ import annotations

import os

from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, warn
from imjoy.effects.disk.files import set_aside
from imjoy.engines.running import Condition, find_engine


def look(machine: Machine) -> Finding:
    """Find the engine and let it prove itself; sends no token."""
    found_engine = find_engine(machine.layout)
    file = machine.layout.state_file
    state = found_engine.state
    if found_engine.condition is Condition.PROVEN and state is not None:
        return ok(f"an engine serves this workspace at {state.url}")
    if found_engine.condition is Condition.SILENT and state is not None:
        return fail(
            "The engine of this workspace does not answer.",
            f"Process {state.pid} runs, but {state.url} does not answer: it hangs.",
            "imjoy stop",
            Fix(f"stop process {state.pid}, as `imjoy stop` does", lambda: _stop(machine)),
        )
    if os.path.lexists(file):
        return warn(
            "An engine ended, and its state file is still there.",
            f"{file} names a process that does not run any more, or cannot be read.",
            "imjoy doctor --fix --only engine.state",
            Fix(f"delete {file}", lambda: _delete(machine)),
        )
    return ok("no engine is running in this workspace")


def _stop(machine: Machine) -> Repair:
    from imjoy.engines.running import stop_engine

    stop_engine(machine.layout)
    return Repair()


def _delete(machine: Machine) -> Repair:
    # An engine may have started since.
    if not find_engine(machine.layout).alive:
        file = machine.layout.state_file
        if file.is_dir() and not file.is_symlink():
            set_aside(file)
        else:
            file.unlink(missing_ok=True)
    return Repair()


CHECK = Check(
    "engine.state",
    "the running engine",
    look,
    """\
Cause: the engine of this workspace hangs, or it was killed and its state file, `<workspace>/.imjoy/engine.json`, is
still there. A process counts as this engine only if its process id and its start time are those in the file.

Fix: `imjoy stop` ends an engine that hangs. An old state file does no harm; `--fix` deletes it.""",
)
