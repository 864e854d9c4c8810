"""Steps of an allocation, with an ``srun`` that is a double: a shell script."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from imjoy_engine.launchers import Resources
from imjoy_engine.launchers.slurm_steps import JOB_VARIABLE, SlurmSteps

MORE_THAN_A_PIPE_AND_A_BUFFER = "#" * 1_000_000
WAIT_SECONDS = 30

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the double of srun is a shell script")


def steps_of(folder: Path, srun: str) -> SlurmSteps:
    """Return the steps of an allocation 12 whose ``srun`` is this script."""
    for name, script in (("srun", srun), ("squeue", "echo '12|RUNNING|None|n1|1|2|N/A'")):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return SlurmSteps({"PATH": f"{folder}:{os.environ['PATH']}", JOB_VARIABLE: "12"}, [], "/w")


def test_a_step_that_waits_for_room_is_begun_is_listed_and_can_be_ended(tmp_path: Path) -> None:
    # As srun, which reads nothing of a script before the step is there.
    steps = steps_of(tmp_path, "exec sleep 600")

    async def begin_and_end() -> None:
        step = await steps.submit(MORE_THAN_A_PIPE_AND_A_BUFFER, {}, "Plugin", Resources())
        places = await steps.poll_jobs()
        assert places is not None and places[step].state == "PENDING"
        await steps.cancel(step)
        assert await steps.poll_jobs() == {}

    asyncio.run(asyncio.wait_for(begin_and_end(), WAIT_SECONDS))


def test_a_step_gets_the_whole_of_its_script_and_says_how_it_ended(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, f"cat >{tmp_path}/script; echo no room >&2; exit 3")
    (tmp_path / "scontrol").write_text("#!/bin/sh\necho JobId=12 JobState=RUNNING ExitCode=0:0 NodeList=n1\n")
    (tmp_path / "scontrol").chmod(0o755)

    async def begin_and_explain() -> None:
        step = await steps.submit(MORE_THAN_A_PIPE_AND_A_BUFFER, {}, "Plugin", Resources())
        ending = await steps.explain(step)
        assert (ending.exit_code, ending.description) == (3, "srun ended with exit code 3: no room")
        await steps.cancel(step)

    asyncio.run(asyncio.wait_for(begin_and_explain(), WAIT_SECONDS))
    assert (tmp_path / "script").read_text() == MORE_THAN_A_PIPE_AND_A_BUFFER
