"""Makes a site's pages of files that are written for GitHub; a hook of MkDocs (`mkdocs.yml`), run by ``make docs``.

The pages are README.md, docs/*.md and what these link to. Their links are relative to the repository, where each file
stands; in the site README.md is the first page, docs/ the root, and a file that is no page is there to be read as it
is. A list is indented as CommonMark allows, by two spaces or three, where Python-Markdown asks for four. To these come
a page for each module of the package, and its reference is made of docstrings by mkdocstrings.
"""

import posixpath
import re
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "layers" / "tableferry" / "tableferry"
MERMAID = ROOT / ".venvs" / "docs" / "mermaid@11.17.2.min.js"  # tools/fetch_mermaid.py
HOME = "README.md"
_SCRIPT = "assets/mermaid.min.js"
_FENCE = re.compile(r"^ *(```+|~~~+)")
_LINK = re.compile(r"(\]\(|^\[[^\]]+\]: )([^)\s]+)", re.MULTILINE)
_MARKER = re.compile(r"(?:[-*+]|\d+[.)]) +")
_ELSEWHERE = re.compile(r"[a-z]+:|#|/")
_OUTSIDE = re.compile(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="https?://[^"]+', re.IGNORECASE)


class PageError(Exception):
    """A page that cannot be made, and why."""


def in_site(path: str) -> str:
    """Where a file of the repository is in the site's sources: `docs/x.md` is `x.md`, README.md `index.md`."""
    return "index.md" if path == HOME else path.removeprefix("docs/")


def in_repository(uri: str) -> str:
    """The file of the repository that is there in the site's sources."""
    if uri == "index.md":
        return HOME
    return f"docs/{uri}" if (ROOT / "docs" / uri).exists() else uri


def _aim(path: str, link: str) -> str:
    """The file of the repository to which a link leads in the file at `path`."""
    aim = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    if (ROOT / aim).is_dir():
        aim += "/README.md"
    if aim.startswith("..") or not (ROOT / aim).is_file():
        message = f"{path}: the link {link} leads to no file"
        raise PageError(message)
    return aim


class _Kind(Enum):
    PROSE = auto()
    OPENING = auto()  # of a fence
    FENCED = auto()


def _lines(text: str) -> Iterator[tuple[_Kind, str]]:
    """The text's lines, and what each is."""
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence:
            yield _Kind.FENCED, line
            if mark and mark[1].startswith(fence):
                fence = ""
        elif mark:
            fence = mark[1]
            yield _Kind.OPENING, line
        else:
            yield _Kind.PROSE, line


def links(path: str, text: str) -> Iterator[str]:
    """The files of the repository to which the page at `path` links."""
    for kind, line in _lines(text):
        for _, link in _LINK.findall(line) if kind is _Kind.PROSE else ():
            if not _ELSEWHERE.match(link):
                yield _aim(path, link.partition("#")[0])


def with_links_of_the_site(path: str, text: str) -> str:
    """The text of the page at `path`, with its links as they are in the site."""
    here = posixpath.dirname(in_site(path)) or "."

    def moved(found: re.Match[str]) -> str:
        file, mark, anchor = found[2].partition("#")
        if _ELSEWHERE.match(found[2]):
            return found[0]
        return found[1] + posixpath.relpath(in_site(_aim(path, file)), here) + mark + anchor

    lines = (_LINK.sub(moved, line) if kind is _Kind.PROSE else line for kind, line in _lines(text))
    return "\n".join(lines) + "\n"


