"""`install.sh`: which Python it takes, what it hands over, and that it leaves nothing of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kit.mirror import Mirror
from tests.shell.macos import doubles

from imjoy.provision.records.temporary_folders import remove_abandoned

from .conftest import (
    BASH,
    ROOT,
    Archive,
    Machine,
    bring,
    failure,
    nothing_runs,
    program,
    told,
    write_checkout,
)

TERMINAL = ROOT / "tests" / "shell" / "at_a_terminal.py"
FLOOR_MESSAGE = "there is no Python 3.9 or newer here"


# --- what is handed over ---


def test_everything_is_handed_over_as_it_was_typed(machine: Machine, checkout: Path) -> None:
    machine.python()
    words = ["--prefix=/a b/ü", "--prefix", "x\ty", "bare", "--nope", "--", "--json", "*", ""]
    done = machine.run(BASH, checkout / "install.sh", *words)
    said = told(done)
    assert said["words"] == ["install", *words]
    assert said["place"] == str(checkout / "bootstrap")
    assert said["isolated"]
    assert said["handed"]["IMJOY_DOOR"] == "install.sh"
    assert not {"IMJOY_DOOR_FOLDER", "IMJOY_DOOR_PYTHON", "IMJOY_DOOR_SOURCE"} & set(said["handed"])
    assert machine.left() == []


@pytest.mark.parametrize("code", [0, 1, 3, 7, 70])
def test_the_exit_code_is_the_planner_s(code: int, machine: Machine, checkout: Path) -> None:
    machine.python()
    machine.variables["DOUBLE"] = str(code)
    done = machine.run(BASH, checkout / "install.sh")
    assert (done.returncode, done.stderr) == (code, "")


def test_what_a_script_before_this_one_left_in_the_environment_is_not_handed_on(
    machine: Machine, checkout: Path
) -> None:
    machine.python()
    machine.variables.update(IMJOY_DOOR_SOURCE="/old", IMJOY_DOOR_PYTHON="/old", IMJOY_DOOR_UNREACHABLE="old")
    assert set(told(machine.run(BASH, checkout / "install.sh"))["handed"]) == {
        "IMJOY_DOOR",
        "IMJOY_DOOR_SHELL",
    }


def test_what_an_old_python_has_unpacked_is_handed_on_and_its_folder_is_the_one_to_fetch_into(
    machine: Machine, checkout: Path, script: Path, server: Mirror, python_archive: Archive
) -> None:
    unpacked = machine.temporary / "imjoy-door-of an old Python"
    unpacked.mkdir()
    handed = {
        "IMJOY_DOOR": "python",
        "IMJOY_DOOR_FOLDER": str(unpacked),
        "IMJOY_DOOR_SOURCE": "/up",
        "IMJOY_DOOR_ARCHIVE": "/up.zip",
    }
    machine.variables |= handed
    bring(machine, server, "ok", python_archive)
    said = told(machine.run(BASH, script, "--help", "--from", checkout))
    assert said["words"] == ["install", "--help", "--from", str(checkout)]
    assert {name: said["handed"][name] for name in handed} == handed
    assert Path(said["handed"]["IMJOY_DOOR_PYTHON"]).parents[1] == unpacked
    assert machine.left() == []


def test_a_folder_that_no_script_has_made_is_never_removed(machine: Machine, checkout: Path) -> None:
    machine.python()
    machine.variables |= {"IMJOY_DOOR": "python", "IMJOY_DOOR_FOLDER": str(machine.home)}
    assert told(machine.run(BASH, checkout / "install.sh"))["words"] == ["install"]
    assert machine.home.is_dir()


def test_where_that_folder_cannot_be_used_the_one_that_was_fetched_into_is_handed_over(
    machine: Machine, checkout: Path, script: Path, server: Mirror, python_archive: Archive
) -> None:
    """It is what a planner that becomes `imjoy start` removes; the old Python removes its own at the end."""
    unpacked = machine.temporary / "of an old Python"
    unpacked.mkdir()
    machine.variables |= {"IMJOY_DOOR": "python", "IMJOY_DOOR_FOLDER": str(unpacked)}
    mktemp = shutil.which("mktemp")
    machine.has(
        "mktemp",
        f'for last; do :; done; case $last in */of\\ an\\ old*) exit 1 ;; esac; exec {mktemp} "$@"',
    )
    bring(machine, server, "ok", python_archive)
    handed = told(machine.run(BASH, script, "--from", checkout))["handed"]
    folder = Path(handed["IMJOY_DOOR_FOLDER"])
    assert folder == Path(handed["IMJOY_DOOR_PYTHON"]).parent
    assert unpacked not in folder.parents
    assert not folder.exists() and unpacked.exists()


@pytest.mark.parametrize("shell", ["zsh", "fish", "bash"])
def test_it_comes_through_the_pipe_of_any_shell_and_says_which(
    shell: str, machine: Machine, checkout: Path
) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not here")
    machine.python()
    script, source = (shlex.quote(str(each)) for each in (checkout / "install.sh", checkout))
    line = f"cat {script} | {BASH} -s -- --from {source} --yes; true"
    done = machine.run(found, "-c", line)
    said = told(done)
    assert said["words"] == ["install", "--from", str(checkout), "--yes"]
    # What is left of the pipe is no answer to a question.
    assert said["input"] == ""
    if Path("/proc/self/comm").exists():
        assert said["shell"] == shell


@pytest.mark.parametrize("piped", [False, True])
def test_the_planner_has_the_terminal(piped: bool, machine: Machine, checkout: Path) -> None:
    machine.python()
    script = shlex.quote(str(checkout / "install.sh"))
    line = f"cat {script} | {BASH} -s -- --from {shlex.quote(str(checkout))}" if piped else f"{BASH} {script}"
    done = machine.run(
        sys.executable, TERMINAL, '"words"', "", BASH, "-c", f"{line}; : </dev/tty && echo there is one"
    )
    assert "there is one" in done.stdout
    assert ('"input": "terminal"' in done.stdout) != piped


# --- the shell ---


@pytest.mark.parametrize("shell", ["dash", "bash as sh", "zsh", "busybox"])
@pytest.mark.parametrize("piped", [False, True])
def test_a_shell_that_is_not_bash_gets_a_sentence(
    shell: str, piped: bool, machine: Machine, checkout: Path
) -> None:
    """macOS's sh is a bash in POSIX mode, which has no process substitution: a syntax error at some line else."""
    if shell == "bash as sh":
        (machine.commands / "sh").unlink()
        (machine.commands / "sh").symlink_to(BASH)
        command = [machine.commands / "sh"]
    else:
        found = shutil.which(shell)
        if found is None:
            pytest.skip(f"{shell} is not here")
        command = [Path(found), *(["sh"] if shell == "busybox" else [])]  # type: ignore[list-item]
    script = checkout / "install.sh"
    come = {"input": script.read_text()} if piped else {}
    done = machine.run(*command, *([] if piped else [script]), **come)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "install.sh: this is a bash script; run it with bash, not with sh\n"


