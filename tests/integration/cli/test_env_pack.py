"""`imjoy env pack` on a machine with a network, `imjoy env unpack` and a result in a network namespace without any."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.kit.channel_server import ChannelServer

EXAMPLES = Path(__file__).parents[3] / "engine" / "imjoy_engine" / "webapp" / "examples"
RUN_SECONDS = 170
IMJOY = [sys.executable, "-m", "imjoy"]
CUT_OFF = ["unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
PLUGIN = """
<config lang="json">{"name": "Edges", "type": "native-python", "requirements": ["scikit-image"]}</config>
<script lang="python">
import numpy as np
from imjoy import api
from skimage.filters import sobel
api.export({"run": lambda ctx: round(float(sobel(np.eye(8)).max()), 3)})
</script>
"""


def imjoy(*words: str, text: str = "", without_network: bool = False) -> CompletedProcess[str]:
    return subprocess.run(
        [*(CUT_OFF if without_network else []), *IMJOY, *words],
        input=text,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


@pytest.fixture
def cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that begins the life of another machine: nothing is cached, no channel is set."""
    if shutil.which("unshare") is None or subprocess.run([*CUT_OFF, "true"], check=False).returncode != 0:
        pytest.skip("no network namespaces here (unshare)")

    def begin() -> None:
        for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "CONDA_PKGS_DIRS", "RATTLER_CACHE_DIR"):
            monkeypatch.setenv(name, str(tmp_path / "elsewhere" / name))
        monkeypatch.delenv("CONDA_CHANNEL_ALIAS", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
        (tmp_path / "elsewhere").mkdir()

    return begin


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_packages_of_pip_are_carried_to_a_machine_without_a_network(
    cut_off: Callable[[], None], tmp_path: Path
) -> None:
    file = tmp_path / "Edges.imjoy.html"
    file.write_text(PLUGIN)
    pack = tmp_path / "pack"
    packed = imjoy("env", "pack", str(file), "-o", str(pack))
    assert packed.returncode == 0, packed.stderr
    file.unlink()
    cut_off()
    unpacked = imjoy("env", "unpack", str(pack), without_network=True)
    assert unpacked.returncode == 0, unpacked.stderr
    done = imjoy("run", str(pack / "plugins" / file.name), without_network=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "0.559"), done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_conda_packages_and_the_python_of_old_pins_are_carried_too(
    cut_off: Callable[[], None], channel: ChannelServer, tmp_path: Path
) -> None:
    if not channel.channel.has_python("3.8"):
        pytest.skip("Python 3.8 is not installed (pyenv)")
    pack = tmp_path / "pack"
    packed = imjoy("env", "pack", str(EXAMPLES / "Gradients.imjoy.html"), "-o", str(pack))
    assert packed.returncode == 0, packed.stderr
    cut_off()
    unpacked = imjoy("env", "unpack", str(pack), without_network=True)
    assert unpacked.returncode == 0, unpacked.stderr
    done = imjoy("run", str(pack / "plugins" / "Gradients.imjoy.html"), text="64\n", without_network=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["numpy"], result["python"]) == ("1.18.0", "3.8")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_pack_for_another_machine_holds_what_that_takes(tmp_path: Path) -> None:
    file = tmp_path / "Small.imjoy.html"
    file.write_text(PLUGIN.replace('"scikit-image"', ""))
    pack = tmp_path / "pack"
    packed = imjoy("env", "pack", str(file), "-o", str(pack), "--platform", "win-64", "--python", "3.12")
    assert packed.returncode == 0, packed.stderr
    assert "For win-64, imjoy in Python 3.12" in packed.stderr
    wheels = [wheel.name for wheel in (pack / "wheels").iterdir()]
    numpy, psutil = (next(name for name in wheels if name.startswith(each)) for each in ("numpy", "psutil"))
    assert numpy.endswith("-cp312-cp312-win_amd64.whl")
    assert psutil.endswith("win_amd64.whl")
    assert all(name.endswith(("win_amd64.whl", "-any.whl")) for name in wheels), wheels
    refused = imjoy("env", "unpack", str(pack))
    assert (refused.returncode, "env.other-machine" in refused.stderr) == (3, True)
    assert "packed for win-64 and Python 3.12" in refused.stderr


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--platform", "amiga-68k"), "lock.platform-unknown"),
        (("--python", "3.9"), "env.python"),
        (("--python", "3.x"), "env.python"),
    ],
)
def test_a_machine_that_there_is_not_is_refused(words: tuple[str, ...], error: str, tmp_path: Path) -> None:
    file = tmp_path / "Edges.imjoy.html"
    file.write_text(PLUGIN)
    refused = imjoy("env", "pack", str(file), "-o", str(tmp_path / "pack"), *words)
    assert (refused.returncode, error in refused.stderr) == (2, True)
    assert not (tmp_path / "pack").exists()


def test_what_is_no_pack_or_a_broken_one_or_for_elsewhere_is_refused(tmp_path: Path, home: Path) -> None:
    assert "env.no-pack" in imjoy("env", "unpack", str(tmp_path)).stderr
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "Edges.imjoy.html").write_text(PLUGIN)
    entry: dict[str, object] = {"file": "Edges.imjoy.html", "name": "Edges", "tag": "", "python": None}
    entry |= {"conda": [], "pip": ["six==1.0 --hash=sha256:00"]}
    from imjoy_engine.environments.builders.old_pins import host_python
    from imjoy_engine.environments.specs.spec import this_platform

    content = {"format": 1, "platform": this_platform(), "python": host_python(), "plugins": [entry]}
    (tmp_path / "pack.json").write_text(json.dumps(content))
    assert imjoy("env", "unpack", str(tmp_path)).returncode == 6
    (tmp_path / "pack.json").write_text(json.dumps({**content, "python": "3.0"}))
    refused = imjoy("env", "unpack", str(tmp_path))
    assert (refused.returncode, "env.other-machine" in refused.stderr) == (3, True)
    assert not os.path.exists(home / "ImJoyWorkspace" / ".imjoy" / "environments")  # noqa: PTH110