def as_python_markdown(text: str) -> str:
    """The same text for Python-Markdown.

    A list has four spaces a level and an empty line before it; a bar in a table's code has no backslash.
    """
    made: list[str] = []
    levels: list[int] = []  # the column at which the text of each list around begins
    before = ""  # what the line before is: nothing, an item of a list, or a paragraph of its own
    for kind, line in _lines(text):
        stripped = line.lstrip(" ")
        indent = len(line) - len(stripped)
        marker = _MARKER.match(stripped) if kind is _Kind.PROSE else None
        if not stripped:
            made.append("")
            before = ""
            continue
        if kind is _Kind.OPENING or marker or (kind is _Kind.PROSE and before != "item"):
            while levels and indent < levels[-1]:
                levels.pop()
        column = levels[-1] if levels else 0
        if marker and before == "paragraph":
            made.append("")
        made.append(" " * (4 * len(levels) + max(0, indent - column)) + _bars(stripped, kind))
        if marker:
            levels.append(indent + marker.end())
        before = "item" if marker or (before == "item" and kind is _Kind.PROSE) else "paragraph"
    return "\n".join(made) + "\n"


def _bars(line: str, kind: _Kind) -> str:
    if kind is _Kind.PROSE and line.startswith("|"):
        return re.sub(r"`[^`]+`", lambda code: code[0].replace("\\|", "|"), line)
    return line


def modules() -> list[str]:
    """The package's modules, as Python names them."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if not parts[-1].startswith("_") or parts[-1] == "__init__":
            found.append(".".join(part for part in parts if part != "__init__"))
    return found


def reference() -> tuple[dict[str, str], list[Any]]:
    """The pages of the reference, by their places in the site's sources, and their part of the navigation."""
    names = modules()
    packages = {name for name in names if any(other.startswith(f"{name}.") for other in names)}
    pages = {}
    children: dict[str, list[Any]] = {name: [] for name in packages}
    for name in names:
        place = "reference/" + name.replace(".", "/") + ("/index.md" if name in packages else ".md")
        pages[place] = f"# `{name}`\n\n::: {name}\n"
        leaf = name.rpartition(".")[2]
        above = children.get(name.rpartition(".")[0])
        if name in packages:
            children[name].insert(0, place)
            if above is not None:
                above.append({leaf: children[name]})
        elif above is not None:
            above.append({leaf: place})
    return pages, children["tableferry"]


def on_config(config: Any) -> Any:
    """Put the reference at the end of the navigation, and what draws pictures into the pages, if it is there."""
    if MERMAID.exists():
        config.extra_javascript.append(_SCRIPT)
    config.nav.append({"Reference": reference()[1]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add to docs/ what else the site has: README.md, all that is linked to, and the reference's pages."""
    from mkdocs.exceptions import PluginError
    from mkdocs.structure.files import File, InclusionLevel

    in_nav = set(re.findall(r"[\w./-]+\.md", str(config.nav)))
    paths = [HOME, *(in_repository(uri) for uri in in_nav if not uri.startswith("reference/") and uri != "index.md")]
    paths += [in_repository(file.src_uri) for file in files if file.src_uri.endswith(".md")]
    done: set[str] = set()
    while paths:
        path = paths.pop()
        if path in done or not (ROOT / path).is_file():
            continue
        done.add(path)
        if path.endswith(".md"):
            try:
                paths += links(path, (ROOT / path).read_text(encoding="utf-8"))
            except PageError as error:
                raise PluginError(str(error)) from error
        uri = in_site(path)
        if files.get_file_from_path(uri) is None:
            level = InclusionLevel.UNDEFINED if uri in in_nav else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, uri, content=(ROOT / path).read_bytes(), inclusion=level))
    if MERMAID.exists():
        files.append(File.generated(config, _SCRIPT, abs_src_path=str(MERMAID)))
    for uri, text in reference()[0].items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page's text as this site and Python-Markdown take it."""
    uri = page.file.src_uri
    if uri.startswith("reference/"):
        return markdown
    return as_python_markdown(with_links_of_the_site(in_repository(uri), markdown))


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Let nothing of a page come from elsewhere, and have only pages with pictures load what draws them."""
    found = _OUTSIDE.search(output)
    if found:
        message = f"{page.file.src_uri}: {found[0]} is taken from elsewhere when the page is looked at"
        raise PageError(message)
    if 'class="mermaid"' in output:
        return output
    return re.sub(rf'<script src="[./]*{re.escape(_SCRIPT)}"></script>', "", output)
