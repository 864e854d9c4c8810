"""Plugin files that were made to keep the engine busy: each is refused, or read in time proportional to its length."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.specs.conda_spec_parser import parse_conda_spec
from imjoy_engine.environments.specs.pip_spec_parser import parse_pip_spec
from imjoy_engine.environments.specs.spec_errors import SpecErrors
from imjoy_engine.plugin_files.limits import FIELD_CHARACTERS, MAX_ENTRIES
from imjoy_engine.plugins.reading import read_body
from imjoy_engine.processes.redact import redact

DOCS = Path(__file__).parents[4] / "docs"
NOTICEABLE_SECONDS = 0.02
TICK_SECONDS = 1 / 64 if os.name == "nt" else 0.0
"""In such steps Windows counts what a thread has used."""
LENGTHS = (2_000, 8_000, 32_000)
NOWHERE = Path("no", "environments")
SPEC_ERRORS = SpecErrors("p.imjoy.html", "P", "requirements")


def body(config: str, lang: str = "json") -> bytes:
    source = f'<config lang="{lang}">{config}</config><script lang="python">x = 1</script>'
    return json.dumps({"source": source}).encode()


def read(text: bytes) -> object:
    return read_body(text, NOWHERE)


def config(**fields: object) -> str:
    return json.dumps({"name": "P", "type": "native-python", **fields})


def cpu_seconds(act: Callable[[], object]) -> float:
    """Return the least that three runs took, as other processes cost some."""
    taken = []
    for _ in range(3):
        begin = time.thread_time()
        with contextlib.suppress(ImJoyError):
            act()
        taken.append(time.thread_time() - begin)
    return min(taken)


HOSTILE: dict[str, Callable[[int], object]] = {
    "cmd of quotes": lambda n: read(body(config(cmd="A=" + "'x'" * n))),
    "a yaml list": lambda n: read(body("name: P\ntype: native-python\nx: [" + "a, " * n + "]", "yaml")),
    "yaml to the base of 60": lambda n: read(body("name: P\ntype: native-python\nx: 1" + ":1" * n, "yaml")),
    "yaml tagged so": lambda n: read(body("name: P\ntype: native-python\nx: !!int 1" + ":1" * n, "yaml")),
    "yaml digits": lambda n: read(body("name: P\ntype: native-python\nx: 1" + "1" * n, "yaml")),
    "yaml brackets": lambda n: read(body("name: P\ntype: native-python\nx: " + "[" * n, "yaml")),
    "spaces in a requirement": lambda n: read(body(config(requirements=["a" + " " * n + "!"]))),
    "spaces for pip": lambda n: list(parse_pip_spec("a" + " " * n + "!", SPEC_ERRORS)),
    "spaces for conda": lambda n: parse_conda_spec("a" + " " * n + "!", SPEC_ERRORS),
    "operators for conda": lambda n: parse_conda_spec("a" + "=1,<" * n, SPEC_ERRORS),
    "joined parts": lambda n: read(body(config(requirements="a && " * n))),
    "many requirements": lambda n: read(body(config(requirements=["a"] * n))),
    "tags": lambda n: read(body(config(tags=["a"] * n))),
    "a version": lambda n: read(body(config(version="1." * n))),
    "an api version": lambda n: read(body(config(api_version="1." * n))),
    "urls in a text": lambda n: redact("://a" * n),
    "users in a text": lambda n: redact("://a:b" * n),
    "queries in a text": lambda n: redact("://a?" * n),
    "blocks": lambda n: read(json.dumps({"source": "<a>" * n}).encode()),
    "attributes": lambda n: read(json.dumps({"source": "<config " + "a " * n}).encode()),
    "spaces in a tag": lambda n: read(json.dumps({"source": "<config" + " " * n}).encode()),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_grows_with_the_length_and_not_with_its_square(name: str) -> None:
    """Doubled twice, the length would come to 16 times the time by its square, however often it is measured."""
    measured = []
    for _ in range(3):
        taken = [cpu_seconds(partial(HOSTILE[name], length)) for length in LENGTHS]
        if all(
            now < max(NOTICEABLE_SECONDS, 10 * before, 10 * TICK_SECONDS) for before, now in pairwise(taken)
        ):
            return
        measured.append(taken)
    pytest.fail(f"seconds for {LENGTHS}: {measured}")


def test_one_mapping_is_not_merged_into_a_thousand_others() -> None:
    keys = ", ".join(f"k{n}: 1" for n in range(500))
    merged = "- {<<: *a}\n" * 1000
    text = f"name: P\ntype: native-python\na: &a {{{keys}}}\nb:\n{merged}"
    with pytest.raises(ImJoyError) as caught:
        read(body(text, "yaml"))
    assert caught.value.id == "plugin.config-syntax"
    assert "<< copies" in caught.value.why


@pytest.mark.parametrize(
    "value", ["!!timestamp foo", "!!bool foo", "!!int ''", "!!float x", "!!binary ü", "!!set 1"]
)
def test_a_value_that_is_not_what_its_tag_says_is_refused_with_its_line(value: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        read(body(f"name: P\ntype: native-python\nx: {value}\n", "yaml"))
    assert caught.value.id in ("plugin.config-syntax", "plugin.config-shape")


@pytest.mark.parametrize("field", FIELD_CHARACTERS)
def test_each_field_has_a_limit_and_is_read_up_to_it(field: str) -> None:
    limit = FIELD_CHARACTERS[field]
    with pytest.raises(ImJoyError) as caught:
        read(body(config(**{"tags": ["a"], field: "a" * (limit + 1)})))
    assert caught.value.id == "plugin.too-long"
    assert f'"{field}"' in caught.value.what
    assert f"{limit:,}" in caught.value.why
    within = {"cmd": "A=" + "a" * (limit - 9) + " python", "requirements": "a" * 1000, "env": ""}
    if field not in ("type", "api_version", "tag"):
        text = within.get(field, "a" * limit)
        read(body(config(**{field: text if field != "tags" else [text]})))


def test_a_field_has_so_many_entries_and_no_more() -> None:
    read(body(config(requirements=["a"] * MAX_ENTRIES)))
    with pytest.raises(ImJoyError) as caught:
        read(body(config(requirements=["a"] * (MAX_ENTRIES + 1))))
    assert caught.value.id == "plugin.too-long"


def test_the_page_states_these_limits() -> None:
    page = (DOCS / "plugins.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| ([\d,]+) \|$", page, re.MULTILINE)
    stated = {
        field: int(number.replace(",", ""))
        for names, number in rows
        for field in re.findall(r"`(\w+)`", names)
    }
    assert stated == dict(FIELD_CHARACTERS)
    assert f"at most {MAX_ENTRIES:,} texts" in page
