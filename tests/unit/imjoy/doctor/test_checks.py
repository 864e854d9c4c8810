"""Each check: once where it fires, once where it does not, on the real thing where this machine has it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.kit.files import is_private, open_to_all
from tests.kit.ports import free_port

from imjoy import __version__
from imjoy.doctor import webapp
from imjoy.doctor.checks.engine import token as engine_token
from imjoy.doctor.checks.git import present as git_present
from imjoy.doctor.checks.port.reserved import excluded_ranges
from imjoy.doctor.model import Finding, Machine, Status
from imjoy.doctor.registry import all_checks, select
from imjoy.effects.processes.process import CommandResult, birth_of
from imjoy.effects.tools import developer_tools
from imjoy.effects.tools.conda import write_wrapper
from imjoy.model.errors import ImJoyError
from imjoy.provision.records import receipt as receipts
from imjoy.provision.records.receipt import Receipt

if TYPE_CHECKING:
    from tests.kit.channel_server import ChannelServer

Look = Callable[..., Finding]
PROGRAMS = {
    *("imjoy", "conda", "curl", "powershell", "winget", "sudo", "chmod", "icacls", "xattr", "ssh", "git"),
    *("export", "set", "unset", "ln", "sntp", "xcode-select", "fish_add_path", "$env:path"),
}
MakeMachine = Callable[..., Machine]
OLD_PYTHON = Path("~/.pyenv/versions/3.9.18/bin/python3.9").expanduser()
posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX modes")
scripted = pytest.mark.skipif(os.name == "nt", reason="the double of conda is a shell script")
linked = pytest.mark.skipif(os.name == "nt", reason="a prefix on Windows has a python.exe, and no bin")


@pytest.fixture
def plain_home(home: Path) -> Path:
    """Return the home, whose name tools can carry."""
    if " " in str(home) or not str(home).isascii():
        pytest.skip("the folder of temporary files has a name that tools cannot carry")
    return home


def assert_fires(finding: Finding, status: Status, words: str) -> None:
    """What fires says what, why, and a command or else what to do; a command is one, and no sentence."""
    assert finding.status is status, finding
    assert words in finding.what + finding.why
    assert finding.what
    assert finding.why
    assert finding.command or finding.advice
    for line in finding.command.splitlines():
        program = Path(shlex.split(line, posix=os.name == "posix")[0]).name.lower()
        assert program in PROGRAMS or program.startswith("python"), line
    assert not finding.advice or finding.advice.endswith(".")


def prefix_with(home: Path, python: Path | str) -> Path:
    """Make a prefix whose Python is a link to ``python``."""
    prefix = home / "ImJoyApp"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").symlink_to(python)
    return prefix


@linked
def test_host_python_fires_when_the_python_of_the_prefix_is_gone(look: Look, home: Path) -> None:
    prefix_with(home, "/no/such/python")
    assert_fires(look("host.python"), Status.FAIL, "/no/such/python")


@pytest.mark.skipif(not OLD_PYTHON.exists(), reason=f"{OLD_PYTHON} is not installed")
def test_host_python_fires_below_the_floor(look: Look, home: Path) -> None:
    prefix_with(home, OLD_PYTHON)
    assert_fires(look("host.python"), Status.FAIL, "3.9.18")


def test_host_python_is_content_with_a_python_that_runs(look: Look, home: Path) -> None:
    assert look("host.python").status is Status.OK
    prefix_with(home, sys.executable)
    assert look("host.python").status is Status.OK


def test_host_home_fires_when_the_workspace_cannot_be_made(look: Look, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finding = look("host.home", IMJOY_WORKSPACE=str(tmp_path / "file" / "workspace"))
    assert_fires(finding, Status.FAIL, "not a folder")


@pytest.mark.parametrize("name", ["with space", "größe", "x" * 100])
def test_host_home_warns_of_names_that_tools_cannot_carry(look: Look, home: Path, name: str) -> None:
    assert_fires(look("host.home", IMJOY_PREFIX=str(home / name)), Status.WARN, "refix")


def test_host_home_fires_when_the_disk_is_full(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 * 1024**2))
    assert_fires(look("host.home"), Status.FAIL, "10 MiB")


@pytest.mark.parametrize("folder", ["Documents/w", "desktop", "Library/Mobile Documents/x"])
def test_host_home_warns_of_a_workspace_that_macos_guards(folder: str, look: Look, plain_home: Path) -> None:
    place = str(plain_home / folder)
    finding = look("host.home", {"platform": "darwin"}, IMJOY_WORKSPACE=place)
    assert_fires(finding, Status.WARN, "Operation not permitted")
    assert "guards" not in look("host.home", {"platform": "linux"}, IMJOY_WORKSPACE=place).what
    elsewhere = look(
        "host.home", {"platform": "darwin"}, IMJOY_WORKSPACE=str(plain_home / "Documents of mine")
    )
    assert "guards" not in elsewhere.what


def test_host_home_is_content_with_the_default(look: Look, plain_home: Path) -> None:
    assert look("host.home").status is Status.OK


@pytest.fixture
def installed(home: Path) -> Path:
    """Return the command of a prefix with a receipt."""
    prefix = prefix_with(home, sys.executable)
    command = prefix / "bin" / "imjoy"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    write_receipt(prefix)
    return command


def write_receipt(prefix: Path, distribution: str = "venv") -> None:
    (prefix / ".imjoy").mkdir(exist_ok=True)
    receipt = Receipt(__version__, distribution, sys.executable, "here", "", ("bin", ".imjoy"), "today")
    receipts.write_receipt(prefix, receipt)
    (prefix / "pyvenv.cfg").write_text("")


@posix
def test_path_command_fires_when_the_command_is_not_on_path(look: Look, installed: Path) -> None:
    finding = look("path.command", PATH="/nowhere")
    assert_fires(finding, Status.WARN, str(installed.parent))
    assert finding.command == 'export PATH="$HOME/ImJoyApp/bin:$PATH"'
    assert finding.fix is not None


@posix
def test_path_command_fires_when_another_copy_is_found_first(
    look: Look, installed: Path, tmp_path: Path
) -> None:
    other = tmp_path / "imjoy"
    shutil.copy(installed, other)
    finding = look("path.command", PATH=f"{tmp_path}:{installed.parent}")
    assert_fires(finding, Status.WARN, str(other))


@posix
@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/../bin", "/nowhere:{}"])
def test_path_command_compares_folders_and_not_their_spelling(
    look: Look, installed: Path, spelling: str
) -> None:
    assert look("path.command", PATH=spelling.format(installed.parent)).status is Status.OK


@posix
@pytest.mark.parametrize(
    ("shell", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/config.fish")]
)
def test_path_command_is_mended_by_a_block_that_can_be_taken_back(
    look: Look, installed: Path, home: Path, shell: str, file: str
) -> None:
    finding = look("path.command", {"shell": shell}, PATH="/nowhere")
    assert finding.fix is not None
    repair = finding.fix.apply()
    assert "imjoy path" in (home / file).read_text()
    assert "--remove" in repair.undo
    again = look("path.command", {"shell": shell}, PATH="/nowhere")
    assert "yet" in again.what
    assert again.fix is None
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    said = subprocess.run(
        [shell, "-ic", "command -v imjoy"], capture_output=True, text=True, check=False, timeout=60,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "TERM": "dumb"},
    )  # fmt: skip
    assert said.stdout.strip().splitlines()[-1:] == [str(installed)], said.stderr


def distribution(folder: Path, version: str = __version__, requires: str = "", **direct_url: Any) -> Path:
    """Write the metadata of an installed imjoy, with two files, one of which may be deleted."""
    info = folder / f"imjoy-{version}.dist-info"
    (folder / "imjoy").mkdir(parents=True)
    info.mkdir()
    (folder / "imjoy" / "__init__.py").write_text("")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: imjoy\nVersion: {version}\n{requires}")
    (info / "RECORD").write_text("imjoy/__init__.py,,\nimjoy/__pycache__/x.cpython-311.pyc,,\n")
    if direct_url:
        (info / "direct_url.json").write_text(json.dumps(direct_url))
    return folder


GIT: dict[str, Any] = {"url": "https://example.org/imjoy", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}


def test_install_method_fires_when_another_copy_runs_than_is_installed(look: Look, tmp_path: Path) -> None:
    fields = {"search_path": (str(distribution(tmp_path / "site", "0.1", **GIT)),)}
    finding = look("install.method", fields, PYTHONPATH="/x")
    assert_fires(finding, Status.WARN, "0.1")
    assert finding.command == "unset PYTHONPATH"


def test_install_method_fires_for_the_index(look: Look, tmp_path: Path) -> None:
    fields = {"search_path": (str(distribution(tmp_path / "site")),)}
    assert_fires(look("install.method", fields), Status.WARN, "index")


@pytest.mark.parametrize(
    ("direct_url", "words"),
    [
        (GIT, "git, commit aaaaaaaaaaaa"),
        ({"url": "file:///src", "dir_info": {"editable": True}}, "editable, from /src"),
        ({"url": "file:///x/imjoy.whl", "archive_info": {}}, "from /x/imjoy.whl"),
    ],
)
def test_install_method_names_how(look: Look, tmp_path: Path, direct_url: dict[str, Any], words: str) -> None:
    fields = {"search_path": (str(distribution(tmp_path / "site", **direct_url)),)}
    finding = look("install.method", fields)
    assert finding.status is Status.OK
    assert words in finding.what


def test_install_integrity_fires_for_a_missing_file(look: Look, tmp_path: Path) -> None:
    folder = distribution(tmp_path / "site", **GIT)
    (folder / "imjoy" / "__init__.py").unlink()
    assert_fires(look("install.integrity", {"search_path": (str(folder),)}), Status.FAIL, "__init__.py")


@pytest.mark.parametrize("line", ["no-such-package", "pytest<1"])
def test_install_integrity_fires_for_a_requirement(look: Look, tmp_path: Path, line: str) -> None:
    folder = distribution(tmp_path / "site", requires=f"Requires-Dist: {line}\n", **GIT)
    finding = look("install.integrity", {"search_path": (str(folder), *sys.path)})
    assert_fires(finding, Status.FAIL, f"imjoy needs {line.partition('<')[0]}")


def test_install_integrity_deletes_what_an_interrupted_pip_left(look: Look, tmp_path: Path) -> None:
    folder = distribution(tmp_path / "site", **GIT)
    (folder / "~mjoy").mkdir()
    fields = {"search_path": (str(folder), *sys.path)}
    finding = look("install.integrity", fields)
    assert_fires(finding, Status.WARN, "~mjoy")
    assert finding.fix is not None
    finding.fix.apply()
    assert look("install.integrity", fields).status is Status.OK


def test_install_integrity_is_content_with_a_whole_installation(look: Look, tmp_path: Path) -> None:
    requires = "Requires-Dist: pytest>=8\nRequires-Dist: never; python_version < '3'\n"
    folder = distribution(tmp_path / "site", requires=requires, **GIT)
    assert look("install.integrity", {"search_path": (str(folder), *sys.path)}).status is Status.OK


def test_install_receipt_fires_for_an_interrupted_install(look: Look, installed: Path) -> None:
    mark = installed.parents[1] / ".imjoy" / "incomplete"
    mark.write_text("interrupted\n")
    assert_fires(look("install.receipt"), Status.FAIL, "interrupted")


def test_install_receipt_fires_when_the_prefix_is_not_what_it_says(look: Look, installed: Path) -> None:
    (installed.parents[1] / "pyvenv.cfg").unlink()
    assert_fires(look("install.receipt"), Status.FAIL, "pyvenv.cfg")


@linked
def test_install_receipt_knows_what_a_conda_has_in_place_of_a_venv(look: Look, installed: Path) -> None:
    prefix = installed.parents[1]
    write_receipt(prefix, "existing")
    (prefix / "pyvenv.cfg").unlink()
    assert_fires(look("install.receipt"), Status.FAIL, "conda-meta")
    (prefix / "conda-meta").mkdir()
    assert look("install.receipt").status is Status.OK


def test_install_receipt_fires_when_it_cannot_be_read(look: Look, installed: Path) -> None:
    (installed.parents[1] / ".imjoy" / "receipt.json").write_text("{")
    assert_fires(look("install.receipt"), Status.FAIL, "cannot be read")


def test_install_receipt_leaves_a_stranger_s_folder_alone(look: Look, home: Path) -> None:
    (home / "ImJoyApp" / "photos").mkdir(parents=True)
    assert_fires(look("install.receipt"), Status.WARN, "did not put these")


def test_what_the_install_script_made_is_installed_again_from_the_same_source(
    machine: MakeMachine, installed: Path
) -> None:
    prefix = installed.parents[1]
    receipt = {
        "version": __version__,
        "distribution": "venv",
        "python": "p",
        "source": "/src",
        "source_id": "1",
    }
    receipt["installed"] = "2026-01-01T00:00:00Z"
    (prefix / ".imjoy" / "receipt.json").write_text(json.dumps({**receipt, "parts": ["bin"]}))
    (prefix / ".imjoy" / "incomplete").write_text("interrupted")
    ran: list[list[str]] = []
    broken = machine()

    def record(argv: list[str], *, timeout: float) -> CommandResult:
        ran.append(argv)
        return CommandResult(tuple(argv), 0, "", 0.0)

    context = replace(broken.context, run=record)
    finding = select(all_checks(), ["install.receipt"])[0].look(replace(broken, context=context))
    assert finding.fix is not None
    assert "/src" in finding.fix.does
    finding.fix.apply()
    assert ran[0][-7:] == ["install", "--prefix", str(prefix), "--yes", "--quiet", "--from", "/src"]


@linked
def test_install_receipt_is_content_with_what_it_says(look: Look, installed: Path) -> None:
    assert look("install.receipt").status is Status.OK


def test_git_present_fires_without_git(look: Look, tmp_path: Path) -> None:
    assert_fires(look("git.present", PATH=str(tmp_path)), Status.WARN, "not installed")


@pytest.mark.skipif(os.name == "nt", reason="the stub of macOS has a name of POSIX")
@pytest.mark.parametrize(
    ("cure", "words"),
    [("xcode-select --install", "a stub of macOS"), ("sudo xcodebuild -license accept", "licence of Xcode")],
)
def test_git_present_takes_the_stub_of_macos_for_no_git(
    machine: MakeMachine, monkeypatch: pytest.MonkeyPatch, cure: str, words: str
) -> None:
    def run(argv: list[str], *, timeout: float) -> CommandResult:
        raise AssertionError(f"{argv[0]} was run: the stub would open a dialog")

    for module in (developer_tools, git_present):
        monkeypatch.setattr(module, "tools_fix", lambda: cure)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: "/usr/bin/git")
    mac = machine({"platform": "darwin"})
    mac = replace(mac, context=replace(mac.context, run=run))
    finding = select(all_checks(), ["git.present"])[0].look(mac)
    assert_fires(finding, Status.WARN, words)
    assert finding.command == cure


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_present_is_content_with_git(look: Look) -> None:
    assert "git version" in look("git.present").what


@posix
def test_conda_usable_fires_for_a_conda_that_was_moved(look: Look, double_conda: Path) -> None:
    double_conda.write_text("#!/opt/old/bin/python\n")
    assert_fires(look("conda.usable", CONDA_EXE=str(double_conda)), Status.FAIL, "/opt/old/bin/python")


def test_conda_usable_gives_a_moved_conda_its_old_name_back(
    look: Look, miniconda: Callable[..., Path], home: Path
) -> None:
    former = home / "before"
    miniconda(former)
    command = former.rename(home / "miniconda3") / "bin" / "conda"
    finding = look("conda.usable", CONDA_EXE=str(command))
    if finding.status is Status.OK:
        pytest.skip("the commands of this conda find their Python wherever they are")
    assert_fires(finding, Status.FAIL, str(former))
    assert finding.fix is not None
    undo = finding.fix.apply().undo
    assert look("conda.usable", CONDA_EXE=str(command)).status is Status.OK
    assert undo == f"rm {former}"


def test_conda_env_finds_lost_files_and_has_conda_bring_them_back(
    look: Look, miniconda: Callable[..., Path], channel: ChannelServer
) -> None:
    conda = miniconda()
    creating = [
        "create",
        "-y",
        "-n",
        "imjoy",
        "--override-channels",
        "-c",
        "conda-forge",
        "python=3.11",
        "pip",
    ]
    subprocess.run([conda, *creating], check=True, capture_output=True)
    environment = conda.parent.parent / "envs" / "imjoy"
    variables = {"CONDA_EXE": str(conda), "CONDA_CHANNEL_ALIAS": channel.url}
    assert look("conda.env", **variables).status is Status.OK
    lost = next(environment.glob("lib/python3.11/json/decoder.py"))
    lost.unlink()
    finding = look("conda.env", **variables)
    assert_fires(finding, Status.FAIL, "python")
    assert "--force-reinstall" in finding.command
    assert finding.fix is not None
    finding.fix.apply()
    assert lost.exists()
    assert look("conda.env", **variables).status is Status.OK


@linked
def test_conda_env_leaves_to_pip_what_pip_replaced_and_finds_a_python_that_does_not_run(
    look: Look, home: Path
) -> None:
    assert look("conda.env", PATH="/nowhere").status is Status.SKIPPED
    prefix = home / "ImJoyApp"
    (prefix / "conda-meta").mkdir(parents=True)
    files = ["lib/python3.11/site-packages/six.py", "lib/python3.11/site-packages/six-1.dist-info/METADATA"]
    record = {"name": "six", "version": "1", "build": "0", "files": files}
    (prefix / "conda-meta" / "six-1-0.json").write_text(json.dumps(record))
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python").symlink_to(sys.executable)
    assert look("conda.env", PATH="/nowhere").status is Status.OK
    (prefix / "bin" / "python").unlink()
    (prefix / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (prefix / "bin" / "python").chmod(0o755)
    assert_fires(look("conda.env", PATH="/nowhere"), Status.FAIL, "does not run")


@posix
def test_conda_usable_fires_for_a_conda_that_fails(look: Look, double_conda: Path) -> None:
    double_conda.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    assert_fires(look("conda.usable", CONDA_EXE=str(double_conda)), Status.FAIL, "broken")


@posix
def test_conda_usable_is_content_with_a_conda_that_answers_and_with_none(
    look: Look, double_conda: Path
) -> None:
    assert "conda 24.9.2" in look("conda.usable", CONDA_EXE=str(double_conda)).what
    assert look("conda.usable", PATH="/nowhere").status is Status.SKIPPED


@posix
@pytest.mark.parametrize(
    ("shell", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/config.fish")]
)
def test_conda_shell_init_fires_and_is_mended_with_a_way_back(
    look: Look, double_conda: Path, home: Path, shell: str, file: str
) -> None:
    rc = home / file
    rc.parent.mkdir(parents=True, exist_ok=True)
    rc.write_text("# mine\n")
    finding = look("conda.shell_init", {"shell": shell}, CONDA_EXE=str(double_conda))
    assert_fires(finding, Status.WARN, "Run 'conda init' before")
    assert finding.command == f"{double_conda} init {shell}"
    assert finding.fix is not None
    repair = finding.fix.apply()
    assert "+# >>> conda initialize >>>" in repair.diff
    assert look("conda.shell_init", {"shell": shell}, CONDA_EXE=str(double_conda)).status is Status.OK
    subprocess.run(repair.undo, shell=True, check=True)
    assert rc.read_text() == "# mine\n"
    assert not list(rc.parent.glob("*imjoy-backup*"))


@posix
def test_conda_shell_init_fires_for_the_block_of_another_conda_and_for_a_dead_one(
    look: Look, double_conda: Path, home: Path
) -> None:
    block = (
        "# >>> conda initialize >>>\n"
        "{}__conda_setup=\"$('{}/bin/conda' 'shell.bash' 'hook')\"\n"
        "# <<< conda initialize <<<\n"
    )
    for text in (block.format("", "/opt/miniconda3-old"), block.format("", f"{double_conda.parents[1]}-old")):
        (home / ".bashrc").write_text(text)
        assert_fires(look("conda.shell_init", CONDA_EXE=str(double_conda)), Status.WARN, "another conda")
    (home / ".bashrc").write_text(block.format("# ", double_conda.parents[1]))
    assert_fires(look("conda.shell_init", CONDA_EXE=str(double_conda)), Status.WARN, "no block")


def test_conda_shell_init_knows_the_file_of_each_shell(
    machine: MakeMachine, home: Path, tmp_path: Path
) -> None:
    from imjoy.doctor.checks.conda.shell_init import rc_file

    assert rc_file(machine({"platform": "darwin"})) == home / ".bash_profile"
    assert rc_file(machine({"shell": "zsh"}, ZDOTDIR=str(tmp_path))) == tmp_path / ".zshrc"
    assert rc_file(machine({"shell": "nushell"})) is None


@scripted
def test_conda_shell_init_knows_the_root_behind_the_wrapper_of_an_environment(
    look: Look, double_conda: Path, home: Path
) -> None:
    root = double_conda.parents[1]
    environment = root / "envs" / "imjoy"
    (environment / "bin").mkdir(parents=True)
    (environment / ".imjoy").mkdir()
    (environment / ".imjoy" / "receipt.json").write_text(json.dumps({"conda": str(double_conda)}))
    (home / "ImJoyApp").symlink_to(environment)
    wrapper = write_wrapper(home / "ImJoyApp", double_conda)
    path = f"{wrapper.parent}:/usr/bin:/bin"
    finding = look("conda.shell_init", PATH=path)
    assert finding.command == f"{double_conda} init bash"
    assert finding.fix is not None
    finding.fix.apply()
    assert look("conda.shell_init", PATH=path).status is Status.OK


@pytest.mark.skipif(os.name == "nt", reason="bash of Windows names conda's folder in another way")
@pytest.mark.parametrize(
    "line",
    [
        ". {root}/etc/profile.d/conda.sh",
        'source "{root}/etc/profile.d/conda.sh"',
        "if [ -f ~/miniconda3/etc/profile.d/conda.sh ]; then . ~/miniconda3/etc/profile.d/conda.sh; fi",
        'test -e x && . "$HOME/miniconda3/etc/profile.d/conda.sh"',
    ],
)
def test_conda_shell_init_is_content_with_who_loads_conda_as_4_4_says(
    look: Look, double_conda: Path, home: Path, line: str
) -> None:
    (home / ".bashrc").write_text(line.format(root=double_conda.parents[1]) + "\n")
    assert look("conda.shell_init", CONDA_EXE=str(double_conda)).status is Status.OK
    (home / ".bashrc").write_text("# " + line.format(root=double_conda.parents[1]) + "\n")
    assert_fires(look("conda.shell_init", CONDA_EXE=str(double_conda)), Status.WARN, "no block")
    (home / ".bashrc").write_text(". /opt/other/etc/profile.d/conda.sh\n")
    assert look("conda.shell_init", CONDA_EXE=str(double_conda)).status is Status.WARN


@scripted
def test_conda_shell_init_says_when_conda_changed_nothing_and_leaves_no_backup(
    look: Look, double_conda: Path, home: Path
) -> None:
    double_conda.write_text(double_conda.read_text().replace("init)", "init) exit 0 ;; other)"))
    (home / ".bashrc").write_text("alias ll='ls -l'\n")
    finding = look("conda.shell_init", CONDA_EXE=str(double_conda))
    assert finding.fix is not None
    with pytest.raises(ImJoyError, match="changed nothing"):
        finding.fix.apply()
    assert [each.name for each in home.glob(".bashrc*")] == [".bashrc"]


@scripted
def test_conda_usable_names_the_file_of_settings_that_conda_cannot_read(
    look: Look, double_conda: Path, home: Path
) -> None:
    mark = 'in "/home/ada/.condarc", line 3, column 1'
    double_conda.write_text(
        f"#!/bin/sh\n[ $1 = -V ] && echo conda 4.14.0 && exit\necho '{mark}' >&2; exit 1\n"
    )
    finding = look("conda.usable", CONDA_EXE=str(double_conda))
    assert_fires(finding, Status.FAIL, "cannot read its settings")
    assert (finding.command, finding.advice) == ("", "Correct line 3 of /home/ada/.condarc.")


def test_net_conda_asks_where_conda_has_conda_forge(
    look: Look, double_conda: Path, channel: ChannelServer
) -> None:
    config = double_conda.parents[1] / "config.json"
    server = {"scheme": "http", "location": channel.url.partition("://")[2], "auth": None, "token": None}
    nowhere = {"scheme": "http", "location": "127.0.0.1:9"}
    config.write_text(json.dumps({"channel_alias": nowhere, "custom_channels": {"conda-forge": server}}))
    assert look("net.conda", CONDA_EXE=str(double_conda)).status is Status.OK
    assert channel.asked == ["/conda-forge/noarch/repodata.json.zst"]
    config.write_text(json.dumps({"channel_alias": nowhere, "offline": True}))
    assert look("net.conda", CONDA_EXE=str(double_conda)).status is Status.SKIPPED


def test_conda_shell_init_is_no_matter_without_conda(look: Look) -> None:
    assert look("conda.shell_init", PATH="/nowhere").status is Status.SKIPPED


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
def test_net_tls_fires_for_a_variable_that_leads_nowhere(look: Look, name: str) -> None:
    finding = look("net.tls", **{name: "/no/such/file.pem"})
    assert_fires(finding, Status.FAIL, "/no/such/file.pem")
    assert finding.command == f"unset {name}"


@pytest.mark.parametrize(
    ("platform", "command", "advice"),
    [("linux", "sudo timedatectl", ""), ("darwin", "sudo sntp", ""), ("win32", "", "Set the clock")],
)
def test_net_tls_fires_for_a_clock_that_is_off_with_what_this_system_has(
    platform: str, command: str, advice: str, machine: MakeMachine
) -> None:
    young = machine({"platform": platform})
    young = replace(young, context=replace(young.context, clock=lambda: 0.0))
    finding = select(all_checks(), ["net.tls"])[0].look(young)
    assert_fires(finding, Status.FAIL, "1970")
    for said, expected in ((finding.command, command), (finding.advice, advice)):
        assert said.startswith(expected)
        assert bool(said) == bool(expected)


def test_net_tls_is_content_with_files_that_are_there(look: Look, tmp_path: Path) -> None:
    assert look("net.tls", SSL_CERT_DIR=str(tmp_path)).status is Status.OK


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_net_proxy_fires_when_loopback_would_be_asked_of_the_proxy(look: Look, name: str) -> None:
    finding = look("net.proxy", **{name: "http://proxy:3128", "NO_PROXY": "example.org"})
    assert_fires(finding, Status.WARN, "127.0.0.1")
    assert finding.command == "export NO_PROXY=example.org,127.0.0.1,localhost"


@pytest.mark.parametrize("value", ["http://", "ftp://x:1", "http://host:notaport"])
def test_net_proxy_fires_for_what_is_no_address(look: Look, value: str) -> None:
    assert_fires(look("net.proxy", https_proxy=value), Status.FAIL, "HTTPS_PROXY")


def test_net_proxy_is_content_without_one_and_with_an_exception(look: Look) -> None:
    assert look("net.proxy").status is Status.OK
    assert look("net.proxy", http_proxy="http://p:1", no_proxy="localhost,127.0.0.1").status is Status.OK
    assert look("net.proxy", http_proxy="http://p:1", no_proxy="*").status is Status.OK


def write_token(home: Path, text: str, mode: int = 0o600) -> Path:
    file = home / "ImJoyWorkspace" / ".imjoy" / "token"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


@posix
def test_engine_token_fires_when_others_can_read_it_and_closes_it(look: Look, home: Path) -> None:
    file = write_token(home, "a" * 43 + "\n", 0o644)
    finding = look("engine.token")
    assert_fires(finding, Status.FAIL, "644")
    assert finding.fix is not None
    assert finding.fix.apply().undo == f"chmod 644 '{file}'"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert look("engine.token").status is Status.OK


@pytest.mark.skipif(os.name != "nt", reason="Windows has lists in place of modes")
def test_engine_token_names_who_else_is_on_the_list_and_takes_them_off(look: Look, home: Path) -> None:
    file = write_token(home, "a" * 43 + "\n")
    open_to_all(file)
    finding = look("engine.token", USERNAME="Ada")
    assert_fires(finding, Status.FAIL, "Everyone")
    assert finding.command == f'icacls "{file}" /inheritance:r /grant:r "Ada:F"'
    assert finding.fix is not None
    assert finding.fix.apply().undo == f'icacls "{file}" /reset'
    assert is_private(file)
    assert look("engine.token").status is Status.OK


def test_engine_token_says_where_the_list_cannot_be_read(
    look: Look, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_says(path: Path) -> list[str]:
        raise PermissionError(13, "Access is denied", str(path))

    write_token(home, "a" * 43 + "\n")
    monkeypatch.setattr(engine_token, "accounts_with_access", nobody_says)
    assert_fires(look("engine.token"), Status.WARN, "Access is denied")


def test_engine_token_fires_for_what_is_no_token_and_makes_a_new_one(look: Look, home: Path) -> None:
    file = write_token(home, "not one\n")
    finding = look("engine.token")
    assert_fires(finding, Status.FAIL, "16 to 128")
    assert "not one" not in finding.why
    assert finding.fix is not None
    finding.fix.apply()
    assert len(file.read_text().strip()) == 43
    assert look("engine.token").status is Status.OK


def test_engine_token_is_content_before_the_first_start(look: Look) -> None:
    assert look("engine.token").status is Status.OK


def write_state(home: Path, **values: object) -> Path:
    file = home / "ImJoyWorkspace" / ".imjoy" / "engine.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "pid": os.getpid(),
        "birth": birth_of(os.getpid()),
        "instance": "1",
        "secret": "2",
    }
    state |= {"host": "127.0.0.1", "port": 1, "url": "http://127.0.0.1:1", "serve": False, **values}
    file.write_text(json.dumps(state))
    return file


@pytest.mark.parametrize("content", [None, "{"])
def test_engine_state_fires_for_a_file_that_was_left_behind_and_deletes_it(
    look: Look, home: Path, content: str | None
) -> None:
    file = write_state(home, birth="long ago")
    if content:
        file.write_text(content)
    finding = look("engine.state")
    assert_fires(finding, Status.WARN, str(file))
    assert finding.fix is not None
    finding.fix.apply()
    assert look("engine.state").status is Status.OK


def test_engine_state_fires_for_a_process_that_does_not_answer(look: Look, home: Path) -> None:
    write_state(home)
    finding = look("engine.state")
    assert_fires(finding, Status.FAIL, "hangs")
    assert finding.command == "imjoy stop"


def test_engine_starts_fires_when_the_workspace_cannot_be_written(look: Look, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finding = look("engine.starts", IMJOY_WORKSPACE=str(tmp_path / "file"))
    assert_fires(finding, Status.FAIL, "workspace.unwritable")


def test_port_checks_are_content_with_a_free_port(look: Look) -> None:
    port = free_port()
    for id in ("port.free", "port.reserved", "port.ambiguous"):
        assert look(id, {"port": port}).status is Status.OK


def test_port_free_fires_with_who_holds_it_and_a_port_that_is_free(look: Look) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        finding = look("port.free", {"port": server.getsockname()[1]})
    assert_fires(finding, Status.WARN, f"pid {os.getpid()}, you")
    assert finding.command.startswith("imjoy start --port ")


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
def test_port_ambiguous_fires_for_a_listener_on_the_other_loopback(look: Look) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        finding = look("port.ambiguous", {"port": server.getsockname()[1]})
        assert look("port.free", {"port": server.getsockname()[1]}).status is Status.OK
    assert_fires(finding, Status.WARN, "::1")
    assert "http://127.0.0.1:" in finding.advice


def test_port_reserved_fires_for_airplay_and_for_excluded_ranges(machine: MakeMachine) -> None:
    check = select(all_checks(), ["port.reserved"])[0]
    assert_fires(check.look(machine({"platform": "darwin", "port": 5000})), Status.FAIL, "AirPlay")
    said = (
        "\nProtocol tcp Port Exclusion Ranges\n\nStart Port    End Port\n----------    --------\n"
        "      8005        8104\n     50000       50059     *\n\n* - Administered port exclusions.\n"
    )
    assert excluded_ranges(said) == [(8005, 8104), (50000, 50059)]
    windows = machine({"platform": "win32", "port": 8080})
    context = replace(windows.context, run=lambda argv, *, timeout: CommandResult(tuple(argv), 0, said, 0.0))
    assert_fires(check.look(replace(windows, context=context)), Status.FAIL, "8005 to 8104")
    assert check.look(replace(windows, context=context, port=9000)).status is Status.OK


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root, to drop its rights")
def test_ports_below_1024_are_not_for_everybody() -> None:
    # In a process of its own: rights that are dropped do not come back.
    code = (
        "import os, socket; from imjoy.engines.ports import try_bind; try_bind('127.0.0.1', 0);"
        "os.setgid(65534); os.setuid(65534); print(try_bind('127.0.0.1', 81).value)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if "not permitted" not in done.stdout:
        pytest.skip(f"this machine lets everybody have low ports: {done.stdout}{done.stderr}")
    assert done.stdout.strip() == "not permitted"


def test_remote_checks_fire_for_an_engine_that_somebody_elsewhere_wants(look: Look, home: Path) -> None:
    write_state(home, port=8080, url="http://127.0.0.1:8080")
    assert look("remote.bind").status is Status.OK
    assert look("remote.firewall").command == ""
    finding = look("remote.bind", SSH_CONNECTION="10.0.0.1 50000 10.0.0.2 22")
    assert_fires(finding, Status.WARN, "by ssh")
    assert finding.command == "ssh -L 8080:127.0.0.1:8080 10.0.0.2"
    write_state(home, host="0.0.0.0", port=8080)
    assert look("remote.bind", SSH_CONNECTION="10.0.0.1 50000 10.0.0.2 22").status is Status.OK
    assert_fires(look("remote.browser"), Status.WARN, "https pages")
    assert look("remote.firewall").command.endswith(":8080/healthz")
    write_state(home, host="0.0.0.0", port=8080, serve=True)
    assert look("remote.browser").status is Status.OK
    write_state(home, host="192.0.2.1", port=8080, url="https://192.0.2.1:8080", certificate="PEM")
    assert look("remote.browser").status is Status.OK
    assert "https://192.0.2.1:8080" in look("remote.browser").what
    assert look("remote.firewall").command == "curl --insecure https://192.0.2.1:8080/healthz"


def test_webapp_cache_fires_for_damaged_and_missing_files(
    look: Look, machine: MakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look("webapp.cache").status is Status.SKIPPED
    pinned = webapp.pinned_files()
    content = b"what the packages hold is not at hand here"
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(webapp, "pinned_files", lambda: [replace(each, sha256=digest) for each in pinned])
    files = [machine().layout.webapp / each.path for each in pinned]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert look("webapp.cache").status is Status.OK
    files[1].write_bytes(b"changed")
    damaged = look("webapp.cache")
    assert_fires(damaged, Status.FAIL, "checksum")
    # A start does not hash what has the size and time that it had.
    assert damaged.command == "imjoy doctor --fix --only webapp.cache"
    files[1].unlink()
    assert_fires(look("webapp.cache"), Status.WARN, "Missing files: 1")


def test_no_check_takes_longer_than_a_moment_on_a_healthy_machine(machine: MakeMachine) -> None:
    from imjoy.doctor.registry import our_checks
    from imjoy.doctor.runner import examine

    checks = [each for each in our_checks() if each.id != "engine.starts"]
    begin = time.monotonic()
    examine(checks, machine(), offline=True)
    assert time.monotonic() - begin < 10


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="needs root and unshare, for a network of its own and to drop its rights",
)
def test_port_reserved_fires_for_whom_the_system_refuses_a_low_port() -> None:
    code = (
        "import os\n"
        "from pathlib import Path\n"
        "from imjoy.context import Context\n"
        "from imjoy.doctor.checks.port.reserved import CHECK\n"
        "from imjoy.doctor.model import Machine\n"
        "Path('/proc/sys/net/ipv4/ip_unprivileged_port_start').write_text('1024')\n"
        "context = Context(home=Path('/'), environ={})\n"
        "machine = Machine(context, context.layout(), host='0.0.0.0', port=81)\n"
        "print(CHECK.look(machine).status.value)\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "finding = CHECK.look(machine)\n"
        "print(finding.status.value, finding.why, finding.command, sep='|')\n"
    )
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if "unshare" in done.stderr:
        pytest.skip(f"this machine has no namespaces for us: {done.stderr}")
    as_root, as_nobody = done.stdout.splitlines()
    assert as_root == "ok", done.stderr
    assert as_nobody.startswith("fail|Ports below 1024 need an administrator.|imjoy start --port ")
