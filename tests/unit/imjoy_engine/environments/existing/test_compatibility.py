"""Whether an environment that was there has what a plugin asks for."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from imjoy_engine.environments.existing.compatibility import (
    missing_usual_packages,
    unmet_error,
    unmet_requirements,
)
from imjoy_engine.environments.existing.installed import changes, conda_packages, installed_packages
from imjoy_engine.environments.existing.records import ExistingEnvironment
from imjoy_engine.environments.specs.planning import plan_environment
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.plugin_files.manifest import from_config

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")

PACKAGES = {
    "numpy": "1.26.4",
    "torch": "2.1.0+cu121",
    "scikit-image": "0.18.3",
    "opencv-python-headless": "4.8.1.78",
    "tool": "1.0",
    "requests": "2.31.0",
}


def there(kind: str = "venv", conda: dict[str, str] | None = None) -> ExistingEnvironment:
    return ExistingEnvironment(
        name="mine",
        python="/my envs/mine/bin/python",
        prefix="/my envs/mine",
        kind=kind,
        version="3.9.18",
        cache_tag="cpython-39",
        search_path=(),
        markers={"python_version": "3.9", "sys_platform": "linux"},
        packages=PACKAGES,
        conda=conda or {},
        variables={},
        stamp="",
        added=0.0,
    )


def spec_of(requirements: object = None, env: object = None) -> EnvironmentSpec:
    config = {"name": "P", "type": "native-python", "requirements": requirements, "env": env}
    manifest = from_config(config, "x", file="p.imjoy.html").manifest
    return plan_environment(manifest, "")


def lacking(requirements: object = None, env: object = None) -> list[str]:
    return [str(lack) for lack in unmet_requirements(spec_of(requirements, env), there())]


@pytest.mark.parametrize(
    "requirements",
    [
        [],
        ["numpy", "torch>=2", "scikit_image", "Scikit-Image==0.18.*", "opencv-python"],
        ["pip: -U numpy", "imjoy-rpc", "tool; python_version < '3.10'", "nothing; python_version < '3.8'"],
        ["git+https://github.com/me/tool.git", "https://example.org/tool-2.0-py3-none-any.whl"],
        ["conda: pytorch opencv numpy=1.26", "conda: -c conda-forge numpy>=1.20,<2", "torch"],
        "tool && numpy>1",
    ],
)
def test_what_is_there_is_enough(requirements: object) -> None:
    assert lacking(requirements) == []


@pytest.mark.parametrize(
    ("requirements", "lacks"),
    [
        (["scikit-image>=0.20"], ["scikit-image>=0.20 (there is 0.18.3)"]),
        (["torch<2"], ["torch<2 (there is 2.1.0+cu121)"]),
        (["stardist", "numpy"], ["stardist"]),
        (["conda: numpy=1.14"], ["numpy=1.14 (there is 1.26.4)"]),
        (["git+https://github.com/me/other.git@v1"], ["git+https://github.com/me/other.git@v1"]),
        (["pip: -e ./folder"], ["-e ./folder"]),
    ],
)
def test_what_is_missing_or_of_another_version_is_named(requirements: object, lacks: list[str]) -> None:
    assert lacking(requirements) == lacks


def test_another_python_is_named_and_any_is_any() -> None:
    assert lacking(None, "conda create -n x python=3.6.8") == ["Python 3.6.8 (there is 3.9.18)"]
    assert lacking(None, "conda create -n x python=3.9") == []
    assert lacking(None, "conda create -n x python") == []
    assert lacking(None, "conda create -n x python>=3.7,<3.9") == ["Python >=3.7,<3.9 (there is 3.9.18)"]


def test_the_commands_that_would_mend_it_can_be_pasted() -> None:
    spec = spec_of(["stardist>=0.8", "conda: -c bioconda cudnn"], None)
    error = unmet_error(
        "P", spec, there("conda", {"python": "3.9.18"}), unmet_requirements(spec, there("conda"))
    )
    lines = error.why.splitlines()[1:]
    assert [shlex.split(line.removeprefix("& ")) for line in lines] == [  # how PowerShell runs a quoted name
        ["conda", "install", "--prefix", "/my envs/mine", "-c", "bioconda", "cudnn"],
        ["/my envs/mine/bin/python", "-m", "pip", "install", "stardist>=0.8"],
    ]
    assert (error.id, int(error.exit_code)) == ("env.lacks", 3)


def test_a_password_in_a_requirement_is_not_shown() -> None:
    spec = spec_of(["git+https://me:hunter2@example.org/x.git"])
    error = unmet_error("P", spec, there(), unmet_requirements(spec, there()))
    assert "hunter2" not in str(error.as_json())


def test_what_plugins_rely_on_without_asking_is_named_where_it_is_missing() -> None:
    assert missing_usual_packages(there()) == []


def test_packages_are_read_from_the_names_of_folders(tmp_path: Path) -> None:
    for name in (
        "Scikit_Image-0.18.3.dist-info",
        "old.tool-2.0-py3.6.egg-info",
        "_hidden",
        "numpy",
        "two_part_name-1.0rc1.dist-info",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / "developed.egg-info").mkdir()
    (tmp_path / "developed.egg-info" / "PKG-INFO").write_text("Name: developed\nVersion: 3.1\n")
    egg = tmp_path / "eggs" / "boxed-4.2-py3.6.egg"
    egg.mkdir(parents=True)
    later = tmp_path / "later"
    (later / "scikit_image-0.1.dist-info").mkdir(parents=True)
    assert installed_packages([str(egg), str(tmp_path), str(later), "/nowhere"]) == {
        "boxed": "4.2",
        "scikit-image": "0.18.3",
        "old-tool": "2.0",
        "two-part-name": "1.0rc1",
        "developed": "3.1",
    }


def test_conda_packages_are_read_from_its_records(tmp_path: Path) -> None:
    assert conda_packages(tmp_path) == {}
    (tmp_path / "conda-meta").mkdir()
    for name in ("numpy-1.26.4-py39_0.json", "cuda-nvcc-12.1-0.json", "history", "state"):
        (tmp_path / "conda-meta" / name).touch()
    assert conda_packages(tmp_path) == {"numpy": "1.26.4", "cuda-nvcc": "12.1"}


def test_what_changed_is_said_in_words() -> None:
    assert changes({"a": "1", "b": "1", "d": "1"}, {"a": "2", "c": "", "d": "1"}) == [
        "a 1 -> 2",
        "b 1 is gone",
        "c is new",
    ]
