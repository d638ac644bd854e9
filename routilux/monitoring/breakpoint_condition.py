"""The condition of a breakpoint: an expression over the values of an item.

Each key of the item is a variable. The expression is evaluated without `eval`, by the
same narrow evaluator that the built-in routines use: it reaches no attribute of an
object and calls nothing that changes anything.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from routilux.extras import load_extra

__all__ = ["check_condition", "evaluate_condition"]

logger = logging.getLogger("routilux")


def evaluate_condition(
    condition: str | Callable[[Any], object] | None, data: Any
) -> bool:
    """Tell whether an item meets a condition.

    Args:
        condition: The expression, or a callable that is given the item; None or "" is
            met by every item. What a callable raises is logged, and not met.
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
    if not isinstance(condition, str):
        try:
            return bool(condition(data))
        except Exception:
            logger.exception("routilux: the condition of a breakpoint raised")
            return False
    names = {"data": data}
    if isinstance(data, Mapping):
        names |= {str(key): value for key, value in data.items()}
    expressions = import_module("routilux.builtin_routines.expressions")
    expression = expressions.Expression(condition, names, "breakpoint")
    return bool(expression.evaluate(names))


def check_condition(condition: object) -> None:
    """Raise unless it can be the condition of a breakpoint.

    Raises:
        TypeError: It is no str, callable or None.
        ValueError: The expression can't be parsed.
        ConfigurationError: The extra for expressions is not installed.
    """
    if condition is None or callable(condition):
        return
    if not isinstance(condition, str):
        raise TypeError(
            f"condition must be an expression or a callable, not {condition!r}"
        )
    try:
        ast.parse(condition.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"condition {condition!r}: {error.msg}") from None
    load_extra("simpleeval", "a condition that is an expression")
