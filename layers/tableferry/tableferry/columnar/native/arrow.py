"""Arrow's C data interface, by which columns change hands between the native library and polars without being copied.

https://arrow.apache.org/docs/format/CDataInterface.html and, for the capsules that Python hands them over in,
https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    addressof,
    byref,
    c_char_p,
    c_int32,
    c_int64,
    c_void_p,
    py_object,
    pythonapi,
)

import polars as pl


class ArrowArray(Structure):
    """A column's buffers (https://arrow.apache.org/docs/format/CDataInterface.html#the-arrowarray-structure)."""

    _fields_ = (
        ("length", c_int64),
        ("null_count", c_int64),
        ("offset", c_int64),
        ("n_buffers", c_int64),
        ("n_children", c_int64),
        ("buffers", c_void_p),
        ("children", c_void_p),
        ("dictionary", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    )


_Release = CFUNCTYPE(None, c_void_p)


class _ArrowSchema(Structure):
    """A column's type (https://arrow.apache.org/docs/format/CDataInterface.html#the-arrowschema-structure)."""

    _fields_ = (
        ("format", c_char_p),
        ("name", c_char_p),
        ("metadata", c_char_p),
        ("flags", c_int64),
        ("n_children", c_int64),
        ("children", c_void_p),
        ("dictionary", c_void_p),
        ("release", _Release),
        ("private_data", c_void_p),
    )


_NULLABLE = 2


class _ArrowArrayStream(Structure):
    """Columns one after the other (https://arrow.apache.org/docs/format/CStreamInterface.html)."""

    _fields_ = (
        ("get_schema", c_void_p),
        ("get_next", CFUNCTYPE(c_int32, c_void_p, POINTER(ArrowArray))),
        ("get_last_error", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    )


def _no_longer(schema: int) -> None:
    _ArrowSchema.from_address(schema).release = _Release()


_released = _Release(_no_longer)


@contextmanager
def exported(values: pl.Series) -> Iterator[ArrowArray]:
    """A column as one array, for as long as it is looked at; text and bytes are views. Raises MemoryError."""
    capsule = values.rechunk().__arrow_c_stream__(None)  # lives as long as what is read from it
    stream = _ArrowArrayStream.from_address(_pointer(capsule, b"arrow_array_stream"))
    array = ArrowArray()
    if stream.get_next(addressof(stream), byref(array)):
        raise MemoryError
    try:
        yield array
    finally:
        release(array)


def release(array: ArrowArray) -> None:
    """Give an array's memory back, unless somebody has taken it over, or it never had any."""
    if array.release:
        _Release(array.release)(addressof(array))


class Column:
    """An array that polars takes over; ``form`` is Arrow's name of its type."""

    def __init__(self, array: ArrowArray, form: str) -> None:
        self._array = array
        self._schema = _ArrowSchema(format=form.encode(), name=b"", flags=_NULLABLE, release=_released)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return (
            _capsule(addressof(self._schema), b"arrow_schema", None),
            _capsule(addressof(self._array), b"arrow_array", None),
        )


_capsule = pythonapi.PyCapsule_New
_capsule.argtypes = (c_void_p, c_char_p, c_void_p)
_capsule.restype = py_object
_pointer = pythonapi.PyCapsule_GetPointer
_pointer.argtypes = (py_object, c_char_p)
_pointer.restype = c_void_p
