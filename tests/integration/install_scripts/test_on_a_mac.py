"""A part of the installer's suite with doubles of a Mac's commands (all of it: `make test-macos`), and the doubles."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.shell.macos import doubles

from .conftest import Machine
from .test_install_sh import (
    test_a_file_that_is_no_imjoy_is_refused,
    test_everything_is_handed_over_as_it_was_typed,
    test_the_exit_code_is_the_planner_s,
    test_without_a_network_the_prefix_s_own_planner_goes_on,
)
from .test_install_sh_fetches import (
    test_a_mirror_has_it_under_its_own_name,
    test_a_python_comes_from_the_folder_of_offline,
    test_without_anything_to_fetch_with_it_says_what_to_install,
)

__all__ = [
    "test_a_file_that_is_no_imjoy_is_refused",
    "test_a_mirror_has_it_under_its_own_name",
    "test_a_python_comes_from_the_folder_of_offline",
    "test_everything_is_handed_over_as_it_was_typed",
    "test_the_exit_code_is_the_planner_s",
    "test_without_a_network_the_prefix_s_own_planner_goes_on",
    "test_without_anything_to_fetch_with_it_says_what_to_install",
]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a Mac without a Python."""
    return Machine(tmp_path / "machine", apple=True)


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("echo a | head -c 0", 1, "head: illegal byte count -- 0"),
        ("printf 'a\\nb\\n' | head -n 1", 0, "a"),
        ("printf abc | wc -c", 0, "       3"),
        ("sed --version", 1, "sed: "),
        ("printf 'a\\n' >f && sed -i s/a/b/ f", 1, "sed: "),
        ("printf 'a\\n' >f && sed -i '' s/a/b/ f && cat f", 0, "b"),
        ("printf a | sed s/a/b/", 0, "b"),
        ("date -d yesterday", 1, "date: "),
        ("date -u -r 0 +%Y-%m-%dT%H:%M", 0, "1970-01-01T00:00"),
        ("stat -c %s .", 1, "stat: "),
        ("printf abc >f && stat -f %z f", 0, "3"),
        ("readlink -e .", 1, "readlink: "),
        ("df --output=avail .", 1, "df: "),
        ("df -k . | sed -n 2p", 0, "map auto_home "),
        ("ps --ppid 1", 1, "ps: "),
        ("ls --sort=time", 1, "ls: "),
        ("mktemp --suffix=.x", 1, "mktemp: "),
        ("sw_vers -productVersion", 0, "14.5"),
        ("SYSTEM_VERSION_COMPAT=1 sw_vers -productVersion", 0, "10.16"),
        ("uname -sm", 0, "Darwin arm64"),
        ("uname -i", 1, "uname: "),
        ("sysctl -n sysctl.proc_translated", 0, "0"),
        ("sysctl -n hw.nothing", 1, "sysctl: unknown oid 'hw.nothing'"),
        ("xcode-select -p", 2, "xcode-select: error"),
    ],
)
def test_the_doubles_take_and_print_what_apple_s_commands_do(
    line: str, status: int, said: str, tmp_path: Path
) -> None:
    doubles.install(tmp_path)
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert done.stdout.startswith(said)
