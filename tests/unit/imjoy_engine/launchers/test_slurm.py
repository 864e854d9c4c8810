"""What SLURM's commands say, as it was recorded on a SLURM 22.05, and how it is read."""

from __future__ import annotations

import asyncio
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.launchers import JobStatus, Resources
from imjoy_engine.launchers.cluster import waiting_words
from imjoy_engine.launchers.slurm import Slurm, near_its_end, parse_job, parse_queue

QUEUE = """Welcome to the cluster; maintenance on Friday.
7|PENDING|Resources||N/A|N/A|N/A
8|RUNNING|None|n2|1795772270|1795772570|gres:gpu:1
9|PENDING|PartitionTimeLimit||N/A|N/A|N/A
not|a|job
"""
JOB = (
    "JobId=139 JobName=imjoy-0f UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901622 Nice=0"
    " JobState={state} Reason=None Dependency=(null) Requeue=0 Restarts=0 BatchFlag=1 ExitCode={code} RunTime=00:00:40"
    " TimeLimit=00:01:00 TimeMin=N/A StartTime=1795772270 EndTime=1795772330 NodeList=n1 BatchHost=n1"
)


def test_a_queue_is_read_whatever_stands_around_it() -> None:
    places = parse_queue(QUEUE)
    assert places["7"] == JobStatus("SLURM", "7", "PENDING", "Resources", "", "", None, None)
    assert places["8"] == JobStatus("SLURM", "8", "RUNNING", "", "n2", "gres:gpu:1", 1795772270, 1795772570)
    assert "will never be met" in places["9"].why
    assert set(places) == {"7", "8", "9"}


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("TIMEOUT", "cluster.time"),
        ("OUT_OF_MEMORY", "cluster.memory"),
        ("CANCELLED", "cluster.cancelled"),
        ("PREEMPTED", "cluster.cancelled"),
        ("FAILED", ""),
        ("COMPLETED", ""),
        ("RUNNING", ""),
    ],
)
def test_what_became_of_a_job_is_named(state: str, error: str) -> None:
    ending = parse_job(JOB.format(state=state, code="66:0"))
    assert (ending.id, ending.state, ending.exit_code) == (error, state, 66)
    assert ending.description == f"it is {state} on n1"


def test_a_job_that_slurm_killed_for_its_memory_is_named() -> None:
    ending = parse_job(JOB.format(state="FAILED", code="0:9"))
    assert (ending.id, ending.description) == ("cluster.memory", "it is FAILED on n1, killed by signal 9")


def test_the_words_for_a_job_that_waits_have_the_estimate() -> None:
    soon = time.time() + 600
    place = JobStatus("SLURM", "7", "PENDING", "Resources", "", "", soon, None)
    assert waiting_words(place) == f"Resources (starts about {time.strftime('%H:%M', time.localtime(soon))})"
    assert waiting_words(replace(place, starts=None)) == "Resources"
    assert waiting_words(replace(place, starts=soon + 86400)).count("-") == 2


@pytest.mark.parametrize(
    ("state", "now", "near"),
    [("RUNNING", 1795772290, True), ("RUNNING", 1795772200, False), ("COMPLETING", 1795772290, False)],
)
def test_a_job_near_its_end_is_told_from_one_that_was_cancelled(state: str, now: float, near: bool) -> None:
    assert near_its_end(JOB.format(state=state, code="0:0"), now) is near


def slurm_of(folder: Path, sbatch: str) -> Slurm:
    """Return a SLURM whose ``sbatch`` is a double: this script."""
    command = folder / "sbatch"
    command.write_text(f"#!/bin/sh\n{sbatch}\n")
    command.chmod(0o755)
    of_site = {"MODULEPATH": "/modules", "LC_ALL": "C.UTF-8"}
    not_for_jobs = {"TMPDIR": "/of/this/machine", "AWS_SECRET_ACCESS_KEY": "hidden"}
    environ = {**os.environ, **of_site, **not_for_jobs, "PATH": f"{folder}:{os.environ['PATH']}"}
    return Slurm(environ, ["--partition=gpu"], "/w")


