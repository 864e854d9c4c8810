"""`install.sh` without a Python, or without imjoy's source: what it fetches, and how it bears a bad network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.kit.forge import Forge, git
from tests.kit.mirror import Mirror
from tests.kit.standalone import Standalone

from .conftest import BASH, ROOT, Archive, Machine, bring, failure, nothing_runs, told

TERMINAL = ROOT / "tests" / "shell" / "at_a_terminal.py"


def only_with(tool: str, machine: Machine) -> None:
    """Have one tool to fetch with."""
    machine.without("curl", "wget")
    found = shutil.which(tool.partition(" ")[0])
    if found is None:
        pytest.skip(f"{tool} is not here")
    if tool == "busybox wget":
        # Debian's 1.35 crashes with -T, whatever the address.
        machine.has(
            "wget",
            'for a; do shift; [ "$a" = -T ] && t=1 && continue; [ "$t" ] && t= || set -- "$@" "$a"; done\n'
            f'exec {found} wget "$@"',
        )
    else:
        (machine.commands / tool).symlink_to(found)


TOOLS = ("curl", "wget", "busybox wget")


# --- a Python ---


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("how", ["ok", "cutonce", "busy", "headless"])
def test_a_python_is_fetched_and_handed_over_and_gone_afterwards(
    tool: str,
    how: str,
    machine: Machine,
    script: Path,
    checkout: Path,
    server: Mirror,
    python_archive: Archive,
) -> None:
    only_with(tool, machine)
    bring(machine, server, how, python_archive)
    done = machine.run(BASH, script, "--from", checkout, "--json")
    said = told(done)
    assert said["whole_python"]
    folder = said["handed"]["IMJOY_DOOR_FOLDER"]
    assert said["handed"]["IMJOY_DOOR_PYTHON"] == f"{folder}/python"
    assert Path(folder).parent == machine.temporary
    assert "There is no Python 3.9 or newer here: fetching one" in done.stderr
    assert machine.left() == []


def test_what_came_before_it_broke_off_is_not_fetched_again(
    machine: Machine, script: Path, checkout: Path, server: Mirror, python_archive: Archive
) -> None:
    bring(machine, server, "cutonce", python_archive)
    assert machine.run(BASH, script, "--from", checkout).returncode == 0
    assert server.sent < 2 * python_archive.file.stat().st_size


def test_a_server_that_cannot_go_on_begins_anew(
    machine: Machine, script: Path, checkout: Path, server: Mirror, python_archive: Archive
) -> None:
    bring(machine, server, "cutonce-norange", python_archive)
    assert machine.run(BASH, script, "--from", checkout).returncode == 0


@pytest.mark.parametrize(
    ("how", "code", "id"),
    [
        ("404", 4, "network.python"),
        ("503", 4, "network.python"),
        ("cut", 4, "network.python"),
        ("loop", 4, "network.python"),
        ("stall", 4, "network.python"),
        ("trickle", 4, "network.python"),
        ("wrong", 6, "download.checksum"),
    ],
)
def test_a_python_that_cannot_be_had_is_told_with_why_and_nothing_is_left(
    how: str, code: int, id: str, machine: Machine, script: Path, server: Mirror, python_archive: Archive
) -> None:
    text = script.read_text().replace("DOWNLOAD_ATTEMPTS=4", "DOWNLOAD_ATTEMPTS=2")
    script.write_text(text)
    bring(machine, server, how, python_archive)
    done = machine.run(BASH, script, "--json")
    error = failure(done)
    assert (error["id"], done.returncode) == (id, code)
    assert error["why"] and error["fix"]
    assert machine.left() == []


def test_offline_and_without_a_python_both_are_said(machine: Machine, script: Path) -> None:
    machine.has("python3", "kill -SEGV $$")
    done = machine.run(BASH, script, "--json")
    error = failure(done)
    assert (error["id"], done.returncode) == ("network.python", 4)
    assert "no Python 3.9 or newer here" in error["what"] and "127.0.0.1" in error["why"]
    assert "python3 does not start" in done.stderr
    assert machine.left() == []


def test_a_python_comes_from_the_folder_of_offline(
    machine: Machine, script: Path, checkout: Path, python_archive: Archive
) -> None:
    machine.without("curl", "wget")
    machine.variables["IMJOY_PYTHON_URL"] = f"https://nowhere.invalid/{python_archive.file.name}"
    machine.variables["IMJOY_PYTHON_SHA256"] = python_archive.sha256
    folder = python_archive.file.parent
    words = ["--offline", folder, "--from", checkout]
    assert told(machine.run(BASH, script, *words))["whole_python"]
    assert machine.left() == []
    machine.variables["IMJOY_PYTHON_URL"] = "https://nowhere.invalid/other.tar.gz"
    done = machine.run(BASH, script, "--json", *words)
    assert (failure(done)["id"], done.returncode) == ("network.python", 4)
    assert failure(done)["why"] == f"{folder} does not hold other.tar.gz"


def test_a_mirror_has_it_under_its_own_name(machine: Machine, script: Path, server: Mirror) -> None:
    machine.has("uname", "case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac")
    machine.has("getconf", "case $1 in LONG_BIT) echo 64 ;; *) echo glibc 2.17 ;; esac")
    done = machine.run(BASH, script, "--json", "--mirror", f"{server.url}/ok/")
    assert failure(done)["id"] == "network.python"
    (asked,) = server.requests
    assert asked.startswith("/ok/cpython-3.13.15%2B20260814-x86_64-unknown-linux-gnu-install_only_stripped")


def test_an_address_without_a_hash_is_a_usage_error(machine: Machine, script: Path) -> None:
    machine.variables["IMJOY_PYTHON_URL"] = "https://nowhere.invalid/x.tar.gz"
    assert failure(machine.run(BASH, script, "--json"))["id"] == "usage.wrong"


@pytest.mark.parametrize("tool", ["shasum", "openssl", ""])
def test_a_hash_is_checked_with_what_there_is_or_nothing_is_fetched(
    tool: str, machine: Machine, script: Path, checkout: Path, server: Mirror, python_archive: Archive
) -> None:
    machine.without("sha256sum", "shasum", "perl")
    bring(machine, server, "ok", python_archive)
    if tool:
        found = shutil.which(tool)
        if found is None:
            pytest.skip(f"{tool} is not here")
        machine.has(tool, f'exec {found} "$@"')
        (machine.commands / "perl").symlink_to(shutil.which("perl") or "/nowhere")
        assert machine.run(BASH, script, "--from", checkout).returncode == 0
    else:
        done = machine.run(BASH, script, "--json", "--from", checkout)
        assert (failure(done)["id"], done.returncode) == ("host.hash", 3)
        assert not server.requests
    assert machine.left() == []


def test_without_anything_to_fetch_with_it_says_what_to_install(
    machine: Machine, script: Path, server: Mirror, python_archive: Archive
) -> None:
    only_with("curl", machine)
    machine.without("curl")
    bring(machine, server, "ok", python_archive)
    done = machine.run(BASH, script, "--json")
    assert (failure(done)["id"], done.returncode) == ("network.python", 4)
    assert "curl and wget are both missing: install one of them" in failure(done)["why"]


def test_a_command_that_is_missing_is_named(machine: Machine, script: Path) -> None:
    machine.without("tar")
    done = machine.run(BASH, script, "--json")
    assert (failure(done)["id"], done.returncode) == ("host.command", 3)
    assert "tar" in failure(done)["why"]


def test_a_python_that_does_not_start_here_is_told(
    machine: Machine, script: Path, server: Mirror, python_archive: Archive
) -> None:
    bring(machine, server, "ok", python_archive)
    machine.has(
        "tar", 'for a; do f=$a; done; mkdir -p "$f/python/bin"; echo "#!/nowhere" >"$f/python/bin/python3"'
    )
    done = machine.run(BASH, script, "--json")
    assert (failure(done)["id"], done.returncode) == ("host.python", 3)
    machine.has("tar", "echo 'tar: No space left on device' >&2; exit 2")
    done = machine.run(BASH, script, "--json")
    assert "No space left on device" in failure(done)["why"]
    assert machine.left() == []


@pytest.mark.parametrize(
    ("system", "arch", "libc", "said"),
    [
        ("Linux", "s390x", "echo glibc 2.36", "there is no build of it for Linux on s390x"),
        ("Linux", "i686", "echo glibc 2.36", "there is no build of it for Linux on i686"),
        ("Linux", "x86_64", "echo glibc 2.12", "it needs glibc 2.17, and this is 2.12"),
        ("Darwin", "x86_64", "exit 1", "it needs macOS 11.0, and this is 10.15.7"),
    ],
)
def test_a_machine_that_no_build_is_for_is_told_before_any_download(
    system: str, arch: str, libc: str, said: str, machine: Machine, script: Path
) -> None:
    machine.has("uname", f"case $1 in -s) echo {system} ;; *) echo {arch} ;; esac")
    machine.has("getconf", f"case $1 in LONG_BIT) echo 64 ;; *) {libc} ;; esac")
    machine.has("sw_vers", "echo 10.15.7")
    machine.has("sysctl", "exit 1")
    machine.has("curl", f'touch "{machine.folder}/asked"')
    done = machine.run(BASH, script, "--json")
    assert (failure(done)["id"], done.returncode) == ("host.unsuited", 3)
    assert failure(done)["why"] == said
    assert not (machine.folder / "asked").exists()


@pytest.mark.parametrize(
    ("system", "arch", "libc", "rosetta", "build"),
    [
        ("Linux", "x86_64", "echo glibc 2.36", "exit 1", "x86_64-unknown-linux-gnu"),
        ("Linux", "aarch64", "echo glibc 2.17", "exit 1", "aarch64-unknown-linux-gnu"),
        ("Linux", "x86_64", "exit 1", "exit 1", "x86_64-unknown-linux-musl"),
        ("Linux", "aarch64", "exit 1", "exit 1", "aarch64-unknown-linux-musl"),
        ("Darwin", "arm64", "exit 1", "echo 0", "aarch64-apple-darwin"),
        ("Darwin", "x86_64", "exit 1", "echo 0", "x86_64-apple-darwin"),
        ("Darwin", "x86_64", "exit 1", "echo 1", "aarch64-apple-darwin"),
    ],
)
def test_the_build_is_that_for_the_machine(
    system: str, arch: str, libc: str, rosetta: str, build: str, machine: Machine, script: Path
) -> None:
    machine.has("uname", f"case $1 in -s) echo {system} ;; *) echo {arch} ;; esac")
    machine.has("getconf", f"case $1 in LONG_BIT) echo 64 ;; *) {libc} ;; esac")
    machine.has("sw_vers", '[ "$SYSTEM_VERSION_COMPAT" = 0 ] && echo 11.0 || echo 10.16')
    machine.has("sysctl", rosetta)
    error = failure(machine.run(BASH, script, "--json"))
    assert error["id"] == "network.python"
    assert build in error["why"]


def test_a_32_bit_system_on_a_64_bit_kernel_has_no_build(machine: Machine, script: Path) -> None:
    machine.has("uname", "case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac")
    machine.has("getconf", "case $1 in LONG_BIT) echo 32 ;; *) echo glibc 2.36 ;; esac")
    assert failure(machine.run(BASH, script, "--json"))["id"] == "host.unsuited"


def test_a_temporary_folder_that_forbids_programs_is_left_for_one_beside_the_prefix(
    machine: Machine, script: Path, checkout: Path, server: Mirror, python_archive: Archive
) -> None:
    if os.geteuid() != 0:
        pytest.skip("file systems cannot be mounted here")
    bring(machine, server, "ok", python_archive)
    # Nor does /tmp take anything here.
    mktemp = shutil.which("mktemp")
    machine.has(
        "mktemp", f'for last; do :; done; case $last in /tmp/imjoy*) exit 1 ;; esac; exec {mktemp} "$@"'
    )
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", str(machine.temporary)], check=False
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        prefix = machine.home / "new" / "app"
        said = told(machine.run(BASH, script, "--from", checkout, "--prefix", prefix))
        assert Path(said["handed"]["IMJOY_DOOR_FOLDER"]).parent == machine.home
        assert machine.left() == []
    finally:
        subprocess.run(["umount", str(machine.temporary)], check=True)


def test_a_temporary_folder_that_is_not_there_is_replaced(
    machine: Machine, script: Path, checkout: Path, server: Mirror, python_archive: Archive
) -> None:
    bring(machine, server, "ok", python_archive)
    machine.variables["TMPDIR"] = "/nowhere/at all"
    said = told(machine.run(BASH, script, "--from", checkout))
    assert Path(said["handed"]["IMJOY_DOOR_FOLDER"]).parent == Path("/tmp")
    assert not Path(said["handed"]["IMJOY_DOOR_FOLDER"]).exists()


def test_a_confined_curl_is_enough(
    machine: Machine, script: Path, checkout: Path, server: Mirror, python_archive: Archive
) -> None:
    """The curl of snap may write nothing to /tmp; the shell may."""
    curl = shutil.which("curl")
    (machine.commands / "curl").unlink()
    machine.has(
        "curl",
        "for each; do case $each in -o | --output*) echo 'curl: (23) write error' >&2; exit 23 ;; esac; done\n"
        f'exec {curl} "$@"',
    )
    bring(machine, server, "cutonce", python_archive)
    assert machine.run(BASH, script, "--from", checkout).returncode == 0


@contextmanager
def a_proxy(server: Mirror) -> Iterator[str]:
    """A proxy that has what the server's folder has, whatever host is asked for."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            content = (server.folder / self.path.rpartition("/")[2]).read_bytes()
            self.send_response(200 if self.path.startswith("http://nowhere.invalid/") else 400)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
        proxy.shutdown()
        thread.join()


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_proxies_are_obeyed(
    tool: str,
    name: str,
    machine: Machine,
    script: Path,
    checkout: Path,
    server: Mirror,
    python_archive: Archive,
) -> None:
    only_with(tool, machine)
    bring(machine, server, "ok", python_archive)
    machine.variables["IMJOY_PYTHON_URL"] = f"http://nowhere.invalid/{python_archive.file.name}"
    with a_proxy(server) as url:
        machine.variables[name] = url
        assert machine.run(BASH, script, "--from", checkout).returncode == 0


