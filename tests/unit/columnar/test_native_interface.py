"""What Python writes down of the C side once more is what the compiler says: structures field by field, numbers by name."""

import ctypes
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from pymysql.constants import FIELD_TYPE

from tableferry.columnar.native import arrow, library
from tools.setup import NATIVE

HEADER = NATIVE.source.with_name("interface.h")
ARROWS_OWN = Path(pa.get_include()) / "arrow" / "c" / "abi.h"

Layout = dict[str, tuple[int, int, str]]
"""Of each field where it begins, its bytes and what it is; of the structure by itself, named "", its bytes."""

PROGRAM = """
#include "{header}"
#define IS(x) _Generic((x), int: "signed", long: "signed", long long: "signed", \\
    unsigned: "unsigned", unsigned long: "unsigned", unsigned long long: "unsigned", default: "pointer")
#define FIELD(type, field, value) {{#type, #field, offsetof(type, field), sizeof ((type *)0)->field, IS(value)}},
#define WHOLE(type) {{#type, "", 0, sizeof(type), "structure"}},
#define NUMBER(type, name) {{#type, #name, name, 0, "number"}},
__attribute__((visibility("default"))) const struct {{
    const char *type, *name;
    size_t at, size;
    const char *is;
}} said[] = {{
{lines}
}};
"""


class Said(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("at", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
        ("what", ctypes.c_char_p),
    )


def fields(body: str) -> Iterator[tuple[str, bool]]:
    """The names that a structure's text declares, and whether each is an array."""
    for declaration in filter(None, map(str.strip, body.split(";"))):
        if function := re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", declaration):
            yield function[1], False
        else:
            for part in declaration.split(","):
                name, array = re.search(r"(\w+)\s*(\[.*\])?$", part.strip()).groups()  # type: ignore[union-attr]
                yield name, bool(array)


def lines(header: Path) -> Iterator[str]:
    """A line of the program for each structure, field and number of a header."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", header.read_text(encoding="utf-8"), flags=re.DOTALL)
    structures = [(body, name) for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", text, re.DOTALL)]
    structures += [
        (body, f"struct {name}")
        for name, body in re.findall(r"^struct (\w+) \{(.*?)^\};", text, re.DOTALL | re.MULTILINE)
    ]
    for body, name in structures:
        yield f"WHOLE({name})"
        for field, array in fields(body):
            yield f"FIELD({name}, {field}, (({name} *)0)->{field}{'[0]' if array else ''})"
    for body, name in re.findall(r"typedef enum \{(.*?)\} (\w+);", text, re.DOTALL):
        for number in re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|$)", body.strip()):
            yield f"NUMBER({name}, {number})"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, dict[str, Layout]]:
    """What the compiler says of both headers, with the library's flags: by the name of a structure or an enumeration."""
    if not (compiler := shutil.which("cc")):
        pytest.skip("no C compiler here")
    folder, found = tmp_path_factory.mktemp("interface"), {}
    for header in (HEADER, ARROWS_OWN):
        source, target = folder / f"{header.stem}.c", folder / f"{header.stem}.so"
        written = list(lines(header))
        program = PROGRAM.format(header=header, lines="\n".join(written))
        source.write_text(f"#include <stddef.h>\n#include <stdint.h>\n{program}", encoding="utf-8")
        subprocess.run([compiler, f"@{NATIVE.flags}", "-Wall", "-Werror", "-o", target, source], check=True)
        layouts: dict[str, Layout] = defaultdict(dict)
        for line in (Said * len(written)).in_dll(ctypes.CDLL(str(target)), "said"):
            layouts[line.type.decode().removeprefix("struct ")][line.name.decode()] = (
                line.at,
                line.size,
                line.what.decode(),
            )
        found[header] = dict(layouts)
    return found


def structures(module: ModuleType) -> dict[str, Layout]:
    """The structures that a module defines, by their names without an underscore in front."""
    return {
        name.removeprefix("_"): {
            "": (0, ctypes.sizeof(each), "structure"),
            **{
                field: (getattr(each, field).offset, getattr(each, field).size, kind(type_))
                for field, type_, *_ in each._fields_
            },
        }
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, ctypes.Structure) and each.__module__ == module.__name__
    }


def kind(type_: Any) -> str:
    """What a field of this type is."""
    if issubclass(type_, ctypes.Array):
        return kind(type_._type_)
    letter = getattr(type_, "_type_", "P")
    return "signed" if letter in tuple("bhilq") else "unsigned" if letter in tuple("BHILQ") else "pointer"


def numbers(module: ModuleType) -> dict[str, dict[str, int]]:
    return {
        name.removeprefix("_"): {member.name: member.value for member in each}
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, IntEnum) and each.__module__ == module.__name__
    }


def test_python_has_every_structure_of_the_interface_as_the_compiler_lays_it_out(
    said: dict[Path, dict[str, Layout]],
) -> None:
    found = {name: layout for name, layout in said[HEADER].items() if "" in layout}
    assert {"Head", "Buffer", "Description"} <= structures(library).keys()
    assert found == structures(library) | {"ArrowArray": structures(arrow)["ArrowArray"]}


def test_python_has_every_number_of_the_interface_by_its_name(said: dict[Path, dict[str, Layout]]) -> None:
    found = {
        name: {number: at for number, (at, *_) in layout.items()}
        for name, layout in said[HEADER].items()
        if "" not in layout
    }
    types = found.pop("ServerType")
    assert {"Status", "Into", "Held"} <= found.keys()
    assert found == numbers(library)
    assert {name: vars(FIELD_TYPE).get(name.removeprefix("TYPE_")) for name in types} == types


def test_python_has_arrows_structures_as_arrows_own_header_has_them(said: dict[Path, dict[str, Layout]]) -> None:
    ours = structures(arrow)
    assert ours.keys() == {"ArrowArray", "ArrowSchema", "ArrowArrayStream"}
    assert ours == {name: said[ARROWS_OWN][name] for name in ours}
