"""What the benchmark is made of: requests when they are due, a database of its own, S3 played from files, huge files."""

import csv
import gzip
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from benchmarks.common import file_s3
from benchmarks.common import server as bench_server
from benchmarks.verbs import huge_file, posts
from local.demo import sample
from local.demo.expect import Unexpected
from local.runtime.process import StartError
from tests.support.parts import Database, Server, connect
from tools.matrix_results import known_as

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SLOW = 0.05


class OneAtATime(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    status = 201

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(SLOW)
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def slow() -> Iterator[str]:
    """A server that takes one request after the other, 50 ms each."""
    server = HTTPServer(("127.0.0.1", 0), OneAtATime)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_requests_are_sent_when_due_and_the_wait_in_a_queue_counts(slow: str) -> None:
    latencies, late = posts.send(slow, "/", [b"x"] * 40, rate=40)
    assert len(latencies) == len(late) == 40
    # 40 requests of 50 ms take 2 s, and were all due within one: somebody waited for about another.
    assert max(latencies) > 0.9
    assert sum(late) / len(late) < 0.2, "a request waited for those before it"


def test_an_answer_other_than_201_ends_the_measurement(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OneAtATime, "status", 500)
    with pytest.raises(Unexpected, match="500"):
        posts.send(slow, "/", [b"x"] * 2, rate=100)


def test_a_database_with_tables_or_rows_of_others_is_refused_and_untouched(database: Database) -> None:
    with closing(sample.connect(database.url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id INT PRIMARY KEY)")
        with pytest.raises(StartError, match="has to be its own; this one holds orders"):
            bench_server.claim(connection)
        assert cursor.execute("SHOW TABLES") == 1
        cursor.execute("DROP TABLE orders")
        bench_server.claim(connection)
        cursor.execute("INSERT INTO jobs VALUES (1, 'Welder')")
        with pytest.raises(StartError, match="holds jobs"):
            bench_server.claim(connection)
        assert cursor.execute("SELECT * FROM jobs") == 1


def test_a_server_of_others_gets_a_database_that_is_gone_afterwards(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "mariadb" if server.mariadb else "mysql"
    monkeypatch.setenv(f"{kind.upper()}_URL", server.url)
    with bench_server.database_on(kind) as url:
        assert url is not None
        name = url.rpartition("/")[2]
        with closing(sample.connect(url)) as connection:
            bench_server.claim(connection)
            described = bench_server.described(connection)
            assert described.startswith(known_as(server.version))
            assert "innodb_flush_log_at_trx_commit" in described
    with closing(connect(server.url)) as connection, connection.cursor() as cursor:
        assert cursor.execute("SHOW DATABASES LIKE %s", (name,)) == 0
        assert cursor.execute("SELECT 1 FROM mysql.user WHERE user = %s", (name,)) == 0


def test_without_docker_and_url_there_is_no_mysql_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MYSQL_URL", raising=False)
    monkeypatch.setattr("local.sam.engine.answers", lambda: False)
    with pytest.raises(StartError, match="MYSQL_URL"), bench_server.database_on("mysql"):
        pass


@pytest.fixture
def from_files(tmp_path: Path) -> Iterator["S3Client"]:
    """A client of S3 played from files."""
    with file_s3.served(tmp_path) as url:
        yield boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
        )


def test_s3_from_files_gives_back_what_was_put_whole_in_parts_and_by_range(
    from_files: "S3Client", tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("source") / "large"
    content = bytes(range(256)) * 65_536
    file.write_bytes(content)
    parts = TransferConfig(multipart_threshold=5 * 2**20, multipart_chunksize=5 * 2**20)
    from_files.upload_file(str(file), "bench", "uploads/a/ü b.csv", Config=parts)
    from_files.put_object(Bucket="bench", Key="small", Body=b"text", ContentType="text/plain")
    assert from_files.get_object(Bucket="bench", Key="small")["Body"].read() == b"text"
    found = from_files.head_object(Bucket="bench", Key="uploads/a/ü b.csv")
    assert found["ContentLength"] == len(content)
    assert from_files.get_object(Bucket="bench", Key="uploads/a/ü b.csv")["Body"].read() == content
    ranged = from_files.get_object(Bucket="bench", Key="uploads/a/ü b.csv", Range="bytes=1000-1999")
    assert ranged["Body"].read() == content[1000:2000]
    assert ranged["ContentRange"] == f"bytes 1000-1999/{len(content)}"


def test_s3_from_files_says_what_is_not_there_and_what_it_does_not_play(from_files: "S3Client") -> None:
    with pytest.raises(ClientError, match="404"):
        from_files.head_object(Bucket="bench", Key="nothing")
    for ask in (
        lambda: from_files.put_object(Bucket="bench", Key="a", Body=b"", IfNoneMatch="*"),
        lambda: from_files.list_objects_v2(Bucket="bench"),
    ):
        with pytest.raises(ClientError, match="501"):
            ask()


@pytest.mark.parametrize("name", ["huge.csv", "huge.csv.gz"])
def test_a_huge_file_has_its_size_and_its_counts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_file, "_PEOPLE", 400)
    rows, bad = huge_file.write(tmp_path / name, 100_000)
    content = (tmp_path / name).read_bytes()
    text = gzip.decompress(content) if name.endswith(".gz") else content
    assert 100_000 <= len(text) < 100_100
    read = list(csv.reader(text.decode().splitlines()))
    assert [int(row[0]) for row in read] == list(range(1, rows + 1))
    assert {len(row) for row in read} == {5}
    assert sum("" in row for row in read) == bad > 0
