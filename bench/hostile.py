"""Plugin files that were made to keep the engine busy, uploaded one after the other: ``make hostile``.

Four clients with the token send them for a minute, while another asks ``/healthz`` twenty times a second. The exit code
is 1 when the slowest of a hundred answers (p99) took more than 50 ms longer than before the campaign. ``make bench``
has a shorter one.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TOKEN = "a-token-of-the-hostile-campaign"
UPLOADERS = 4
MAX_P99_SECONDS = 0.05
ASK_EVERY_SECONDS = 0.05
MIB = 1 << 20


def source(config: str, lang: str = "json") -> bytes:
    """Return a request with a plugin file that has ``config``."""
    text = f'<config lang="{lang}">{config}</config><script lang="python">x = 1</script>'
    return json.dumps({"source": text}).encode()


def with_field(**fields: object) -> bytes:
    """Return a request with a plugin file whose config has more fields."""
    return source(json.dumps({"name": "P", "type": "native-python", **fields}))


YAML = "name: P\ntype: native-python\nx: "
BODIES = {
    "cmd of 1 MB": with_field(cmd="A=" + "'x'" * 350_000),
    "YAML of 350 kB": source(YAML + "[" + "a, " * 115_000 + "]", "yaml"),
    "YAML of 60 kB": source(YAML + "[" + "a, " * 20_000 + "]", "yaml"),
    "YAML of 30 kB": source(YAML + "[" + "a, " * 9_000 + "]", "yaml"),
    "YAML to the base of 60": source(YAML + "1" + ":1" * 15_000, "yaml"),
    "YAML in brackets": source(YAML + "[" * 30_000, "yaml"),
    "a requirement of spaces": with_field(requirements=["a" + " " * 200_000 + "!"]),
    "conda words of spaces": with_field(requirements=["conda: a" + " " * 3_900 + "!"] * 5),
    "1,000 requirements": with_field(requirements=[*(f"a{n}>=1,<2" for n in range(999)), "!"]),
    "brackets of 16 MiB": b'{"config": ' + b"[" * (16 * MIB),
    "objects of 16 MiB": b'{"config": [' + b"{}," * (5 * MIB) + b"0]}",
    "blocks of 3 MiB": json.dumps({"source": "<a>" * MIB}).encode(),
    "a text of 60 MiB": b'{"script": "x = 1", "config": {"name": "P", "type": "native-python", "x": "'
    + b"a" * (60 * MIB)
    + b'"}}',
    "a script of 3 MiB": source('{"name": "P", "type": "iframe"}').replace(
        b"x = 1", b"x = 1\\n" * (MIB // 2)
    ),
}


class Watch(threading.Thread):
    """Asks ``/healthz`` over and over, each time on a new connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._done = threading.Event()
        self.seconds: list[float] = []

    def run(self) -> None:
        """Ask until :meth:`stop`."""
        while not self._done.wait(ASK_EVERY_SECONDS):
            begin = time.perf_counter()
            connection = http.client.HTTPConnection(*self._address, timeout=60)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            connection.close()
            self.seconds.append(time.perf_counter() - begin)

    def stop(self) -> list[float]:
        """Return how long each answer took."""
        self._done.set()
        self.join()
        return sorted(self.seconds)


def upload(address: tuple[str, int], until: float, first: int, slowest: dict[str, float]) -> None:
    """Send one body after the other until the clock says so."""
    names = list(BODIES)
    for number in range(first, sys.maxsize):
        if time.monotonic() > until:
            return
        name = names[number % len(names)]
        begin = time.perf_counter()
        connection = http.client.HTTPConnection(*address, timeout=120)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        connection.request("POST", "/api/v1/plugins", BODIES[name], headers)
        connection.getresponse().read()
        connection.close()
        slowest[name] = max(slowest.get(name, 0.0), time.perf_counter() - begin)


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which ``share`` of the sorted others lie."""
    return samples[min(len(samples) - 1, int(share * len(samples)))]


def main() -> int:
    """Run the campaign against an engine of its own; print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    quiet, busy, slowest = campaign(options.seconds)
    for words, samples in (("before the campaign", quiet), ("during it", busy)):
        print(
            f"/healthz {words}: {len(samples)} answers, p50 {percentile(samples, 0.5) * 1000:.1f} ms, "
            f"p99 {percentile(samples, 0.99) * 1000:.1f} ms, slowest {samples[-1] * 1000:.1f} ms"
        )
    for name, taken in sorted(slowest.items(), key=lambda item: -item[1]):
        print(f"  {name}: answered within {taken:.2f} s")
    grown = percentile(busy, 0.99) - percentile(quiet, 0.99)
    return 0 if grown < MAX_P99_SECONDS else 1


def measure_hostile(seconds: float) -> list[dict[str, Any]]:
    """Return the row about ``/healthz`` in a campaign of so many seconds."""
    _, busy, _ = campaign(seconds)
    figure = f"/healthz p99 while {UPLOADERS} clients upload hostile plugin files"
    limit = f"{MAX_P99_SECONDS * 1000:.0f} ms"
    return [{"figure": figure, "limit": limit, "value": percentile(busy, 0.99) * 1000, "unit": "ms"}]


def campaign(seconds: float) -> tuple[list[float], list[float], dict[str, float]]:
    """Return how long answers took before and during a campaign, sorted, and the longest for each kind of file."""
    with tempfile.TemporaryDirectory() as folder:
        argv = ["serve", "--port", "0", "--workspace", str(Path(folder) / "workspace"), "--lifeline"]
        with subprocess.Popen(
            [sys.executable, "-m", "imjoy_engine", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "IMJOY_ENGINE_TOKEN": TOKEN},
        ) as engine:
            assert engine.stdin is not None and engine.stdout is not None
            try:
                ready = json.loads(engine.stdout.readline())
                parts = urlsplit(ready["url"])
                address = (str(parts.hostname), int(parts.port or 0))
                quiet = measure(address, min(seconds, 10.0), {})
                slowest: dict[str, float] = {}
                return quiet, measure(address, seconds, slowest, uploaders=UPLOADERS), slowest
            finally:
                engine.stdin.close()
                engine.wait(30)


def measure(
    address: tuple[str, int], seconds: float, slowest: dict[str, float], uploaders: int = 0
) -> list[float]:
    """Return how long answers of ``/healthz`` took, sorted, while so many clients upload."""
    until = time.monotonic() + seconds
    command = [sys.executable, __file__, "--upload", *map(str, (*address, seconds))]
    senders = [
        subprocess.Popen([*command, str(3 * each)], stdout=subprocess.PIPE) for each in range(uploaders)
    ]
    watch = Watch(address)
    watch.start()
    for sender in senders:
        answer, _ = sender.communicate()
        for name, taken in json.loads(answer).items():
            slowest[name] = max(slowest.get(name, 0.0), taken)
    time.sleep(max(0.0, until - time.monotonic()))
    return watch.stop()


def uploader(host: str, port: str, seconds: str, first: str) -> int:
    """Be one of the clients, in a process of its own: it would cost the one that measures its time."""
    slowest: dict[str, float] = {}
    upload((host, int(port)), time.monotonic() + float(seconds), int(first), slowest)
    print(json.dumps(slowest))
    return 0


if __name__ == "__main__":
    sys.exit(uploader(*sys.argv[2:]) if sys.argv[1:2] == ["--upload"] else main())
