"""Checks of single arguments that several modules share.

Each raises with the name of the parameter and the value in the text, or returns. They
run before anything is changed and take no lock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

__all__ = ["check_length", "check_path", "check_seconds", "check_type", "iterate"]

LONGEST = 1e9  # seconds, about thirty years


def check_type(parameter: str, value: object, cls: type[Any]) -> None:
    """Raise unless a value is an object of a class.

    Raises:
        TypeError: It is of another.
    """
    if not isinstance(value, cls):
        article = "an" if cls.__name__[0] in "AEIO" else "a"
        raise TypeError(f"{parameter} must be {article} {cls.__name__}, not {value!r}")


def iterate(parameter: str, values: Iterable[Any]) -> Iterator[Any]:
    """Return an iterator of values, or raise.

    Raises:
        TypeError: They are not iterable.
    """
    try:
        return iter(values)
    except TypeError:
        if hasattr(type(values), "__iter__"):
            raise  # what an iterable raises when it begins is an error of its own
        raise TypeError(f"{parameter} must be iterable, not {values!r}") from None


def check_length(
    parameter: str, value: object, low: int = 1, high: int = sys.maxsize
) -> int:
    """Return a length or a number of things, or raise.

    Raises:
        TypeError: It is no int.
        ValueError: It is less than `low` or more than `high`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{parameter} must be an int, not {value!r}")
    if value < low:
        raise ValueError(f"{parameter} must be at least {low}, not {value!r}")
    if value > high:
        digits = value.bit_length() * 30103 // 100000  # a str may be refused
        raise ValueError(f"{parameter} must be at most {high}, not about 1e{digits}")
    return value


def check_seconds(parameter: str, value: object, *, positive: bool = False) -> float:
    """Return a duration in seconds, or raise.

    Raises:
        TypeError: It is no number.
        ValueError: It is negative, not a number, or longer than thirty years; or 0,
            if it has to be positive.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{parameter} must be a number of seconds, not {value!r}")
    if not 0 <= value <= LONGEST:
        raise ValueError(f"{parameter} must be 0 to {LONGEST:g} seconds, not {value!r}")
    if positive and value == 0:
        raise ValueError(f"{parameter} must be more than 0 seconds, not {value!r}")
    return float(value)


def check_path(parameter: str, value: str | PathLike[str]) -> Path:
    """Return the path of a file, or raise.

    Raises:
        TypeError: It is no path.
        ValueError: It is empty, or no name that the system could have.
    """
    if not isinstance(value, (str, PathLike)):
        raise TypeError(f"{parameter} must be a path, not {value!r}")
    text = os.fspath(value)
    try:
        raw = os.fsencode(text)
    except UnicodeError:
        raw = b"\0"
    if not raw or b"\0" in raw:
        raise ValueError(f"{parameter} must be the path of a file, not {text!r}")
    return Path(text)
