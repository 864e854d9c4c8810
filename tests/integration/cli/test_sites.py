"""`imjoy` where things are not as usual: its streams, its signals, its user, the packages that lie in the home."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from imjoy.engines.running import Condition, find_engine
from imjoy.model.layout import Layout

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")

Imjoy = Callable[..., CompletedProcess[str]]
WAIT_SECONDS = 30.0
STRANGE_UID = 54321
PLUGIN = """<config lang="json">
{"name": "Uni", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8", "env": "", "requirements": []}
</config>
<script lang="python">
from imjoy import api
class Plugin:
    async def setup(self):
        pass
    def add(self, a, b):
        print("\\u7d30\\u80de")
        return a + b
api.export(Plugin())
</script>
"""


def in_a_shell(line: str, **variables: str) -> CompletedProcess[bytes]:
    """Run a line of the shell, in which `$IMJOY` is imjoy."""
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env={**os.environ, "IMJOY": f"{sys.executable} -m imjoy", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


def test_a_plugin_prints_letters_that_the_encoding_of_stdout_lacks(home: Path) -> None:
    (home / "Uni.imjoy.html").write_text(PLUGIN, encoding="utf-8")
    done = in_a_shell(
        f"$IMJOY run {home}/Uni.imjoy.html --call add --args '[1, 2]'", PYTHONIOENCODING="latin-1"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode("latin-1").splitlines() == ["\\u7d30\\u80de", "3"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_json_is_json_in_any_encoding(home: Path, encoding: str, unbuffered: str) -> None:
    folder = home / "Messung-µ-細胞-😀"
    done = in_a_shell(
        f"$IMJOY status --json --workspace '{folder}'",
        PYTHONIOENCODING=encoding,
        PYTHONUNBUFFERED=unbuffered,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout.decode(encoding))["workspace"] == str(folder)


def test_the_odd_byte_of_a_file_s_name_comes_out_as_it_is(home: Path) -> None:
    done = in_a_shell(f"$IMJOY status --workspace '{home}/'$(printf 'caf\\351')", PYTHONUTF8="1")
    assert done.returncode == 1, done.stderr
    assert b"/caf\xe9\n" in done.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_obstacle(home: Path, closed: str) -> None:
    assert in_a_shell(f"$IMJOY --version {closed}").returncode == 0
    done = in_a_shell(f"$IMJOY status {closed}")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"bug" not in done.stderr


def test_an_engine_starts_and_serves_with_all_streams_closed(
    home: Path, workspace: Path, stopped_afterwards: None
) -> None:
    assert in_a_shell("$IMJOY start --detach --port 0 <&- >&- 2>&-").returncode == 0
    assert find_engine(Layout(home / "ImJoyApp", workspace)).condition is Condition.PROVEN


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is missing")
@pytest.mark.parametrize("command", ["status", "status --json", "--help", "token --rotate", "env list"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_an_error_and_no_bug_of_ours(
    home: Path, command: str, unbuffered: str
) -> None:
    done = in_a_shell(f"$IMJOY {command} >/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    assert b"output.unwritable" in done.stderr
    assert done.stderr.count(b"\n") == 4, "nothing more comes from the interpreter's last flush"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is missing")
def test_a_version_that_cannot_be_written_fails_without_a_traceback() -> None:
    done = in_a_shell("$IMJOY --version >/dev/full", PYTHONUNBUFFERED="")
    assert (done.returncode, done.stderr) == (1, b"")


def test_what_nohup_had_ignored_stays_ignored(home: Path, workspace: Path) -> None:
    layout = Layout(home / "ImJoyApp", workspace)
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" HUP; exec "$0" -m imjoy start --port 0', sys.executable],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while find_engine(layout).condition is not Condition.PROVEN and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert find_engine(layout).condition is Condition.PROVEN
    finally:
        process.terminate()
        _, said = process.communicate(timeout=WAIT_SECONDS)
    assert b"Stopping" in said, "other signals are heeded as ever"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can become a user without a name")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is missing")
def test_a_user_without_name_and_home_is_told_what_is_missing(tmp_path: Path) -> None:
    # What such a user may read: pytest's folders are closed to others, and so may be the home that holds the sources.
    tree = Path("/var/tmp") / f"imjoy-{os.getpid()}"
    try:
        shutil.copytree(Path(__file__).resolve().parents[3] / "bootstrap", tree / "packages")
        for name in ("click", "packaging", "psutil"):
            shutil.copytree(Path(sysconfig.get_path("purelib")) / name, tree / "packages" / name)
        (tree / "w").mkdir()
        (tree / "w").chmod(0o777)
        tree.chmod(0o755)
        become = ["setpriv", "--reuid", str(STRANGE_UID), "--regid", str(STRANGE_UID), "--clear-groups"]
        python = shutil.which("python3.11", path="/usr/bin:/usr/local/bin")
        if python is None or sys.version_info[:2] != (3, 11):
            pytest.skip("a Python 3.11 that every user may run is missing")
        for variables in (
            {"IMJOY_WORKSPACE": f"{tree}/w/ws", "IMJOY_PREFIX": f"{tree}/w/app"},
            {"IMJOY_WORKSPACE": "~nobody-of-that-name/ws"},
            {},
        ):
            done = subprocess.run(
                [*become, "env", "-i", "PATH=/usr/bin:/bin", f"PYTHONPATH={tree}/packages"]
                + [f"{name}={value}" for name, value in variables.items()]
                + [python, "-B", "-m", "imjoy", "status"],
                capture_output=True,
                text=True,
                cwd="/",
                timeout=WAIT_SECONDS,
                check=False,
            )
            assert (done.returncode, done.stderr) == (1, "")
            assert "No engine is running." in done.stdout
    finally:
        shutil.rmtree(tree)


def test_old_packages_of_the_home_do_not_come_before_our_own(home: Path, tmp_path: Path) -> None:
    # A Python that is no venv, as conda's are: what pip put into the home comes first there.
    user_site = tmp_path / "of-the-user"
    (user_site / "click").mkdir(parents=True)
    (user_site / "click" / "__init__.py").write_text("raise ImportError('old click of the user site')\n")
    (user_site / "aiohttp").mkdir()
    (user_site / "aiohttp" / "__init__.py").write_text("raise ImportError('old aiohttp of the user site')\n")
    program = (
        "import site, sys; site.ENABLE_USER_SITE = True; site.USER_SITE = {!r}; sys.path.insert(0, {!r}); "
        "sys.argv[:] = {!r}; from {}.__main__ import main; sys.exit(main())"
    )
    place = str(user_site)
    for module, words, code in (("imjoy", ["status"], 1), ("imjoy_engine", ["env", "list"], 0)):
        done = subprocess.run(
            [sys.executable, "-c", program.format(place, place, [module, *words], module)],
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", ""], "0.0.0.0"),
        (["--host", "0"], "neither an address nor a name"),
        (["--host", "127.1"], "neither an address nor a name"),
        (["--host", "http://127.0.0.1"], "is not a host name"),
        (["--host", "127.0.0.1:8080"], "is not a host name"),
        (["--host", "*"], "0.0.0.0"),
        (["--allow-origin", "lab.example.org"], "https://lab.example.org"),
        (["--allow-origin", "*"], "named"),
        (["--allow-origin", "null"], "sandboxed"),
        (["--allow-origin", "https://lab.example.org/app"], "https://lab.example.org"),
        (["--allow-host", "https://lab.example.org/x"], "lab.example.org"),
        (["--allow-host", "*.example.org"], "named"),
        (["--workspace", ""], "empty"),
        (["--prefix", " "], "empty"),
        (["--token", ""], "empty"),
        (["--app-dir", ""], ""),
        (["--port", ""], ""),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(imjoy: Imjoy, words: list[str], said: str) -> None:
    refused = imjoy("start", "--detach", "--port", "0", *words)
    assert refused.returncode == 2
    assert "usage" in refused.stderr
    assert said in refused.stderr
    assert imjoy("status").returncode == 1
