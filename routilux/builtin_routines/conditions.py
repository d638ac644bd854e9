"""Conditions: what Filter and ConditionalRouter accept as a rule.

A rule is a callable, an expression, a dict of fields and comparisons, or a list of
rules that must all hold. `compile_condition` turns each into a `Condition` once; what
is wrong with it is said then, not when an item comes.

A callable that takes one argument gets the data; one that takes more gets the config
and the stats too, by their names or in that order.
"""

from __future__ import annotations

import inspect
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from routilux.builtin_routines.expressions import Expression
from routilux.builtin_routines.paths import MISSING, look_up
from routilux.builtin_routines.settings import wrong
from routilux.errors import ConfigurationError, name_hint
from routilux.references import is_reference, load_reference

__all__ = ["Condition", "compile_condition"]

VARIABLES = ("data", "config", "stats")


class Condition(NamedTuple):
    """A rule that was checked: `test(data, config, stats)`, and a text for it."""

    test: Callable[[Any, Mapping[str, Any], Mapping[str, Any]], bool]
    text: str


def contains(value: Any, part: Any) -> bool:
    """Whether a container, or a str, has a part."""
    return part in value


def one_of(value: Any, choices: Any) -> bool:
    """Whether a value is among some choices."""
    return value in choices


def matches(value: Any, pattern: str) -> bool:
    """Whether a regular expression is found in a str."""
    return isinstance(value, str) and re.search(pattern, value) is not None


def has_type(value: Any, name: str) -> bool:
    """Whether a value is of a plain type, by its name."""
    return type(value).__name__ == name


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": one_of,
    "not_in": lambda value, choices: not one_of(value, choices),
    "contains": contains,
    "starts_with": lambda value, part: (
        isinstance(value, str) and value.startswith(part)
    ),
    "ends_with": lambda value, part: isinstance(value, str) and value.endswith(part),
    "matches": matches,
    "type": has_type,
}
ALIASES = {
    "==": "eq",
    "=": "eq",
    "!=": "ne",
    ">": "gt",
    ">=": "gte",
    "ge": "gte",
    "<": "lt",
    "<=": "lte",
    "le": "lte",
    "nin": "not_in",
    "regex": "matches",
    "startswith": "starts_with",
    "endswith": "ends_with",
}


def compile_condition(
    label: str, rule: Any, variables: tuple[str, ...] = VARIABLES
) -> Condition:
    """Check a rule and return it in a form that can be asked.

    Args:
        label: What the rule belongs to, for messages.
        rule: A callable, "module:name" of one, an expression, a dict, a list, or a
            bool.
        variables: Names that an expression may use.

    Raises:
        ConfigurationError: It is none of these, or wrong.
    """
    if isinstance(rule, bool):
        return Condition(lambda data, config, stats: rule, str(rule))
    if isinstance(rule, str):
        return _from_text(label, rule, variables)
    if isinstance(rule, Mapping):
        return _from_fields(label, rule)
    if callable(rule):
        return _from_callable(rule)
    if isinstance(rule, Sequence):
        if len(rule) == 3 and isinstance(rule[0], str) and _operator(rule[1]):
            return _comparison(label, rule[0], rule[1], rule[2])
        parts = [
            compile_condition(f"{label}[{number}]", part, variables)
            for number, part in enumerate(rule)
        ]
        return _all_of(label, parts)
    raise wrong(
        label, "a callable, an expression, a dict of fields or a list of these", rule
    )


def _from_text(label: str, text: str, variables: tuple[str, ...]) -> Condition:
    if is_reference(text):
        try:
            found = load_reference(text)
        except ValueError as error:
            raise ConfigurationError(f"{label}: {error}") from error
        if not callable(found):
            raise wrong(label, 'an expression, or "module:name" of a callable', text)
        return _from_callable(found)
    expression = Expression(text, variables, label)

    def test(data: Any, config: Mapping[str, Any], stats: Mapping[str, Any]) -> bool:
        return bool(
            expression.evaluate({"data": data, "config": config, "stats": stats})
        )

    return Condition(test, text)