def test_a_bash_that_is_told_to_be_posix_works(machine: Machine, checkout: Path) -> None:
    machine.python()
    machine.variables["POSIXLY_CORRECT"] = "1"
    assert machine.run(BASH, checkout / "install.sh").returncode == 0
    assert machine.run(BASH, "--posix", checkout / "install.sh").returncode == 0


def test_functions_aliases_and_variables_of_others_stand_in_for_nothing(
    machine: Machine, checkout: Path
) -> None:
    machine.python()
    hostile = machine.folder / "hostile"
    hostile.write_text(
        "shopt -s expand_aliases nullglob failglob nocasematch\n"
        "alias printf='echo hostile' case='echo hostile'\n"
        'for f in rm printf cd type mktemp kill wait; do eval "$f() { echo hostile; }; export -f $f"; done\n'
    )
    machine.variables.update(
        BASH_ENV=str(hostile),
        CLICOLOR_FORCE="1",
        GREP_OPTIONS="-v",
        TAR_OPTIONS="-v",
        CDPATH="/:/usr",
        GZIP="-v",
        PYTHONHOME="/nowhere",
        PYTHONPATH="/nowhere",
        POSIXLY_CORRECT="1",
    )
    done = machine.run(BASH, checkout / "install.sh", "--yes")
    assert told(done)["words"] == ["install", "--yes"]
    assert "hostile" not in done.stdout + done.stderr


