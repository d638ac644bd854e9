"""Paths into data: "user.name", "orders[0].price", and JSONPath.

A dotted path follows keys of mappings, indexes of sequences and fields of dataclasses
and the like. A path that starts with "$" is JSONPath, for which `jsonpath-ng` has to be
installed; with several matches it gives a list.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from routilux.builtin_routines.expressions import field_of
from routilux.errors import ConfigurationError
from routilux.extras import load_extra

__all__ = [
    "MISSING",
    "compile_jsonpath",
    "look_up",
    "root_of",
    "root_of_jsonpath",
    "split_path",
]


class Missing:
    """What a path finds when there is nothing."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
STEP = re.compile(r"[^.\[\]]+|\[(?:-?\d+|'[^']*'|\"[^\"]*\")\]")
INDEX = re.compile(r"-?[0-9]+")
SEVERAL = re.compile(r"\*|\.\.|\?|:|,")
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
ROOT = re.compile(rf"\$\.?(?:\[({QUOTED.pattern})\]|({QUOTED.pattern})|[^.\[\]$*'\"]+)")


@functools.lru_cache(1024)
def split_path(path: str) -> tuple[str | int, ...]:
    """Return the steps of a dotted path: keys as str, indexes as int.

    Raises:
        ConfigurationError: It is not a path.

    Example:
        >>> split_path("orders[0].price")
        ('orders', 0, 'price')
    """
    steps: list[str | int] = []
    at = 0
    for match in STEP.finditer(path):
        gap = path[at : match.start()]
        if gap not in ("", ".") or (gap == "." and at == 0):
            break
        at = match.end()
        step = match.group()
        if not step.startswith("["):
            steps.append(step)
        elif step[1] in "'\"":
            steps.append(step[2:-2])
        else:
            steps.append(int(step[1:-1]))
    if not steps or at != len(path):
        raise ConfigurationError(
            f"{path!r} is not a path; write names and indexes: user.tags[0]"
        )
    return tuple(steps)


def root_of(data: Mapping[Any, Any], path: str) -> str | int:
    """Return the key of the data that `look_up` begins with."""
    if path in data:
        return path
    step = split_path(path)[0]
    return step if step in data else str(step)


def root_of_jsonpath(path: str) -> str | None:
    """Return the first key of a JSONPath, None when there is no telling."""
    found = ROOT.match(path)
    if found is None:
        return None
    quoted = found[1] or found[2]
    return quoted[1:-1] if quoted else found[0].removeprefix("$").removeprefix(".")


def look_up(data: Any, path: str) -> Any:
    """Follow a dotted path; MISSING where it ends early.

    A key that is the whole path goes before its steps.
    """
    if isinstance(data, Mapping) and path in data:
        return data[path]
    return follow(data, split_path(path))


def follow(data: Any, steps: Sequence[str | int]) -> Any:
    """Follow the steps of a path."""
    for step in steps:
        data = take_step(data, step)
        if data is MISSING:
            break
    return data


def take_step(data: Any, step: str | int) -> Any:
    """Go one step into data; MISSING when there is none."""
    if isinstance(data, Mapping):
        return data.get(step, data.get(str(step), MISSING))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        digits = isinstance(step, int) or INDEX.fullmatch(step)
        if digits and -len(data) <= int(step) < len(data):
            return data[int(step)]
    if isinstance(step, int):
        return MISSING
    try:
        return field_of(data, step)
    except (AttributeError, KeyError):
        return MISSING


def compile_jsonpath(path: str, where: str) -> Callable[[Any], Any]:
    """Return a function that finds what a JSONPath names in data.

    Raises:
        ConfigurationError: It can't be parsed, or `jsonpath-ng` is not installed.
    """
    load_extra("jsonpath_ng", f"the JSONPath {path!r} ({where})")
    parser = load_extra("jsonpath_ng.ext", f"the JSONPath {path!r} ({where})")
    try:
        parsed = parser.parse(path)
    except Exception as error:  # the library raises several kinds, bare ones too
        raise ConfigurationError(f"{where}: {path!r} is no JSONPath: {error}") from None
    several = SEVERAL.search(QUOTED.sub("''", path)) is not None

    def find(data: Any) -> Any:
        values = [match.value for match in parsed.find(data)]
        if several:
            return values or MISSING
        return values[0] if values else MISSING

    return find
