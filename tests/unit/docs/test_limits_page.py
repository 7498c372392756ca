"""What docs/limits.md says of numbers is what the code has."""

import pytest

from local.runtime.state import ROOT
from tableferry.api import reject_page
from tableferry.ingest import insert
from tableferry.jobs import admission
from tableferry.mysql import version
from tableferry.mysql.version import Server

PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("flavour", version._OLDEST)
def test_the_oldest_servers_are_those_that_are_taken(flavour: str) -> None:
    oldest = Server(flavour, version._OLDEST[flavour])
    assert not oldest.too_old
    plain = str(oldest).removesuffix(".0")
    for text in (README, (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")):
        assert f"{plain} or later" in text
    assert {"MySQL": "8.0 from 8.0.16 on", "MariaDB": "MariaDB before 10.6 |"}[flavour] in PAGE


def test_sizes_are_those_of_the_code() -> None:
    assert f"| rows of a request | {insert.MOST_ROWS:,} " in PAGE
    assert f"1,000 lines, {reject_page._PAGE_BYTES // 1024**2} MiB" in PAGE
    assert admission.SLOTS == 6
    assert "six backups and verifications, six restores" in PAGE