def test_home_need_not_be_set(machine: Machine, checkout: Path) -> None:
    machine.python()
    environ = machine.environ()
    del environ["HOME"]
    assert told(machine.run(BASH, checkout / "install.sh", env=environ))["words"] == ["install"]


def test_none_of_apples_tools_that_differ_is_run(machine: Machine, checkout: Path) -> None:
    """head refuses 0, df's names have blanks, ls is coloured; sed, date, stat and readlink have other options."""
    machine.python()
    for name in (
        "head",
        "df",
        "ls",
        "sed",
        "date",
        "stat",
        "readlink",
        "grep",
        "cut",
        "tail",
        "find",
        "timeout",
    ):
        machine.has(name, f"echo ran {name} >&2; exit 64")
    done = machine.run(BASH, checkout / "install.sh")
    assert (done.returncode, done.stderr) == (0, "")


# --- which Python ---


def test_a_python_that_hangs_is_left_after_a_while_with_all_that_it_started(
    machine: Machine, checkout: Path, script: Path
) -> None:
    machine.has("python3", "sleep 1000 & sleep 1000")
    machine.python("python3.12")
    with machine.start(BASH, script, "--from", checkout) as process:
        out, _ = process.communicate(timeout=30)
    said = json.loads(out)
    assert said["python"] and process.returncode == 0
    assert said["notices"] == [f"{machine.doubles}/python3 did not start within 1 s"]
    assert nothing_runs(process.pid)
    assert machine.left() == []


def test_a_python_that_talks_is_taken(machine: Machine, checkout: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "talks"], check=True)
    site = next((tmp_path / "talks" / "lib").glob("python3*")) / "site-packages"
    (site / "sitecustomize.py").write_text("import sys; print('Lab tools loaded', file=sys.stderr)\n")
    (site / "shouts.pth").write_text("import sys; sys.stderr.write('3.6.0\\n' * 1000)\n")
    (machine.commands / "python3").symlink_to(tmp_path / "talks" / "bin" / "python3")
    machine.variables["PATH"] = f"{tmp_path / 'talks' / 'bin'}:{machine.commands}"
    done = machine.run(BASH, checkout / "install.sh")
    assert told(done)["python"] == str(tmp_path / "talks" / "bin" / "python3")


def test_what_is_no_python_is_passed_over(machine: Machine, checkout: Path) -> None:
    (machine.doubles / "python3").mkdir()
    machine.has("python", "echo 'No module named encodings' >&2; exit 1")
    (machine.doubles / "python3.14").write_text("#!/nowhere/python\n")
    (machine.doubles / "python3.14").chmod(0o755)
    machine.has("python3.13", "kill -SEGV $$")
    machine.python("python3.11")
    said = told(machine.run(BASH, checkout / "install.sh"))
    assert f"{machine.doubles}/python3.13 does not start" in said["notices"]


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8"])
def test_an_older_python_is_passed_over_and_named_when_there_is_no_other(
    version: str, machine: Machine, checkout: Path
) -> None:
    root = Path(os.environ.get("PYENV_ROOT", "/nowhere"))
    found = sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
    if not found:
        pytest.skip(f"Python {version} is not here")
    (machine.commands / "python").symlink_to(found[0])
    done = machine.run(BASH, checkout / "install.sh", "--json")
    error = failure(done)
    assert (error["id"], done.returncode) == ("network.python", 4)
    assert f"{FLOOR_MESSAGE} ({machine.commands}/python is older)" in error["what"]
    machine.python()
    assert told(machine.run(BASH, checkout / "install.sh"))["words"] == ["install"]


def test_a_python_in_the_folder_that_one_stands_in_is_not_run(machine: Machine, checkout: Path) -> None:
    program(machine.home / "python3", "touch ran; exit 0")
    machine.variables["PATH"] = f":.:{machine.doubles}:{machine.commands}"
    machine.python("python3.12")
    assert machine.run(BASH, checkout / "install.sh").returncode == 0
    assert not (machine.home / "ran").exists()


