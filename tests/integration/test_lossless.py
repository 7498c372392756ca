"""The torture tables, in every format: CHECKSUM TABLE, SHOW CREATE TABLE and triggers are the same before and after."""

import pytest

from tableferry.archive import Format
from tests.support import Database, not_applicable
from tests.torture import carry
from tests.torture.cases import Case
from tests.torture.shapes import CASES


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_table_comes_back_to_the_bit(database: Database, case: Case) -> None:
    if (server := carry.server_of(database)) not in case.servers:
        not_applicable(f"{server} has no {case.name}")
    carry.make(database, case)
    assert {form.value: carry.there_and_back(database, case, form) for form in Format} == {form: [] for form in Format}
