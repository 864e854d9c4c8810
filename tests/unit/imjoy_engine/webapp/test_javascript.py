"""Our JavaScript parses, and its parts without a page do what they say (in Node)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import imjoy_engine

STATIC = Path(imjoy_engine.__file__).parent / "webapp" / "static"
CLASSIC = ("frame.js", "other-app.js", "engine-frame.js")
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

SCRIPTS = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js"))


# Starting Node takes longer than any of the answers, so one gives them all: a line of JSON in, one out.
ANSWERS = """
import readline from "node:readline";
import vm from "node:vm";
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { source, isModule, module, expression } = JSON.parse(line);
  const answer = {};
  try {
    if (source !== undefined) isModule ? new vm.SourceTextModule(source) : new vm.Script(`(() => {${source}\n})`);
    else answer.value = new Function("m", `return (${expression});`)(await import(module));
  } catch (error) {
    answer.error = String(error.stack);
  }
  console.log(JSON.stringify(answer));
}
"""


class Node:
    """A Node that parses and evaluates."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start it, and end it at last."""
        assert NODE is not None
        words = [NODE, "--no-warnings", "--experimental-vm-modules", "--input-type=module", "--eval", ANSWERS]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        ) as process:
            self._process = process
            try:
                yield
            finally:
                process.kill()

    def ask(self, **question: object) -> Any:
        """Return the value that is answered."""
        assert (
            self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        )
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except BaseException:
            self._process.kill()  # it is still at this question, which no other test shall wait for
            raise
        assert "error" not in answer, answer["error"]
        return answer.get("value")


node = Node()


@pytest.fixture(scope="module", autouse=True)
def node_runs() -> Iterator[None]:
    """Have a Node answer for all of the tests."""
    with node.running():
        yield


