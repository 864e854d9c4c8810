"""``python -m imjoy_engine run``: a plugin without a browser, as JSON lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import RunningEngine, plugin_source

Lines = list[dict[str, Any]]


def run(engine: RunningEngine, *arguments: str, answers: str = "") -> tuple[int, Lines]:
    """Run ``run`` against ``engine``; return the exit code and the lines it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "imjoy_engine", "run", *arguments, "--workspace", str(engine.workspace)],
        input=answers,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "IMJOY_ENGINE_URL": engine.url, "IMJOY_ENGINE_TOKEN": engine.token},
        check=False,
    )
    lines = [json.loads(line, parse_constant=pytest.fail) for line in done.stdout.splitlines()]
    assert lines[-1] == {"event": "done", "exit_code": done.returncode}
    return done.returncode, lines


def of(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]


@pytest.fixture
def engine(unshaken_engine: RunningEngine) -> RunningEngine:
    """Return the engine that this file's tests share: what is run is gone at its end."""
    return unshaken_engine


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a plugin file; return its path."""

    def write(script: str, **config: object) -> str:
        path = tmp_path / "test.imjoy.html"
        path.write_text(plugin_source(script, **config), encoding="utf-8-sig")
        return str(path)

    return write


def test_run_sets_the_plugin_up_and_prints_what_run_returns(engine: RunningEngine, write: Any) -> None:
    file = write(
        """
class Plugin:
    def setup(self):
        api.log("ready when you are")

    def run(self, ctx):
        print("running")
        return {"sum": 1 + 1, "config": ctx.config}

api.export(Plugin())
"""
    )
    code, lines = run(engine, file)
    assert code == 0
    assert of(lines, "result") == [
        {"event": "result", "file": file, "call": "run", "value": {"sum": 2, "config": {}}}
    ]
    assert {"event": "call", "method": "log", "args": ["ready when you are"]} in lines
    assert "running" in "".join(line["text"] for line in of(lines, "log"))
    states = [line["state"] for line in of(lines, "state")]
    assert states[0] == "queued"
    assert "ready" in states
    assert states[-1] == "exited"


def test_a_function_is_called_with_arguments_and_arrays_by_their_path(
    engine: RunningEngine, write: Any, tmp_path: Path
) -> None:
    numpy = pytest.importorskip("numpy")
    numpy.save(tmp_path / "in.npy", numpy.arange(6, dtype="float32"))
    file = write("api.export({'scale': lambda array, by: array * by})")
    arguments = json.dumps([{"npy": str(tmp_path / "in.npy")}, 3])
    code, lines = run(engine, file, "--call", "scale", "--args", arguments)
    assert code == 0
    value = of(lines, "result")[0]["value"]
    assert (value["shape"], value["dtype"]) == ([6], "float32")
    assert (numpy.load(value["npy"]) == numpy.arange(6) * 3).all()


def test_the_result_comes_after_all_that_was_printed_before_it(engine: RunningEngine, write: Any) -> None:
    file = write(
        """
def count(n):
    for number in range(n):
        print(number)
    return n

api.export({"count": count})
"""
    )
    code, lines = run(engine, file, "--call", "count", "--args", "300")
    assert code == 0
    kinds = [line["event"] for line in lines if line["event"] == "result" or line.get("stream") == "stdout"]
    assert kinds[-1] == "result"
    printed = "".join(line["text"] for line in lines if line.get("stream") == "stdout")
    assert printed == "".join(f"{number}\n" for number in range(300))


def test_the_pieces_of_a_printed_line_come_together(engine: RunningEngine, write: Any) -> None:
    file = write(
        """
import sys, time

def tell(n):
    for number in range(n):
        print("cells.tif", number, (32, 40))
    for piece in ("half", " a ", "line", "\\n"):
        sys.stdout.write(piece)
        sys.stdout.flush()
    print("asked", end="")

api.export({"tell": tell})
"""
    )
    code, lines = run(engine, file, "--call", "tell", "--args", "100")
    assert code == 0
    *whole, last = [line["text"] for line in lines if line.get("stream") == "stdout"]
    assert last == "asked"
    assert all(text.endswith("\n") for text in whole)
    assert "".join(whole) == "".join(f"cells.tif {n} (32, 40)\n" for n in range(100)) + "half a line\n"


def test_numbers_that_json_has_not_come_as_their_names(engine: RunningEngine, write: Any) -> None:
    file = write(
        "api.export({'odd': lambda: {'mean': float('nan'), 'range': [float('-inf'), float('inf'), 0.5]}})"
    )
    code, lines = run(engine, file, "--call", "odd")
    assert code == 0
    assert of(lines, "result")[0]["value"] == {"mean": "NaN", "range": ["-Infinity", "Infinity", 0.5]}


def test_a_figure_is_a_file_that_is_named(engine: RunningEngine, write: Any) -> None:
    file = write(
        r"""
