"""Every plugin of ``examples/``, by `imjoy run`, as a person types it; the same ten in Chromium: ``tests/browser``."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.kit.published import make_repository_double

from imjoy.model.errors import ExitCode

if TYPE_CHECKING:
    from tests.kit.channel_server import ChannelServer

EXAMPLES = Path(__file__).parents[3] / "engine" / "imjoy_engine" / "webapp" / "examples"
RUN_SECONDS = 150
CANCELLED_SECONDS = 2.0
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environments of the examples: each is built once, by whichever needs it first."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def run(home: Path, environments: Path, tmp_path: Path) -> Run:
    """Return a function that runs an example to its end, in a folder of its own."""
    private = home / "ImJoyWorkspace" / ".imjoy"
    private.mkdir(parents=True, mode=0o700)
    (private / "environments").symlink_to(environments, target_is_directory=True)

    def run_example(name: str, *options: str, text: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "imjoy", "run", str(EXAMPLES / f"{name}.imjoy.html"), *options],
            input=text,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run_example


def result_of(done: subprocess.CompletedProcess[str]) -> Any:
    # What a plugin says without waiting for it may come after.
    return json.loads(next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{")))


def test_charts_are_drawn_and_saved_as_a_png(run: Run, tmp_path: Path) -> None:
    assert result_of(run("Charts", text="50\n"))["cells"] == 50
    png = (tmp_path / "cells.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.endswith(b"IEND\xaeB`\x82")


def test_filters_take_and_give_arrays(run: Run, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    assert result_of(run("Filters"))["levels"] > 2
    image = numpy.zeros((40, 40), "uint8")
    image[5:15, 5:15] = image[25:35, 25:35] = 200
    numpy.save(tmp_path / "squares.npy", image)
    arguments = json.dumps([{"npy": str(tmp_path / "squares.npy")}, "objects", 1])
    objects = numpy.load(result_of(run("Filters", "--call", "filter", "--args", arguments))["npy"])
    assert len(numpy.unique(objects)) == 3, "the background and two squares"


def test_a_stack_is_projected_and_its_window_is_announced(run: Run) -> None:
    done = run("Stack")
    assert result_of(done)["shape"] == [16, 128, 128]
    assert result_of(done)["projection"]["shape"] == [128, 128]
    assert "opens a window (Stack, Stack window)" in done.stderr


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        ("", None),
        ("A 1\n\n\nn\n", None),
        ("A 1\n20\nDAPI\ny\n", {"sample": "A 1", "exposure": 20, "channel": "DAPI"}),
    ],
    ids=["nobody answers", "declined", "answered"],
)
def test_questions_are_asked_in_the_terminal(run: Run, typed: str, recorded: object) -> None:
    done = run("Questions", text=typed)
    assert (result_of(done) if "{" in done.stdout else None) == recorded


def test_progress_is_told_frame_by_frame(run: Run) -> None:
    done = run("Progress", text="4\n")
    assert result_of(done) == {"done": 4, "frames": 4}
    told = [line for line in done.stderr.splitlines() if line.startswith("Frame ")]
    assert told == [f"Frame {number} of 4" for number in (1, 2, 3, 4)]


def test_callbacks_are_called(run: Run) -> None:
    assert result_of(run("Callbacks")) == {"running means": [2, 3, 5], "mean": 5}


def test_the_tag_chooses_environment_command_and_code(run: Run) -> None:
    assert result_of(run("Devices"))["threads"] == "1"
    on_gpu = result_of(run("Devices", "--tag", "GPU"))
    assert (on_gpu["tag"], on_gpu["sum"]) == ("GPU", 8_000_000)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is missing")
def test_a_repository_is_checked_out_and_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in make_repository_double(tmp_path / "origin").items():
        monkeypatch.setenv(name, value)
    assert result_of(run("Catalogue")) == {"native-python": 1, "window": 2}


def test_a_command_runs_once_before_the_first_start(run: Run) -> None:
    first = run("Lookup table")
    assert "computed 1000 values" in first.stderr + first.stdout
    assert result_of(first)["values"] == 1000
    again = run("Lookup table")
    assert "computed" not in again.stderr + again.stdout


def test_a_plugin_of_2018_runs_as_it_stands(run: Run, channel: ChannelServer) -> None:
    if not channel.channel.has_python("3.6"):
        pytest.skip("Python 3.6 is not installed (pyenv)")
    done = run("Classic", text="4\n")
    assert result_of(done) == {"python": "3.6", "times": 4, "total": 6}
    assert "hello hello hello hello" in done.stdout


def test_a_plugin_of_2019_gets_the_python_of_the_numpy_that_it_pins(run: Run, channel: ChannelServer) -> None:
    if not channel.channel.has_python("3.8"):
        pytest.skip("Python 3.8 is not installed (pyenv)")
    done = run("Gradients", text="64\n")
    assert result_of(done) == {"numpy": "1.18.0", "python": "3.8", "steepest": 0}
    assert "Made with Python 3.8, the newest for which numpy==1.18.0 come built." in done.stderr


OF_2019 = """
<config lang="json">
{"name": "Similar", "type": "native-python", "api_version": "0.1.7", "requirements": ["scikit-image"]}
</config>
<script lang="python">
import sys
import numpy as np
import skimage
from skimage.measure import compare_ssim
from imjoy import api

