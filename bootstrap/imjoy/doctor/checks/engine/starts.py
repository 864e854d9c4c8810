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
Cause: the engine does not start (any more). The doctor starts one on a free port, in a workspace that it throws
away, and tells what stood in the way in the words of `imjoy start`: a package that is missing or damaged, a
workspace that cannot be written, an invalid token, a disk that is full, a process that the system killed. The id
of that error stands in brackets; [errors.md](errors.md) has it too.

Cure: the line that is shown. After an interrupted upgrade or an update of the system's Python that is the install
line: it repairs, and leaves the workspace alone.""",
    long=True,
)
