"""cluster.toml: what it says, and what nobody can mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.launchers import Resources
from imjoy_engine.launchers.cluster_settings import ClusterSettings, offer, read_settings, requested_resources
from imjoy_engine.plugin_files.manifest import Manifest, parse_plugin

WHOLE = """
options = ["--partition=gpu", "-A=lab"]
prologue = "module load cuda/12.4"
wrapper = ["apptainer", "exec", "--nv", "/images/base.sif"]
host = "login1-ib0"
port = 40000
[default]
memory = "2 GB"
time = "1.5 h"
[maximum]
cpus = 16
gpus = 2
time = "8 h"
"""


def settings(tmp_path: Path, text: str) -> ClusterSettings:
    file = tmp_path / "cluster.toml"
    file.write_text(text, encoding="utf-8")
    return read_settings(file)


def plugin(resources: str) -> Manifest:
    fields = (
        '"name": "P", "type": "native-python", "version": "1", "api_version": "0.1.8", "tags": ["CPU", "GPU"]'
    )
    config = f'{{{fields}, "resources": {resources}}}'
    source = f'<config lang="json">{config}</config>\n<script lang="python">\npass\n</script>'
    return parse_plugin(source, file="p.imjoy.html").manifest


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    read = settings(tmp_path, WHOLE)
    assert read.options == ("--partition=gpu", "-A=lab")
    assert (read.host, read.port, read.wrapper[0]) == ("login1-ib0", 40000, "apptainer")
    assert read.default == Resources(memory=2 * 10**9, seconds=5400)
    assert read.maximum == {"cpus": 16, "gpus": 2, "seconds": 28800}


def test_what_may_be_asked_is_told_in_the_words_of_a_plugin(tmp_path: Path) -> None:
    read = settings(tmp_path, WHOLE)
    assert offer("SLURM", ("cpus", "gpus", "memory", "time"), read) == {
        "name": "SLURM",
        "default": {"cpus": 1, "gpus": 0, "memory": 2 * 10**9, "time": 5400},
        "maximum": {"cpus": 16, "gpus": 2, "time": 28800},
    }
    assert offer("Dask", ("gpus",), read) == {"name": "Dask", "default": {"gpus": 0}, "maximum": {"gpus": 2}}


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "cluster.toml") == ClusterSettings()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("partition = 'gpu'", "partition is no setting"),
        ("options = '--partition=gpu'", "no list of words"),
        ("options = ['gpu']", "is not for you to set"),
        ("options = ['--wrap=rm -rf /']", "--wrap"),
        ("options = ['--export=ALL']", "--export"),
        ("options = ['-o/etc/passwd']", "-o"),
        ("options = ['-Ho/etc/passwd']", "-Ho"),
        ("options = ['--wra=id']", "--wra"),
        ("options = ['--expor=ALL']", "--expor"),
        ("options = ['--export-file=/etc/passwd']", "--export-file"),
        ("options = ['--']", "is not for you to set"),
        ("options = ['-']", "is not for you to set"),
        ('options = ["--account=a\\nb"]', "more than one line"),
        ("port = 'x'", "no port number"),
        ("port = 70000", "no port number"),
        ("port = true", "no port number"),
        ("host = 7", "no text"),
        ("default = 7", "no table"),
        ("[default]\ncpus = -1", "no number of them"),
        ("[default]\ncpus = 1.5", "no number of them"),
        ("[default]\nmemory = 8", "not written as"),
        ("[default]\nmemory = '-8 GB'", "not written as"),
        ("[default]\nmemory = '8 parsec'", "not written as"),
        ("[default]\ntime = 'soon'", "not written as"),
        ("[default]\ncpus = nan", "no number of them"),
        ("[default]\nmemory = 'nan GB'", "not written as"),
        ("[default]\ntime = '-2 h'", "not written as"),
        ("[maximum]\ngpus = 'many'", "no number of them"),
        ("prologue = ['module load cuda']", "no text"),
        ("wrapper = 'apptainer'", "no list of words"),
        ("[maximum]\nnodes = 2", "nothing that can be asked for"),
        ("options = [", "Invalid value"),
    ],
)
def test_what_nobody_can_mean_is_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        settings(tmp_path, text)
    assert caught.value.id == "cluster.settings"
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("resources", "tag", "expected"),
    [
        ('{"cpus": 4}', "CPU", Resources(cpus=4, memory=1000)),
        ('{"CPU": {}, "GPU": {"gpus": 1, "memory": "16 GiB"}}', "GPU", Resources(gpus=1, memory=16 << 30)),
        ('{"CPU": {}, "GPU": {"gpus": 1}}', "CPU", Resources(memory=1000)),
        ("{}", "CPU", Resources(memory=1000)),
        ("null", "CPU", Resources(memory=1000)),
    ],
)
def test_a_plugin_asks_for_all_its_tags_or_by_tag(resources: str, tag: str, expected: Resources) -> None:
    of_user = ClusterSettings(default=Resources(memory=1000), maximum={"cpus": 8})
    assert requested_resources(plugin(resources).with_tag(tag), of_user) == expected


@pytest.mark.parametrize(
    ("resources", "error"),
    [
        ('{"cpus": 9}', "cluster.wish"),
        ('{"cpus": "many"}', "plugin.field"),
        ('{"memory": true}', "plugin.field"),
        ("[4]", "plugin.field"),
        ('{"TPU": {}}', "plugin.tag"),
    ],
)
def test_what_a_plugin_cannot_have_is_refused(resources: str, error: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        requested_resources(plugin(resources), ClusterSettings(maximum={"cpus": 8}))
    assert caught.value.id == error
