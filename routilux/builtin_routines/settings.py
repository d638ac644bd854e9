"""What the configuration keys of the built-in routines accept.

A `Setting` is a default and a check. A check gets the name of the key, as an error
would show it, and the value; it returns the value, converted where a flow file can't
say it otherwise, or raises a `ConfigurationError` that names key, value and choices.
All are functions of their arguments alone; `ConfiguredRoutine.set_config` calls them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from routilux.errors import ConfigurationError
from routilux.references import load_reference

__all__ = [
    "Check",
    "Setting",
    "Settings",
    "any_value",
    "callable_value",
    "choice",
    "flag",
    "integer",
    "mapping",
    "names",
    "number",
    "optional",
    "text",
]

Check: TypeAlias = Callable[[str, Any], Any]


class Setting(NamedTuple):
    """One configuration key: its default and what it accepts."""

    default: Any
    check: Check


Settings: TypeAlias = Mapping[str, Setting]


def wrong(label: str, wanted: str, value: object) -> ConfigurationError:
    """Return the error for a value that is not what it should be."""
    return ConfigurationError(
        f"{label} must be {wanted}, not {value!r} ({type(value).__name__})"
    )


def any_value(label: str, value: Any) -> Any:
    """Accept everything."""
    return value


def flag(label: str, value: Any) -> bool:
    """Accept True and False."""
    if not isinstance(value, bool):
        raise wrong(label, "True or False", value)
    return value


def text(label: str, value: Any) -> str:
    """Accept a non-empty str."""
    if not isinstance(value, str) or not value:
        raise wrong(label, "a non-empty str", value)
    return value


def mapping(label: str, value: Any) -> dict[Any, Any]:
    """Accept a mapping; return a dict of its own."""
    if not isinstance(value, Mapping):
        raise wrong(label, "a dict", value)
    return dict(value)


def names(label: str, value: Any) -> list[str]:
    """Accept a sequence of different non-empty strs; return a list."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise wrong(label, "a list of names", value)
    for item in value:
        text(f"each name in {label}", item)
    if len(set(value)) != len(value):
        raise wrong(label, "a list of different names", value)
    return list(value)


def callable_value(label: str, value: Any) -> Callable[..., Any]:
    """Accept a callable, or where to import it from: "module:name"."""
    if isinstance(value, str):
        try:
            value = load_reference(value)
        except ValueError as error:
            raise ConfigurationError(f"{label}: {error}") from error
    if not callable(value):
        raise wrong(label, 'a callable or "module:name" of one', value)
    result: Callable[..., Any] = value
    return result


def choice(*words: str) -> Check:
    """Accept one of some words."""

    def check(label: str, value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise wrong(label, f"one of {', '.join(map(repr, words))}", value)
        return value

    return check


def number(low: float = 0.0, *, above: bool = False) -> Check:
    """Accept a finite number of at least `low`, or above it."""
    wanted = f"a number {'above' if above else 'of at least'} {low:g}"

    def check(label: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise wrong(label, wanted, value)
        if not math.isfinite(value) or value < low or (above and value == low):
            raise wrong(label, wanted, value)
        return value

    return check


def integer(low: int = 1) -> Check:
    """Accept an int of at least `low`."""

    def check(label: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise wrong(label, f"an int of at least {low}", value)
        return value

    return check


def optional(check: Check) -> Check:
    """Accept None as well."""

    def maybe(label: str, value: Any) -> Any:
        return None if value is None else check(label, value)

    return maybe
