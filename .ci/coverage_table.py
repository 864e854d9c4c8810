"""Shows what `make coverage` has measured: which statements ran, in each package right below the two, and in all.

A file's missing lines are shown by `.venv/bin/coverage report --show-missing --include "bootstrap/imjoy/upgrade/*"`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import coverage

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (ROOT / "bootstrap", ROOT / "engine")


def package_of(file: Path) -> str:
    """Return the package right below the two that a file is in, or the one of the two for a file right in it."""
    source = next(each for each in SOURCES if file.is_relative_to(each))
    return ".".join(file.relative_to(source).parent.parts[:2])


def measured() -> dict[str, tuple[int, int]]:
    """Return for each package how many statements it has, and how many of them ran."""
    data = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    data.load()
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for source in SOURCES:
        for file in sorted(source.rglob("*.py")):
            _, statements, _, missing, _ = data.analysis2(str(file))
            all_before, run_before = counts[package_of(file)]
            counts[package_of(file)] = (
                all_before + len(statements),
                run_before + len(statements) - len(missing),
            )
    return dict(counts)


def row(name: str, statements: int, run: int) -> str:
    """Return one line of the table."""
    return f"{name:<28} {statements:>10} {run:>10} {100 * run / max(statements, 1):>8.1f} %"


def main() -> None:
    """Print the table."""
    counts = measured()
    print(f"{'package':<28} {'statements':>10} {'run':>10} {'covered':>10}")
    for name, count in sorted(counts.items()):
        print(row(name, *count))
    print(row("all", *map(sum, zip(*counts.values(), strict=True))))


if __name__ == "__main__":
    main()
