"""No password gets into a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imjoy_engine.processes.redact import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("git+https://me:secret@host/x.git", "git+https://****@host/x.git"),
        ("https://token@host/simple failed", "https://****@host/simple failed"),
        ("https://me:p@ss@host/x", "https://****@host/x"),
        ("'https://host/x.whl?token=secret&a=1#sha256=ab'", "'https://host/x.whl?****#sha256=ab'"),
        ("git+ssh://git@host/x", "git+ssh://git@host/x"),
        ("a@b and https://host/path@v1", "a@b and https://host/path@v1"),
        ("http://a:secret@h1/ http://b:secret@h2/", "http://****@h1/ http://****@h2/"),
    ],
)
def test_credentials_in_urls_become_asterisks(text: str, expected: str) -> None:
    assert redact(text) == expected


SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/\"'<>@?#"), min_size=8
)


@given(SECRETS, st.sampled_from(["https", "git+https", "ssh", "git+ssh", "http"]))
def test_a_password_never_survives(secret: str, scheme: str) -> None:
    redacted = redact(f"could not reach {scheme}://someone:{secret}@example/x, said git")
    assert redacted == f"could not reach {scheme}://****@example/x, said git"
