"""The config block: JSON and YAML, and where it is wrong."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugin_files.manifest_blocks import Block
from imjoy_engine.plugin_files.manifest_config import (
    MAX_CONFIG_CHARACTERS,
    compare_versions,
    plain_config,
    read_config,
)


def config_block(text: str, lang: str | None = "json", line: int = 10) -> Block:
    return Block("config", MappingProxyType({} if lang is None else {"lang": lang}), text, line)


def refusal(text: str, lang: str | None = "json") -> ImJoyError:
    with pytest.raises(ImJoyError) as caught:
        read_config(config_block(text, lang), file="my.imjoy.html")
    assert "my.imjoy.html" in caught.value.what
    assert "<config>" in caught.value.what
    return caught.value


def test_json_and_yaml_say_the_same() -> None:
    from_json = read_config(config_block('{"name": "a", "tags": ["CPU"], "n": 1.5, "x": null}'), file="f")
    from_yaml = read_config(config_block("name: a\ntags:\n  - CPU\nn: 1.5\nx: null\n", "yaml"), file="f")
    assert from_json == from_yaml == {"name": "a", "tags": ["CPU"], "n": 1.5, "x": None}


def test_broken_json_is_reported_with_its_line_in_the_file_and_what_stands_there() -> None:
    error = refusal('\n{\n  "name": "a"\n  "version": "1"\n}')
    assert error.id == "plugin.config-syntax"
    assert "line 13" in error.what
    assert '"version": "1"' in error.why


def test_broken_yaml_is_reported_with_its_line_in_the_file() -> None:
    error = refusal("\nname: a\n  version: [1\n", "yaml")
    assert error.id == "plugin.config-syntax"
    assert "line 12" in error.what


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("", "json"),
        ("{'name': 'a'}", "json"),
        ('{"a": NaN}', "json"),
        ('{"a": 1' + "0" * 5000 + "}", "json"),
        ("[" * 100_000, "json"),
        ("[" * 5_000, "yaml"),
        ("a: !!python/object/apply:os.system [ls]", "yaml"),
        ("a: 2024-99-99", "yaml"),
        ("? [a]\n: b", "yaml"),
        ("a: \x00", "yaml"),
    ],
)
def test_what_cannot_be_read_is_a_syntax_error_and_nothing_else(text: str, lang: str) -> None:
    assert refusal(text, lang).id == "plugin.config-syntax"


@pytest.mark.parametrize("text", ["[1]", '"a"', "1", "null", "true"])
@pytest.mark.parametrize("lang", ["json", "yaml"])
def test_a_config_that_is_no_object_is_refused(text: str, lang: str) -> None:
    assert refusal(text, lang).id == "plugin.config-shape"


def test_values_that_json_cannot_hold_are_refused() -> None:
    assert refusal("a: !!binary aGk=", "yaml").id == "plugin.config-shape"
    assert refusal('{"a": 1e999}').id == "plugin.config-shape"
    assert refusal('{"a": "\\ud800"}').id == "plugin.config-shape"


def test_yaml_dates_and_keys_become_text() -> None:
    read = read_config(config_block("1: a\ndate: 2020-01-02\n", "yaml"), file="f")
    assert read == {"1": "a", "date": "2020-01-02"}


def test_yaml_that_unfolds_without_end_is_refused() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert refusal(bomb, "yaml").id == "plugin.config-size"
    assert refusal("a: &a [*a]", "yaml").id == "plugin.config-size"


def test_a_config_of_more_than_a_mebibyte_is_refused() -> None:
    assert refusal('{"a": "' + "x" * MAX_CONFIG_CHARACTERS + '"}').id == "plugin.config-size"


def test_a_config_that_is_nested_too_deeply_is_refused() -> None:
    assert refusal('{"a": ' + "[" * 200 + "]" * 200 + "}").id == "plugin.config-size"


def test_the_language_may_be_left_out_up_to_api_version_0_1_5() -> None:
    assert read_config(config_block('{"api_version": "0.1.5"}', None), file="f") == {"api_version": "0.1.5"}
    error = refusal('{"api_version": "0.1.6"}', None)
    assert error.id == "plugin.config-lang"
    assert "0.1.6" in error.why


def test_an_unknown_language_is_named() -> None:
    error = refusal("<a/>", "xml")
    assert error.id == "plugin.config-lang"
    assert "xml" in error.what


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("0.1.5", "0.1.5", 0),
        ("0.1.10", "0.1.9", 1),
        ("0.1", "0.1.1", -1),
        ("0.1.1b2", "0.1.1", 0),
        ("", "0.1.5", -1),
        ("1", "0.9.9", 1),
        ("x.y", "0.0", 0),
    ],
)
def test_versions_compare_part_by_part_as_numbers(left: str, right: str, result: int) -> None:
    assert compare_versions(left, right) == result


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON_VALUES, max_size=4))
def test_every_json_object_is_read_as_it_is(config: dict[str, object]) -> None:
    assert read_config(config_block(json.dumps(config)), file="f") == config
    assert plain_config(config, file="f") == config


@given(st.text(), st.sampled_from(["json", "yaml", "", "xml"]))
def test_no_text_raises_anything_but_an_imjoy_error(text: str, lang: str) -> None:
    try:
        read_config(config_block(text, lang), file="f")
    except ImJoyError as error:
        assert error.id.startswith("plugin.config-")


@pytest.mark.parametrize(
    ("text", "language", "id"),
    [
        ("x: !!timestamp foo", "yaml", "plugin.config-syntax"),
        ("x: !!bool foo", "yaml", "plugin.config-syntax"),
        ("x: !!int ''", "yaml", "plugin.config-syntax"),
        ("x: !!float ''", "yaml", "plugin.config-syntax"),
        ('{"version": ' + "9" * 5000 + "}", "json", "plugin.config-syntax"),
        ('{"version": ' + "9" * 4000 + "}", "json", "plugin.config-size"),
    ],
)
def test_a_value_that_is_not_what_its_tag_says_is_refused_and_no_bug_of_ours(
    text: str, language: str, id: str
) -> None:
    with pytest.raises(ImJoyError) as refused:
        read_config(config_block(text, language), file="f")
    assert refused.value.id == id
    assert refused.value.why
