"""What a function's process writes, with the genuine runtime and Powertools, and what Lambda keeps of it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from local.gateway.function import Function
from local.gateway.worker import Worker
from local.runtime.process import NO_ACCOUNT, free_port
from local.runtime.state import ROOT
from tests.effort import in_ci, sample
from tests.support.stack import SAM_PYTHON, Json, Stack

# Lambda's levels, the most detailed first, and what it makes of a line of JSON on stdout:
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
LAMBDA_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
HUSH = "hush-hush-session-token"


def kept(line: Json, config: Json) -> bool:
    """Whether Lambda keeps a line: as Text any, as JSON by its level; INFO without one or without a time in RFC 3339."""
    if config["LogFormat"] == "Text":
        return True
    level = config.get("ApplicationLogLevel", "INFO")
    said = str(line.get("level", "")).upper()
    known = said in LAMBDA_LEVELS and _is_rfc3339(str(line.get("timestamp", "")))
    return LAMBDA_LEVELS.index(said if known else "INFO") >= LAMBDA_LEVELS.index(level)


def _is_rfc3339(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None and text[10] == "T"
    except ValueError:
        return False


def of_lambda(config: Json) -> dict[str, str]:
    """The variables that Lambda makes of LoggingConfig; the level is one of JSON only."""
    level = {"AWS_LAMBDA_LOG_LEVEL": config.get("ApplicationLogLevel", "INFO")} if config["LogFormat"] == "JSON" else {}
    return {"AWS_LAMBDA_LOG_FORMAT": config["LogFormat"], **level}


def written(folder: Path, function: str, event: str, environment: Mapping[str, str]) -> list[str]:
    """The lines that a process of a function writes on one event, with nothing to reach, neither database nor S3."""
    code = ROOT / "functions" / function
    nowhere = free_port()
    variables = {
        "BUCKET": "somewhere",
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(nowhere),
        "DATABASE_NAME": "shop",
        "SIGNING_KEY": "of a test",
        "POWERTOOLS_SERVICE_NAME": function,
        "POWERTOOLS_METRICS_NAMESPACE": "Tableferry/test",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        **environment,
    }
    aws = {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{nowhere}",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "hush-hush-key",
        "AWS_SESSION_TOKEN": HUSH,
        "AWS_REGION": "eu-central-1",
        **NO_ACCOUNT,
    }
    layer = ROOT / "layers" / "tableferry"
    log = folder / "log"
    worker = Worker(
        Function(function, "app.handler", code, (layer,), 60, 1769, variables), Path(sys.executable), aws, log
    )
    try:
        result = worker.invoke((ROOT / "events" / event).read_bytes(), "test")
    finally:
        worker.close()
    assert not result.failed, log.read_text()
    assert json.loads(result.payload)["statusCode"] == 503, result.payload
    return log.read_text(encoding="utf-8").splitlines()


def parsed(lines: list[str]) -> list[Json]:
    """Those that are JSON; in Lambda's Text the runtime's own are not."""
    found: list[Any] = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if not str(line.get("type", "")).startswith("platform.")]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
@sample(1)
def test_metrics_are_sent_at_every_level_and_lines_below_it_are_not(
    level: str, synthesised: Json, tmp_path: Path
) -> None:
    function = Stack(synthesised, LogLevel=level).resources["InsertFunction"]["Properties"]
    config = function["LoggingConfig"]
    said = {"POWERTOOLS_LOG_LEVEL": function["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"]}
    lines = parsed(written(tmp_path, "insert", "list-tables.json", said | of_lambda(config)))
    arrived = [line for line in lines if kept(line, config)]
    [metrics] = [line for line in arrived if "_aws" in line]
    assert "level" not in metrics
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Tableferry/test"
    assert metrics["seconds"]
    refusals = [line for line in arrived if line.get("message") == "request refused"]
    assert len(refusals) == (level != "ERROR")
    for line in refusals:
        assert line["level"] == "WARNING"
        assert _is_rfc3339(line["timestamp"])
        assert line["timestamp"].endswith("+00:00")


def test_why_the_format_is_text(tmp_path: Path) -> None:
    """As JSON, Lambda loses the metrics at WARN and above; and at INFO Powertools forgets what it is told."""

    def as_json(level: str) -> Json:
        return {"LogFormat": "JSON", "ApplicationLogLevel": level}

    warn = [kept({"_aws": {}}, as_json(level)) for level in LAMBDA_LEVELS]
    assert warn == [True, True, True, False, False, False]
    dated = {"level": "ERROR", "timestamp": "2026-11-28T12:34:11.338+00:00"}
    assert kept(dated, as_json("ERROR"))
    assert not kept(dated | {"timestamp": "2026-11-28 12:34:11,337+0000"}, as_json("ERROR"))
    lines = written(
        tmp_path, "insert", "list-tables.json", {"POWERTOOLS_LOG_LEVEL": "ERROR", **of_lambda(as_json("INFO"))}
    )
    assert [line for line in parsed(lines) if line.get("level") == "WARNING"]


@in_ci
def test_sam_local_and_the_local_runtime_give_the_functions_the_same_format_and_level() -> None:
    """By SAM CLI's own reading of the template, which both use."""
    code = (
        "import json, pathlib\n"
        "from local.gateway.template import read\n"
        "template = pathlib.Path('template.yaml').resolve()\n"
        "project = read(template, {'BucketName': 'tableferry-local', 'LogLevel': 'WARNING'}, {})\n"
        "print(json.dumps([dict(function.environment) for function in project.functions.values()]))"
    )
    done = subprocess.run([str(SAM_PYTHON), "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) >= 5
    for environment in found:
        assert environment["AWS_LAMBDA_LOG_FORMAT"] == "Text"
        assert "AWS_LAMBDA_LOG_LEVEL" not in environment
        assert environment["POWERTOOLS_LOG_LEVEL"] == "WARNING"


@in_ci
@pytest.mark.parametrize(
    ("function", "event"),
    [("insert", "list-tables.json"), ("load", "loads.json"), ("backup", "backups.json"), ("restore", "restores.json")],
)
@sample(1)
def test_with_every_logger_at_debug_no_function_writes_its_session_token_from_the_first_call_on(
    function: str, event: str, tmp_path: Path
) -> None:
    """Insert signs a token to log in with, the others ask S3 before they log in to anything."""
    # By which the runtime sets the level of the root logger: whoever sets it in the console does not ask us.
    debug = of_lambda({"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"})
    lines = written(tmp_path, function, event, {"POWERTOOLS_LOG_LEVEL": "DEBUG", **debug})
    assert [line for line in lines if '"request refused"' in line]
    assert not [line for line in lines if HUSH in line or "hush-hush-key" in line or "X-Amz-Signature" in line]