import io
api.export({"draw": lambda: {"figure": io.BytesIO(b"\x89PNG\r\n\x1a\n and so on")}})
"""
    )
    code, lines = run(engine, file, "--call", "draw")
    assert code == 0
    figure = of(lines, "result")[0]["value"]["figure"]
    assert figure["file"].endswith(".png")
    assert Path(figure["file"]).stat().st_size == figure["bytes"]


def test_questions_are_answered_from_standard_input(engine: RunningEngine, write: Any) -> None:
    file = write(
        """
async def ask():
    return [await api.prompt("Name?"), await api.confirm("Sure?")]
api.export({"ask": ask})
"""
    )
    answers = '{"id": 1, "answer": "Ada"}\n{"id": 2, "answer": true}\n'
    code, lines = run(engine, file, "--call", "ask", answers=answers)
    assert (code, of(lines, "result")[0]["value"]) == (0, ["Ada", True])
    assert {"event": "call", "method": "prompt", "id": 1, "args": ["Name?"]} in lines


def test_named_arguments_are_an_object_at_the_end_as_an_app_gets_them(
    engine: RunningEngine, write: Any
) -> None:
    file = write(
        """
async def ask():
    await api.register(name="Blur", run=ask)
    await api.showMessage("done", duration=3)
    return await api.showDialog(name="Which?", ui="{id: 'x', type: 'number'}")
api.export({"ask": ask})
"""
    )
    code, lines = run(engine, file, "--call", "ask", answers='{"id": 1, "answer": {"x": 2}}\n')
    assert (code, of(lines, "result")[0]["value"]) == (0, {"x": 2})
    assert [line["args"] for line in of(lines, "call")] == [
        ["done", {"duration": 3}],
        [{"name": "Which?", "ui": "{id: 'x', type: 'number'}"}],
    ]


def test_nobody_there_to_answer_is_an_answer(engine: RunningEngine, write: Any) -> None:
    file = write("async def ask():\n    return await api.prompt('Name?')\napi.export({'ask': ask})")
    code, lines = run(engine, file, "--call", "ask")
    assert (code, of(lines, "result")[0]["value"]) == (0, None)


@pytest.mark.parametrize(
    ("script", "call", "error"),
    [
        ("raise ValueError('no')", None, "plugin.raised"),
        ("import sys\nsys.exit(3)", None, "plugin.died"),
        ("def fail():\n    raise ValueError('no')\napi.export({'fail': fail})", "fail", "plugin.call-failed"),
        ("import os\napi.export({'die': lambda: os._exit(9)})", "die", "plugin.died"),
        ("api.export({'other': print})", "missing", "plugin.no-function"),
        ("api.export({'win': lambda: api.getPlugin('x')})", "win", "plugin.call-failed"),
    ],
)
def test_a_plugin_that_fails_fails_the_run(
    engine: RunningEngine, write: Any, script: str, call: str | None, error: str
) -> None:
    code, lines = run(engine, write(script), *(["--call", call] if call else []))
    assert code in {1, 2}
    assert of(lines, "failed")[0]["error"]["id"] == error


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(["no-such.imjoy.html"], "run.no-file"), (["x", "--args", "{"], "run.bad-args")],
)
def test_bad_input_is_named(engine: RunningEngine, arguments: list[str], error: str) -> None:
    code, lines = run(engine, *arguments)
    assert (code, of(lines, "failed")[0]["error"]["id"]) == (2, error)


def test_several_files_run_one_after_the_other(engine: RunningEngine, write: Any) -> None:
    file = write("api.export({'run': lambda ctx: 1})")
    code, lines = run(engine, file, file)
    assert code == 0
    assert len(of(lines, "result")) == 2


def test_a_file_in_an_older_encoding_is_told_and_one_in_utf_16_runs(
    engine: RunningEngine, tmp_path: Path
) -> None:
    source = plugin_source("api.export({'setup': lambda: None, 'run': lambda ctx: 'Zählen'})")
    wide, old = tmp_path / "wide.imjoy.html", tmp_path / "old.imjoy.html"
    wide.write_text(source, encoding="utf-16")
    old.write_text(source, encoding="cp1252")
    code, lines = run(engine, str(wide))
    assert (code, of(lines, "result")[0]["value"]) == (0, "Zählen")
    code, lines = run(engine, str(old))
    assert (code, of(lines, "failed")[0]["error"]["id"]) == (1, "plugin.encoding")
