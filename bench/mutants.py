"""Mistakes that could be made in what guards the engine and the person's files: ``make mutants``.

Each is one edit, tried in a copy of the sources with the tests beside it. A mistake that no test notices is a test that
is missing. Prints each survivor and the score; the exit code is 1 below ``GOAL``, or when an edit no longer fits its
file. Mutation tools make mutants by the hundred, mostly of messages and of numbers that nothing depends on; these were
chosen by hand, one for each decision.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
GOAL = 0.95
DEADLINE_SECONDS = 300
ENGINE = "engine/imjoy_engine/"
COMMAND = "bootstrap/imjoy/"
UNIT = "tests/unit/imjoy_engine/"


class Mutant(NamedTuple):
    """One edit, and the tests that are to notice it."""

    file: str
    old: str
    new: str
    tests: str


AUTH, GUARD, RELAY = f"{ENGINE}auth.py", f"{ENGINE}web/guard.py", f"{ENGINE}web/relay.py"
WIRE, STORE = f"{ENGINE}worker/wire.py", f"{ENGINE}environments/store.py"
PLUGINS, MANIFEST = f"{ENGINE}web/plugins.py", f"{ENGINE}plugins/manifest.py"
REFUSALS, PIP = f"{ENGINE}environments/refusals.py", f"{ENGINE}environments/pip_words.py"
JOURNAL, BLOCK = f"{COMMAND}upgrade/journal.py", f"{COMMAND}path/block.py"
GATE_TESTS = f"{UNIT}test_gate.py {UNIT}test_auth.py"
WIRE_TESTS = f"{UNIT}test_gate.py {UNIT}worker/test_wire.py"
RELAY_TESTS = f"{UNIT}test_gate.py {UNIT}web/test_relay.py"
STORE_TESTS = f"{UNIT}environments/test_store.py"
MANIFEST_TESTS = f"{UNIT}plugins/test_manifest.py {UNIT}plugins/test_limits.py"
SPEC_TESTS = f"{UNIT}environments/test_spec.py {UNIT}environments/test_scrub.py"
JOURNAL_TESTS = "tests/unit/imjoy/upgrade/test_journal.py"
BLOCK_TESTS = "tests/unit/imjoy/path/test_block.py"

MUTANTS = (
    Mutant(
        AUTH,
        "name in LOOPBACK_HOSTS or",
        'name.endswith("localhost") or name in LOOPBACK_HOSTS or',
        GATE_TESTS,
    ),
    Mutant(AUTH, "name in LOOPBACK_HOSTS or", "", GATE_TESTS),
    Mutant(
        AUTH, "parts.netloc == host_header.lower()", 'parts.hostname == host_header.split(":")[0]', GATE_TESTS
    ),
    Mutant(AUTH, 'if parts.scheme in {"http", "https"} and', "if", GATE_TESTS),
    Mutant(AUTH, "st_mode & 0o077", "st_mode & 0o007", GATE_TESTS),
    Mutant(AUTH, "len(offered) == 1 and", "bool(offered) and", GATE_TESTS),
    Mutant(AUTH, 'parts.scheme == "https" and port is None', "port is None", GATE_TESTS),
    Mutant(AUTH, 'site.endswith("." + TRUSTED_SITE)', "site.endswith(TRUSTED_SITE)", GATE_TESTS),
    Mutant(AUTH, "time.monotonic() < self._ends.pop(code)", "self._ends.pop(code) > 0", GATE_TESTS),
    Mutant(AUTH, "hmac.compare_digest(secret, ", "secret == (", GATE_TESTS),
    Mutant(AUTH, "min(MAX_DELAY_SECONDS, ", "max(0.0, ", GATE_TESTS),
    Mutant(GUARD, "(hdrs.HOST, hdrs.ORIGIN, hdrs.AUTHORIZATION)", "(hdrs.HOST, hdrs.ORIGIN)", GATE_TESTS),
    Mutant(
        GUARD, "(hdrs.HOST, hdrs.ORIGIN, hdrs.AUTHORIZATION)", "(hdrs.ORIGIN, hdrs.AUTHORIZATION)", GATE_TESTS
    ),
    Mutant(PLUGINS, "or plugin is None or plugin.final", "or plugin is None", GATE_TESTS),
    Mutant(PLUGINS, "not same_secret(expected.encode(), given) or", "", GATE_TESTS),
    Mutant(
        f"{ENGINE}plugins/lifecycle.py",
        '            "IMJOY_WORKER_SECRET": self.worker_secret,\n        }\n',
        '            "IMJOY_WORKER_SECRET": self.worker_secret,\n            **command.variables,\n        }\n',
        GATE_TESTS,
    ),
    Mutant(RELAY, "        if frame[0] == LAST:\n            size = 0\n", "", RELAY_TESTS),
    Mutant(RELAY, "if size > limit:", "if len(frame) - 1 > limit:", RELAY_TESTS),
    Mutant(RELAY, "if size > limit:", "if size >= limit:", RELAY_TESTS),
    Mutant(RELAY, "not frame or frame[0] > MORE", "not frame", RELAY_TESTS),
    Mutant(WIRE, "MAX_BUFFERS = 1 << 16", "MAX_BUFFERS = 1000 << 16", WIRE_TESTS),
    Mutant(WIRE, "if count > MAX_BUFFERS:", "if count < 0:", WIRE_TESTS),
    Mutant(
        WIRE,
        "if head_length + sum(lengths) > self._max_bytes:",
        "if head_length > self._max_bytes:",
        WIRE_TESTS,
    ),
    Mutant(WIRE, "not view.nbytes or view[0] > 1", "not view.nbytes", WIRE_TESTS),
    Mutant(
        STORE,
        "if self.ready(spec) is None:\n                    await",
        "if True:\n                    await",
        STORE_TESTS,
    ),
    Mutant(STORE, "        if self._freeze:\n", "        if False:\n", STORE_TESTS),
    Mutant(STORE, "map(scrub, wanted_packages(spec))", "wanted_packages(spec)", STORE_TESTS),
    Mutant(MANIFEST, "or not _are_python_options(options)", "", MANIFEST_TESTS),
    Mutant(MANIFEST, 'elif "/" in name or "\\\\" in name:', 'elif "/" in name:', MANIFEST_TESTS),
    Mutant(MANIFEST, "    check_fields(config, file=file)\n", "", MANIFEST_TESTS),
    Mutant(MANIFEST, "if len(configs) > 1:", "if len(configs) > 2:", MANIFEST_TESTS),
    Mutant(REFUSALS, 'scrub(f"{self._place} has', '(f"{self._place} has', SPEC_TESTS),
    Mutant(PIP, 'if "${" in text or', "if", SPEC_TESTS),
    Mutant(PIP, 'if "${" in path or', "if", SPEC_TESTS),
    Mutant(PIP, "or _LINE_PARTS.search(path)", "", SPEC_TESTS),
    Mutant(PIP, "if bracket and not _EXTRAS.fullmatch(extras):", "if False:", SPEC_TESTS),
    Mutant(JOURNAL, "            os.fsync(file.fileno())\n", "", JOURNAL_TESTS),
    Mutant(JOURNAL, "                os.fsync(folder)\n", "                pass\n", JOURNAL_TESTS),
    Mutant(JOURNAL, '        self._document["swapping"] = False\n', "", JOURNAL_TESTS),
    Mutant(JOURNAL, "            discard(each)\n", "            pass\n", JOURNAL_TESTS),
    Mutant(JOURNAL, "            shutil.rmtree(each)\n", "            pass\n", JOURNAL_TESTS),
    Mutant(JOURNAL, "return journal.exists() and undo(home)", "return undo(home)", JOURNAL_TESTS),
    Mutant(JOURNAL, "if lock is not None:", "if True:", JOURNAL_TESTS),
    Mutant(
        JOURNAL,
        "        shutil.copyfile(__file__, self.recovery)\n",
        "        self._write()\n        shutil.copyfile(__file__, self.recovery)\n",
        JOURNAL_TESTS,
    ),
)


def outcome(mutant: Mutant, copy: Path) -> str:
    """Return ``killed`` or ``survived``, or why the mutant could not be tried."""
    file = copy / mutant.file
    whole = file.read_text(encoding="utf-8")
    if mutant.old not in whole:
        return "does not fit any more"
    file.write_text(whole.replace(mutant.old, mutant.new, 1), encoding="utf-8")
    # Before what is installed, which may be these very folders in their own place.
    environ = {**os.environ, "PYTHONPATH": f"{copy / 'bootstrap'}{os.pathsep}{copy / 'engine'}"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests.split()]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, check=False, timeout=DEADLINE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "killed"
    finally:
        file.write_text(whole, encoding="utf-8")
    return {0: "survived", 1: "killed", 2: "killed"}.get(
        done.returncode, f"pytest ended with {done.returncode}"
    )


def main() -> int:
    """Try all of them, or those whose file has one of the arguments in its name; print the score."""
    chosen = [each for each in MUTANTS if any(word in each.file for word in sys.argv[1:] or [""])]
    killed = 0
    broken = False
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("bootstrap", "engine", "tests", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(ROOT / "pyproject.toml", copy)
        for number, mutant in enumerate(chosen, 1):
            how = outcome(mutant, copy)
            killed += how == "killed"
            broken |= how not in ("killed", "survived")
            print(
                f"{number:3} of {len(chosen)}  {how:9} {mutant.file}: {mutant.old.strip()[:60]}", flush=True
            )
    score = killed / len(chosen)
    print(f"{killed} of {len(chosen)} mutants killed: {100 * score:.0f} % (goal {100 * GOAL:.0f} %)")
    return 1 if broken or score < GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
