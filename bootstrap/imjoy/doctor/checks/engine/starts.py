"""Whether an engine starts on this machine, found out by starting one."""

from __future__ import annotations

from imjoy.doctor.engine_smoke_test import check_workspace, try_engine
from imjoy.doctor.model import Check, Finding, Machine, command_and_advice, fail, ok
from imjoy.model.errors import ImJoyError


def look(machine: Machine) -> Finding:
    """Start an engine on a free port and stop it; what stands in its way is told as ``imjoy start`` tells it."""
    try:
        check_workspace(machine.layout)
        try_engine(machine)
    except ImJoyError as error:
        command, advice = command_and_advice(error.fix)
        return fail(error.what, f"{error.why}\n({error.id})".strip(), command, advice=advice)
    return ok("an engine starts and answers")


CHECK = Check(
    "engine.starts",
    "an engine starts",
    look,
    """\
Cause: the engine does not start. The doctor starts an engine on a free port, in a temporary workspace, and reports
the error in the words of `imjoy start`: a package that is missing or damaged, a workspace that cannot be written, an
invalid token, a full disk, a process that the system killed. The id of the error is in parentheses;
[errors.md](errors.md) explains it.

Fix: type the line that is shown. After an interrupted upgrade, or an update of the system's Python, that is the
install line. It repairs imjoy and does not change the workspace.""",
    long=True,
)
