"""`GET /` says what answers here, and leads to the documentation."""

from functions.insert.app import handler as tables
from tableferry import __version__
from tests.support.lambdas import request


def test_the_root_says_what_this_is_and_leads_to_the_documentation() -> None:
    answer = request(tables, "GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "name": "Tableferry",
        "description": "Loads data into MySQL, backs tables up to S3 and restores them.",
        "version": __version__,
        "docs": "/docs",
        "openapi": "/openapi.json",
    }
    assert "Swagger UI" in request(tables, "GET", answer.json["docs"]).text
    assert request(tables, "GET", answer.json["openapi"]).json["info"]["version"] == __version__


def test_what_is_not_there_leads_to_the_documentation_too() -> None:
    assert "/docs" in request(tables, "GET", "/nothing").problem(404)["detail"]
