"""Where ``install.sh`` and ``install.ps1`` hand over: the planner runs in their place.

It imports little before it listens, as a request to end may come while the planner is imported.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""``ExitCode.INTERRUPTED``, which may not be imported yet."""
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def main(words: Sequence[str]) -> int:
    """Run the planner with ``words``, the verb first; return its exit code, or 130 where it was told to end.

    Afterwards the folder that install.sh fetched into is gone, however the planner ended, and even if the Python that
    runs this lies in it. install.ps1 removes its own, as Windows holds what runs.
    """
    sys.argv[0] = "imjoy"
    signals = [getattr(signal, each) for each in SIGNALS if hasattr(signal, each)]
    # What is ignored already stays so: that is how nohup works.
    heard = [each for each in signals if signal.getsignal(each) is not signal.SIG_IGN]
    try:
        try:
            for each in heard:
                signal.signal(each, signal.default_int_handler)
            from imjoy.provision.main import main as plan

            return plan(words)
        finally:
            for each in heard:
                signal.signal(each, signal.SIG_IGN)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        folder = os.environ.get("IMJOY_DOOR_FOLDER", "")
        # By its name, so that no folder of a person's goes, whoever set the variable.
        if os.name == "posix" and "imjoy-door-" in os.path.basename(folder):  # noqa: PTH119 - pathlib imports too much
            shutil.rmtree(folder, ignore_errors=True)
