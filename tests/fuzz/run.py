"""The run itself: routes in parallel processes, a table of what was sent and answered, and whether it is well."""

import json
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from rich.console import Console
from rich.table import Table
from schemathesis.core import NOT_SET
from schemathesis.core.result import Ok

from tests.fuzz import answers, cases
from tests.fuzz.world import World

PRUNED_EVERY = 50
SHOWN = 5  # faults of a route; the others are counted
# What excludes each other on the server goes one after the other; what takes longest starts first.
CHAINS = (
    ("POST /restores", "POST /restores/{id}/undo", "POST /restores/{id}/accept"),
    ("POST /backups",),
    ("POST /backups/{id}/verify",),
)
PROCESSES = 4


@dataclass
class Outcome:
    """What came of one route."""

    route: str
    cases: int = 0
    negative: int = 0
    distinct: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


def routes(world: World) -> list[str]:
    """Every method and path of the served document."""
    served = _document(world)
    return [f"{method.upper()} {path}" for path, found in served["paths"].items() for method in found]


def run(
    world: World, wanted: int, seed_: int, console: Console | None = None, processes: int = PROCESSES
) -> list[Outcome]:
    """Send so many cases to every route; what came of each, in the order of the document."""
    names = routes(world)
    chained = {name for chain in CHAINS for name in chain}
    lists = [name for name in names if name.startswith("GET ") and "{" not in name]
    rest = [*CHAINS, *((name,) for name in names if name not in chained and name not in lists)]
    found = {}
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for tasks in ([(name,) for name in lists], rest):  # lists while there is little to list: each entry is a read
            done = [pool.submit(chain, world, task, wanted, seed_) for task in tasks]
            for future in as_completed(done):
                for outcome in future.result():
                    found[outcome.route] = outcome
                    if console:
                        text = f"{outcome.route}: {outcome.cases:,} cases in {outcome.seconds:.0f} s"
                        console.print(text, markup=False)
    return [found[name] for name in names]


def chain(world: World, names: Sequence[str], wanted: int, seed_: int) -> list[Outcome]:
    """Routes one after the other."""
    schema = schemathesis.openapi.from_dict(_document(world))
    found = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    operations = {f"{one.method.upper()} {one.path}": one for one in found}
    return [_route(world, name, operations[name], wanted, seed_) for name in names]


def _route(world: World, name: str, operation: cases.Operation, wanted: int, seed_: int) -> Outcome:
    outcome = Outcome(name)
    seen: set[str] = set()
    begun = time.monotonic()
    with requests.Session() as http:
        http.trust_env = False  # else each request looks for proxies and passwords
        for turn in range(100):  # Hypothesis ends early where it has sent all there is
            if outcome.cases >= wanted:
                break

            @seed(f"{seed_} {name} {turn}")
            @settings(
                max_examples=wanted - outcome.cases,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(made=cases.sent(operation))
            def one(made: cases.Sent) -> None:
                if outcome.cases < wanted:
                    _send(world, http, made, outcome, seen)

            one()
    outcome.distinct = len(seen)
    outcome.seconds = time.monotonic() - begun
    return outcome


def _send(world: World, http: requests.Session, made: cases.Sent, outcome: Outcome, seen: set[str]) -> None:
    case = made.case
    drawn = repr((case.path_parameters, case.query, case.headers, case.body, made))
    if made.identity is not None:
        (parameter,) = case.path_parameters
        case.path_parameters = {parameter: world.resolve(made.identity)}
        case.query.pop("table", None)  # which would be asked in its place
    if made.body is not None:
        body = made.body
        if isinstance(body, dict) and str(body.get("backup", "")).startswith("@"):
            body = body | {"backup": world.resolve(body["backup"])}
        case.body, case.media_type = body, "application/json"
    if made.rehearsed and (isinstance(case.body, dict) or case.body is NOT_SET):
        given = case.body if isinstance(case.body, dict) else {}
        case.body, case.media_type = {"dry_run": True, **given}, "application/json"
    case.query = {**case.query, **made.query}
    answer = case.call(base_url=world.env["API_URL"], session=http, headers=made.headers, timeout=60)
    request = answer.request
    body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
    sent = "\n".join(
        [unquote(str(request.url)), str(request.headers), body.decode("utf-8", "replace"), _unescaped(body)]
    )
    outcome.cases += 1
    if urlsplit(str(request.url)).path.count("/") != outcome.route.count("/"):
        return  # of an id such as `.` or none: it went to another route, whose answer is not this one's
    outcome.negative += made.negative
    outcome.statuses[answer.status_code] += 1
    seen.add(drawn)
    text = answer.content.decode("utf-8", "replace")
    for fault in answers.faults(case, answer, text, sent, world.secrets):  # type: ignore[arg-type]
        headers = {name: str(value)[:99] for name, value in request.headers.items()}
        asked = f"{request.method} {request.url}\n{headers}\n{body[:600]!r}"
        outcome.faults.append(f"{fault}\n{asked}\n-> {answer.status_code} {text[:600]}")
    if outcome.cases % PRUNED_EVERY == 0 and any(outcome.route in chain for chain in CHAINS):
        world.prune()


def _unescaped(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _document(world: World) -> dict[str, Any]:
    served = requests.get(f"{world.env['API_URL']}/openapi.json", timeout=60)
    assert (served.status_code, served.headers["content-type"]) == (200, "application/json"), served.text[:200]
    found: dict[str, Any] = served.json()
    return found


def any_seed() -> int:
    return random.SystemRandom().randrange(2**32)


def report(outcomes: Sequence[Outcome], wanted: int, console: Console) -> bool:
    """Print the table and the faults; whether every route got its cases and no answer was wrong."""
    table = Table("route", "cases", "negative", "distinct", "statuses", "seconds", "faults")
    for found in outcomes:
        statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(found.statuses.items()))
        figures = (f"{found.cases:,}", f"{found.negative:,}", f"{found.distinct:,}")
        table.add_row(found.route, *figures, statuses, f"{found.seconds:.0f}", str(len(found.faults)))
    console.print(table)
    for found in outcomes:
        different = {fault.partition("\n")[0]: fault for fault in reversed(found.faults)}
        for fault in [*different.values()][:SHOWN]:
            console.print(f"{found.route}: {fault}\n", markup=False, highlight=False)
    short = [found.route for found in outcomes if found.cases < wanted]
    if short:
        console.print(f"Too few cases: {', '.join(short)}", markup=False)
    total = sum(found.cases for found in outcomes)
    console.print(f"{total:,} cases, {sum(len(found.faults) for found in outcomes)} faults.")
    return bool(outcomes) and not short and not any(found.faults for found in outcomes)
