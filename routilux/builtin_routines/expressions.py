"""Expressions as strings, evaluated without `eval`.

`simpleeval` walks the syntax tree of an expression and computes it node by node. What
it allows is narrowed here: an expression reads the data that it is given and computes
with numbers, strings and lists; it reaches no attribute of an object besides the fields
of data, no method that changes anything, and nothing that costs memory or time out of
proportion. `Expression` refuses what it can when it is made; what depends on the data
is refused when it runs. Either way it is an `ExpressionError` that shows the text.

Thread-safety: an `Expression` may be evaluated on many threads; each has an evaluator
of its own.
"""

from __future__ import annotations

import ast
import datetime
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from routilux.errors import ConfigurationError, name_hint
from routilux.extras import load_extra

__all__ = ["Expression", "ExpressionError"]

MAX_TEXT = 4_000  # characters
MAX_NODES = 500
MAX_BITS = 4_096  # of the result of a power
MAX_LENGTH = 100_000  # of a str or list that is made

ALLOWED: tuple[type[ast.AST], ...] = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Attribute),
    *(ast.Subscript, ast.Slice, ast.Call, ast.keyword, ast.IfExp),
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.BinOp, ast.operator),
    *(ast.Compare, ast.cmpop, ast.List, ast.Tuple, ast.Set, ast.Dict),
)

METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        [
            "capitalize",
            "casefold",
            "count",
            "endswith",
            "find",
            "isalnum",
            "isalpha",
            "isdigit",
            "islower",
            "isspace",
            "isupper",
            "lower",
            "lstrip",
            "partition",
            "removeprefix",
            "removesuffix",
            "rfind",
            "rpartition",
            "rsplit",
            "rstrip",
            "split",
            "splitlines",
            "startswith",
            "strip",
            "swapcase",
            "title",
            "upper",
        ]
    ),
    dict: frozenset(("get", "keys", "values", "items")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index")),
    int: frozenset(("bit_length",)),
    float: frozenset(("is_integer",)),
    datetime.datetime: frozenset(("isoformat", "date", "time", "weekday")),
    datetime.date: frozenset(("isoformat", "weekday")),
    datetime.time: frozenset(("isoformat",)),
    datetime.timedelta: frozenset(("total_seconds",)),
}

FIELDS: dict[type, frozenset[str]] = {
    datetime.datetime: frozenset(
        ("year", "month", "day", "hour", "minute", "second", "microsecond")
    ),
    datetime.date: frozenset(("year", "month", "day")),
    datetime.time: frozenset(("hour", "minute", "second", "microsecond")),
    datetime.timedelta: frozenset(("days", "seconds", "microseconds")),
}


class ExpressionError(ConfigurationError):
    """An expression is wrong, forbidden, or could not be computed for its data."""


def check_length(value: Any) -> Any:
    """Return a value, or refuse it when it is too long."""
    if isinstance(value, (str, bytes, list, tuple)) and len(value) > MAX_LENGTH:
        raise ValueError(f"the result is longer than {MAX_LENGTH}")
    return value


def power(base: Any, exponent: Any) -> Any:
    """Return a power whose size is bounded."""
    if isinstance(base, int) and isinstance(exponent, int):
        if abs(base).bit_length() * abs(exponent) > MAX_BITS:
            raise ValueError(f"the power has more than {MAX_BITS} bits")
    elif not isinstance(base, (int, float)) or not isinstance(exponent, (int, float)):
        raise TypeError("** is for numbers")
    return base**exponent


def modulo(left: Any, right: Any) -> Any:
    """Return a remainder; no formatting of strings."""
    if isinstance(left, (str, bytes)):
        raise TypeError("% is for numbers; it formats no strings here")
    return left % right


def replace(text: Any, old: Any, new: Any) -> str:
    """Return a str with all of one substring replaced."""
    if not all(isinstance(part, str) for part in (text, old, new)):
        raise TypeError("replace(text, old, new) is for strings")
    check_length(" " * min(text.count(old) * len(new), MAX_LENGTH + 1))
    result: str = text.replace(old, new)
    return result


def join(separator: Any, parts: Iterable[Any]) -> str:
    """Return strings joined by a separator."""
    listed = [str(part) for part in parts]
    size = sum(map(len, listed)) + len(separator) * len(listed)
    check_length(" " * min(size, MAX_LENGTH + 1))
    result: str = separator.join(listed)
    return result


# Without keywords: `key=` would call what it is given.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lambda value: abs(value),
    "all": lambda values: all(values),
    "any": lambda values: any(values),
    "bool": lambda value=False: bool(value),
    "float": lambda value=0.0: float(value),
    "int": lambda value=0: int(value),
    "join": join,
    "len": lambda value: len(value),
    "list": lambda values=(): list(values),
    "lower": lambda text: str(text).lower(),
    "max": lambda *values: max(*values),
    "min": lambda *values: min(*values),
    "replace": replace,
    "round": lambda value, digits=None: round(value, digits),
    "sorted": lambda values: sorted(values),
    "str": lambda value="": check_length(str(value)),
    "strip": lambda text: str(text).strip(),
    "sum": lambda values: sum(values),
    "upper": lambda text: str(text).upper(),
}


