"""The page that hands over the token."""

from __future__ import annotations

import re
from pathlib import Path

from tests.kit.files import is_private

from imjoy.engines.welcome import write_welcome_page

TOKEN = "t" * 43


def test_the_page_is_private_and_no_url_in_it_carries_the_token(tmp_path: Path) -> None:
    page = tmp_path / "private" / "welcome.html"
    write_welcome_page(page, url="http://127.0.0.1:8080", link="http://127.0.0.1:8080/#code=c", token=TOKEN)
    text = page.read_text()
    assert is_private(page)
    assert 'href="http://127.0.0.1:8080/#code=c"' in text
    assert TOKEN in text
    assert not [link for link in re.findall('href="([^"]*)"', text) if TOKEN in link]
    assert "plugin=http%3A%2F%2F127.0.0.1%3A8080%2Fimjoy-engine.imjoy.html" in text


def test_the_page_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    page = tmp_path / "welcome.html"
    write_welcome_page(page, url="http://127.0.0.1:8080", link="http://127.0.0.1:8080", token=TOKEN)
    text = page.read_text()
    assert "<script" not in text
    assert "src=" not in text
    assert "default-src 'none'" in text