@pytest.mark.parametrize("name", ["CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize(("tool", "option"), [("curl", "--cacert"), ("wget", "--ca-certificate")])
def test_an_institution_s_certificates_are_told(
    name: str, tool: str, option: str, machine: Machine, script: Path
) -> None:
    machine.without("curl", "wget")
    machine.has(tool, f'for each; do echo "$each" >>"{machine.folder}/said"; done; exit 77')
    machine.variables[name] = "/etc/our own.pem"
    assert machine.run(BASH, script).returncode == 4
    said = (machine.folder / "said").read_text().replace("=", "\n")
    assert f"{option}\n/etc/our own.pem\n" in said


def test_http_is_never_followed_to_from_https(machine: Machine, script: Path) -> None:
    machine.has("curl", f'echo "$*" >"{machine.folder}/said"; exit 7')
    machine.variables["IMJOY_MIRROR"] = "https://nowhere.invalid"
    assert machine.run(BASH, script).returncode == 4
    assert "--proto =https --proto-redir =https --tlsv1.2" in (machine.folder / "said").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_stopped_while_it_downloads_it_leaves_nothing(
    number: signal.Signals, machine: Machine, script: Path, server: Mirror, python_archive: Archive
) -> None:
    script.write_text(script.read_text().replace("STALL_SECONDS=1", "STALL_SECONDS=60"))
    bring(machine, server, "stall", python_archive)
    with machine.start(BASH, script) as process:
        while not server.requests:
            assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.endswith("warning: interrupted; nothing was left behind\n")
    assert nothing_runs(process.pid)
    assert machine.left() == []


def test_ctrl_c_at_a_terminal_that_shows_the_download_leaves_nothing(
    machine: Machine, script: Path, server: Mirror, python_archive: Archive
) -> None:
    script.write_text(script.read_text().replace("STALL_SECONDS=1", "STALL_SECONDS=60"))
    bring(machine, server, "stall", python_archive)
    done = machine.run(sys.executable, TERMINAL, "downloading", "^C", BASH, script)
    assert done.returncode == 130
    assert "0 MiB" in done.stdout and "interrupted; nothing was left behind" in done.stdout
    assert machine.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_while_it_unpacks_it_leaves_nothing(
    number: signal.Signals, machine: Machine, script: Path, server: Mirror, python_archive: Archive
) -> None:
    bring(machine, server, "ok", python_archive)
    machine.has("tar", f'touch "{machine.folder}/unpacking"; sleep 1000 & sleep 1000')
    with machine.start(BASH, script) as process:
        while not (machine.folder / "unpacking").exists():
            assert process.poll() is None
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert nothing_runs(process.pid)
    assert machine.left() == []


# --- imjoy's source ---


@pytest.fixture
def forge(repository: Path) -> Iterator[Forge]:
    """Return a forge that has the double."""
    with Forge(repository.parent) as server:
        yield server


@pytest.mark.parametrize("tool", [*TOOLS, ""])
def test_a_repository_is_fetched_as_its_archive_without_git(
    tool: str, machine: Machine, script: Path, forge: Forge, repository: Path
) -> None:
    """The last is a machine that has neither curl nor wget, but a Python."""
    machine.without("git", "curl", "wget")
    if tool:
        only_with(tool, machine)
    machine.python()
    commit = git(repository, "rev-parse", "HEAD")
    for ref in ("", "@main", f"@{commit}"):
        words = ["--from", f"git+{forge.url('imjoy')}{ref}#egg=imjoy"]
        said = told(machine.run(BASH, script, *words))
        handed = said["handed"]
        assert said["words"] == ["install", *words]
        assert said["place"] == handed["IMJOY_DOOR_SOURCE"] + "/bootstrap"
        assert handed["IMJOY_DOOR_ARCHIVE"].startswith(handed["IMJOY_DOOR_FOLDER"])
        assert machine.left() == []


def test_what_has_no_archives_is_fetched_by_git(machine: Machine, script: Path, repository: Path) -> None:
    machine.python()
    git(repository.parent / "work", "branch", "wip/main")
    git(repository.parent / "work", "push", "--quiet", str(repository), "wip/main")
    for ref in ("", "@wip/main", "@" + git(repository, "rev-parse", "HEAD")):
        said = told(machine.run(BASH, script, "--from", f"git+file://{repository}{ref}"))
        assert Path(said["handed"]["IMJOY_DOOR_SOURCE"]).name == "source"
        assert "IMJOY_DOOR_ARCHIVE" not in said["handed"]
        assert machine.left() == []


def test_the_git_of_centos_7_which_has_no_folder_to_name_will_do(
    machine: Machine, script: Path, repository: Path
) -> None:
    machine.python()
    machine.without("git")
    refuse = 'case " $* " in *" -C "*) echo "Unknown option: -C" >&2; exit 129 ;; esac'
    machine.has("git", f'{refuse}\nexec {shutil.which("git")} "$@"')
    said = told(machine.run(BASH, script, "--from", f"git+file://{repository}"))
    assert Path(said["handed"]["IMJOY_DOOR_SOURCE"]).name == "source"
    assert machine.left() == []


def test_a_repository_that_does_not_answer_or_has_no_such_branch_is_told(
    machine: Machine, script: Path, forge: Forge, repository: Path
) -> None:
    machine.python()
    done = machine.run(BASH, script, "--json", "--from", f"git+file://{repository}@nope")
    assert failure(done)["id"] == "network.source" and "nope" in failure(done)["why"]
    forge.gone = ("archive/HEAD.tar.gz", "info/refs")
    done = machine.run(
        BASH, script, "--json", "--from", f"git+{forge.url('imjoy').replace('//', '//ada:secret@')}"
    )
    assert (failure(done)["id"], done.returncode) == ("network.source", 4)
    assert failure(done)["what"].startswith(f"git+{forge.url('imjoy')} cannot be reached")
    assert "secret" not in done.stdout + done.stderr
    assert machine.left() == []


def test_an_archive_and_a_wheel_are_fetched_by_their_address(
    machine: Machine, script: Path, server: Mirror, repository: Path, checkout: Path
) -> None:
    machine.python()
    for kind in ("zip", "tar.gz"):
        argv = ["git", "-C", str(repository), "archive", f"--format={kind}", "--prefix=imjoy-main/", "HEAD"]
        (server.folder / f"imjoy.{kind}").write_bytes(
            subprocess.run(argv, check=True, capture_output=True).stdout
        )
        said = told(machine.run(BASH, script, "--from", f"{server.url}/ok/imjoy.{kind}"))
        assert said["handed"]["IMJOY_DOOR_SOURCE"].endswith("/imjoy-main")
    made = shutil.make_archive(str(server.folder / "w"), "zip", checkout / "bootstrap")
    shutil.move(made, server.folder / "imjoy-9-py3-none-any.whl")
    said = told(machine.run(BASH, script, "--from", f"{server.url}/ok/imjoy-9-py3-none-any.whl"))
    assert said["place"] == said["handed"]["IMJOY_DOOR_SOURCE"]
    assert Path(said["place"]).name == "imjoy-9-py3-none-any.whl"
    assert machine.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_while_git_fetches_it_leaves_nothing(
    number: signal.Signals, machine: Machine, script: Path
) -> None:
    machine.python()
    machine.without("git")
    machine.has("git", f'touch "{machine.folder}/fetching"; sleep 1000 & sleep 1000')
    with machine.start(BASH, script, "--from", "git+ssh://nowhere.invalid/imjoy") as process:
        while not (machine.folder / "fetching").exists():
            assert process.poll() is None
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert nothing_runs(process.pid)
    assert machine.left() == []


def test_a_python_and_the_source_are_both_fetched(
    machine: Machine, script: Path, server: Mirror, python_archive: Archive, forge: Forge
) -> None:
    bring(machine, server, "ok", python_archive)
    machine.without("git")
    said = told(machine.run(BASH, script, "--from", f"git+{forge.url('imjoy')}"))
    assert said["whole_python"] and said["handed"]["IMJOY_DOOR_ARCHIVE"]
    assert machine.left() == []


def test_the_end_of_a_fetched_python_that_is_still_used_is_waited_for(
    machine: Machine, script: Path, checkout: Path, server: Mirror, python_archive: Archive
) -> None:
    bring(machine, server, "ok", python_archive)
    machine.variables["DOUBLE"] = "undo"
    with machine.start(BASH, script, "--from", checkout) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err.endswith("undone after 1\n")
    assert nothing_runs(process.pid)
    assert machine.left() == []


def test_a_whole_python_that_was_fetched_runs_the_planner_and_can_make_environments(
    machine: Machine, script: Path, checkout: Path, mirror: Mirror, standalone: Standalone, tmp_path: Path
) -> None:
    mirror.folder.rmdir()
    mirror.folder.symlink_to(standalone.file.parent)
    bring(machine, mirror, "ok", Archive(standalone.file, standalone.sha256))
    main = checkout / "bootstrap" / "imjoy" / "provision" / "main.py"
    double = main.read_text().partition("    if wish != ")[0]
    # With a pip for make every-step: ten times the work.
    with_pip = "IMJOY_EVERY_STEP" in os.environ
    make = f"venv.create({str(tmp_path / 'venv')!r}, symlinks=False, with_pip={with_pip})"
    main.write_text(f"{double}    import venv\n    {make}\n    return 0\n")
    done = machine.run(BASH, script, "--from", checkout, timeout=150)
    said = told(done)
    assert said["python"] == said["handed"]["IMJOY_DOOR_PYTHON"] + "/bin/python3"
    assert (tmp_path / "venv" / "bin" / "python").exists()
    assert (tmp_path / "venv" / "bin" / "pip").exists() == with_pip
    assert machine.left() == []
