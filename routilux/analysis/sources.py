"""Reading routines out of source files, without running them.

Each function looks at one node of a syntax tree and returns plain data. What is not
written as a literal is given as its source text, in the place of a name within `<>`.
"""

from __future__ import annotations

import ast
from typing import Any

__all__ = ["describe_class", "describe_function", "routine_classes"]

SLOT_CALLS = ("add_slot", "define_slot")
EVENT_CALLS = ("add_event", "define_event")
DECORATORS = ("routine", "register_routine")


def name_of(node: ast.expr) -> str:
    """Return the last part of a name: "Routine" of `routilux.Routine`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return name_of(node.value)
    if isinstance(node, ast.Call):
        return name_of(node.func)
    return node.id if isinstance(node, ast.Name) else ""


def routine_classes(tree: ast.AST) -> list[ast.ClassDef]:
    """Return the classes of a tree that are routines, in the order of the text.

    Routines are classes that derive from a class whose name ends in "Routine", or from
    another one that is a routine here, or that declare a slot or an event.
    """
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    known = {node.name for node in classes if declares(node)}
    size = -1
    while size != len(known):
        size = len(known)
        for node in classes:
            bases = [name_of(base) for base in node.bases]
            if any(base in known or base.endswith("Routine") for base in bases):
                known.add(node.name)
    return sorted(
        (node for node in classes if node.name in known), key=lambda node: node.lineno
    )


def calls_on_self(node: ast.AST, names: tuple[str, ...]) -> list[ast.Call]:
    """Return the calls `self.name(...)` in a node, in the order of the text."""
    found = [
        part
        for part in ast.walk(node)
        if isinstance(part, ast.Call)
        and isinstance(part.func, ast.Attribute)
        and part.func.attr in names
        and isinstance(part.func.value, ast.Name)
        and part.func.value.id == "self"
    ]
    return sorted(found, key=lambda call: (call.lineno, call.col_offset))


def declares(node: ast.ClassDef) -> bool:
    """Whether a class declares a slot or an event."""
    return bool(calls_on_self(node, (*SLOT_CALLS, *EVENT_CALLS)))


def value_of(node: ast.AST) -> Any:
    """Return a literal as its value, anything else as its text."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ast.unparse(node)


def label_of(node: ast.AST) -> str:
    """Return a name that is written as a text, anything else as `<its source text>`."""
    value = value_of(node)
    if isinstance(node, ast.Constant) and isinstance(value, str):
        return value
    return f"<{ast.unparse(node)}>"


def arguments(call: ast.Call, names: tuple[str, ...], **default: Any) -> dict[str, Any]:
    """Return the arguments of a call by name, those of a default behind them."""
    given = {name: value_of(part) for name, part in zip(names, call.args, strict=False)}
    for part in call.keywords:
        if part.arg is not None:
            given[part.arg] = value_of(part.value)
    if "name" in names and "name" in given:
        by_keyword = [part.value for part in call.keywords if part.arg == "name"]
        given["name"] = label_of((by_keyword or call.args)[0])
    return {**given, **{k: v for k, v in default.items() if k not in given}}


def describe_class(node: ast.ClassDef) -> dict[str, Any]:
    """Return what a class says of the routine that it is."""
    slots = calls_on_self(node, SLOT_CALLS)
    events = calls_on_self(node, EVENT_CALLS)
    config: dict[str, Any] = {}
    for call in calls_on_self(node, ("set_config",)):
        config.update(arguments(call, ()))
    return {
        "name": node.name,
        "docstring": ast.get_docstring(node),
        "slots": [
            arguments(call, ("name", "max_queue_length", "watermark")) for call in slots
        ],
        "events": [
            arguments(call, ("name", "output_params"), output_params=[])
            for call in events
        ],
        "config": config,
        "methods": [
            describe_method(part)
            for part in node.body
            if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))
        ],
        "line_number": node.lineno,
    }


def describe_method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, Any]:
    """Return what a method says of itself, and the events that it emits."""
    emits = [
        label_of(call.args[0]) for call in calls_on_self(node, ("emit",)) if call.args
    ]
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return {
        "name": node.name,
        "docstring": ast.get_docstring(node),
        "parameters": [part.arg for part in every if part.arg != "self"],
        "emits": list(dict.fromkeys(emits)),
        "is_async": isinstance(node, ast.AsyncFunctionDef),
        "line_number": node.lineno,
    }


def describe_function(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
) -> dict[str, Any] | None:
    """Return what a decorated function says of the routine that it makes, or None."""
    for decorator in node.decorator_list:
        if name_of(decorator) not in DECORATORS:
            continue
        given: dict[str, Any] = {}
        if isinstance(decorator, ast.Call):
            given = arguments(decorator, ())
        return {
            "name": node.name,
            "docstring": ast.get_docstring(node),
            "slots": [{"name": given.get("input_slot", "input")}],
            "events": [
                {"name": given.get("output_event", "output"), "output_params": []}
            ],
            "config": {},
            "methods": [describe_method(node)],
            "line_number": node.lineno,
        }
    return None
