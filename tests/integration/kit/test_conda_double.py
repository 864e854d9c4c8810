"""The kit's conda is a double, and does what the tests of provisioning, upgrades and old hosts rely on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.channel_server import ChannelServer

FORGE = ("--override-channels", "-c", "conda-forge")


def told(*words: object, code: int = 0) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def conda(miniconda: Callable[..., Path], channel: ChannelServer) -> Path:
    """Return the conda of a Miniconda in the home folder."""
    return miniconda()


def test_it_says_what_it_is_and_where_it_lies(conda: Path, home: Path) -> None:
    assert told(conda, "-V") == "conda 26.7.1\n"
    info = json.loads(told(conda, "info", "--json"))
    assert info["a_double"] is True
    assert info["root_prefix"] == str(conda.parents[1])
    assert info["envs_dirs"] == [str(conda.parents[1] / "envs"), str(home / ".conda" / "envs")]


def test_a_named_environment_is_made_listed_used_and_removed(conda: Path, home: Path) -> None:
    told(conda, "create", "-y", "-n", "imjoy", *FORGE, "python=3.11", "pip", "middle")
    folder = conda.parents[1] / "envs" / "imjoy"
    assert json.loads(told(conda, "env", "list", "--json"))["envs"] == [str(conda.parents[1]), str(folder)]
    assert str(folder) in (home / ".conda" / "environments.txt").read_text()
    listed = {
        each["name"]: each["version"] for each in json.loads(told(conda, "list", "-n", "imjoy", "--json"))
    }
    assert listed["small"] == "1.0"
    code = "import middle, sys; print(sys.prefix); sys.exit(7)"
    assert told(conda, "run", "-n", "imjoy", "python", "-c", code, code=7).strip() == str(folder)
    assert str(folder) in told(folder / "bin" / "pip", "--version")
    told(conda, "env", "remove", "-y", "-n", "imjoy")
    assert not folder.exists()
    assert str(folder) not in (home / ".conda" / "environments.txt").read_text()


def test_an_explicit_list_makes_what_it_lists_and_nothing_that_is_damaged(
    conda: Path, explicit_list: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "explicit.txt"
    file.write_text(explicit_list("python=3.11", "pip"))
    told(conda, "create", "-y", "-p", tmp_path / "one", *FORGE, "--file", file)
    assert str(tmp_path / "one") in told(tmp_path / "one" / "bin" / "python", "-m", "pip", "--version")
    again = told(conda, "list", "-p", tmp_path / "one", "--explicit", "--md5")
    assert sorted(again.split("@EXPLICIT")[1].split()) == sorted(file.read_text().split()[1:])
    url = explicit_list("small=2.0").split()[-1].partition("#")[0]
    file.write_text(f"@EXPLICIT\n{url}#{'0' * 32}\n")
    # What another test fetched is not fetched again, and so not looked at again.
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "packages"))
    told(conda, "create", "-y", "-p", tmp_path / "two", *FORGE, "--file", file, code=1)


def test_of_files_that_are_gone_it_installs_nothing_more(
    conda: Path, channel: ChannelServer, explicit_list: Callable[..., str], tmp_path: Path
) -> None:
    lines = []
    for line in explicit_list("python=3.11", "small=2.0").split()[1:]:
        file = tmp_path / line.rpartition("/")[2].partition("#")[0]
        [source] = channel.channel.folder.glob(f"*/{file.name}")
        file.symlink_to(source)
        lines.append(f"{file.as_uri()}#{line.partition('#')[2]}")
    (tmp_path / "explicit.txt").write_text("\n".join(["@EXPLICIT", *lines]))
    told(conda, "create", "-y", "-p", tmp_path / "one", *FORGE, "--file", tmp_path / "explicit.txt")
    [record] = (tmp_path / "one" / "conda-meta").glob("small-*.json")
    assert json.loads(record.read_text())["channel"] == "<unknown>"
    again = ("install", "-y", "-p", tmp_path / "one", *FORGE, "--force-reinstall", "small")
    told(conda, *again)
    for file in tmp_path.glob("*.conda"):
        file.unlink()
    assert "PathNotFoundError" in told(conda, *again, code=1)


def test_the_base_is_brought_up_to_date_from_conda_forge(conda: Path) -> None:
    told(conda, "install", "-y", "-n", "base", *FORGE, "conda=26.9.0")
    assert told(conda, "-V") == "conda 26.9.0\n"


def test_nothing_is_asked_of_the_place_that_the_base_came_from(conda: Path, tmp_path: Path) -> None:
    for file in (conda.parents[1] / "conda-meta").glob("*.json"):
        document = json.loads(file.read_text())
        place = (tmp_path / "gone" / document["subdir"]).as_uri()
        file.unlink()  # shared with every other copy
        file.write_text(json.dumps({**document, "url": f"{place}/{document['fn']}"}))
    update = ("update", "-y", "-n", "base", *FORGE, "conda", "pip")
    actions = json.loads(told(conda, *update, "--dry-run", "--json"))["actions"]
    assert [(each["name"], each["version"]) for each in actions["LINK"]] == [("conda", "26.9.0")]
    told(conda, *update, "--download-only")
    told(conda, *update, "--offline")
    assert told(conda, "-V") == "conda 26.9.0\n"


def test_default_channels_are_refused_as_nobody_accepted_their_terms(conda: Path) -> None:
    assert "Terms of Service" in told(conda, "create", "-y", "-n", "x", "python", code=1)
    assert "At least one -c" in told(
        conda, "create", "-y", "-n", "x", "--override-channels", "python", code=1
    )


def test_what_does_not_exist_is_exit_1(conda: Path) -> None:
    assert "PackagesNotFound" in told(conda, "create", "-y", "-n", "x", *FORGE, "no-such-package", code=1)
    assert "EnvironmentLocationNotFound" in told(conda, "run", "-n", "none", "python", code=1)


def outcome(*words: object) -> tuple[int, str, str]:
    """Run a command; return its exit code, and what it wrote to each stream."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("version", "stream"), [("4.3.30", 2), ("4.8.3", 2), ("4.10.3", 1), ("26.7.1", 1)])
