"""The engine's command line, and an engine that does not come up."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from imjoy.context import Context
from imjoy.engines import launch
from imjoy.engines.launch import EngineProcess, ServeOptions, launch_again
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout

LAYOUT = Layout(Path("/p"), Path("/w"))


def test_the_token_is_never_an_argument() -> None:
    assert "secret" not in " ".join(ServeOptions(LAYOUT, token="secret").arguments())


def test_every_option_reaches_the_engine() -> None:
    words = ServeOptions(
        LAYOUT,
        host="0.0.0.0",
        port=9000,
        serve=True,
        freeze=True,
        debug=True,
        force_quit_seconds=2.5,
        allow_origins=("https://a", "https://b"),
        allow_hosts=("c",),
        max_message_bytes=10,
    ).arguments()
    line = " ".join(words)
    for part in (
        "serve --host 0.0.0.0 --port 9000",
        f"--workspace {LAYOUT.workspace} --prefix {LAYOUT.prefix}",
        "--serve --freeze --debug",
        "--force-quit-timeout 2.5",
        "--allow-origin https://a --allow-origin https://b",
        "--allow-host c",
        "--max-message-size 10",
    ):
        assert part in line


def test_an_app_of_one_s_own_is_served_instead_of_ours() -> None:
    words = ServeOptions(LAYOUT, serve=True, app_dir=Path("/a")).arguments()
    assert "--app-dir" in words
    assert "--serve" not in words


def test_an_engine_that_says_nothing_is_ended_and_its_last_words_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = "import sys; print('waiting for a disk', file=sys.stderr, flush=True); print('{}', flush=True); input()"
    with tempfile.TemporaryFile() as evidence:
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=evidence
        )
        engine = EngineProcess(process, evidence, detached=False)
        # Only once it has spoken: how long a Python takes to start is the machine's matter.
        first = engine._lines.get(timeout=60)
        monkeypatch.setattr(launch, "BOOT_SILENCE_SECONDS", 0.05)
        with pytest.raises(ImJoyError) as caught:
            engine.wait_until_ready(lambda text, fraction: None)
        assert first.strip() == b"{}"
        assert caught.value.id == "engine.silent"
        assert "waiting for a disk" in caught.value.why
        assert process.poll() is not None
        engine.request_stop()


def test_an_engine_whose_python_is_gone_is_told(home: Path) -> None:
    """As after an upgrade of the Python that it was started with."""
    python = str(home / "gone" / "python")
    argv = [python, "-m", "imjoy_engine", "serve", "--port", "8080"]
    with pytest.raises(ImJoyError) as caught:
        launch_again(argv, 8080, Context(home, {}))
    assert (caught.value.id, caught.value.exit_code) == ("engine.unstartable", ExitCode.FAILED)
    assert python in caught.value.why
    assert caught.value.fix == "imjoy doctor"
