"""Plugin files as other programs saved them."""

from __future__ import annotations

import codecs

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugin_files.encoding import plugin_text

TEXT = '<config lang="json">\n{"name": "Zählen 細胞"}\n</config>\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_says_how_it_is_written_is_read(encoding: str) -> None:
    assert plugin_text(TEXT.encode(encoding), file="f") == TEXT
    big = codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be")
    assert plugin_text(big, file="f") == TEXT


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ('<config>\n{"name": "Zählen"}'.encode("cp1252"), 2, "0xe4"),
        ('<config>\n{"name": "Zählen €"}'.encode("utf-16-le"), 2, "UTF-16"),
        (codecs.BOM_UTF16_LE + b"<", 1, ""),
    ],
)
def test_what_would_have_to_be_guessed_is_refused_with_its_line(content: bytes, line: int, why: str) -> None:
    with pytest.raises(ImJoyError) as refused:
        plugin_text(content, file="old.imjoy.html")
    assert (refused.value.id, f"old.imjoy.html, line {line}:" in refused.value.what) == (
        "plugin.encoding",
        True,
    )
    assert why in refused.value.why
    assert "UTF-8" in refused.value.fix