def test_a_conda_of_python_2_7_says_its_version_on_stderr(
    miniconda: Callable[..., Path], version: str, stream: int
) -> None:
    conda = miniconda(version=version)
    assert outcome(conda, "-V")[0] == 0
    assert outcome(conda, "-V")[stream] == f"conda {version}\n"
    told = json.loads(outcome(conda, "info", "--json")[1])
    assert told["conda_version"] == version
    assert told["python_version"].startswith("2.7.") == (stream == 2)


def test_settings_that_are_no_yaml_are_told_as_each_conda_tells_them(
    miniconda: Callable[..., Path], home: Path, tmp_path: Path
) -> None:
    (home / ".condarc").write_text("channel_alias: [http\n  foo: {{\n")
    new, middle, old = (miniconda(tmp_path / each, each) for each in ("26.7.1", "4.14.0", "4.3.30"))
    assert outcome(new, "-V") == (0, "conda 26.7.1\n", "")
    code, said, _ = outcome(new, "info", "--json")
    assert (code, json.loads(said)["exception_name"]) == (1, "ParserError")
    assert outcome(middle, "-V") == (0, "conda 4.14.0\n", "")
    assert outcome(middle, "info", "--json") == (1, "", "")
    for words in (["-V"], ["info", "--json"]):
        code, said, error = outcome(old, *words)
        assert (code, said) == (1, "")
        assert f'in "{home}/.condarc", line 2' in error


