"""The page about the code's layout names modules that are there, and every folder."""

import re

from local.runtime.state import ROOT

PACKAGE = ROOT / "layers" / "tableferry" / "tableferry"
PAGE = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
FOLDERS = [path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE]


def test_each_module_that_it_names_is_there() -> None:
    roots = "|".join(sorted(folder.name for folder in FOLDERS if folder.parent == PACKAGE))
    named = set(re.findall(rf"\b((?:{roots})(?:/[a-z_]+)+)\b(?!\.py|/)", PAGE))
    assert len(named) > 50
    missing = [name for name in named if not ((PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir())]
    assert not missing


def test_each_folder_is_on_it() -> None:
    assert len(FOLDERS) > 15
    for folder in FOLDERS:
        assert re.search(rf"\[{folder.relative_to(PACKAGE)}<br/>", PAGE), folder
