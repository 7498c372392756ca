"""The driver's private names stand in one module, so that a new version of it is held against that one alone."""

import ast
from pathlib import Path

import pymysql.connections

PACKAGE = Path(__file__).parents[3] / "layers" / "tableferry" / "tableferry"
PROTOCOL = PACKAGE / "mysql" / "protocol.py"
OF_AN_INSTANCE = {"_next_seq_id", "_read_timeout", "_result", "_rfile", "_secure", "_sock"}
OF_THE_CLASSES = {
    name
    for of in (pymysql.connections.Connection, pymysql.connections.MySQLResult)
    for name in vars(of)
    if name.startswith("_") and not name.startswith("__")
}
PRIVATE = OF_AN_INSTANCE | OF_THE_CLASSES


def private_names(module: Path) -> set[str]:
    """The driver's private names that a module overrides, or asks somebody else than itself for."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            found.add(node.attr)
        elif isinstance(node, ast.ClassDef) and any("Connection" in ast.unparse(base) for base in node.bases):
            found |= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    return found & PRIVATE


def test_the_drivers_private_names_stand_in_one_module() -> None:
    assert len(OF_THE_CLASSES) > 10
    modules = list(PACKAGE.rglob("*.py"))
    assert len(modules) > 100
    assert {module.name: private_names(module) for module in modules if private_names(module)}.keys() == {PROTOCOL.name}


def test_what_stands_there_is_the_drivers() -> None:
    assert private_names(PROTOCOL) >= {"_execute_command", "_force_close", "_read_packet", "_rfile"}
