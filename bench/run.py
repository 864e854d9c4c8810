"""How fast the engine is, beside what a user would otherwise have: ``make bench``.

Every value is a median over rounds in which the sides take turns, in one run on one machine. Ratios are what counts;
seconds differ from machine to machine and from hour to hour.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import report
from clusters import measure_clusters
from commands import measure_commands, measure_doctor
from environments import measure_environments
from figures import BIG_ROUNDS, Bench
from hostile import measure_hostile
from installs import measure_installs
from without import measure_without
from yours import measure_yours

OUT = Path(__file__).parents[1] / ".bench"
INSTALL_ROUNDS = 3
"""One takes as long as all commands together."""
HOSTILE_SECONDS = 30.0


def main() -> None:
    """Measure, write the table and the plot, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT, help="the folder for table, plot and figures")
    parser.add_argument("--venvs", type=Path, default=OUT / "venvs", help="where the peers are installed")
    parser.add_argument(
        "--no-environments", action="store_true", help="leave out the environments of plugins"
    )
    parser.add_argument("--no-clusters", action="store_true", help="leave out plugins on clusters")
    parser.add_argument("--no-installs", action="store_true", help="leave out whole installs")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory(prefix="imjoy-bench-") as folder:
        bench = Bench(options.venvs.absolute(), Path(folder) / "stores")
        # Builds what is built once, and warms what a second start finds warm.
        bench.round(BIG_ROUNDS, "before the first round")
        bench.samples.clear()
        for number in range(options.rounds):
            bench.round(number, f"round {number + 1} of {options.rounds}")
            load.append(os.getloadavg()[0])
            write(options.out, bench, [], load)  # a run that is ended leaves what it has
        ours = (
            measure_commands(options.rounds)
            + measure_doctor(options.rounds)
            + measure_hostile(HOSTILE_SECONDS)
        )
        if not options.no_installs:
            ours += measure_installs(min(options.rounds, INSTALL_ROUNDS))
        if not options.no_clusters:
            ours += measure_without(options.rounds)
            of_clusters, missing = measure_clusters(options.rounds)
            ours += of_clusters
            bench.missing.update(missing)
        if not options.no_environments:
            ours += measure_environments(options.rounds, Path(folder) / "environments-bench")
            ours += measure_yours(options.rounds, Path(folder) / "yours-bench")
    print(write(options.out, bench, ours, load))


def write(folder: Path, bench: Bench, ours: list[dict[str, Any]], load: list[float]) -> str:
    """Write table, plot and samples; return the table."""
    conditions = (
        f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores, {len(load) - 1} rounds, "
        f"load average {min(load):.1f} to {max(load):.1f}"
    )
    rows = report.rows(bench.samples)
    table = report.table(rows, ours, bench.missing, conditions)
    (folder / "table.md").write_text(table, encoding="utf-8")
    figures = {"conditions": conditions, "samples": bench.samples, "ours": ours, "missing": bench.missing}
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    report.plot(rows, conditions, folder / "plot.svg")
    return table


if __name__ == "__main__":
    main()
