"""`imjoy lock PLUGIN`, then `imjoy run --locked`: the same packages, whatever the channel has come to hold since."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.kit.channel_server import ChannelServer

from imjoy_engine.environments.specs.lockfile import lock_file_of
from imjoy_engine.environments.specs.spec import this_platform

from .conftest import OTHER_PLATFORM, Imjoy, mirror_platform

EXAMPLES = Path(__file__).parents[3] / "engine" / "imjoy_engine" / "webapp" / "examples"

PLUGIN = """
<config lang="json">
{"name": "Locked", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8", "tags": [], "flags": [],
 "env": ["conda install python=3.12"], "requirements": ["conda: lockable", "pip: six REQUIREMENT"],
 "inputs": null, "outputs": null}
</config>
<script lang="python">
import lockable
from imjoy import api


class Locked:
    def setup(self):
        pass

    def run(self, ctx):
        return lockable.version


api.export(Locked())
</script>
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A plugin that asks for a conda package and a pip package, of no particular version."""
    return write_plugin(tmp_path, "")


def write_plugin(folder: Path, requirement: str) -> Path:
    """Write the plugin, with one more requirement."""
    path = folder / "Locked one.imjoy.html"
    path.write_text(PLUGIN.replace(" REQUIREMENT", requirement))
    return path


def versions_in(export: str) -> list[str]:
    """Return the packages of an exported environment file."""
    document = yaml.safe_load(export)
    *conda, pip = document["dependencies"]
    return [*conda, *pip["pip"]]


def test_a_locked_plugin_gets_the_identical_packages_twice(
    two_platforms: ChannelServer, plugin: Path, imjoy: Imjoy, tmp_path: Path
) -> None:
    two_platforms.channel.add_module("lockable", "1.0")
    made = imjoy("lock", str(plugin), "--platform", this_platform(), "--platform", OTHER_PLATFORM, "--json")
    assert made.returncode == 0, made.stdout + made.stderr
    told = json.loads(made.stdout)["lock"]
    lock = lock_file_of(plugin, None)
    assert told["file"] == str(lock)
    assert told["platforms"].keys() == {this_platform(), OTHER_PLATFORM}
    assert all(counts["conda"] >= 3 and counts["pip"] >= 8 for counts in told["platforms"].values())
    rendered = subprocess.run(
        [sys.executable, "-m", "conda_lock", "render", "--kind", "env", "-p", this_platform(), str(lock)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert rendered.returncode == 0, rendered.stderr  # conda-lock itself reads it

    two_platforms.channel.add_module("lockable", "2.0")
    exports = []
    for name in ("one", "two"):
        workspace = str(tmp_path / name)
        done = imjoy("run", "--locked", str(plugin), "--workspace", workspace, "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert [each["value"] for each in events if each["event"] == "result"] == ["1.0"], done.stdout
        exports.append(imjoy("env", "export", "Locked", "--workspace", workspace).stdout)
    assert exports[0] == exports[1]

    packages = yaml.safe_load(lock.read_text())["package"]
    mine = {
        re.sub(r"[-_.]+", "-", each["name"]).lower(): each["version"]
        for each in packages
        if each["platform"] == this_platform()
    }
    built = {
        re.sub(r"[-_.]+", "-", re.split("=+", each)[0]): re.split("=+", each)[1]
        for each in versions_in(exports[0])
    }
    assert built == mine

    write_plugin(tmp_path, ">=1.10")
    stale = imjoy("run", "--locked", str(plugin), "--workspace", str(tmp_path / "one"))
    assert stale.returncode == 3
    assert "lock.stale" in stale.stderr

    write_plugin(tmp_path, "")
    whole = lock.read_text()
    for manager, kind in (("conda", "lockable"), ("pip", "six")):
        lock.write_text(with_wrong_sha256(whole, manager, kind))
        wrong = imjoy("run", "--locked", str(plugin), "--workspace", str(tmp_path / manager), "--json")
        assert wrong.returncode == 6, wrong.stdout
        assert "env.checksum" in wrong.stdout


def with_wrong_sha256(lock: str, manager: str, name: str) -> str:
    """Return the lock with another checksum for one package."""
    document = yaml.safe_load(lock)
    for package in document["package"]:
        if (package["manager"], package["name"]) == (manager, name):
            package["hash"]["sha256"] = "0" * 64
    return yaml.safe_dump(document)


def test_a_plugin_without_a_lock_says_how_to_make_one(plugin: Path, imjoy: Imjoy, tmp_path: Path) -> None:
    done = imjoy("run", "--locked", str(plugin), "--workspace", str(tmp_path / "workspace"))
    assert done.returncode == 2
    assert f"imjoy lock {plugin}" in done.stderr.replace("\n", " ")


def test_what_no_conda_can_solve_is_told_in_condas_words(
    two_platforms: ChannelServer, tmp_path: Path, imjoy: Imjoy
) -> None:
    plugin = write_plugin(tmp_path, "")
    plugin.write_text(plugin.read_text().replace("lockable", "never-packaged"))
    done = imjoy("env", "lock", str(plugin), "--platform", this_platform())
    assert done.returncode == 1
    assert "lock.unsolvable" in done.stderr
    assert "never-packaged" in done.stderr
    assert not lock_file_of(plugin, None).exists()


def test_without_a_conda_there_is_no_lock(plugin: Path, imjoy: Imjoy) -> None:
    done = imjoy("lock", str(plugin), PATH="/usr/bin:/bin")
    assert done.returncode == 3
    assert "lock.no-conda" in done.stderr


def test_conda_lock_is_imported_by_nothing_of_ours() -> None:
    code = "import sys, imjoy.cli.plugin.lock, imjoy.locking, imjoy_engine.environments.builders.locking; "
    code += "sys.exit('conda_lock' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_lock_of_an_old_plugin_has_the_python_that_was_chosen_for_it(
    two_platforms: ChannelServer, imjoy: Imjoy, tmp_path: Path
) -> None:
    if not two_platforms.channel.has_python("3.8"):
        pytest.skip("Python 3.8 is not installed (pyenv)")
    plugin = tmp_path / "Gradients.imjoy.html"
    shutil.copy(EXAMPLES / plugin.name, plugin)
    made = imjoy("lock", str(plugin), "--platform", this_platform())
    assert made.returncode == 0, made.stdout + made.stderr
    packages = yaml.safe_load(lock_file_of(plugin, None).read_text())["package"]
    versions = {(each["manager"], each["name"]): each["version"] for each in packages}
    assert versions["conda", "python"].startswith("3.8.")
    assert versions["pip", "numpy"] == "1.18.0"


def test_a_pack_for_another_machine_holds_the_conda_packages_of_that(
    two_platforms: ChannelServer, plugin: Path, imjoy: Imjoy, tmp_path: Path
) -> None:
    two_platforms.channel.add_module("lockable", "1.0")
    mirror_platform(two_platforms)
    folder = two_platforms.channel.folder
    for file in (folder / this_platform()).glob("*.conda"):
        (folder / OTHER_PLATFORM / file.name).symlink_to(file)
    pack = tmp_path / "pack"
    packed = imjoy(
        "env", "pack", str(plugin), "-o", str(pack), "--platform", OTHER_PLATFORM, "--python", "3.12"
    )
    assert packed.returncode == 0, packed.stdout + packed.stderr
    content = json.loads((pack / "pack.json").read_text())
    assert (content["platform"], content["python"]) == (OTHER_PLATFORM, "3.12")
    (entry,) = content["plugins"]
    places = [package["url"] for package in entry["conda"]]
    assert {place.split("/")[1] for place in places} <= {OTHER_PLATFORM, "noarch"}
    assert any(place.startswith(f"conda/{OTHER_PLATFORM}/python-3.12") for place in places)
    assert all((pack / place).is_file() for place in places)
    wheels = [wheel.name for wheel in (pack / "wheels").iterdir()]
    assert any("-cp312-" in name and name.endswith("_arm64.whl") for name in wheels)
    assert all("linux" not in name for name in wheels), wheels