def run_node(*arguments: str, text: str = "") -> str:
    """Run a Node of its own, for what changes what all see."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, *arguments], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def evaluate(module: str, expression: str) -> object:
    """Import ``module`` as ``m`` and return ``expression`` by way of JSON."""
    answer: object = node.ask(module=(STATIC / module).as_uri(), expression=expression)
    return answer


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_parses(script: str) -> None:
    node.ask(source=(STATIC / script).read_text("utf-8"), isModule=script not in CLASSIC)


def test_the_engine_plugin_s_own_script_parses() -> None:
    source = (STATIC / "imjoy-engine.imjoy.html").read_text("utf-8")
    script = re.search(r"<script lang=\"javascript\">(.*)</script>", source, re.DOTALL)
    assert script is not None
    node.ask(source=script[1], isModule=False)


@pytest.mark.parametrize("is_module", [True, False])
def test_what_does_not_parse_is_told(is_module: bool) -> None:
    with pytest.raises(AssertionError, match="SyntaxError"):
        node.ask(source="const half = ;", isModule=is_module)


def unreachable(page: str, engine: str, browser: str = "", permission: str = "prompt") -> dict[str, str]:
    """Return what a page says of an engine that it cannot reach."""
    client = (STATIC / "engine" / "client.js").as_uri()
    code = (
        f"globalThis.location = {{href: {json.dumps(page)}}};"
        f"const permissions = {{query: async () => ({{state: '{permission}'}})}};"
        f"const navigator = {{userAgent: {json.dumps(browser)}, permissions}};"
        "Object.defineProperty(globalThis, 'navigator', {value: navigator});"
        "globalThis.fetch = async () => { throw new TypeError('Failed to fetch'); };"
        f"const {{ EngineClient }} = await import({json.dumps(client)});"
        f"new EngineClient({{url: {json.dumps(engine)}, token: 't', client: 'c'}}).status()"
        ".catch((error) => console.log(JSON.stringify({...error})));"
    )
    found: dict[str, str] = json.loads(run_node("--input-type=module", "-", text=code))
    return found


@pytest.mark.parametrize("page", ["https://imjoy.io/#/app", "blob:https://imjoy.io/1234"])
def test_an_https_page_says_why_it_cannot_reach_a_plain_http_engine_on_the_network(page: str) -> None:
    found = unreachable(page, "http://lab.example:8080")
    assert "browsers block such pages from plain http addresses" in found["why"]
    assert "ssh -L 8080:127.0.0.1:8080 lab.example" in found["fix"]
    assert "--tls" in found["fix"]


def test_a_page_that_the_browser_keeps_from_this_machine_says_so_and_what_to_do() -> None:
    found = unreachable("https://imjoy.io/", "http://127.0.0.1:8080", permission="denied")
    assert "does not let this page reach programs on this machine (local network access)" in found["why"]
    assert "settings for this site" in found["fix"]
    assert "imjoy start --serve, then open http://127.0.0.1:8080" in found["fix"]
    elsewhere = unreachable("https://imjoy.io/", "https://lab.example:8080", permission="denied")
    assert "certificate" in elsewhere["fix"]
    for page in ("http://127.0.0.1:8080/", "blob:http://localhost:9000/1"):
        assert "Start it with" in unreachable(page, "http://127.0.0.1:8080", permission="denied")["fix"]


@pytest.mark.parametrize(
    ("page", "engine", "words"),
    [
        ("https://imjoy.io/", "http://127.0.0.1:8080", "access to the local network"),
        ("http://lab.example:8080/", "http://lab.example:8081", "imjoy start"),
        ("https://imjoy.io/", "https://lab.example:8080", "certificate"),
        ("https://imjoy.io/", "lab.example", "imjoy start"),
    ],
)
def test_other_engines_that_do_not_answer_get_other_advice(page: str, engine: str, words: str) -> None:
    found = unreachable(page, engine)
    assert words in found["fix"]
    assert "ssh" not in found["fix"]


SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/16.6 Safari/605.1.15"
CHROME = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"


def test_safari_is_told_what_it_keeps_an_https_page_from() -> None:
    found = unreachable("https://imjoy.io/", "http://127.0.0.1:8080", SAFARI)
    assert "Safari" in found["why"]
    assert "Open http://127.0.0.1:8080 itself in Safari" in found["fix"]
    assert "imjoy start" not in found["fix"], "it runs"
    for page, engine, browser in (
        ("https://imjoy.io/", "http://127.0.0.1:8080", CHROME),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8081", SAFARI),
        ("https://imjoy.io/", "https://127.0.0.1:8080", SAFARI),
    ):
        assert "Safari" not in unreachable(page, engine, browser)["why"]


# What came later than the oldest browsers that docs/app.md names, in any of the three, with the version that has it:
# Chrome, Firefox, Safari, as MDN's browser-compat-data has them.
NEWER = {
    r"URL\.canParse": "120, 115, 17.0",
    r"(?<!if \()(?<!return )AbortSignal\.timeout": "124, 100, 16.0; guarded alone",
    r"AbortSignal\.any": "116, 124, 17.4",
    r"Promise\.(withResolvers|try)\b": "119, 121, 17.4",
    r"(Object|Map)\.groupBy": "117, 119, 17.4",
    r"Array\.fromAsync": "121, 115, 16.4",
    r"\.(toSorted|toReversed|toSpliced)\(": "110, 115, 16.0",
    r"\.(isWellFormed|toWellFormed)\(": "111, 119, 16.4",
    r"\.(isSubsetOf|isSupersetOf|symmetricDifference|isDisjointFrom)\(": "122, 127, 17.0",
    r"\.checkVisibility\(": "105, 106, 17.4",
    r"\brequestIdleCallback": "47, 55, not by default",
    r"\bscheduler\.": "94, 142, no",
    r"for await \([^)]* of [\w.]*\.body\)": "124, 110, 26.4",
    r"\bUint8Array\.from(Base64|Hex)": "140, 133, 18.2",
    r"\bnavigator\.(locks\.query|userAgentData)": "90, no, no",
    r"/[a-z]*v[a-z]*\.(test|exec)\(": "112, 116, 17.0",
    r":has\(": "105, 121, 15.4",
    r"^\s*&[\s:.]": "120, 117, 17.2 (nesting)",
    r"@starting-style|@scope|light-dark\(|field-sizing|text-wrap: pretty": "117, 129, 17.5",
    r"\bpopover(?==|target)": "114, 125, 17.0",
}


def test_no_page_of_ours_needs_a_newer_browser_than_the_docs_say() -> None:
    docs = (Path(imjoy_engine.__file__).parents[2] / "docs" / "app.md").read_text("utf-8")
    assert "Safari 16.4, Chrome or Edge 111, Firefox 113" in " ".join(docs.split())
    pages = sorted(path for path in STATIC.rglob("*") if path.suffix in (".js", ".css", ".html"))
    assert len(pages) > 20
    found = [
        f"{page.relative_to(STATIC)}: {match[0].strip()} needs {version} (Chrome, Firefox, Safari)"
        for page in pages
        for pattern, version in NEWER.items()
        for match in re.finditer(
            pattern, re.sub(r"//.*|/\*[\s\S]*?\*/", "", page.read_text("utf-8")), re.MULTILINE
        )
    ]
    assert not found


def test_a_traceback_is_told_by_its_last_line() -> None:
    text = "Traceback (most recent call last):\n  File x\nValueError: too dark"
    found = evaluate("app/model/errors.js", f"m.readable(new Error({json.dumps(text)}), 'It failed.')")
    assert isinstance(found, dict)
    assert (found["id"], found["what"], found["why"]) == (
        "plugin.call-failed",
        "It failed.",
        "ValueError: too dark",
    )


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ('<config lang="json">{"name": "A"}</config>', '{"name":"A","api_version":"0.1.5"}'),
        ('<config>{"name": "A", "api_version": 0.1}</config>', '{"name":"A","api_version":"0.1"}'),
        ('<config lang="json">{"api_version": "0.1.8"}</config>', '{"api_version": "0.1.8"}'),
        ('<config lang="json">{broken</config>', "{broken"),
        ('<config lang="yaml">\n  name: A\n</config>', '\n  name: A\n  api_version: "0.1.5"\n'),
        ('<config lang="yaml">\nname: A\napi_version: 0.1\n</config>', '\nname: A\napi_version: "0.1"\n'),
        ('<config lang="yaml">\napi_version: "0.1.8"\n</config>', '\napi_version: "0.1.8"\n'),
    ],
)
def test_a_config_gets_an_api_version_that_can_be_taken_apart(config: str, wanted: str) -> None:
    changed = evaluate("app/core/parse.js", f"m.withVersion({json.dumps(config)})")
    assert isinstance(changed, str)
    assert re.sub(r"^<config[^>]*>|</config>$", "", changed) == wanted


GIST = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("shown", "file"),
    [
        (
            "https://github.com/o/r/blob/main/a/B.imjoy.html",
            "https://raw.githubusercontent.com/o/r/main/a/B.imjoy.html",
        ),
        (
            "https://github.com/o/r/raw/v1/B%20C.html?raw=true#L3",
            "https://raw.githubusercontent.com/o/r/v1/B%20C.html",
        ),
        (f"https://gist.github.com/o/{GIST}", f"https://gist.githubusercontent.com/o/{GIST}/raw"),
        (
            f"https://gist.github.com/o/{GIST}/raw/1/a.html",
            f"https://gist.githubusercontent.com/o/{GIST}/raw/1/a.html",
        ),
        ("https://imjoy.io/#/app?plugin=https://a.org/B.imjoy.html", "https://a.org/B.imjoy.html"),
        (
            "https://imjoy.io/lite?plugin=https%3A//github.com/o/r/blob/m/B.html",
            "https://raw.githubusercontent.com/o/r/m/B.html",
        ),
        ("https://raw.githubusercontent.com/o/r/m/B.html", "https://raw.githubusercontent.com/o/r/m/B.html"),
        ("https://a.org/o/r/blob/m/B.html?x=1", "https://a.org/o/r/blob/m/B.html?x=1"),
        ("https://github.com/o/r", "https://github.com/o/r"),
    ],
)
def test_the_file_behind_the_address_of_its_page_is_found(shown: str, file: str) -> None:
    assert evaluate("app/plugins/addresses.js", f"m.fileAddress({json.dumps(shown)})") == file


@pytest.mark.parametrize(
    ("address", "is_folder"),
    [
        ("https://github.com/o", True),
        ("https://github.com/o/r/", True),
        ("https://github.com/o/r/tree/main/plugins", True),
        ("https://github.com/o/r/releases/download/v1/B.html", False),
        ("https://raw.githubusercontent.com/o/r/m/B.html", False),
    ],
)
def test_a_page_of_many_files_is_told(address: str, is_folder: bool) -> None:
    assert evaluate("app/plugins/addresses.js", f"m.isFolderPage({json.dumps(address)})") == is_folder


def test_commands_in_a_sentence_are_those_that_work_where_the_engine_was_started() -> None:
    said = "Copy what `imjoy token` prints, or imjoy start --serve; ~/imjoy start and imjoy itself stay."
    typed = evaluate("app/model/commands.js", f"m.asTyped({json.dumps(said)}, '~/ImJoyApp/bin/imjoy')")
    assert typed == (
        "Copy what `~/ImJoyApp/bin/imjoy token` prints, or ~/ImJoyApp/bin/imjoy start --serve; "
        "~/imjoy start and imjoy itself stay."
    )


def test_what_stands_between_backticks_is_code() -> None:
    parts = evaluate("app/model/commands.js", "m.partsOf('Type `imjoy stop`, then ` alone')")
    assert parts == [
        {"text": "Type ", "isCode": False},
        {"text": "imjoy stop", "isCode": True},
        {"text": ", then ` alone", "isCode": False},
    ]


def test_records_of_text_and_numbers_are_a_table() -> None:
    found = evaluate("app/results/tables.js", "m.tableOf([{a: 1, b: 'x'}, {a: null, c: true}])")
    assert found == {"columns": ["a", "b", "c"], "rows": [[1, "x", None], [None, None, True]]}


@pytest.mark.parametrize(
    "value", ["[]", "[1]", "[{a: [1]}]", "[{a: {}}]", "{a: 1}", "[{a: 1}, null]", "[{_rtype: 'x'}]"]
)
def test_anything_else_is_none(value: str) -> None:
    assert evaluate("app/results/tables.js", f"m.tableOf({value})") is None


def test_a_column_is_sorted_by_size_with_what_is_missing_last() -> None:
    rows = "[[10], [null], [9], [NaN], [-1]]"
    assert evaluate("app/results/tables.js", f"m.sorted({rows}, 0, false)") == [
        [-1],
        [9],
        [10],
        [None],
        [None],
    ]
    assert evaluate("app/results/tables.js", f"m.sorted({rows}, 0, true)")[:3] == [[10], [9], [-1]]  # type: ignore[index]
    assert evaluate("app/results/tables.js", "m.sorted([['cell 10'], ['cell 9']], 0, false)") == [
        ["cell 9"],
        ["cell 10"],
    ]


def test_csv_quotes_what_has_to_be_quoted() -> None:
    table = "{columns: ['a', 'b,c'], rows: [[1.5, 'x\"y'], [null, 'two\\nlines']]}"
    assert (
        evaluate("app/results/tables.js", f"m.toCsv({table})") == 'a,"b,c"\r\n1.5,"x""y"\r\n,"two\nlines"\r\n'
    )


@pytest.mark.parametrize(
    ("values", "dtype", "bins"),
    [
        ([0, 1, 1, 254], "uint8", 255),
        ([0, 1000], "uint16", 251),
        ([0, 0.5, 1], "float32", 256),
        ([7, 7], "int32", 1),
    ],
)
def test_each_bin_of_a_histogram_stands_for_as_many_whole_numbers(
    values: list[float], dtype: str, bins: int
) -> None:
    counts = evaluate("app/images/picture.js", f"m.measure(Float64Array.of(...{values}), '{dtype}').bins")
    assert isinstance(counts, list)
    assert (len(counts), sum(counts)) == (bins, len(values))
    assert counts[0] and counts[-1]


CLUSTER = {
    "name": "SLURM",
    "default": {"cpus": 1, "gpus": 0, "memory": 2 * 10**9, "time": 5400},
    "maximum": {"cpus": 4, "memory": 16 << 30},
}


@pytest.mark.parametrize(
    ("config", "tag", "text"),
    [
        ({}, "", "1 CPU, 2 GB, 90 min"),
        ({"resources": None}, "", "1 CPU, 2 GB, 90 min"),
        ({"resources": {"cpus": 2, "memory": "4 GB"}}, "GPU", "2 CPUs, 4 GB, 90 min"),
        ({"resources": {"CPU": {}, "GPU": {"gpus": 1}}}, "GPU", "1 CPU, 1 GPU, 2 GB, 90 min"),
        ({"resources": {"CPU": {"cpus": 3}}}, "GPU", "1 CPU, 2 GB, 90 min"),
        ({"resources": [4]}, "", "1 CPU, 2 GB, 90 min"),
        ({"env": {"type": "gputil"}}, "", "1 CPU, 1 GPU, 2 GB, 90 min"),
        ({"env": ["", {"type": "gputil", "options": {"limit": 2}}]}, "", "1 CPU, 2 GPUs, 2 GB, 90 min"),
        ({"env": [{"type": "gputil", "limit": 2}], "resources": {"gpus": 0}}, "", "1 CPU, 2 GB, 90 min"),
    ],
)
def test_what_a_plugin_asks_of_a_cluster_is_said(config: object, tag: str, text: str) -> None:
    resources = f"m.requestedResources({json.dumps(config)}, {json.dumps(tag)}, {json.dumps(CLUSTER)})"
    assert (
        evaluate("app/plugins/resources.js", f"m.resourcesText({resources}, {json.dumps(CLUSTER)})")
        == f"Asks SLURM for {text}"
    )


def test_a_cluster_is_asked_for_no_more_than_it_knows() -> None:
    cluster = json.dumps({"name": "Dask", "default": {"gpus": 0}, "maximum": {}})
    resources = f"m.requestedResources({{resources: {{cpus: 2, time: '2 h'}}}}, '', {cluster})"
    assert (
        evaluate("app/plugins/resources.js", f"m.resourcesText({resources}, {cluster})")
        == "Asks Dask for no particular resources"
    )
    assert evaluate(
        "app/plugins/resources.js", f"m.resourceFields({resources}, {cluster}).map(({{ id }}) => id)"
    ) == ["gpus"]


def test_the_fields_have_the_maximum_in_units_that_people_write() -> None:
    fields = evaluate(
        "app/plugins/resources.js", f"m.resourceFields({{cpus: 1, memory: ''}}, {json.dumps(CLUSTER)})"
    )
    assert fields == [
        {
            "id": "cpus",
            "label": "CPUs",
            "value": 1,
            "type": "integer",
            "min": 0,
            "max": 4,
            "help": "At most 4.",
        },
        {"id": "memory", "label": "Memory", "value": "", "help": "For example 8 GB. At most 16 GiB."},
    ]


def test_only_what_a_plugin_does_not_ask_for_by_itself_is_asked_for_in_its_place() -> None:
    own = "{cpus: 1, memory: '2 GB', time: '2 h'}"
    assert evaluate(
        "app/plugins/resources.js", f"m.changedResources({{cpus: 2, memory: ' 2 GB', time: ''}}, {own})"
    ) == {"cpus": 2}
    assert evaluate("app/plugins/resources.js", f"m.changedResources({own}, {own})") is None


@pytest.mark.parametrize(
    ("where", "stays"),
    [
        ("engine", True),
        ("cluster", False),
        (None, False),
        ({"CPU": "engine"}, True),
        ({"GPU": "engine"}, False),
    ],
)
def test_a_plugin_that_stays_on_the_engine_s_machine_is_known(where: object, stays: bool) -> None:
    assert (
        evaluate("app/plugins/resources.js", f"m.staysOnEngine({{where: {json.dumps(where)}}}, 'CPU')")
        is stays
    )


def text(said: str) -> dict[str, str]:
    return {"kind": "text", "text": said}


def markdown(said: str) -> object:
    """Return how Markdown is read."""
    return evaluate("app/results/markdown.js", f"m.readMarkdown({json.dumps(said)})")


def test_markdown_is_read_block_by_block() -> None:
    read = markdown(
        "### First\nA line\ngoes on.\n\n# Second\n- one\n  - in it\n- two\nlazily\n\n3. three\n\n"
        "```py\n# no *title*\n```\n> said\n\n---\n"
    )
    assert read == [
        {"kind": "heading", "level": 3, "inline": [text("First")]},
        {"kind": "paragraph", "inline": [text("A line goes on.")]},
        {"kind": "heading", "level": 3, "inline": [text("Second")]},
        {
            "kind": "list",
            "isOrdered": False,
            "start": 1,
            "items": [
                [
                    {"kind": "paragraph", "inline": [text("one")]},
                    {
                        "kind": "list",
                        "isOrdered": False,
                        "start": 1,
                        "items": [[{"kind": "paragraph", "inline": [text("in it")]}]],
                    },
                ],
                [{"kind": "paragraph", "inline": [text("two lazily")]}],
            ],
        },
        {
            "kind": "list",
            "isOrdered": True,
            "start": 3,
            "items": [[{"kind": "paragraph", "inline": [text("three")]}]],
        },
        {"kind": "code", "text": "# no *title*"},
        {"kind": "quote", "blocks": [{"kind": "paragraph", "inline": [text("said")]}]},
        {"kind": "rule"},
    ]


@pytest.mark.parametrize(
    ("said", "inline"),
    [
        ("a `b*` c", [text("a "), {"kind": "code", "text": "b*"}, text(" c")]),
        ("``a ` b``", [{"kind": "code", "text": "a ` b"}]),
        (
            "**a *b*** c",
            [
                {"kind": "strong", "inline": [text("a "), {"kind": "emphasis", "inline": [text("b")]}]},
                text(" c"),
            ],
        ),
        ("snake_case_name and 2 * 3 * 4", [text("snake_case_name and 2 * 3 * 4")]),
        ("_a_", [{"kind": "emphasis", "inline": [text("a")]}]),
        ("[a](https://b.c/d_e)", [{"kind": "link", "href": "https://b.c/d_e", "inline": [text("a")]}]),
        ("![a](https://b.c/d.png)", [{"kind": "link", "href": "https://b.c/d.png", "inline": [text("a")]}]),
        (
            "See https://b.c/d.",
            [
                text("See "),
                {"kind": "link", "href": "https://b.c/d", "inline": [text("https://b.c/d")]},
                text("."),
            ],
        ),
        # What would run something, or lead into the page, is its words.
        ("[a](javascript:alert(1))", [text("[a](javascript:alert(1))")]),
        ("[a](javascript:b)", [text("a")]),
        ("[a](data:text/html,b)", [text("a")]),
        ("[a](/static/app/core/core.js)", [text("a")]),
        ("<img src=x onerror=alert(1)>", [text("<img src=x onerror=alert(1)>")]),
        (r"\*a\*", [text("*a*")]),
        ("a  \nb", [text("a"), {"kind": "break"}, text("b")]),
    ],
)
def test_markdown_in_a_line_is_data_and_never_html(said: str, inline: object) -> None:
    assert markdown(said) == [{"kind": "paragraph", "inline": inline}]


@pytest.mark.parametrize(
    "piece", ["**a ", "*a", "_a ", "[", "`a ``", "> ", "- ", "  - a\n", "#\n", "~~~", "https://"]
)
def test_markdown_that_begins_everything_and_ends_nothing_is_read_at_once(piece: str) -> None:
    code = f"m.readMarkdown({json.dumps(piece)}.repeat(20000)).length > 0"
    assert evaluate("app/results/markdown.js", code) is True


def test_markdown_of_any_length_is_read_to_a_bound() -> None:
    assert evaluate("app/results/markdown.js", "m.readMarkdown('a\\n'.repeat(200_000)).length") == 1
    assert (
        evaluate("app/results/markdown.js", "m.readMarkdown('a'.repeat(3_000_000))[0].inline[0].text.length")
        == 500_001
    )


def test_docs_are_what_the_file_says_of_its_plugin() -> None:
    file = '<docs lang="markdown">\n# A\n</docs>\n<config lang="json">{}</config>'
    assert evaluate("app/results/markdown.js", f"m.docsOf({json.dumps(file)})") == "# A"
    template = "<docs>[TODO: write documentation for this plugin.]</docs>"
    assert evaluate(
        "app/results/markdown.js", f"[m.docsOf({json.dumps(template)}), m.docsOf('<config>')]"
    ) == [
        "",
        "",
    ]
