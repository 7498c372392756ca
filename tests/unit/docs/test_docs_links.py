"""Every link among the documentation's pages leads to a file, and to a heading of it."""

import re
from pathlib import Path

import pytest

from local.runtime.state import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")])


def _prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: the text, small, without marks, its spaces as hyphens."""
    heads = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head).strip().lower() for head in heads]
    return {re.sub(r"[^\w -]", "", text).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = _prose(page)
    named = dict(re.findall(r"^\[([^]]+)\]: (\S+)$", text, re.MULTILINE))
    assert set(re.findall(r"\]\[([^]]+)\]", text)) <= named.keys()
    for link in [*re.findall(r"\]\(([^)\s]+)\)", text), *named.values()]:
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        aim = page.parent / file if file else page
        assert aim.exists(), link
        assert not anchor or anchor in _anchors(aim), link


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "docs"], ids=lambda page: page.name)
def test_each_page_is_linked_from_another(page: Path) -> None:
    others = "\n".join(_prose(other) for other in PAGES if other != page)
    assert f"{page.name})" in others or f"{page.name}#" in others
