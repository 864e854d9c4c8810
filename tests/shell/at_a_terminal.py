"""Run a command at a terminal of its own, type when it says something, and exit as it did.

usage: at_a_terminal.py SAYS TYPES COMMAND...

TYPES is sent once SAYS has appeared; ``^C`` stands for Ctrl-C, and is sent again, as a person would, to a command that
shows nothing for three seconds then. What the command prints is passed on.
"""

import os
import pty
import select
import signal
import sys

CTRL_C = b"\x03"
PATIENCE_SECONDS = 3


def main() -> int:
    """Return the command's exit status; 1 when it ended without saying SAYS."""
    says, types, *command = sys.argv[1:]
    typed = CTRL_C if types == "^C" else types.encode() + b"\n"
    pid, terminal = pty.fork()
    if pid == 0:
        # Whoever runs the tests in the background ignores it, and bash cannot trap what was ignored before it began.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvp(command[0], command)
    seen = b""
    sent = False
    while True:
        if sent and typed == CTRL_C and not select.select([terminal], [], [], PATIENCE_SECONDS)[0]:
            os.write(terminal, typed)
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:  # Linux reports the end of a terminal as an error
            data = b""
        if not data:
            break
        seen += data
        os.write(1, data)
        if not sent and says.encode() in seen:
            os.write(terminal, typed)
            sent = True
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if sent else 1


if __name__ == "__main__":
    sys.exit(main())