class ImJoyPlugin():
    def run(self, ctx):
        image = np.eye(16, dtype=np.float)
        return {'ssim': compare_ssim(image, image), 'skimage': skimage.__version__, 'python': sys.version[:3]}

api.export(ImJoyPlugin())
</script>
"""


@pytest.mark.slow
def test_a_plugin_of_2019_that_pins_nothing_gets_the_packages_of_its_time(
    run: Run, channel: ChannelServer, tmp_path: Path
) -> None:
    if not channel.channel.has_python("3.8"):
        pytest.skip("Python 3.8 is not installed (pyenv)")
    file = tmp_path / "Similar.imjoy.html"
    file.write_text(OF_2019, "utf-8")
    done = run(str(file.with_name("Similar")))
    if "Made as of" not in done.stderr:
        pytest.skip("the package index does not say when its files came (PEP 700)")
    assert "Made as of March 2020, Python 3.8; --today for the newest." in done.stderr
    # A name that scikit-image has dropped since, and one that numpy has.
    assert result_of(done) == {"ssim": 1, "skimage": "0.16.2", "python": "3.8"}


def test_ctrl_c_ends_a_conda_build_at_once_and_the_next_run_builds(
    run: Run, channel: ChannelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not channel.channel.has_python("3.8"):
        pytest.skip("Python 3.8 is not installed (pyenv)")
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "nothing cached"))
    file = tmp_path / "Slow.imjoy.html"
    classic = (EXAMPLES / "Classic.imjoy.html").read_text("utf-8")
    file.write_text(classic.replace("python=3.6", "python=3.8"), "utf-8")
    channel.stall.set()
    with subprocess.Popen(
        [sys.executable, "-m", "imjoy", "run", "--json", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        events = map(json.loads, command.stdout)
        downloading = next(event for event in events if event.get("phase") == "download")
        assert downloading["text"].endswith(" MB")
        assert channel.stalled.wait(20)
        begin = time.monotonic()
        command.send_signal(signal.SIGINT)
        assert command.wait(20) == ExitCode.INTERRUPTED
        assert time.monotonic() - begin < CANCELLED_SECONDS
    channel.stall.clear()
    channel.closing.set()
    assert result_of(run(str(file.with_name("Slow"))))["python"] == "3.8"


def test_waves_are_drawn(run: Run) -> None:
    assert result_of(run("Waves"))["picture"]["shape"] == [270, 480]


def test_every_example_is_run_here_and_told_of_in_the_docs() -> None:
    tests = Path(__file__).read_text("utf-8")
    page = (Path(__file__).parents[3] / "docs" / "examples.md").read_text("utf-8")
    names = {path.name.removesuffix(".imjoy.html") for path in EXAMPLES.glob("*.imjoy.html")}
    # A window is for the app alone.
    assert {name for name in names if f'run("{name}"' not in tests} == {"Stack window"}
    assert [name for name in names if f"{name.replace(' ', '%20')}.imjoy.html" not in page] == []
