"""The demo: it succeeds, as often as one likes, and touches nothing that is not its own."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest

from local.demo import run
from local.demo import sample as demo_sample
from local.demo.expect import Unexpected
from local.demo.sample import Connection, Sample
from tests.effort import sample
from tests.support.parts import Server


def test_the_demo_succeeds_and_does_so_again_after_one_that_was_cut_off(
    env: Mapping[str, str], mysql: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    for gone in ("jobs, hired_employees ", "(1,480 rows of an earlier run removed)"):
        code = run.run(env)
        shown = capsys.readouterr().out
        assert code == 0, shown
        assert gone in shown
        assert "1,999 read = 1,929 inserted + 70 rejected" in shown
        assert demo_sample.rows_and_damaged(mysql) == (1929, 0)
        demo_sample.damage(mysql)


def test_the_demo_without_an_api_says_so(
    env: Mapping[str, str], mysql: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.run({**env, "API_URL": "http://127.0.0.1:9"}) == 1
    assert "Not as it should be" in capsys.readouterr().out


@pytest.fixture
def scratch(server: Server) -> Iterator[Connection]:
    """A database of its own, with the demo's tables empty in it."""
    with server.database() as database, closing(demo_sample.connect(database.url)) as connection:
        demo_sample.prepare(connection, Sample.read())
        yield connection


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("INSERT INTO departments VALUES (99, 'Mine')", "departments has a row that is not the sample's (id 99)"),
        ("INSERT INTO departments VALUES (1, 'Mine')", "departments has a row that is not the sample's (id 1)"),
        ("ALTER TABLE jobs ADD COLUMN mine INT", "jobs has the columns id, job, mine"),
        ("CREATE TABLE mine (job INT, FOREIGN KEY (job) REFERENCES jobs (id) ON DELETE CASCADE)", "`mine`"),
        ("CREATE TRIGGER mine BEFORE DELETE ON jobs FOR EACH ROW SET @mine = 1", "trigger mine"),
    ],
)
@sample(3)
def test_the_demo_refuses_tables_that_are_not_its_own(scratch: Connection, statement: str, named: str) -> None:
    with scratch.cursor() as cursor:
        cursor.execute("INSERT INTO departments VALUES (2, 'Sales')")
        cursor.execute(statement)
        with pytest.raises(Unexpected) as refusal:
            demo_sample.prepare(scratch, Sample.read())
        assert named in str(refusal.value)
        assert cursor.execute("SELECT * FROM departments WHERE id = 2") == 1
