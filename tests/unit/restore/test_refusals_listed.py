"""Every place where a restore may be refused, and how a dry run comes to say it first: a new one has to be put here."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "layers" / "tableferry" / "tableferry"
REFUSALS = {
    "Conflict",
    "DefinitionDiffers",
    "DigestMismatch",
    "InUse",
    "MissingPrivilege",
    "NotSupported",
    "RestoreUnderWay",
}
SAME_STEP = "a dry run calls the same function"
LATER = "what others do at the moment of the swap: nobody can say it before"
UNDO = "of undo and accept only"
MANY = "of a restore over many functions, which nobody can say before: it is over, or does not come to an end"

KNOWN = {
    "preflight.check_requirements": "a dry run calls preflight.look, which has the same findings",
    "shadow._create": SAME_STEP,
    "shadow.prepare": SAME_STEP,
    "shadow.connect": "of keys between tables of one backup, which were together there; others are tried before",
    "definition_check.check_definition": SAME_STEP,
    "readback.check_rows": SAME_STEP,
    "indexes.put_on": SAME_STEP,
    "fill._refuse_too_long": SAME_STEP,
    "orphans.check_parents": "a dry run calls orphans.look, which has the same findings",
    "orphans._orphans": SAME_STEP,
    "recovery.restore_lock": "a dry run calls recovery.in_the_way, which has the same findings",
    "recovery.refuse_stuck": "a dry run calls recovery.in_the_way, which has the same findings",
    "exchange._try": "the same looks once more, for what has changed since",
    "exchange._refuse_without_parent": UNDO,
    "live_tables.refuse_taken_names": "the names of preflight's checks once more, for what has changed since",
    "live_tables._refuse_other_things": "preflight's other-things once more, for what has changed since",
    "live_tables.before_undo": UNDO,
    "restore._refuse_done": "of a try of the same restore again; a dry run is another one",
    "restore._settled": UNDO,
    "restore.accept": UNDO,
    "drill._scratch": "of a drill, which has no dry run",
    "swap._rename": LATER,
    "swap._refuse_triggers_of_coming": LATER,
    "large_restore.read": MANY,
    "large_restore.finish": MANY,
    "large_restore._as_begun": MANY,
    "large_restore._another_round": MANY,
    "large_restore._need_transactions": "of an engine that no backup has, in a manifest that is only trusted",
    "index_steps._send_number": MANY,
    "retry.with_lock_retry": LATER,
    "retry.retry_statement": LATER,
}
MODULES = [*(PACKAGE / "restore").rglob("*.py"), PACKAGE / "mysql" / "retry.py"]


def raised(module: Path) -> set[str]:
    """The functions of a module that raise a refusal, as ``module.function``."""
    found = set()
    for function in ast.walk(ast.parse(module.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Raise) and node.exc is not None:
                names = {one.id for one in ast.walk(node.exc) if isinstance(one, ast.Name)}
                if names & REFUSALS or "_differs" in names:
                    found.add(f"{module.stem}.{function.name}")
    return found


def test_every_refusal_of_a_restore_is_one_that_a_dry_run_says_or_is_known_not_to() -> None:
    assert len(MODULES) > 20
    assert {one for module in MODULES for one in raised(module)} == set(KNOWN)
