"""The one kind of error that a person is meant to read, and the exit codes.

Every error that a user can cause or repair is an :class:`ImJoyError`: what happened, why, what to type next, under a
stable ``id`` (listed in ``docs/errors.md``). The command line renders it, the engine sends it as JSON, and tests look
for the id, never for the wording.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes, the same in ``install.sh``, ``install.ps1`` and ``imjoy``."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PREFLIGHT_REFUSED = 3
    NETWORK_NEEDED = 4
    PORT_TAKEN = 5
    CHECKSUM_MISMATCH = 6
    LOCKED = 7
    OUR_BUG = 70
    INTERRUPTED = 130


class ImJoyError(Exception):
    """Something a person can understand and act on.

    ``id`` is stable and dotted (``port.taken``); ``what`` is one sentence; ``why`` adds the reason or the evidence and
    may span lines; ``fix`` is the next thing to type or do, and may be empty when there is nothing.
    """

    def __init__(
        self,
        id: str,
        what: str,
        *,
        why: str = "",
        fix: str = "",
        exit_code: ExitCode = ExitCode.FAILED,
    ) -> None:
        super().__init__(what)
        self.id = id
        self.what = what
        self.why = why
        self.fix = fix
        self.exit_code = exit_code

    def as_json(self) -> dict[str, object]:
        """Return the error as the document that ``--json`` prints and the engine sends."""
        return {
            "id": self.id,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "exit_code": int(self.exit_code),
        }

    @classmethod
    def from_json(cls, document: dict[str, object]) -> ImJoyError:
        """Rebuild an error that crossed a process boundary; unknown exit codes become ``FAILED``."""
        code = document.get("exit_code", ExitCode.FAILED)
        known = {int(member) for member in ExitCode}
        return cls(
            str(document.get("id", "unknown")),
            str(document.get("what", "something failed")),
            why=str(document.get("why", "")),
            fix=str(document.get("fix", "")),
            exit_code=ExitCode(code) if isinstance(code, int) and code in known else ExitCode.FAILED,
        )
