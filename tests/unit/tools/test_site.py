"""The site has every page, and says what the pages say on GitHub."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from local.runtime.state import ROOT
from tools import fetch_mermaid, site_pages
from tools.site_pages import PageError

PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def nav() -> list[str]:
    """The pages in mkdocs.yml's navigation."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    [part] = re.findall(r"^nav:\n((?: +.*\n)+)", text, re.MULTILINE)
    return re.findall(r"(\S+\.md)$", part, re.MULTILINE)


def test_every_page_is_in_the_navigation_once() -> None:
    assert len(PAGES) > 10
    named = nav()
    assert len(named) == len(set(named))
    assert {*PAGES, "index.md"} <= set(named)


def test_every_page_in_the_navigation_is_there() -> None:
    for uri in nav():
        assert (ROOT / site_pages.in_repository(uri)).is_file(), uri


@pytest.mark.parametrize(
    ("path", "text", "right"),
    [
        ("README.md", "[a](docs/limits.md#size)", "[a](limits.md#size)"),
        ("README.md", "![a](docs/performance-mysql.png)", "![a](performance-mysql.png)"),
        ("docs/local.md", "[a](../README.md#try-it), [b](limits.md)", "[a](index.md#try-it), [b](limits.md)"),
        ("docs/deploy.md", "[a](../template.yaml) [b](#the-smoke-test)", "[a](template.yaml) [b](#the-smoke-test)"),
        ("CONTRIBUTING.md", "[a](docs/digest.md)", "[a](digest.md)"),
        ("events/README.md", "[a](../README.md)", "[a](../index.md)"),
        ("README.md", "[a](events)", "[a](events/README.md)"),
        ("README.md", "[a](https://example.com/docs/limits.md)", "[a](https://example.com/docs/limits.md)"),
        ("README.md", "[a][b]\n\n[b]: docs/limits.md", "[a][b]\n\n[b]: limits.md"),
        ("README.md", "```\n[a](docs/no.md)\n```", "```\n[a](docs/no.md)\n```"),
    ],
)
def test_a_link_leads_to_the_same_thing_as_on_github(path: str, text: str, right: str) -> None:
    assert site_pages.with_links_of_the_site(path, text) == f"{right}\n"


@pytest.mark.parametrize("link", ["docs/no.md", "../outside.md", "tests"])
def test_a_dead_link_fails(link: str) -> None:
    with pytest.raises(PageError, match="README"):
        list(site_pages.links("README.md", f"[a]({link})"))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a\n- b\n  - c\n    d\n", "a\n\n- b\n    - c\n        d\n"),
        ("1. a\n\n   b\n\n2. c\n", "1. a\n\n    b\n\n2. c\n"),
        ("1. a\n\n```\n- b\n```\n\n2. c\n", "1. a\n\n```\n- b\n```\n\n2. c\n"),
        ("- a\n\n  ```\n    b\n  ```\n", "- a\n\n    ```\n      b\n    ```\n"),
        ("- a\nlazy\n- b\n\nc\n", "- a\n    lazy\n- b\n\nc\n"),
        ("10. a\n    b\n", "10. a\n    b\n"),
        ("| `a \\| b` | \\| |\n", "| `a | b` | \\| |\n"),
    ],
)
def test_lists_and_tables_are_those_of_github(text: str, right: str) -> None:
    assert site_pages.as_python_markdown(text) == right


def test_the_reference_has_every_module() -> None:
    files = {
        path.relative_to(site_pages.PACKAGE.parent)
        for path in site_pages.PACKAGE.rglob("*.py")
        if path.name == "__init__.py" or not path.name.startswith("_")
    }
    assert len(files) > 80
    pages, navigation = site_pages.reference()
    assert len(pages) == len(files)
    assert sorted(re.findall(r"reference/[\w/]+\.md", str(navigation))) == sorted(pages)
    for text in pages.values():
        [name] = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
        place = Path(*name.split("."))
        assert place.with_suffix(".py") in files or place / "__init__.py" in files


PAGE = SimpleNamespace(file=SimpleNamespace(src_uri="limits.md"))


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://example.com/a.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example.com/css">',
        '<img alt="a" src="http://example.com/a.png">',
    ],
)
def test_a_page_takes_nothing_from_elsewhere(tag: str) -> None:
    with pytest.raises(PageError, match=r"limits\.md"):
        site_pages.on_post_page(f"<p>{tag}</p>", PAGE)


def test_only_a_page_with_pictures_loads_what_draws_them() -> None:
    script = '<script src="assets/mermaid.min.js"></script>'
    assert site_pages.on_post_page(f"<p></p>{script}", PAGE) == "<p></p>"
    drawn = f'<pre class="mermaid"></pre>{script}'
    assert site_pages.on_post_page(drawn, PAGE) == drawn
    assert site_pages.MERMAID == fetch_mermaid.SCRIPT


def npm(folder: Path, script: str) -> None:
    """A program called npm in the folder, that runs this in the shell, with the words it was given."""
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo no such release >&2; exit 1", "no such release"),
        ('while [ "$1" != --pack-destination ]; do shift; done; echo other > "$2/a.tgz"', "is not the one"),
        (None, "npm is not on this machine"),
    ],
)
def test_what_draws_pictures_is_the_release_that_was_looked_at(
    script: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        npm(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))
    with pytest.raises(fetch_mermaid.NotFetched, match=why):
        fetch_mermaid.fetch("some@1.0.0", fetch_mermaid.SHA512, tmp_path / "script.js")
    assert not (tmp_path / "script.js").exists()
