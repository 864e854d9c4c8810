"""Links between the pages of the documentation lead somewhere; `make site` looks at them once more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


PICTURE = re.compile(r"""\b(?:src|srcset)="(?!https?:)([^"]+)\"""")


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in a link."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for file, anchor in LINK.findall(text):
        target = (page.parent / file.replace("%20", " ")) if file else page
        assert target.exists(), file
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{file}#{anchor}"
    for file in PICTURE.findall(text):
        assert (page.parent / file).is_file(), file


def test_every_picture_is_shown_somewhere_and_is_there_in_light_and_in_dark() -> None:
    shown = {
        (page.parent / file).resolve()
        for page in PAGES
        for file in PICTURE.findall(page.read_text(encoding="utf-8"))
    }
    there = set((ROOT / "docs" / "images").glob("*.png"))
    assert shown == there
    assert {each.stem for each in there if each.stem.endswith("-dark")} == {
        f"{each.stem}-dark" for each in there if not each.stem.endswith("-dark")
    }


def test_every_page_is_on_the_first_one_and_in_the_site() -> None:
    listed = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in listed, page.name
        assert f": {page.name}\n" in site, page.name
