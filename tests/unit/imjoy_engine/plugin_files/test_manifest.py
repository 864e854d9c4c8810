"""Plugin files as a whole: fields, tags, scripts, and one clear error for each thing that can be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugin_files.limits import MAX_SCRIPT_CHARACTERS
from imjoy_engine.plugin_files.manifest import (
    MAX_NAME_CHARACTERS,
    Manifest,
    PluginFile,
    from_config,
    parse_plugin,
)

ROOT = Path(__file__).parents[4]
VALID = {"cmd": "", "where": "engine"}
SCRIPT = '<script lang="python">\nx = 1\n</script>\n'


def source(config: object, scripts: str = SCRIPT, lang: str = ' lang="json"') -> str:
    return f"<docs>\n# Title\n</docs>\n<config{lang}>\n{json.dumps(config)}\n</config>\n{scripts}"


def config(**fields: object) -> dict[str, object]:
    return {"name": "Demo", "type": "native-python", "api_version": "0.1.8", "version": "0.1.0", **fields}


def parse(scripts: str = SCRIPT, **fields: Any) -> PluginFile:
    return parse_plugin(source(config(**fields), scripts), file="demo.imjoy.html")


def manifest(**fields: Any) -> Manifest:
    return parse(**fields).manifest


def refusal(text: str) -> ImJoyError:
    with pytest.raises(ImJoyError) as caught:
        parse_plugin(text, file="demo.imjoy.html")
    assert "demo.imjoy.html" in caught.value.what
    return caught.value


def test_a_plugin_file_is_read_whole() -> None:
    plugin = parse_plugin(
        "\ufeff"
        + source(config(tags=["CPU"], description="d", inputs=[1], passive=True))
        + '<window lang="html"><div></div></window><attachment name="data">1,2</attachment><extra>e</extra>',
        file="demo.imjoy.html",
    )
    assert plugin.docs.strip() == "# Title"
    assert (plugin.manifest.name, plugin.manifest.version) == ("Demo", "0.1.0")
    assert (plugin.manifest.type, plugin.manifest.tags) == ("native-python", ("CPU",))
    assert (plugin.manifest.description, plugin.manifest.inputs, plugin.manifest.passive) == ("d", [1], True)
    assert [block.kind for block in plugin.blocks] == [
        "docs",
        "config",
        "script",
        "window",
        "attachment",
        "extra",
    ]
    assert plugin.attachments == {"data": "1,2"}
    assert plugin.script_for("").text == "\nx = 1\n"
    assert plugin.script_for("").line == 7


def test_a_file_without_a_config_is_refused() -> None:
    assert refusal(SCRIPT).id == "plugin.no-config"


def test_a_file_with_two_configs_is_refused_with_their_lines() -> None:
    error = refusal(source(config()) + source(config()))
    assert error.id == "plugin.two-configs"
    assert "4 and 13" in error.what


@pytest.mark.parametrize("scripts", ["", '<script lang="javascript">x</script>'])
def test_a_file_without_a_python_script_is_refused(scripts: str) -> None:
    error = refusal(source(config(), scripts))
    assert error.id == "plugin.no-script"
    assert ("line 7" in error.why) == bool(scripts)


@pytest.mark.parametrize(
    "name",
    [None, "", "  ", 7, ["a"], "a/b", "a\\b", "a\nb", "a\x00b", "../../etc", "x" * (MAX_NAME_CHARACTERS + 1)],
)
def test_a_name_that_could_be_a_path_or_cannot_be_read_is_refused(name: object) -> None:
    error = refusal(source(config(name=name)))
    assert error.id == "plugin.name"
    assert "<config>" in error.what


@pytest.mark.parametrize(
    "type_", ["web-worker", "iframe", "window", "pyworker", "", None, 3, ["native-python"]]
)
def test_another_type_of_plugin_is_refused(type_: object) -> None:
    assert refusal(source(config(type=type_))).id == "plugin.type"


def test_pyworker_is_the_old_word_up_to_api_version_0_1_1() -> None:
    assert manifest(type="pyworker", api_version="0.1.1").type == "native-python"
    old = {"name": "a", "mode": "pyworker", "api_version": "0.1.0"}
    assert parse_plugin(source(old), file="f").manifest.type == "native-python"


@pytest.mark.parametrize("field", ["version", "api_version", "description", "tag"])
def test_a_text_field_that_is_no_text_is_named(field: str) -> None:
    error = refusal(source(config(**{field: ["x"]})))
    assert error.id == "plugin.field"
    assert f'"{field}"' in error.what


def test_numbers_pass_for_versions_and_empty_text_for_no_tags() -> None:
    read = manifest(version=0.2, tags="")
    assert (read.version, read.tags) == ("0.2", ())


def test_the_tag_is_the_requested_one_or_the_first_or_none() -> None:
    tagged = manifest(tags=["CPU", "GPU"])
    assert tagged.choose_tag("GPU") == "GPU"
    assert tagged.choose_tag() == "CPU"
    assert manifest().choose_tag() == ""


@pytest.mark.parametrize("tags", [["CPU", "GPU"], []])
def test_a_tag_that_the_plugin_does_not_have_is_refused_with_those_it_has(tags: list[str]) -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(tags=tags).with_tag("TPU")
    assert caught.value.id == "plugin.tag"
    assert all(tag in caught.value.why for tag in tags)


def test_fields_keyed_by_tag_are_picked() -> None:
    read = manifest(
        tags=["CPU", "GPU"],
        env={"CPU": "", "GPU": "conda create -n x"},
        requirements={"CPU": ["a"], "GPU": ["b"]},
        flags={"CPU": ["single-instance"], "GPU": []},
        labels={"CPU": [], "GPU": "x"},
        dependencies={"CPU": None, "GPU": ["oeway/a:b"]},
        cmd={"CPU": "python", "GPU": "CUDA_VISIBLE_DEVICES=1 python"},
    )
    assert (read.requirements, read.flags) == (["a"], ("single-instance",))
    gpu = read.with_tag("GPU")
    assert (gpu.env, gpu.requirements, gpu.flags) == ("conda create -n x", ["b"], ())
    assert (gpu.labels, gpu.dependencies) == (("x",), ("oeway/a:b",))
    assert gpu.command.variables == {"CUDA_VISIBLE_DEVICES": "1"}


@pytest.mark.parametrize(
    ("where", "tag", "stays"),
    [
        ("engine", "CPU", True),
        ("cluster", "CPU", False),
        (None, "CPU", False),
        ({"CPU": "engine"}, "CPU", True),
        ({"CPU": "engine"}, "GPU", False),
        ({"CPU": "engine", "GPU": "cluster"}, "GPU", False),
    ],
)
def test_a_plugin_stays_on_the_engine_s_machine_for_all_its_tags_or_by_tag(
    where: object, tag: str, stays: bool
) -> None:
    assert manifest(tags=["CPU", "GPU"], where=where).with_tag(tag).stays_on_engine is stays


@pytest.mark.parametrize(
    "where", ["Engine", "n1", "", 1, True, ["engine"], {"CPU": "here"}, {"CPU": {"a": 1}}]
)
def test_a_place_that_is_none_is_refused(where: object) -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(tags=["CPU", "GPU"], where=where).with_tag("CPU")
    assert caught.value.id == "plugin.field"
    assert '"engine" or "cluster"' in caught.value.fix


@pytest.mark.parametrize("field", ["env", "requirements", "flags", "labels", "cmd", "dependencies", "where"])
def test_a_missing_entry_for_a_tag_is_nothing_and_a_note_where_it_matters(field: str) -> None:
    read = manifest(tags=["CPU", "GPU"], **{field: {"CPU": VALID.get(field, "x"), "GPUs": ""}})
    assert read.with_tag("CPU").notes_on("CPU") == ()
    assert read.with_tag("GPU").by_tag(field, "GPU") is None
    notes = read.notes_on("GPU")
    assert bool(notes) == (field in ("env", "requirements"))
    assert all(
        f'"{field}" has nothing for the tag "GPU"' in note and "CPU and GPUs" in note for note in notes
    )


def test_a_field_keyed_by_tag_in_a_plugin_without_tags_is_an_error() -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(requirements={"GPU": []}).with_tag()
    assert caught.value.id == "plugin.tag"
    assert "GPU" in caught.value.why


@pytest.mark.parametrize("field", ["env", "requirements", "flags", "labels", "cmd", "dependencies", "where"])
def test_an_empty_object_means_nothing(field: str) -> None:
    assert manifest(**{field: {}}).with_tag().by_tag(field, "") is None


def test_a_name_may_hold_any_character_that_people_write() -> None:
    assert manifest(name="Größe\u202f(µm) 细胞 🔬").name == "Größe\u202f(µm) 细胞 🔬"


def test_one_env_element_without_a_list_is_not_taken_for_tags() -> None:
    assert manifest(env={"type": "binder", "spec": "x"}).env == {"type": "binder", "spec": "x"}


@pytest.mark.parametrize("field", ["flags", "labels", "dependencies"])
def test_lists_of_texts_are_checked(field: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(**{field: [{"a": 1}]}).with_tag()
    assert caught.value.id == "plugin.field"


@pytest.mark.parametrize(
    ("cmd", "variables", "options"),
    [
        (None, {}, ()),
        ("", {}, ()),
        ("python", {}, ()),
        ("python3.6 -u", {}, ("-u",)),
        ("KERAS_BACKEND=tensorflow python", {"KERAS_BACKEND": "tensorflow"}, ()),
        ("A='x y' B= python -W ignore", {"A": "x y", "B": ""}, ("-W", "ignore")),
        ("python -Wignore -OO", {}, ("-Wignore", "-OO")),
    ],
)
def test_cmd_sets_variables_and_options_of_python(
    cmd: object, variables: dict[str, str], options: tuple[str, ...]
) -> None:
    command = manifest(cmd=cmd).command
    assert (dict(command.variables), command.options) == (variables, options)


@pytest.mark.parametrize(
    "cmd",
    [
        "rm -rf /",
        "python; rm -rf /",
        "python && rm x",
        "python -c 'import os'",
        "python -m http.server",
        "python evil.py",
        "python $(id)",
        "/bin/sh",
        "../python",
        "A=1",
        "python 'unclosed",
        ["python"],
        7,
        "python -",
    ],
)
def test_a_cmd_that_would_run_something_else_is_refused(cmd: object) -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(cmd=cmd).with_tag()
    assert caught.value.id == "plugin.cmd"


TWO_SCRIPTS = '<script lang="python" tag="GPU">gpu</script><script lang="python">any</script>'


def test_the_script_of_the_tag_is_picked_else_the_one_without_a_tag() -> None:
    plugin = parse(TWO_SCRIPTS, tags=["CPU", "GPU"])
    assert plugin.script_for("GPU").text == "gpu"
    assert plugin.script_for("CPU").text == "any"
    assert plugin.script_for("").text == "any"


@pytest.mark.parametrize("tag", ["CPU", ""])
def test_scripts_for_other_tags_only_are_an_error_that_names_them(tag: str) -> None:
    plugin = parse('<script lang="python" tag="GPU">gpu</script>', tags=["CPU", "GPU"])
    with pytest.raises(ImJoyError) as caught:
        plugin.script_for(tag)
    assert caught.value.id == "plugin.tag"
    assert "GPU" in caught.value.why


def test_a_config_that_an_app_parsed_is_taken_with_the_tag_it_chose() -> None:
    plugin = from_config(
        config(
            tags=["CPU", "GPU"],
            tag="GPU",
            requirements=["b"],
            code="<config>…",
            script="x = 1",
            scripts=[{"content": "x = 1"}],
        ),
        "x = 1",
    )
    assert plugin.manifest.choose_tag() == "GPU"
    assert plugin.manifest.requirements == ["b"]
    assert plugin.script_for("GPU").text == "x = 1"
    assert not {"code", "script", "scripts"} & set(plugin.manifest.raw)
    assert "Demo" in plugin.file


def test_a_config_from_an_app_is_checked_like_a_file() -> None:
    for bad, id in [
        ({**config(), "name": "a/b"}, "plugin.name"),
        ({**config(), "type": "iframe"}, "plugin.type"),
        ({**config(), "x": float("nan")}, "plugin.config-shape"),
        ({}, "plugin.name"),
    ]:
        with pytest.raises(ImJoyError) as caught:
            from_config(bad, "x = 1")
        assert caught.value.id == id
    with pytest.raises(ImJoyError) as caught:
        from_config(config(), "  ")
    assert caught.value.id == "plugin.no-script"


@given(
    st.dictionaries(st.text(max_size=8), st.text() | st.integers() | st.lists(st.text()), max_size=4),
    st.text(),
)
def test_no_config_from_an_app_raises_anything_but_an_imjoy_error(
    fields: dict[str, object], script: str
) -> None:
    try:
        from_config({**config(), **fields}, script).manifest.with_tag()
    except ImJoyError as error:
        assert error.id.startswith("plugin.")


PIECES = st.sampled_from(
    [
        "<config>", "</config>", '<config lang="json">', '<config lang="yaml">', "<script>", "</script>",
        '<script lang="python">', '{"name": "a", "type": "native-python"}', '"', "{", "}", "name: a\n", "\ufeff",
        "<docs>", "</docs>", "\n", "<!--", "-->", 'tag="x"', "\x00", "\ud800",
    ]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=5), max_size=20).map("".join))
def test_no_file_raises_anything_but_an_imjoy_error(text: str) -> None:
    try:
        plugin = parse_plugin(text, file="f")
    except ImJoyError as error:
        assert error.id.startswith("plugin.")
        assert error.what.startswith("f")
    else:
        assert plugin.manifest.name


def test_reading_plugins_needs_no_heavy_import() -> None:
    heavy = ("yaml", "asyncio", "aiohttp", "packaging", "filelock", "uv", "hypothesis")
    code = (
        "import sys; import imjoy_engine.plugin_files.manifest, imjoy_engine.environments.specs.spec; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "cmd", ["pythonx -u", "python3.6.sh", "python -W", "python -X", "python -uc", """ -u""", "'"]
)
def test_a_cmd_is_a_python_from_one_end_to_the_other(cmd: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(cmd=cmd).with_tag()
    assert caught.value.id == "plugin.cmd"


def test_the_last_script_of_a_tag_is_taken_and_one_in_another_language_is_none() -> None:
    scripts = (
        '<script lang="python" tag="GPU">first</script><script lang="python" tag="GPU">last</script>'
        '<script lang="javascript" tag="GPU">other</script>'
    )
    plugin = parse(scripts, tags=["GPU"])
    assert plugin.script_for("GPU").text == "last"
    assert len(plugin.scripts) == 2


@pytest.mark.parametrize("name", ["a\nb", "a\x1b]0;b", "a\x9bb", "a\u2028b", "a" * 201, "a\\b"])
def test_a_name_has_one_line_of_which_nothing_acts(name: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(name=name)
    assert caught.value.id == "plugin.name"
    assert manifest(name="a" * 200).name == "a" * 200


def test_a_script_has_a_limit_from_a_file_and_from_an_app() -> None:
    long = "x" * (MAX_SCRIPT_CHARACTERS + 1)
    ways: list[Callable[[], PluginFile]] = [
        lambda: parse(f'<script lang="python">{long}</script>'),
        lambda: from_config(config(), long),
    ]
    for read in ways:
        with pytest.raises(ImJoyError) as caught:
            read()
        assert caught.value.id == "plugin.too-long"
    assert from_config(config(), long[1:]).scripts[0].text == long[1:]


@pytest.mark.parametrize(("passive", "is_it"), [(True, True), (False, False), ("no", False), (1, False)])
def test_what_is_passive_says_so(passive: object, is_it: bool) -> None:
    assert manifest(passive=passive).passive is is_it


def test_a_truth_value_is_no_text() -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(version=True)
    assert caught.value.id == "plugin.field"


@pytest.mark.parametrize("requested", ["no such tag", "gpu"])
def test_no_other_tag_than_its_own_is_taken(requested: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(tags=["GPU"]).with_tag(requested)
    assert caught.value.id == "plugin.tag"


def test_a_plugin_without_an_api_version_is_not_of_the_old_type() -> None:
    with pytest.raises(ImJoyError) as caught:
        from_config({"name": "P", "type": "pyworker"}, "x = 1")
    assert caught.value.id == "plugin.type"
    assert (
        from_config({"name": "P", "type": "pyworker", "api_version": "0.1.1"}, "x = 1").manifest.name == "P"
    )


def test_a_field_by_tag_is_checked_when_the_tag_is_chosen() -> None:
    with pytest.raises(ImJoyError) as caught:
        manifest(env={"GPU": "conda create -n x"}).with_tag()
    assert caught.value.id == "plugin.tag"
