"""A double of ``imjoy.provision.main``: writes what install.ps1 handed over, as JSON, and ends with 9."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

# Says on the console when the process that started it is gone. What it was started with, it keeps open.
HOLDER = """
import ctypes, os, time
synchronize, without_end = 0x100000, -1
parent = ctypes.windll.kernel32.OpenProcess(synchronize, False, os.getppid())
print('ready', flush=True)
ctypes.windll.kernel32.WaitForSingleObject(parent, without_end)
with open('CONOUT$', 'w') as console:
    console.write('the planner is gone')
time.sleep(60)
"""


def main(words: list[str]) -> int:
    """Tell what came; with ``wait`` among the words, wait for Ctrl-C, take a second to undo, and end with 130.

    With ``hold``, end with 130 at once, and have the script wait for a file that it cannot remove.
    """
    handed = {name: value for name, value in os.environ.items() if name.startswith("IMJOY_DOOR")}
    typed = Path(handed["IMJOY_DOOR_ARGUMENTS"]).read_text(encoding="utf-8").split("\n")
    told = {
        "verb": words,
        "typed": typed,
        "notices": handed.get("IMJOY_DOOR_NOTICE_LINES", "").splitlines(),
        "handed": handed,
        "inside": sorted(each.name for each in Path(handed["IMJOY_DOOR_FOLDER"]).iterdir()),
        "place": sys.path[0],
        "python": sys.executable,
        "isolated": bool(sys.flags.isolated and sys.dont_write_bytecode),
        "asks_for_installs": os.environ.get("PYTHON_MANAGER_AUTOMATIC_INSTALL"),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    sys.stderr.write("said on stderr\n")
    if "hold" in typed:
        with Path(handed["IMJOY_DOOR_FOLDER"], "held").open("w") as held:
            command = [sys.executable, "-c", HOLDER]
            holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=held)
        assert holder.stdout is not None
        holder.stdout.readline()
        return 130
    if "wait" in typed:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            time.sleep(1)
            Path(typed[-1]).write_text("undone", encoding="utf-8")
            return 130
    return 9
