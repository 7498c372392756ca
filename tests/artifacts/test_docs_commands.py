"""What the documentation has one type: names that the template has, blocks that a shell reads, requests that arrive as signed."""

import http.server
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.runtime.state import ROOT
from tests.support.stack import Json

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), ROOT / "events" / "README.md"]
)
# Written like names of ours, and others': of AWS's services, of SAM and of RDS's users.
OTHERS = {
    "AutoPublishAlias", "DbClusterResourceId", "DbiResourceId", "DeploymentPreference", "IdleClientTimeout", "InitiateAuth",
    "LastProcessingResult", "PutBucketPolicy", "ReadOnlyAccess", "ReplicationStatus", "RetainExceptOnCreate",
    "TableferryLayer",  # whose name ends in a hash of its content
}  # fmt: skip


@pytest.fixture(scope="module")
def outputs(synthesised: Json) -> set[str]:
    return {*synthesised["Outputs"], *example("Outputs")}


def example(part: str) -> set[str]:
    """Names of the pipeline's template."""
    text = (ROOT / "docs" / "examples" / "github-oidc.yaml").read_text(encoding="utf-8")
    [found] = re.findall(rf"^{part}:\n((?:\n|  .*\n)*)", text, re.MULTILINE)
    return set(re.findall(r"^  (\w+):$", found, re.MULTILINE))


def blocks(page: Path, *kinds: str) -> list[str]:
    """The blocks of these kinds; those without one are a shell's, and what it printed."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind in kinds]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_are_those_of_the_template(page: Path, synthesised: Json, outputs: set[str]) -> None:
    text = page.read_text(encoding="utf-8")
    parameters = {*synthesised["Parameters"], *example("Parameters")}
    resources = set(synthesised["Resources"])
    asked = re.findall(r"OutputKey=='(\w+)'", text) + re.findall(r"\$\(output (\w+)\)", text)
    asked += [f"{name}Url" for name in re.findall(r"^letters (\w+)$", text, re.MULTILINE)]
    assert set(asked) <= outputs
    made = re.findall(r"\bresource (\w+Function|\w+Alarm|\w+Key)\b", text)
    made += re.findall(r"--logical-resource-id (\w+)", text)
    assert set(made) <= resources
    given = [name for block in blocks(page, "toml") for name in re.findall(r'"(\w+)=', block)]
    given += re.findall(r"--parameter-overrides (\w+)=", text)
    assert set(given) <= parameters
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][A-Za-z0-9]*)+)(?:=[^`]*)?`", prose))
    assert named <= parameters | resources | outputs | OTHERS


def test_metrics_are_those_that_are_sent(synthesised: Json) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(\w+)`", page.split("## Metrics")[1].split(". They are lines")[0].split("): ")[1]))
    sources = [*(ROOT / "layers").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    assert listed == {name for name in listed if re.search(rf'"{name}"|\b{name}=', code)}
    heard = set(re.findall(r'"MetricName": "([a-z_]+)"', str(synthesised["Resources"]).replace("'", '"')))
    assert heard
    assert heard <= listed


# The one block of CONTRIBUTING.md is a list of folders.
@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_a_shell_reads_every_block(page: Path) -> None:
    for block in blocks(page, "", "sh"):
        if re.match(r"(\$ |✔|Smoke test of )", block):  # what was typed, and what came
            continue
        read = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert (read.returncode, read.stderr) == (0, ""), block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_run_is_there(page: Path) -> None:
    """Targets of make, modules, files of this repository; SAM CLI is in no PATH, but where `make setup` put it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    typed = "\n".join(blocks(page, "", "sh") + re.findall(r"`([^`\n]+)`", text))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", typed)) <= targets
    for module in re.findall(r"-m ((?:local|tests)[\w.]*)", typed):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for file in re.findall(r"(?:file://|@|--template-file |-e )((?:docs|events|sources)/[\w./-]+)", typed):
        assert (ROOT / file).exists(), file
    assert not re.findall(r"^sam .*", "\n".join(blocks(page, "", "sh")), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_sought_among_all_is_not_sought_page_by_page(page: Path) -> None:
    """The AWS CLI asks a --query of each page by itself where the output is text: a last one of each thousand objects."""
    for line in page.read_text(encoding="utf-8").splitlines():
        assert not re.search(r"--query '[^']*(sort_by|max_by|\[-1\])[^']*' --output text", line)


@pytest.fixture
def seen() -> Iterator[tuple[str, list[Json]]]:
    """A server that notes the headers of its requests."""
    requests: list[Json] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("token", ["", "a/token=="])
@pytest.mark.parametrize("page", ["deploy.md", "second-region.md"])
def test_a_request_carries_all_that_its_signature_covers(page: str, token: str, seen: tuple[str, list[Json]]) -> None:
    """Of keys that stay, a user's, there is no token: curl would sign an empty header that it does not send."""
    url, requests = seen
    [call] = re.findall(r"^call\(\) \{.*\}$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "none", "AWS_SESSION_TOKEN": token}
    own = {"PATH": os.environ["PATH"], "AWS_REGION": "eu-central-1", "SECOND": "eu-central-1", **keys}
    subprocess.run(["bash", "-c", f'{call}\ncall "{url}/tables"'], env=own, check=True)
    [headers] = requests
    [signed] = re.findall(r"SignedHeaders=([^,]+)", headers["authorization"])
    assert set(signed.split(";")) <= headers.keys()
    assert headers.get("x-amz-security-token", "") == token
    assert ("x-amz-security-token" in signed) == bool(token)