@pytest.mark.parametrize(
    "place", ["miniconda3/bin", "opt/anaconda3/bin", ".pyenv/versions/3.12.0/bin", "ImJoyApp/bin"]
)
def test_a_python_off_the_path_is_found_where_such_lie(place: str, machine: Machine, checkout: Path) -> None:
    machine.variables = {"PYENV_ROOT": str(machine.home / ".pyenv")}
    program(machine.home / place / "python3", f'exec "{sys.executable}" "$@"')
    assert machine.run(BASH, checkout / "install.sh").returncode == 0


def test_a_path_without_any_command_hinders_nobody_who_has_a_python(machine: Machine, checkout: Path) -> None:
    program(machine.home / ".pyenv/versions/3.12.0/bin/python3", f'exec "{sys.executable}" "$@"')
    machine.variables = {"PYENV_ROOT": str(machine.home / ".pyenv"), "PATH": "/nowhere"}
    done = machine.run(BASH, checkout / "install.sh")
    assert told(done)["words"] == ["install"]
    assert done.stderr == ""


@pytest.mark.parametrize("system", ["FreeBSD", "MINGW64_NT-10.0"])
def test_a_system_that_it_does_not_know_is_told(system: str, machine: Machine, checkout: Path) -> None:
    machine.python()
    machine.has("uname", f"echo {system}")
    error = failure(machine.run(BASH, checkout / "install.sh", "--json"))
    assert (error["id"], error["exit_code"]) == ("host.system", 3)
    assert error["what"] == f"this script knows Linux and macOS, and this is {system}"


def test_its_own_part_is_short(machine: Machine, checkout: Path) -> None:
    """Processor time, so that what else the machine does meanwhile does not count."""
    machine.python()
    script = checkout / "install.sh"

    def worked(*words: object) -> float:
        before = os.times()
        assert machine.run(*words).returncode == 0
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    alone = min(
        worked(machine.doubles / "python3", "-I", "-B", "-c", "import json, signal") for _ in range(3)
    )
    assert min(worked(BASH, script) for _ in range(3)) - alone < 0.3