def _from_callable(rule: Callable[..., Any]) -> Condition:
    text = getattr(rule, "__name__", type(rule).__name__)
    wanted = _wanted(rule)

    def test(data: Any, config: Mapping[str, Any], stats: Mapping[str, Any]) -> bool:
        given = {"data": data, "config": config, "stats": stats}
        return bool(rule(*(given[name] for name in wanted)))

    return Condition(test, text)


def _wanted(rule: Callable[..., Any]) -> tuple[str, ...]:
    # Of `data`, `config`, `stats`: which ones, in the order of the parameters.
    try:
        parameters = list(inspect.signature(rule).parameters.values())
    except (TypeError, ValueError):
        return VARIABLES[:1]
    positional = [
        p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    needed = [
        p
        for number, p in enumerate(positional)
        if number == 0 or p.default is p.empty or p.name in VARIABLES
    ]
    rest = [p.name for p in needed[1:]]
    if rest and all(name in VARIABLES for name in rest):
        first = needed[0].name if needed[0].name in VARIABLES else "data"
        return (first, *rest)
    return VARIABLES[: max(1, len(needed))]


def _from_fields(label: str, rule: Mapping[Any, Any]) -> Condition:
    parts = []
    for field, wanted in rule.items():
        if not isinstance(field, str):
            raise wrong(f"each field in {label}", "a str", field)
        operators = [_operator(key) for key in wanted] if _is_spec(wanted) else []
        if operators and all(operators):
            parts += [
                _comparison(label, field, name, value) for name, value in wanted.items()
            ]
        elif any(operators):
            unknown = next(key for key in wanted if not _operator(key))
            hint = name_hint(str(unknown), [*COMPARISONS, "exists"], "comparisons")
            raise ConfigurationError(
                f"{label}: field {field!r}: there is no comparison {unknown!r}. {hint}"
            )
        else:
            parts.append(_comparison(label, field, "eq", wanted))
    return _all_of(label, parts)


def _is_spec(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and len(wanted) > 0


def _operator(name: Any) -> str | None:
    if not isinstance(name, str):
        return None
    bare = name.removeprefix("$")
    bare = ALIASES.get(bare, bare)
    return bare if bare in COMPARISONS or bare == "exists" else None


def _comparison(label: str, field: str, name: str, wanted: Any) -> Condition:
    word = _operator(name)
    text = f"{field} {word} {wanted!r}"
    if word == "exists":
        if not isinstance(wanted, bool):
            raise wrong(f"{label}: {field!r}: exists", "True or False", wanted)
        return Condition(
            lambda data, config, stats: (look_up(data, field) is not MISSING) is wanted,
            text,
        )
    if word == "matches":
        try:
            re.compile(wanted)
        except (re.error, TypeError) as error:
            raise ConfigurationError(
                f"{label}: field {field!r}: not a regular expression: {error}"
            ) from None
    if word == "type" and not isinstance(wanted, str):
        raise wrong(f"{label}: {field!r}: type", 'the name of a class, "int"', wanted)
    compare = COMPARISONS[word or "eq"]

    def test(data: Any, config: Mapping[str, Any], stats: Mapping[str, Any]) -> bool:
        value = look_up(data, field)
        if value is MISSING:
            return word in ("ne", "not_in")
        try:
            return bool(compare(value, wanted))
        except (TypeError, ValueError):  # of different kinds: "a" > 3, an array == 3
            return False

    return Condition(test, text)


def _all_of(label: str, parts: Sequence[Condition]) -> Condition:
    if not parts:
        raise ConfigurationError(f"{label} must not be empty; None lets all pass")
    if len(parts) == 1:
        return parts[0]
    tests = [part.test for part in parts]
    return Condition(
        lambda data, config, stats: all(test(data, config, stats) for test in tests),
        " and ".join(part.text for part in parts),
    )
