"""What was measured, as a table in Markdown and as a plot; ratios first."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import Samples
from servers import BARE, OURS, PEERS, WITHOUT_PIP

MIB = 1 << 20
COLUMNS = (OURS.name, *(peer.name for peer in PEERS), WITHOUT_PIP.name, BARE.name, "memory copy")
PEER_NAMES = tuple(peer.name for peer in PEERS)


@dataclass(frozen=True)
class Promise:
    """What we hold ourselves to in one row: ``ratio`` to the best peer, or an absolute ``limit``, in the row's unit.

    Where ``more`` is better the ratio is a least, else a most.
    """

    ratio: float | None = None
    limit: float | None = None
    more: bool = False


PROMISES = {
    "start to ready": Promise(ratio=0.25),
    "idle memory": Promise(ratio=1.0),
    "idle memory, all its processes": Promise(ratio=1.0),
    "plugin start to first call": Promise(ratio=0.5),
    "echo p50": Promise(ratio=0.5),
    "echo p99": Promise(ratio=0.5),
    "calls/s with 32 in flight": Promise(ratio=3.0, more=True),
    "1 MiB there and back": Promise(),
    "16 MiB there and back": Promise(),
    "64 MiB there and back": Promise(ratio=0.4),
    "256 MiB there and back": Promise(ratio=0.25),
    "engine memory over idle at 256 MiB": Promise(limit=64 * MIB),
    "engine CPU per GiB relayed": Promise(),
    "from Chromium: echo p50": Promise(),
    "from Chromium: echo p99": Promise(),
    "from Chromium: calls/s with 32 in flight": Promise(more=True),
    "from Chromium: 1 MiB there and back": Promise(),
    "from Chromium: 16 MiB there and back": Promise(),
    "from Chromium: 64 MiB there and back": Promise(limit=0.8),
}


@dataclass(frozen=True)
class Row:
    """One figure of every side; ``ratio`` is ours over the best peer's, else over the bare limit's."""

    figure: str
    values: dict[str, float]
    promise: Promise
    ratio: float | None
    against: str

    @property
    def kept(self) -> bool | None:
        """Whether the promise is kept; None where there is none, or nothing to compare with."""
        promise, ours = self.promise, self.values.get(OURS.name)
        if ours is None:
            return None
        if promise.limit is not None:
            return ours <= promise.limit
        if promise.ratio is None or self.ratio is None or self.against not in PEER_NAMES:
            return None
        return self.ratio >= promise.ratio if promise.more else self.ratio <= promise.ratio


def rows(samples: Samples) -> list[Row]:
    """Return a row for each figure that was taken."""
    found = []
    for figure, promise in PROMISES.items():
        values = {name: statistics.median(taken) for name, taken in samples.get(figure, {}).items() if taken}
        rivals = {name: values[name] for name in PEER_NAMES if name in values} or {
            name: values[name] for name in (BARE.name,) if name in values
        }
        against = (max if promise.more else min)(rivals, key=rivals.__getitem__) if rivals else ""
        ours = values.get(OURS.name)
        ratio = ours / rivals[against] if ours is not None and rivals and rivals[against] else None
        if values:
            found.append(Row(figure, values, promise, ratio, against))
    return found


def _shown(figure: str, value: float | None) -> str:
    if value is None:
        return ""
    if "memory" in figure:
        return f"{value / MIB:,.1f} MiB"
    if "calls/s" in figure:
        return f"{value:,.0f}"
    if "CPU" in figure:
        return f"{value:.2f} s"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:,.{2 if value < 0.01 else 0}f} ms"


def _promised(row: Row) -> str:
    if row.promise.limit is not None:
        return f"at most {_shown(row.figure, row.promise.limit)}"
    if row.promise.ratio is None:
        return ""
    return f"at {'least' if row.promise.more else 'most'} {row.promise.ratio:g}"


def table(rows: list[Row], ours: list[dict[str, Any]], missing: dict[str, str], conditions: str) -> str:
    """Return both tables, under a line about the conditions, with what could not be measured below."""
    columns = [name for name in COLUMNS if any(name in row.values for row in rows)]
    lines = [
        conditions,
        "",
        "| figure | ratio | to | promised | kept | " + " | ".join(columns) + " |",
        "| --- | ---: | --- | --- | --- |" + " ---: |" * len(columns),
    ]
    for row in rows:
        ratio = "" if row.ratio is None else f"**{row.ratio:.2f}**"
        kept = {True: "yes", False: "no", None: ""}[row.kept]
        values = " | ".join(_shown(row.figure, row.values.get(name)) for name in columns)
        lines.append(f"| {row.figure} | {ratio} | {row.against} | {_promised(row)} | {kept} | {values} |")
    lines += ["", "| ours alone | ratio | to | at most | value |", "| --- | ---: | --- | ---: | ---: |"]
    for each in ours:
        ratio = f"**{each['ratio']:.2f}**" if "ratio" in each else ""
        limit = each.get("limit") or ""
        value = f"{each['value']:,.4g} {each['unit']}"
        lines.append(f"| {each['figure']} | {ratio} | {each.get('against', '')} | {limit} | {value} |")
    lines += ["", *(f"Not measured: {name}: {why}" for name, why in missing.items())]
    return "\n".join(lines).rstrip() + "\n"


def plot(rows: list[Row], conditions: str, path: Path) -> None:
    """Draw how many times as much each side takes as we do, and what was promised, as SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "imjoy", "svg.fonttype": "none"})
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    # What we hardly take at all would push everything else to one side.
    drawn = [
        row
        for row in rows
        if row.values.get(OURS.name) and len(row.values) > 1 and "over idle" not in row.figure
    ]
    figure, axes = pyplot.subplots(figsize=(10, 0.42 * len(drawn) + 1.6), layout="constrained")
    names = [name for name in COLUMNS if any(name in row.values for row in drawn)]
    for name in names:
        points = [
            (row.values[name] / row.values[OURS.name], -place)
            for place, row in enumerate(drawn)
            if row.values.get(name)
        ]
        flipped = [(1 / ratio if drawn[-place].promise.more else ratio, place) for ratio, place in points]
        mark = {OURS.name: "D", BARE.name: "|", "memory copy": "|"}.get(name, "o")
        axes.plot(*zip(*flipped, strict=True), linestyle="", marker=mark, markersize=8, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} x"))
    axes.set_yticks([-place for place in range(len(drawn))], [row.figure for row in drawn])
    axes.grid(axis="x", which="major", alpha=0.4)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_title(
        f"How many times as much as this engine takes (left of 1 x: less)\n{conditions}", fontsize=9
    )
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, -0.02 - 2.4 / (len(drawn) + 4)), ncols=4, fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
