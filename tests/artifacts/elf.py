"""What an ELF file says of itself (elf(5)), read without binutils, which not every machine has."""

import struct
from collections.abc import Iterator
from pathlib import Path

_MACHINES = {62: "x86_64", 183: "aarch64"}  # e_machine
_DYNAMIC_SYMBOLS, _VERSIONS_NEEDED = 11, 0x6FFFFFFE  # sh_type: SHT_DYNSYM, SHT_GNU_verneed


def machine(file: Path) -> str:
    """The processor that a 64-bit, little-endian file is for, in Linux's word."""
    with file.open("rb") as opened:
        head = opened.read(20)
    assert head[:6] == b"\x7fELF\x02\x01", f"{file.name} is no 64-bit ELF file"
    return _MACHINES[int.from_bytes(head[18:20], "little")]


def exported(file: Path) -> set[str]:
    """The names that a library gives to whatever loads it."""
    found = set()
    for content, names in _sections(file, _DYNAMIC_SYMBOLS):
        for name, info, other, section, _, _ in struct.iter_unpack("<IBBHQQ", content):
            is_local, is_hidden, is_undefined = info >> 4 == 0, other & 3 != 0, section == 0
            if not (is_local or is_hidden or is_undefined):
                found.add(_text(names, name))
    return found


def needed_versions(file: Path) -> set[str]:
    """The versions of other libraries' symbols that a library asks for, such as GLIBC_2.17."""
    found = set()
    for content, names in _sections(file, _VERSIONS_NEEDED):
        place = 0
        while True:
            _, count, _, first, onwards = struct.unpack_from("<HHIII", content, place)
            auxiliary = place + first
            for _ in range(count):
                _, _, _, name, following = struct.unpack_from("<IHHII", content, auxiliary)
                found.add(_text(names, name))
                auxiliary += following
            if not onwards:
                break
            place += onwards
    return found


def _sections(file: Path, wanted: int) -> Iterator[tuple[bytes, bytes]]:
    """The sections of a type, each with the strings it names."""
    data = file.read_bytes()
    (start,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, start + size * index) for index in range(count)]
    contents = [data[header[4] : header[4] + header[5]] for header in headers]
    for header, content in zip(headers, contents, strict=True):
        if header[1] == wanted:
            yield content, contents[header[6]]


def _text(names: bytes, place: int) -> str:
    return names[place : names.index(b"\0", place)].decode()