def on_a_mac(machine: Machine, *words: object, git: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command where /usr/bin/python3 (and git) are what macOS has there: real ones only with developer tools.

    Apple's stubs: https://github.com/apple-oss-distributions has no source of them; ``xcode-select -p`` fails without
    tools, and ``xcrun`` exits with 69 while the licence of Xcode is not accepted (xcrun(1), xcode-select(1)).
    """
    doubles.install(machine.doubles, "uname", "sw_vers", "sysctl")
    stub = program(
        machine.folder / "stub",
        f'echo "${{0##*/}} $*" >>"{machine.folder}/dialog"\n'
        f'[ -e "{machine.folder}/accepted" ] || exit 69\nexec "{sys.executable}" "$@"',
    )
    machine.variables["PATH"] = f"{machine.doubles}:{machine.commands}:/usr/bin"
    mounts = " && ".join(
        f"mount --bind {shlex.quote(str(stub))} /usr/bin/{name}"
        for name in ("python3", *(["git"] if git else []))
    )
    machine.without(*(["git"] if git else []), "git-remote-http")
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0 or not Path("/usr/bin/python3").exists():
        pytest.skip("a file cannot be mounted over /usr/bin/python3 here")
    path = f"PATH={machine.variables['PATH']}"
    line = f'export PATH=/usr/bin:/bin:/usr/sbin:/sbin; {mounts} && {path} && exec "$@"'
    done = machine.run(unshare, "--mount", "/bin/bash", "-c", line, "bash", *words)
    if "mount:" in done.stderr:
        pytest.skip("nothing can be mounted here")
    return done


@pytest.mark.parametrize(
    ("select", "xcrun"),
    [
        ("exit 2", "exit 1"),
        ("echo /Applications/Xcode.app/Contents/Developer", "echo 'not agreed' >&2; exit 69"),
    ],
    ids=["no developer tools", "licence not accepted"],
)
def test_apple_s_stubs_are_not_run(
    select: str, xcrun: str, machine: Machine, script: Path, repository: Path
) -> None:
    machine.has("xcode-select", select)
    machine.has("xcrun", xcrun)
    done = on_a_mac(machine, BASH, script, "--json")
    assert failure(done)["id"] == "network.python"
    assert "aarch64-apple-darwin" in failure(done)["why"]
    assert not (machine.folder / "dialog").exists()

    machine.python("python3.14")
    done = on_a_mac(machine, BASH, script, "--json", "--from", f"git+file://{repository}", git=True)
    assert failure(done)["id"] == "network.source"
    assert "git is not here" in failure(done)["why"]
    assert not (machine.folder / "dialog").exists()


def test_a_mac_with_developer_tools_has_its_python_taken(machine: Machine, checkout: Path) -> None:
    (machine.folder / "accepted").touch()
    machine.has("xcode-select", "echo /Library/Developer/CommandLineTools")
    machine.has("xcrun", "echo /Library/Developer/CommandLineTools/usr/bin/python3")
    assert told(on_a_mac(machine, BASH, checkout / "install.sh"))["words"] == ["install"]
    assert (machine.folder / "dialog").exists()


# --- imjoy's source ---


def test_a_wheel_is_imported_as_it_is(machine: Machine, script: Path, checkout: Path, tmp_path: Path) -> None:
    machine.python()
    wheel = shutil.make_archive(str(tmp_path / "imjoy-9-py3-none-any"), "zip", checkout / "bootstrap")
    wheel = shutil.move(wheel, str(tmp_path / "imjoy-9-py3-none-any.whl"))
    for words in (["--from", wheel], ["--offline", tmp_path]):
        said = told(machine.run(BASH, script, *words))
        assert said["place"] == str(wheel)
        assert said["words"] == ["install", *map(str, words)]


def test_a_file_that_is_no_imjoy_is_refused(machine: Machine, script: Path, tmp_path: Path) -> None:
    machine.python()
    (tmp_path / "imjoy-9-py3-none-any.whl").touch()
    done = machine.run(BASH, script, "--json", "--from", tmp_path / "imjoy-9-py3-none-any.whl")
    assert failure(done)["id"] == "source.not_imjoy"
    for name in ("nöwhere.whl", 'no"where\\.whl', "no\nwhere.whl"):
        done = machine.run(BASH, script, "--json", "--from", tmp_path / name)
        assert (failure(done)["id"], done.returncode) == ("source.missing", 3)
    done = machine.run(BASH, script, "--json", f"--from={tmp_path}")
    assert (failure(done)["id"], done.returncode) == ("source.missing", 3)


def test_in_a_checkout_its_own_planner_judges_any_source(machine: Machine, checkout: Path) -> None:
    machine.python()
    for source in ("nowhere", "git+https://nowhere.invalid/x@main", "/tmp/nothing.whl"):
        said = told(machine.run(BASH, checkout / "install.sh", "--from", source))
        assert said["place"] == str(checkout / "bootstrap")
        assert "IMJOY_DOOR_UNREACHABLE" not in said["handed"]


def test_an_imjoy_installed_in_the_python_is_not_taken_for_the_planner(
    machine: Machine, checkout: Path, tmp_path: Path
) -> None:
    """The package index has another program of that name."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    site = next((tmp_path / "venv" / "lib").glob("python3*")) / "site-packages" / "imjoy"
    site.mkdir()
    (site / "__init__.py").write_text("raise ImportError('an old one')\n")
    (machine.commands / "python3").symlink_to(tmp_path / "venv" / "bin" / "python3")
    machine.variables["PATH"] = f"{tmp_path / 'venv' / 'bin'}:{machine.commands}"
    assert told(machine.run(BASH, checkout / "install.sh"))["place"] == str(checkout / "bootstrap")


def test_without_a_network_the_prefix_s_own_planner_goes_on(
    machine: Machine, script: Path, checkout: Path
) -> None:
    machine.python()
    for name in ("curl", "git"):
        machine.has(name, "echo 'Could not resolve host' >&2; exit 6")
    done = machine.run(BASH, script, "--json")
    assert (failure(done)["id"], done.returncode) == ("network.source", 4)
    assert "Could not resolve host" in failure(done)["why"]
    site = machine.home / "ImJoyApp" / "lib" / "python3.12" / "site-packages"
    shutil.copytree(checkout / "bootstrap", site)
    said = told(machine.run(BASH, script))
    assert said["place"] == str(site)
    assert "Could not resolve host" in said["handed"]["IMJOY_DOOR_UNREACHABLE"]


def test_an_uninstall_asks_no_network_where_the_prefix_has_a_planner(
    machine: Machine, script: Path, checkout: Path
) -> None:
    machine.python()
    machine.has("curl", f'touch "{machine.folder}/asked"; exit 6')
    site = machine.home / "Jörg Müller" / "lib" / "python3.12" / "site-packages"
    shutil.copytree(checkout / "bootstrap", site)
    words = ["--yes", f"--prefix={site.parents[2]}//", "--uninstall"]
    said = told(machine.run(BASH, script, *words))
    assert (said["place"], said["words"]) == (str(site), ["install", *words])
    machine.variables["IMJOY_PREFIX"] = str(site.parents[2])
    machine.variables["LC_ALL"] = "C"
    assert told(machine.run(BASH, script, "--uninstall"))["place"] == str(site)
    assert not (machine.folder / "asked").exists()


@pytest.mark.parametrize("how", ["installed", "a checkout", "a wheel"])
def test_a_planner_older_than_the_script_is_served(
    how: str,
    machine: Machine,
    script: Path,
    checkout: Path,
    server: Mirror,
    python_archive: Archive,
    tmp_path: Path,
) -> None:
    """It knows nothing of ``from_script``, as that of an install which an older 0.12.0 made."""
    bring(machine, server, "ok", python_archive)
    (checkout / "bootstrap" / "imjoy" / "provision" / "from_script.py").unlink()
    site = machine.home / "ImJoyApp" / "lib" / "python3.12" / "site-packages"
    shutil.copytree(checkout / "bootstrap", site)
    wheel = tmp_path / "imjoy-9-py3-none-any.whl"
    shutil.move(shutil.make_archive(str(tmp_path / "old"), "zip", site), str(wheel))
    places = {"installed": site, "a checkout": checkout / "bootstrap", "a wheel": wheel}
    words = {"a checkout": ["--from", str(checkout)], "a wheel": ["--from", str(wheel)]}.get(
        how, ["--uninstall"]
    )
    machine.variables["DOUBLE"] = "7"
    done = machine.run(BASH, script, *words)
    said = told(done)
    assert (said["words"], done.returncode) == (["install", *words], 7)
    assert said["place"] == str(places[how])
    # It does not remove what was fetched for it; any later run does.
    [left] = machine.temporary.iterdir()
    os.utime(left, (0, 0))
    remove_abandoned([machine.temporary])
    assert machine.left() == ["ImJoyApp"]


# --- stopped ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_stopped_while_it_looks_for_a_python_it_leaves_nothing(
    number: signal.Signals, machine: Machine, script: Path
) -> None:
    machine.has("python3", f'touch "{machine.folder}/looking"; sleep 1000 & sleep 1000')
    script.write_text(script.read_text().replace("START_SECONDS=1", "START_SECONDS=60"))
    with machine.start(BASH, script) as process:
        while not (machine.folder / "looking").exists():
            assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "warning: interrupted; nothing was left behind\n")
    assert nothing_runs(process.pid)
    assert machine.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize(
    "fetched", [False, True], ids=["by a Python that is here", "by one that was fetched"]
)
def test_stopped_while_the_planner_runs_it_undoes(
    number: signal.Signals,
    fetched: bool,
    machine: Machine,
    checkout: Path,
    script: Path,
    server: Mirror,
    python_archive: Archive,
) -> None:
    bring(machine, server, "ok", python_archive) if fetched else machine.python()
    machine.variables["DOUBLE"] = "undo"
    with machine.start(BASH, script, "--quiet", "--from", checkout) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["whole_python"] == fetched
        assert bool(machine.left()) == fetched
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "undone after 1\n")
    assert nothing_runs(process.pid)
    assert machine.left() == []


