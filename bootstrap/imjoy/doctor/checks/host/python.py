"""The Python that runs imjoy, and the one in the prefix."""

from __future__ import annotations

import sys
from pathlib import Path

from imjoy import FLOOR
from imjoy.doctor.installed import reinstall_command
from imjoy.doctor.model import Check, Finding, Machine, fail, ok
from imjoy.effects.processes.process import CommandFailed

PROBE_SECONDS = 10.0
PROBE = "import sys; print('%d.%d.%d' % sys.version_info[:3])"


def look(machine: Machine) -> Finding:
    """Compare both with the floor; the prefix's own is asked only when it is another one."""
    floor = ".".join(map(str, FLOOR))
    here = "{}.{}.{}".format(*sys.version_info[:3])
    python = _python_of(machine.layout.prefix, machine.platform)
    if not python.is_symlink() and not python.exists():
        return ok(f"Python {here}, {machine.interpreter}")
    if python.parent == Path(machine.interpreter).parent:
        return ok(f"Python {here}, {python}")
    command = reinstall_command(machine)
    if not python.exists():
        return fail(
            f"The Python of {machine.layout.prefix} does not exist any more.",
            f"{python} is a link to {python.readlink()}, which does not exist any more.",
            command,
        )
    try:
        version = machine.context.run([str(python), "-I", "-c", PROBE], timeout=PROBE_SECONDS).output.strip()
    except CommandFailed as error:
        return fail(f"The Python of {machine.layout.prefix} does not run.", error.why, command)
    if tuple(int(part) for part in version.split(".")) < FLOOR:
        return fail(
            f"{python} is Python {version}, and imjoy needs {floor} or newer.",
            "It was made with an older interpreter.",
            command,
        )
    return ok(f"Python {here} here, {version} in {machine.layout.prefix}")


def _python_of(prefix: Path, platform: str) -> Path:
    return prefix / "python.exe" if platform == "win32" else prefix / "bin" / "python"


CHECK = Check(
    "host.python",
    "the Python that runs imjoy",
    look,
    """\
Cause: imjoy needs Python 3.10 or newer. The Python in the prefix is a link to the Python that it was made from. If
that Python is removed or replaced by an older one, `imjoy` does not start any more.

Fix: run the install line again. It makes the environment again with a suitable Python. Your workspace is not
changed.""",
)