def test_update_takes_names_and_pins_hold(
    conda: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "one"
    told(conda, "create", "-y", "-p", folder, *FORGE, "python=3.11", "small=1.0")
    error = told(conda, "update", "-y", "-p", folder, *FORGE, "small=2.0", code=1)
    assert "only supports name-only spec, but received: small=2.0" in error
    monkeypatch.setenv("CONDA_PINNED_PACKAGES", "small=1.0")
    told(conda, "update", "-y", "-p", folder, *FORGE, "small")
    assert list((folder / "conda-meta").glob("small-1.0-*"))
    monkeypatch.delenv("CONDA_PINNED_PACKAGES")
    told(conda, "update", "-y", "-p", folder, *FORGE, "small")
    assert list((folder / "conda-meta").glob("small-2.0-*"))


@pytest.mark.parametrize(("version", "place"), [("4.10.3", "python3.1"), ("4.14.0", "python3.13")])
def test_before_4_11_two_digits_of_a_version_are_read(
    miniconda: Callable[..., Path], channel: ChannelServer, tmp_path: Path, version: str, place: str
) -> None:
    conda = miniconda(version=version)
    told(conda, "create", "-y", "-p", tmp_path / "one", *FORGE, "python=3.13", "pip")
    assert (tmp_path / "one" / "lib" / place / "site-packages" / "pip" / "__init__.py").exists()
    works = outcome(tmp_path / "one" / "bin" / "python", "-I", "-m", "pip", "--version")[0] == 0
    assert works == (place == "python3.13")


def test_files_of_settings_are_obeyed(
    conda: Path, channel: ChannelServer, home: Path, tmp_path: Path
) -> None:
    root = conda.parents[1]
    (root / ".condarc").write_text(f"channel_alias: http://127.0.0.1:9\npkgs_dirs: [{tmp_path}/pkgs]\n")
    (home / ".condarc").write_text(f"custom_channels: {{conda-forge: '{channel.url}'}}\nssl_verify: false\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONDA_")}
    done = subprocess.run(
        [conda, "create", "-y", "-p", tmp_path / "one", *FORGE, "small", "python"], env=environ, check=False
    )
    assert done.returncode == 0
    assert list((tmp_path / "pkgs").glob("small-*"))
    shown = subprocess.run(
        [conda, "config", "--show", "--json"], env=environ, capture_output=True, text=True, check=True
    )
    told = json.loads(shown.stdout)
    assert told["channel_alias"]["location"] == "127.0.0.1:9"
    assert told["custom_channels"]["conda-forge"]["scheme"] == "http"
    assert (told["ssl_verify"], told["pkgs_dirs"]) == (False, [f"{tmp_path}/pkgs"])


def test_a_base_whose_packages_were_replaced_creates_nothing_more(conda: Path, tmp_path: Path) -> None:
    told(conda, "create", "-y", "-p", tmp_path / "one", *FORGE, "small", "python")
    root = conda.parents[1]
    [info] = root.glob("lib/python3.*/site-packages/requests-*.dist-info")
    metadata = (info / "METADATA").read_text().replace("Version: 2.28.2", "Version: 2.33.0")
    (info / "METADATA").unlink()
    (info / "METADATA").write_text(metadata)
    info.rename(info.with_name("requests-2.33.0.dist-info"))
    assert "TypeError" in told(
        conda, "create", "-y", "-p", tmp_path / "two", *FORGE, "small", "python", code=1
    )
    assert told(conda, "-V") == "conda 26.7.1\n"


def test_conda_init_lets_bash_activate_and_comments_out_what_loaded_it_before(
    conda: Path, home: Path
) -> None:
    root = conda.parents[1]
    assert "Run 'conda init' before 'conda activate'" in told(conda, "activate", code=1)
    rc = home / ".bashrc"
    rc.write_text(f". {root}/etc/profile.d/conda.sh\n")
    active = "conda activate base && echo $CONDA_PREFIX"
    for _ in range(2):
        assert told("bash", "-c", f". {rc}; {active}").splitlines()[-1] == str(root)
        told(conda, "init", "bash")
        assert rc.read_text().count("# >>> conda initialize >>>") == 1
    assert f"# . {root}/etc/profile.d/conda.sh  # commented out by conda initialize" in rc.read_text()


def test_an_environment_yml_makes_an_environment(conda: Path, channel: ChannelServer, tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    file.write_text("name: lab\nchannels: [conda-forge]\ndependencies: [python=3.11, small]\n")
    told(conda, "env", "create", "--file", file)
    assert (conda.parents[1] / "envs" / "lab" / "bin" / "python").exists()
