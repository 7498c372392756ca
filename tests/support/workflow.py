"""The definitions of state machines, as they are deployed, and what there is in them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.runtime.state import ROOT

Json = dict[str, Any]

MACHINES = {"LargeBackup": "backup", "LargeVerify": "verify", "LargeRestore": "restore"}
"""The state machines, by their names in the template: what their definition is called, and what their actions are about."""


def function_of(machine: str) -> str:
    """The function whose calls a state machine's steps are."""
    return "RestoreFunction" if machine == "LargeRestore" else "BackupFunction"


def definition(machine: str = "LargeBackup", **substitutions: str) -> Json:
    """The definition of a state machine with these in the places of ``${…}``; those that are not given stay."""
    text = (ROOT / "workflows" / f"{MACHINES[machine]}.asl.json").read_text(encoding="utf-8")
    for name, value in substitutions.items():
        text = text.replace("${" + name + "}", value)
    found: Json = json.loads(text)
    return found


def states(machine: Mapping[str, Any], around: tuple[Json, ...] = ()) -> Iterator[tuple[str, Json, tuple[Json, ...]]]:
    """Each state with its name and the Parallel and Map states around it, the outermost first."""
    for name, state in machine["States"].items():
        yield name, state, around
        for inner in (*state.get("Branches", ()), *((state["ItemProcessor"],) if "ItemProcessor" in state else ())):
            yield from states(inner, (*around, state))


def ways(machine: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Where one gets from where, of the outermost states."""
    found = set()
    for name, state in machine["States"].items():
        told = [state.get("Next"), state.get("Default")]
        told += [one["Next"] for one in (*state.get("Choices", ()), *state.get("Catch", ()))]
        found |= {(name, one) for one in told if one}
    return found
