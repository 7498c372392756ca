"""What docs/capacity.md says of sizes, times and money is what the code has."""

import json
import re

from local.runtime.state import ROOT
from tableferry.backup.outlook import capacity, cost, forecast
from tableferry.backup.outlook.capacity import Allowed, Pace, Size, choose
from tools import capacity_page, openapi_examples

PAGE = capacity_page.TARGET.read_text(encoding="utf-8")
DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
GB = 10**9


def test_the_tables_are_those_of_the_code() -> None:
    assert capacity_page.text(PAGE) == PAGE, "run `make openapi`"
    assert len(re.findall(r"\| (?:one function|many, one live moment|a static source) \|", PAGE)) == 9
    assert "refused" in PAGE


def test_what_is_said_of_the_rule_is_the_rule() -> None:
    assert round(capacity.USABLE * 15, 9) == 13
    assert "13 of its 15 minutes" in PAGE
    assert capacity.CAREFUL == 1.5
    assert "two thirds of that time" in PAGE
    assert (capacity.DOUBT["measured"], capacity.DOUBT["default"]) == (2, 4)
    assert "twice that time for, or four times where the speed is not measured" in PAGE
    assert (capacity.COMPARED, capacity.COMPARABLE_BYTES) == (5, 64 * 1024**2)
    assert "last five backups of this database in this format that have 64 MiB" in PAGE
    assert (capacity.SHARED, capacity.GATHERING_SECONDS, capacity.ALONE) == (0.85, 30, 1.6)
    assert "0.85 of their own speed each, and need 30 s" in PAGE
    assert "1.6 times as long" in PAGE
    assert forecast._LEFT_TO_OTHERS == 0.1
    assert "a tenth of `max_connections` is left" in PAGE
    one, many = Allowed(900), Allowed(900, scale=True)
    assert choose(Size(11 * GB, 1), Pace(), many).one
    assert not choose(Size(12 * GB, 1), Pace(), many).one
    assert not choose(Size(66 * GB, 1), Pace(), one).refusal
    assert choose(Size(67 * GB, 1), Pace(), one).refusal


def test_prices_and_measures_are_those_of_the_page_that_has_them() -> None:
    assert f"${cost.DOLLARS_A_GB_SECOND:.10f} a GB-second" in DEPLOY
    assert f"${cost.DOLLARS_A_PUT * 1000:.3f} for 1,000 PUTs" in DEPLOY
    assert f"${cost.DOLLARS_A_GB_MONTH} a GB-month" in DEPLOY
    assert f"{cost.OBJECTS_A_GB} PUTs" in DEPLOY
    assert f"{cost.STORED} GB" in DEPLOY
    assert f"| backup | {GB / capacity.DEFAULT_BYTES_PER_SECOND:.0f} |" in DEPLOY
    assert f"charged {cost.FUNCTION_GB} GB-seconds" in DEPLOY
    for price in ("$0.0000166667 a GB-second", "$0.005 for 1,000 PUTs", "$0.025 for 1,000 state transitions"):
        assert price in PAGE
    assert cost.DOLLARS_A_TRANSITION * 1000 == 0.025
    assert cost.AS_OF == "2026-11-25"
    assert "25 November 2026" in PAGE


def test_the_state_machines_steps_are_those_that_it_has() -> None:
    states = json.loads((ROOT / "workflows" / "backup.asl.json").read_text(encoding="utf-8"))["States"]
    passed = ["Job", "Plan", "Which", "Live", "Finish", "Done"]
    assert all(name in states for name in passed)
    hold, workers = states["Live"]["Branches"]
    within = [*hold["States"], *workers["States"]]
    assert 1 + len(passed) + len(within) == cost._TRANSITIONS
    [work] = workers["States"].values()
    assert 1 + len(work["ItemProcessor"]["States"]) == cost._TRANSITIONS_AN_INVOCATION
    assert work["MaxConcurrency"] == capacity_page._MANY == 100


def test_ten_gigabytes_cost_what_they_were_measured_to_cost() -> None:
    ten = Size(10 * GB, 1)
    price = cost.cost(ten.bytes, 1, choose(ten, Pace(), Allowed(900)))
    assert round(price.functions, 3) == 0.014  # 10 times $0.0014
    assert round(price.requests, 3) == 0.012
    assert round(price.storage_a_month, 3) == 0.097
    assert price.state_machine == 0


def test_the_example_of_the_api_is_what_the_code_would_say() -> None:
    example = openapi_examples.ANSWERS["createBackup", "200"]
    size = Size(example["bytes_estimate"], example["rows_estimate"])
    choice = choose(size, Pace(), Allowed(900, scale=True))
    assert (choice.workers, choice.all_connections) == (example["workers"], example["connections"])
    assert round(choice.seconds, 1) == example["seconds"]
    assert cost.objects(size.bytes, 1) == example["writes"]["objects"]
    assert cost.stored_bytes(size.bytes, choice) == example["writes"]["bytes"]
    assert round(cost.cost(size.bytes, 1, choice).once, 6) == example["cost"]["once"]
