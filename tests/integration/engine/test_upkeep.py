"""What the page's engine menu asks for: the log, and an examination of the machine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from imjoy.effects.processes.process import birth_of
from imjoy.engines.running import engine_status, stop_engine
from imjoy.model.layout import Layout

from .conftest import RunningEngine, StartEngine
from .knocking import ask

RESTART_SECONDS = 60


def test_the_end_of_the_log_is_handed_out(engine: RunningEngine) -> None:
    ask(engine, "/api/v1/plugins/none")
    status, _, body = ask(engine, "/api/v1/log")
    records = json.loads(body)["records"]
    assert status == 200
    assert records == [json.loads(line) for line in engine.log().splitlines()][: len(records)]
    assert "/api/v1/plugins/none refused" in records[-1]["text"]
    assert engine.token not in body.decode()


def test_an_engine_starts_again_at_its_port_with_its_token(start_engine: StartEngine) -> None:
    engine = start_engine(env={"IMJOY_COMMAND": "~/ImJoyApp/bin/imjoy"})
    layout = Layout(prefix=Path(), workspace=engine.workspace)
    token = engine.token
    try:
        status, _, body = ask(engine, "/api/v1/restart", "POST")
        assert (status, json.loads(body)) == (202, {"restarting": True})
        assert engine.process.wait(RESTART_SECONDS) == 0
        deadline = time.monotonic() + RESTART_SECONDS
        while not (again := engine_status(layout)).running:
            assert time.monotonic() < deadline
        assert again.url == engine.url
        assert again.details["command"] == "~/ImJoyApp/bin/imjoy"
        assert ask(engine, token=token)[0] == 200
    finally:
        stop_engine(layout)


@pytest.mark.skipif(sys.platform == "win32", reason="it would write this account's registry")
def test_the_start_at_login_is_switched_on_and_off(start_engine: StartEngine, tmp_path: Path) -> None:
    engine = start_engine(env={"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")})
    unit = tmp_path / ".config" / "systemd" / "user" / "imjoy.service"
    for on in (True, False):
        status, _, body = ask(engine, "/api/v1/autostart", "PUT", body=json.dumps({"autostart": on}).encode())
        assert (status, json.loads(body)) == (200, {"autostart": on})
        assert json.loads(ask(engine, "/api/v1/autostart")[2]) == {"autostart": on}
        if sys.platform != "darwin":
            assert unit.exists() is on
    assert ask(engine, "/api/v1/autostart", "PUT", body=b'{"autostart": "yes"}')[0] == 400


def test_where_another_tool_looks_after_imjoy_an_upgrade_says_what_to_type(engine: RunningEngine) -> None:
    status, _, body = ask(engine, "/api/v1/upgrade")
    error = json.loads(body)["error"]
    assert (status, error["id"]) == (409, "upgrade.managed")
    assert error["fix"].startswith("git -C ")
    assert json.loads(ask(engine, "/api/v1/upgrade/outcome")[2]) == {"outcome": None}
    assert ask(engine, "/api/v1/upgrade", "POST")[0] == 202
    deadline = time.monotonic() + RESTART_SECONDS
    while (outcome := json.loads(ask(engine, "/api/v1/upgrade/outcome")[2])["outcome"]) is None:
        assert time.monotonic() < deadline
    assert outcome["error"]["id"] == "upgrade.managed"


def test_an_upgrade_that_was_killed_is_told_from_one_that_is_running(engine: RunningEngine) -> None:
    layout = Layout(prefix=Path(), workspace=engine.workspace)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = {"pid": process.pid, "birth": birth_of(process.pid)}
        layout.upgrade_process_file.write_text(json.dumps(started))
        layout.upgrade_outcome_file.write_bytes(b"")
        assert json.loads(ask(engine, "/api/v1/upgrade/outcome")[2]) == {"outcome": None}
        # Another tab joins it.
        assert ask(engine, "/api/v1/upgrade", "POST")[0] == 202
        assert json.loads(layout.upgrade_process_file.read_text()) == started
        process.kill()
    error = json.loads(ask(engine, "/api/v1/upgrade/outcome")[2])["outcome"]["error"]
    assert (error["id"], error["fix"]) == ("upgrade.killed", "imjoy upgrade")


def test_without_a_log_there_are_no_records(engine: RunningEngine) -> None:
    (engine.workspace / ".imjoy" / "logs" / "engine.log").unlink()
    assert json.loads(ask(engine, "/api/v1/log")[2]) == {"records": []}


def test_who_asks_for_an_examination_in_the_middle_of_one_gets_the_same(engine: RunningEngine) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ask(engine, "/api/v1/doctor?offline=1", "POST"), range(2))
    assert first[0] == second[0] == 200
    found = json.loads(first[2])
    assert found == json.loads(second[2])
    by_id = {check["id"]: check for check in found["checks"]}
    # It is this engine's workspace that was looked at.
    assert by_id["engine.state"]["status"] == "ok"
    assert "no engine" not in by_id["engine.state"]["what"]
    assert by_id["net.index"]["status"] == "skipped"


def test_an_engine_stops_in_the_middle_of_an_examination(engine: RunningEngine) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, engine, "/api/v1/doctor?offline=1", "POST")
        while not psutil.Process(engine.process.pid).children():
            assert not asked.done(), "it was over before it was seen"
        engine.stop()
        asked.exception()
