"""The client of S3, which is one for a process and an address."""

import pytest

from tableferry.signing import Keys
from tableferry.storage.bucket import open_store


def test_a_process_has_one_client_for_each_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    found = []
    for address in ("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:1"):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        found.append(open_store("any", Keys())._client)
    assert found[0] is found[2]
    assert [client.meta.endpoint_url for client in found] == [
        "http://127.0.0.1:1",
        "http://127.0.0.1:2",
        "http://127.0.0.1:1",
    ]
