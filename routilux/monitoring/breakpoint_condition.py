"""The condition of a breakpoint: an expression over the values of an item.

Each key of the item is a variable. The expression is evaluated without `eval`, by the
same narrow evaluator that the built-in routines use: it reaches no attribute of an
object and calls nothing that changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

__all__ = ["evaluate_condition"]


def evaluate_condition(condition: str | None, data: Any) -> bool:
    """Tell whether an item meets a condition.

    Args:
        condition: The expression; None or "" is met by every item.
        data: The item; if it is a mapping, its keys are variables, and "data" is the
            item itself unless it has such a key.

    Raises:
        ValueError: The expression can't be parsed or computed.

    Example:
        >>> evaluate_condition("age >= 18", {"age": 20})
        True
    """
    if not condition:
        return True
    names = {"data": data}
    if isinstance(data, Mapping):
        names |= {str(key): value for key, value in data.items()}
    expressions = import_module("routilux.builtin_routines.expressions")
    expression = expressions.Expression(condition, names, "breakpoint")
    return bool(expression.evaluate(names))
