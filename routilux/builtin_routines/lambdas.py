"""Lambdas as expressions, so that a flow that has some can be written to a file.

Only a lambda of one argument whose body is a legal expression has a text; others have
to be named functions.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import CodeType, FunctionType
from typing import Any

from routilux.builtin_routines.expressions import Expression
from routilux.errors import ConfigurationError

__all__ = ["expression_of"]


def expression_of(function: Any) -> str | None:
    """Return a lambda as an expression over `data`, None if it has none.

    Args:
        function: Any callable.

    Example:
        >>> expression_of(lambda item: item["n"] > 3)  # from a file
        "data['n'] > 3"
    """
    if not isinstance(function, FunctionType) or function.__name__ != "<lambda>":
        return None
    if function.__closure__ or function.__code__.co_argcount != 1:
        return None
    bodies = [
        node.body
        for node in lambdas_in(source_of(function))
        if len(node.args.args) == 1 and is_code_of(node, function.__code__)
    ]
    texts = {as_text(body, function.__code__.co_varnames[0]) for body in bodies}
    return texts.pop() if len(texts) == 1 else None


def source_of(function: FunctionType) -> str:
    """Return the lines of source that have a lambda, "" if there is no source."""
    try:
        return textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError):
        return ""


def lambdas_in(source: str) -> list[ast.Lambda]:
    """Return the lambdas in some lines, which may be a part of a statement."""
    # What inspect finds may begin or end inside of brackets: try to close them.
    for prefix in ("", "(", "[", "{", "f("):
        for suffix in ("", ")", "]", "}", "))", "])", "})", ")])", ")]"):
            try:
                tree = ast.parse(prefix + source.rstrip(",") + suffix)
            except (SyntaxError, ValueError):
                continue
            return [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return []


def is_code_of(node: ast.Lambda, code: CodeType) -> bool:
    """Whether a lambda in the source is the one that the code was compiled from."""
    expression = ast.fix_missing_locations(ast.Expression(node))
    compiled = compile(expression, "<lambda>", "eval")
    inner = [part for part in compiled.co_consts if isinstance(part, CodeType)]
    return any(
        part.co_code == code.co_code
        and part.co_names == code.co_names
        and [c for c in part.co_consts if not isinstance(c, CodeType)]
        == [c for c in code.co_consts if not isinstance(c, CodeType)]
        for part in inner
    )


def as_text(body: ast.expr, argument: str) -> str | None:
    """Return the body of a lambda over `data`, None if it is no legal expression."""
    for node in ast.walk(body):
        if isinstance(node, ast.Name) and node.id == argument:
            node.id = "data"
        elif isinstance(node, ast.Name) and node.id == "data":
            return None  # a global of that name
    text = ast.unparse(body)
    try:
        Expression(text, ["data"], "a lambda")
    except ConfigurationError:
        return None
    return text