class Expression:
    """A checked expression over some variables.

    Args:
        text: One Python expression; calls only of the functions of this module and
            of harmless methods of strings, dicts and lists.
        variables: Names that it may use.
        where: What it belongs to, for messages.

    Raises:
        ExpressionError: It can't be parsed, or uses what is not allowed.
        ConfigurationError: `simpleeval` is not installed.

    Example:
        >>> Expression("data['age'] >= 18", ["data"], "condition").evaluate(
        ...     {"data": {"age": 20}})
        True
    """

    def __init__(self, text: str, variables: Iterable[str], where: str) -> None:
        self.text = text
        self.where = where
        self._variables = tuple(variables)
        self._library = load_extra("simpleeval", f"the expression {text!r} ({where})")
        self._tree = self._parse()
        self._local = threading.local()

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Compute the expression.

        Args:
            variables: A value for each of its names.

        Raises:
            ExpressionError: It can't be computed for these values.
        """
        evaluator = getattr(self._local, "evaluator", None)
        if evaluator is None:
            evaluator = self._local.evaluator = make_evaluator(self._library)
        evaluator.names = variables
        try:
            return evaluator.eval(self.text, previously_parsed=self._tree)
        except RecursionError:
            raise self._error("it is nested too deeply") from None
        except Exception as error:
            raise self._error(f"{type(error).__name__}: {error}") from error
        finally:
            evaluator.names = {}

    def _error(self, why: str) -> ExpressionError:
        return ExpressionError(f"{self.where}: expression {self.text!r}: {why}")

    def _parse(self) -> ast.expr:
        if len(self.text) > MAX_TEXT:
            raise self._error(f"it is longer than {MAX_TEXT} characters")
        try:
            tree = ast.parse(self.text.strip(), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise self._error(f"it can't be parsed: {error}") from None
        nodes = list(ast.walk(tree))
        if len(nodes) > MAX_NODES:
            raise self._error(f"it has more than {MAX_NODES} parts")
        for node in nodes:
            self._check(node)
        return tree.body

    def _check(self, node: ast.AST) -> None:
        if not isinstance(node, ALLOWED):
            raise self._error(f"{type(node).__name__} is not allowed")
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            raise self._error(f"the attribute {node.attr!r} is not allowed")
        if isinstance(node, ast.keyword) and node.arg is None:
            raise self._error("** in a call is not allowed")
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
                return
            if isinstance(node.func, ast.Name):
                hint = name_hint(node.func.id, FUNCTIONS, "functions")
                raise self._error(f"there is no function {node.func.id!r}. {hint}")
            if not isinstance(node.func, ast.Attribute):
                raise self._error("only functions and methods can be called")
            if not any(node.func.attr in allowed for allowed in METHODS.values()):
                raise self._error(f"the method {node.func.attr!r} is not allowed")
        if isinstance(node, ast.Name) and node.id not in {*self._variables, *FUNCTIONS}:
            hint = name_hint(node.id, self._variables, "variables")
            raise self._error(f"there is no variable {node.id!r}. {hint}")


def field_of(value: Any, name: str) -> Any:
    """Return what `value.name` means in an expression: a field of data, or a refusal.

    A key of a mapping, a field of a dataclass, a pydantic model or a named tuple, or a
    part of a date or time. No other attribute of any object.
    """
    if isinstance(value, Mapping):
        return value[name]
    cls = type(value)
    allowed = FIELDS.get(cls) or (
        *getattr(cls, "__dataclass_fields__", ()),
        *getattr(cls, "model_fields", getattr(cls, "__pydantic_fields__", ())),
        *(getattr(cls, "_fields", ()) if issubclass(cls, tuple) else ()),
    )
    if name.startswith("_") or name not in allowed:
        raise AttributeError(f"{cls.__name__} has no field {name!r}")
    return getattr(value, name)


def method_of(value: Any, name: str) -> Any:
    """Return a method that an expression may call, or refuse it."""
    if not any(name in METHODS.get(cls, ()) for cls in type(value).__mro__):
        raise AttributeError(f"{type(value).__name__} has no method {name!r} here")
    return getattr(value, name)


def make_evaluator(library: Any) -> Any:
    """Return a `simpleeval` evaluator, narrowed to what this module allows."""
    evaluator = library.EvalWithCompoundTypes(functions=dict(FUNCTIONS), names={})
    evaluator.functions = FUNCTIONS  # the class adds `list`, `dict` and others
    for node, function in {ast.Pow: power, ast.Mod: modulo}.items():
        evaluator.operators[node] = function

    def call(node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute):
            owner = evaluator._eval(node.func.value)
            function = method_of(owner, node.func.attr)
        else:
            assert isinstance(node.func, ast.Name)
            function = FUNCTIONS[node.func.id]
        arguments = [evaluator._eval(part) for part in node.args]
        keywords = {
            str(part.arg): evaluator._eval(part.value) for part in node.keywords
        }
        return check_length(function(*arguments, **keywords))

    evaluator.nodes = {
        node: handler
        for node, handler in evaluator.nodes.items()
        if issubclass(node, ALLOWED)
    }
    evaluator.nodes[ast.Call] = call
    evaluator.nodes[ast.Attribute] = lambda node: field_of(
        evaluator._eval(node.value), node.attr
    )
    # Its own check walks through all data at each step; nothing that it looks for can
    # be called or entered here.
    evaluator._check_disallowed_items = lambda item: None
    return evaluator