def test_signals_that_are_ignored_stay_so_as_under_nohup(machine: Machine, checkout: Path) -> None:
    machine.python()
    line = f"trap '' INT TERM HUP; exec {BASH} {shlex.quote(str(checkout / 'install.sh'))}"
    assert told(machine.run(BASH, "-c", line))["ignored"] == ["SIGINT", "SIGTERM", "SIGHUP"]


@pytest.mark.parametrize(
    ("code", "planner"),
    [
        (1, "import nowhere_there"),
        (5, "raise SystemExit(5)"),
        (130, "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)"),
        # Ctrl-C between the planner's end and that of the script.
        (
            130,
            "import signal\ndef late(*_): raise KeyboardInterrupt\n"
            "def main(words):\n    signal.signal = late\n    return 0",
        ),
    ],
    ids=["a module that is not there", "SystemExit", "a signal", "a signal at the end"],
)
def test_however_the_planner_ends_nothing_is_left(
    code: int,
    planner: str,
    machine: Machine,
    checkout: Path,
    script: Path,
    server: Mirror,
    python_archive: Archive,
) -> None:
    bring(machine, server, "ok", python_archive)
    (checkout / "bootstrap" / "imjoy" / "provision" / "main.py").write_text(planner + "\n")
    assert machine.run(BASH, script, "--quiet", "--from", checkout).returncode == code
    assert machine.left() == []


