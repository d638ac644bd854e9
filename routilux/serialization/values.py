"""Values in documents: any plain Python value as JSON, and back to an equal one.

What JSON has goes in as it is. The rest becomes an object with a "$type" key that says
what it was; an own class can be registered. Classes and functions go in by reference,
"module:name". Nothing is ever pickled, and nothing is guessed: what can't be written is
a `SerializationError` that says where it lies.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import pathlib
import sys
import threading
import uuid
from collections.abc import Callable, Iterable
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
)
from typing import Any

from routilux._core import JobError
from routilux.errors import SerializationError, name_hint
from routilux.serialization.names import name_of, named

__all__ = ["decode", "encode", "register_type"]

TYPE = "$type"
# Python refuses the decimal text of longer ints, at 640 digits if it is told to.
LONGEST_INT = 2000  # bits

_own: dict[type, tuple[str, Callable[[Any], Any]]] = {}
_own_back: dict[str, Callable[[Any], Any]] = {}
_paths: dict[str, str] = {}
_lock = threading.Lock()


def register_type(
    cls: type,
    to_plain: Callable[[Any], Any],
    from_plain: Callable[[Any], Any],
    name: str | None = None,
) -> None:
    """Let documents hold objects of a class.

    Args:
        cls: The class; subclasses are not meant.
        to_plain: Makes of an object a value that a document can hold.
        from_plain: Makes an equal object of that value.
        name: What stands in documents; the class's "module:name" if None.

    Raises:
        ValueError: The name is taken.

    Example:
        >>> register_type(Money, lambda m: [m.cents, m.unit], lambda v: Money(*v))
    """
    path = f"{cls.__module__}:{cls.__qualname__}"
    name = path if name is None else name
    with _lock:
        # The same class made again, by a reload or in a notebook, takes its place.
        if name in BACK or _paths.get(name, path) != path:
            raise ValueError(f"{name!r} is registered already")
        if _own.get(cls, (name,))[0] != name:
            raise ValueError(f"{cls!r} is registered already, as {_own[cls][0]!r}")
        _own[cls] = (name, to_plain)
        _own_back[name] = from_plain
        _paths[name] = path


def encode(value: Any, where: str = "value") -> Any:
    """Return a value as JSON can hold it.

    Args:
        value: The value.
        where: What it is, for messages.

    Raises:
        SerializationError: A part of it can't be written; the text says which.

    Example:
        >>> encode({"at": (1, 2)})
        {'at': {'$type': 'tuple', 'value': [1, 2]}}
    """
    try:
        return _encode(value, where)
    except RecursionError:
        raise SerializationError(
            f"{where} holds itself, or is nested too deeply to be written"
        ) from None


def decode(value: Any, where: str = "value") -> Any:
    """Return what `encode` was given, or an equal value.

    Raises:
        SerializationError: It holds something unknown; the text says what and where.
    """
    if isinstance(value, list):
        return [decode(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if TYPE not in value:
        return {key: decode(item, f"{where}[{key!r}]") for key, item in value.items()}
    kind = value[TYPE]
    back = BACK.get(kind) or _own_back.get(kind)
    if back is None:
        hint = name_hint(str(kind), [*BACK, *_own_back], "types")
        raise SerializationError(
            f"{where}: a document holds a {kind!r}, which is not known here:"
            f" register_type() it. {hint}",
            object_type=str(kind),
        )
    plain = value.get("value")
    try:
        if kind not in RAW:
            plain = decode(plain, where)
        return back(plain)
    except SerializationError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise SerializationError(
            f"{where}: a {kind!r} can't be read: {text}", object_type=str(kind)
        ) from error


def _encode(value: Any, where: str) -> Any:
    cls = type(value)
    if value is None or cls in (bool, str):
        return value
    if cls is int:
        return value if value.bit_length() < LONGEST_INT else _tag("int", hex(value))
    if cls is float:
        finite = value - value == 0
        return value if finite else _tag("float", repr(value))
    if cls is list:
        return [_encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if cls is dict:
        return _encode_dict(value, where)
    own = _own.get(cls)
    if own is not None:
        name, to_plain = own
        return _tag(name, _encode(_ask(to_plain, value, where), where))
    make = FORTH.get(cls)
    if make is not None:
        return _tag(make[0], _encode(make[1](value), where))
    return _encode_object(value, where)


def _encode_dict(value: dict[Any, Any], where: str) -> Any:
    if all(type(key) is str for key in value) and TYPE not in value:
        return {key: _encode(item, f"{where}[{key!r}]") for key, item in value.items()}
    pairs = [
        [_encode(key, f"a key of {where}"), _encode(item, f"{where}[{_text(key)}]")]
        for key, item in value.items()
    ]
    return _tag("dict", pairs)


def _encode_object(value: Any, where: str) -> Any:
    if isinstance(
        value, (type, FunctionType, BuiltinFunctionType, MethodDescriptorType)
    ):
        return _tag("reference", _reference(value, where))
    if isinstance(value, MethodType) and isinstance(value.__self__, type):
        return _tag("reference", _reference(value, where))
    cls = type(value)
    if isinstance(value, enum.Enum):
        # Several bits, or none, have no name that leads to them.
        which = value.value if isinstance(value, enum.Flag) else value.name
        return _tag("enum", [_reference(cls, where), _encode(which, where)])
    if isinstance(value, pathlib.PurePath):
        return _tag("path", _path(value, where))
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(cls)]
        fields = _ask(lambda value: {n: getattr(value, n) for n in names}, value, where)
        return _tag("dataclass", [_reference(cls, where), _encode_dict(fields, where)])
    if isinstance(value, tuple) and hasattr(cls, "_fields"):
        items = [_encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return _tag("namedtuple", [_reference(cls, where), items])
    numpy = sys.modules.get("numpy")
    # A class below ndarray has more than its numbers: a mask, units.
    if numpy is not None and (cls is numpy.ndarray or isinstance(value, numpy.generic)):
        return _encode_array(numpy, value, where)
    raise SerializationError(
        f"{where} is {_short(value)} of {cls.__module__}.{cls.__qualname__}, which a"
        " document can't hold: keep plain values there, or register_type() its class",
        object_type=cls.__qualname__,
    )


def _encode_array(numpy: Any, value: Any, where: str) -> Any:
    if value.dtype.hasobject:
        return _tag(
            "object_array", [list(value.shape), _encode(value.ravel().tolist(), where)]
        )
    array = numpy.ascontiguousarray(value)
    text = base64.b64encode(array.tobytes()).decode("ascii")
    shape = list(value.shape) if isinstance(value, numpy.ndarray) else None
    kind = numpy.lib.format.dtype_to_descr(value.dtype)
    return _tag("array", [_encode(kind, where), shape, text])


def _decode_array(plain: list[Any]) -> Any:
    import numpy

    kind, shape, text = plain
    dtype = numpy.lib.format.descr_to_dtype(decode(kind))
    array = numpy.frombuffer(base64.b64decode(text), dtype=dtype)
    return array[0] if shape is None else array.reshape(shape).copy()


def _decode_object_array(plain: list[Any]) -> Any:
    import numpy

    shape, items = plain
    array = numpy.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def _decode_dataclass(plain: list[Any]) -> Any:
    cls = named(plain[0])
    made = cls.__new__(cls)
    for name, value in plain[1].items():
        object.__setattr__(made, name, value)
    return made


def _path(value: pathlib.PurePath, where: str) -> str | list[str]:
    # The text alone is a path of whichever system reads it.
    cls = type(value)
    if cls is type(pathlib.Path()):
        return str(value)
    return [cls.__name__ if cls in PURE else _reference(cls, where), str(value)]


def _decode_path(plain: str | list[str]) -> Any:
    if isinstance(plain, str):
        return pathlib.Path(plain)
    name, text = plain
    pure = {cls.__name__: cls for cls in PURE}
    return pure[name](text) if name in pure else named(name)(text)


def _decode_enum(pair: list[Any]) -> Any:
    cls, which = named(pair[0]), pair[1]
    return cls(which) if isinstance(which, int) else cls[which]


def _folded(value: Any) -> Any:
    # The text does not say which of two equal hours it is.
    return [value.isoformat(), value.fold] if value.fold else value.isoformat()


def _unfolded(cls: Any, plain: Any) -> Any:
    if isinstance(plain, str):
        return cls.fromisoformat(plain)
    return cls.fromisoformat(plain[0]).replace(fold=plain[1])


def _decode_float(plain: Any) -> float:
    return float(plain)


def _decode_dict(pairs: Iterable[Any]) -> dict[Any, Any]:
    return {key: value for key, value in pairs}


def _reference(value: Any, where: str) -> str:
    try:
        return name_of(value)
    except ValueError as error:
        raise SerializationError(
            f"{where}: {error}", object_type=type(value).__qualname__
        ) from None


def _ask(to_plain: Callable[[Any], Any], value: Any, where: str) -> Any:
    try:
        return to_plain(value)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise SerializationError(f"{where}: {text}") from error


def _text(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # code of the user, or too long a number
        return "an object"


def _short(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _tag(kind: str, value: Any) -> dict[str, Any]:
    return {TYPE: kind, "value": value}


def _base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode("ascii")


PURE = (pathlib.PurePosixPath, pathlib.PureWindowsPath)
# Exact classes: the name in documents, and the plain value.
FORTH: dict[type, tuple[str, Callable[[Any], Any]]] = {
    tuple: ("tuple", list),
    set: ("set", lambda value: sorted(value, key=_text)),
    frozenset: ("frozenset", lambda value: sorted(value, key=_text)),
    bytes: ("bytes", _base64),
    bytearray: ("bytearray", _base64),
    complex: ("complex", lambda value: [value.real, value.imag]),
    datetime.datetime: ("datetime", _folded),
    datetime.date: ("date", datetime.date.isoformat),
    datetime.time: ("time", _folded),
    datetime.timedelta: (
        "timedelta",
        lambda value: [value.days, value.seconds, value.microseconds],
    ),
    decimal.Decimal: ("decimal", str),
    uuid.UUID: ("uuid", str),
    JobError: (
        "job_error",
        lambda value: [value.type, value.message, value.traceback, value.routine_id],
    ),
}
BACK: dict[str, Callable[[Any], Any]] = {
    "array": _decode_array,
    "bytearray": lambda text: bytearray(base64.b64decode(text)),
    "bytes": base64.b64decode,
    "complex": lambda pair: complex(*pair),
    "dataclass": _decode_dataclass,
    "date": datetime.date.fromisoformat,
    "datetime": lambda plain: _unfolded(datetime.datetime, plain),
    "decimal": decimal.Decimal,
    "dict": _decode_dict,
    "enum": _decode_enum,
    "float": _decode_float,
    "frozenset": frozenset,
    "int": lambda text: int(text, 16),
    "job_error": lambda parts: JobError(*parts),
    "namedtuple": lambda pair: named(pair[0])._make(pair[1]),
    "object_array": _decode_object_array,
    "path": _decode_path,
    "reference": named,
    "set": set,
    "time": lambda plain: _unfolded(datetime.time, plain),
    "timedelta": lambda parts: datetime.timedelta(*parts),
    "tuple": tuple,
    "uuid": uuid.UUID,
}
# Read as they stand: their text is theirs, whatever it looks like.
RAW = frozenset(["array", "bytes", "bytearray", "reference", "path"])
