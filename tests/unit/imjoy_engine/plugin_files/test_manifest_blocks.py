"""Blocks: what stands where in a plugin file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugin_files.manifest_blocks import RAW_KINDS, de_indent, read_blocks

HOSTILE_CHARACTERS = 500_000


def test_blocks_come_in_the_order_of_the_file_with_attributes_and_lines() -> None:
    blocks = read_blocks(
        '<docs>\nhello\n</docs>\n\n<script lang = "python" tag=GPU>\nx = 1\n</script>\n', file="a.imjoy.html"
    )
    assert [(b.kind, dict(b.attributes), b.text, b.line) for b in blocks] == [
        ("docs", {}, "\nhello\n", 1),
        ("script", {"lang": "python", "tag": "GPU"}, "\nx = 1\n", 5),
    ]


def test_a_start_tag_over_several_lines_counts_from_its_end() -> None:
    (block,) = read_blocks('<script\n  lang="python"\n>\nx\n</script>', file="f")
    assert block.line == 3


def test_a_byte_order_mark_is_no_text() -> None:
    (block,) = read_blocks("\ufeff<docs>a</docs>", file="f")
    assert block.text == "a"


@pytest.mark.parametrize("kind", sorted(RAW_KINDS))
def test_known_blocks_hold_raw_text(kind: str) -> None:
    text = '{"a": "<b>", "c": "x<y", "d": "<!-- <config> <script>", "e": "</other>"}'
    (block,) = read_blocks(f"<{kind}>{text}</{kind}>", file="f")
    assert block.text == text


def test_an_unknown_block_is_kept_with_the_elements_inside_it() -> None:
    blocks = read_blocks("<panel><panel>a</panel><script>no block</script></panel><docs>yes</docs>", file="f")
    assert [(b.kind, b.text) for b in blocks] == [
        ("panel", "<panel>a</panel><script>no block</script>"),
        ("docs", "yes"),
    ]


def test_comments_doctypes_loose_text_and_stray_end_tags_mean_nothing() -> None:
    source = "<!DOCTYPE html><!-- <config>{}</config> -->\n1 < 2 </br></docs><docs>a</docs>"
    assert [(b.kind, b.text) for b in read_blocks(source, file="f")] == [("docs", "a")]


def test_elements_without_an_end_do_not_swallow_what_follows() -> None:
    blocks = read_blocks('<link href="a"><br><img/><docs>a</docs>', file="f")
    assert [b.kind for b in blocks] == ["link", "br", "img", "docs"]


def test_entities_in_attributes_are_decoded_once() -> None:
    (block,) = read_blocks('<attachment name="a &amp;lt; b"></attachment>', file="f")
    assert block.attributes["name"] == "a &lt; b"


def test_a_block_without_an_end_tag_is_named_with_its_line() -> None:
    with pytest.raises(ImJoyError) as caught:
        read_blocks("<docs>a</docs>\n<script>\nx = 1\n", file="my.imjoy.html")
    assert caught.value.id == "plugin.unclosed"
    assert "my.imjoy.html" in caught.value.what
    assert "<script>" in caught.value.what
    assert "line 2" in caught.value.what


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n    a\n      b\n", "\na\n  b\n"),
        ("\n\ta\n\t\tb\n", "\na\n\tb\n"),
        ("a\n    b", "a\n    b"),
        ("\n    a\nb\n", "\n    a\nb\n"),
        ("\r\n  a\r\n  b\r\n", "\na\nb\n"),
        ("\n    a\n\n    b\n", "\na\n\nb\n"),
    ],
)
def test_the_indent_that_all_lines_share_is_removed(text: str, expected: str) -> None:
    assert de_indent(text) == expected


def element(kind: str, attributes: dict[str, str], text: str) -> str:
    """Write a block down."""
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<{kind}{written}>{text}</{kind}>"


ATTRIBUTES = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
    st.text(st.characters(exclude_characters='"&', exclude_categories=["Cs"]), max_size=20),
    max_size=4,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")).filter(
    lambda text: "</" not in text
)


@given(st.lists(st.tuples(st.sampled_from(sorted(RAW_KINDS)), ATTRIBUTES, TEXTS), max_size=5))
def test_whatever_is_written_is_read_back(written: list[tuple[str, dict[str, str], str]]) -> None:
    source = "\n".join(element(*block) for block in written)
    read = read_blocks(source, file="f")
    assert [(b.kind, dict(b.attributes), b.text) for b in read] == [
        (kind, attributes, de_indent(text)) for kind, attributes, text in written
    ]


@given(st.text(st.sampled_from("<>/=\"'!- \nab&config")) | st.text())
def test_no_text_makes_the_reader_fail_in_another_way(source: str) -> None:
    try:
        read_blocks(source, file="f")
    except ImJoyError as error:
        assert error.id == "plugin.unclosed"


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a ",
        "<a",
        '<a x="',
        "<a x='<a y=\"",
        '<a x="<a "',
        "</a",
        "</",
        "<!--",
        "<a><b>",
        "<a>",
        " = ",
        "<a\n",
        "<link>",
        "<docs></docs>",
        "<config a=b c=d ",
        "<a:b",
        "-->",
    ],
)
@pytest.mark.timeout(30)
def test_hostile_text_is_read_in_reasonable_time(piece: str) -> None:
    """Tens of milliseconds; a reader that looked back from every position would need many minutes."""
    source = piece * (HOSTILE_CHARACTERS // len(piece))
    try:
        read_blocks(source, file="f")
    except ImJoyError as error:
        assert error.id == "plugin.unclosed"