def test_killed_it_leaves_a_folder_that_the_next_run_knows(
    machine: Machine, checkout: Path, script: Path, server: Mirror, python_archive: Archive
) -> None:
    bring(machine, server, "ok", python_archive)
    machine.variables["DOUBLE"] = "undo"
    with machine.start(BASH, script, "--from", checkout) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        [left] = [machine.temporary / each for each in machine.left()]
        os.utime(left, (0, 0))
        remove_abandoned([machine.temporary])
        assert left.is_dir()
        process.kill()
        process.wait()
        os.utime(left, (0, 0))
    remove_abandoned([machine.temporary])
    assert machine.left() == []


@pytest.mark.parametrize("fetched", [False, True], ids=["a Python that is here", "one that was fetched"])
def test_ctrl_c_at_a_terminal_reaches_the_planner_once(
    fetched: bool,
    machine: Machine,
    checkout: Path,
    script: Path,
    server: Mirror,
    python_archive: Archive,
) -> None:
    bring(machine, server, "ok", python_archive) if fetched else machine.python()
    machine.variables["DOUBLE"] = "undo"
    done = machine.run(sys.executable, TERMINAL, '"words"', "^C", BASH, script, "--from", checkout)
    assert done.returncode == 130
    assert "undone after 1" in done.stdout
    assert machine.left() == []


def test_no_temporary_folder_can_be_made(machine: Machine, script: Path) -> None:
    machine.python()
    machine.has("mktemp", "exit 1")
    done = machine.run(BASH, script, "--json", "--from", "https://nowhere.invalid/imjoy.zip")
    assert failure(done)["id"] == "prefix.unwritable"


def test_a_checkout_elsewhere_is_planned_by_its_own_planner(
    machine: Machine, script: Path, tmp_path: Path
) -> None:
    machine.python()
    other = write_checkout(tmp_path / "another checkout")
    assert told(machine.run(BASH, script, "--from", other))["place"] == str(other / "bootstrap")
    assert told(machine.run(BASH, script, "--from=another checkout", cwd=tmp_path))["place"] == str(
        other / "bootstrap"
    )


def test_every_error_of_the_script_is_documented() -> None:
    script, page = ((ROOT / name).read_text(encoding="utf-8") for name in ("install.sh", "docs/install.md"))
    ids = set(re.findall(r"\b(?:die|no_python) ([a-z]+\.[a-z_]+)", script))
    assert len(ids) > 10
    assert not {each for each in ids if f"`{each}`" not in page}
