"""Runs one command that must not outlive whoever started it: ``python -I -S tether.py COMMAND [ARGUMENT]…``.

Standard input is the tether. When it ends, because the one at its other end closed it or died in whatever way, this
process and everything that the command started in its process group are killed. Otherwise the command's exit code is
ours. Standard library only, and as little of it as will do: this starts with every build of an environment.
"""

import os
import signal
import subprocess
import sys
import threading


def _die_with_the_tether(command: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 1024):
        pass
    if os.name == "posix":
        os.killpg(0, signal.SIGKILL)
    command.kill()
    os._exit(1)


def main() -> int:
    """Run the command of argv; the caller has made this process the leader of a group of its own."""
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_die_with_the_tether, args=(command,), daemon=True).start()
    code = command.wait()
    # A signal has no exit code; shells report it in this way.
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    # The other thread may stand in a read that nothing will end.
    code = main()
    sys.stdout.flush()
    os._exit(code)