@pytest.mark.skipif(os.name == "nt", reason="the double of sbatch is a shell script")
def test_a_job_is_submitted_by_standard_input_and_has_of_our_variables_what_is_for_it(tmp_path: Path) -> None:
    script = (
        f'echo "Welcome, and mind the quota"; printf "%s\n" "$@" >{tmp_path}/argv; '
        f"cat >{tmp_path}/script; env >{tmp_path}/environ"
    )
    # A script of the site's own, which says something before and after.
    afterwards = "echo 'Charged to lab, 12 h left.'; echo Bye >&2"
    slurm = slurm_of(tmp_path, f"{script}; echo '4711;cluster'; {afterwards}")
    resources = Resources(cpus=4, gpus=2, memory=(1 << 30) + 1, seconds=61)
    job = asyncio.run(slurm.submit("#!/bin/sh\ntrue\n", {"S": "secret"}, "Größe; rm", resources))
    assert job == "4711"
    argv = (tmp_path / "argv").read_text().splitlines()
    assert "secret" not in str(argv)
    assert "--export=ALL" in argv
    assert argv[-5:] == ["--cpus-per-task=4", "--gres=gpu:2", "--mem=1025M", "--time=2", "--partition=gpu"]
    (name,) = [word for word in argv if word.startswith("--job-name=")]
    assert re.search("-Gr-e-rm-[0-9a-f]{6}$", name)
    assert (tmp_path / "script").read_text() == "#!/bin/sh\ntrue\n"
    environ = (tmp_path / "environ").read_text().splitlines()
    assert {"S=secret", "MODULEPATH=/modules", "LC_ALL=C.UTF-8"} <= set(environ)
    assert not [line for line in environ if line.startswith(("AWS_", "TMPDIR", "SLURM_TIME_FORMAT"))]


@pytest.mark.skipif(os.name == "nt", reason="the double of sbatch is a shell script")
@pytest.mark.parametrize(
    ("sbatch", "why"),
    [
        ("echo 'sbatch: error: invalid partition' >&2; exit 1", "invalid partition"),
        ("echo Submitted batch job forty-two", "names no job"),
        ("true", "names no job"),
        ("exit 3", "exit code 3"),
    ],
)
def test_an_sbatch_that_gives_no_job_is_an_error(tmp_path: Path, sbatch: str, why: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(slurm_of(tmp_path, sbatch).submit("", {}, "Plugin", Resources()))
    assert caught.value.id == "cluster.refused"
    assert why in caught.value.why


@pytest.mark.skipif(os.name == "nt", reason="the double of squeue is a shell script")
def test_a_scheduler_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm = slurm_of(tmp_path, "true")
    (tmp_path / "squeue").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setattr("imjoy_engine.launchers.slurm.COMMAND_SECONDS", 0.2)
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(slurm.check())
    assert caught.value.id == "cluster.missing"
    assert "did not answer within" in caught.value.why
    # One that is slow for once has not lost the jobs.
    assert asyncio.run(slurm.poll_jobs()) is None


@pytest.mark.skipif(os.name == "nt", reason="the double of squeue is a shell script")
def test_what_commands_say_is_read_in_english_whatever_the_persons_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    slurm = slurm_of(tmp_path, "true")
    english = "7|PENDING|Resources||N/A|N/A|N/A"
    (tmp_path / "squeue").write_text(
        f"#!/bin/sh\n[ \"$LC_ALL\" = C ] && echo '{english}' || echo '7|WARTET|Mittel||k. A.|k. A.|k. A.'\n"
    )
    (tmp_path / "squeue").chmod(0o755)
    places = asyncio.run(slurm.poll_jobs())
    assert places is not None and places["7"].state == "PENDING"


def test_where_there_is_no_slurm_it_is_said() -> None:
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(Slurm({"PATH": "/nowhere"}, [], "/w").check())
    assert caught.value.id == "cluster.missing"
