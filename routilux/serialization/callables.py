"""Logic and policies in documents: by reference, by name, or by what made them.

A function at the top of a module goes in as "module:name", a method of the routine
itself by its name, a policy of the package by its kind and numbers. What the routine's
own constructor makes (a function inside of `__init__`, mostly) need not go in: making
the routine again makes it again. Anything else is a `SerializationError`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from routilux import activation_policies
from routilux.errors import SerializationError
from routilux.references import is_one
from routilux.serialization.alike import Alike
from routilux.serialization.names import name_of, named

if TYPE_CHECKING:
    from routilux.routine import Routine

__all__ = ["callable_from", "callable_to"]

FACTORIES: dict[str, Callable[..., Any]] = {
    "immediate": activation_policies.immediate_policy,
    "all_slots_ready": activation_policies.all_slots_ready_policy,
    "batch_size": activation_policies.batch_size_policy,
    "time_interval": activation_policies.time_interval_policy,
    "custom": activation_policies.custom_policy,
    "breakpoint": activation_policies.breakpoint_policy,
}


def callable_to(
    value: Any,
    routine: Routine,
    fresh: Any,
    twin: Routine,
    where: str,
    constructed: bool = False,
) -> dict[str, Any] | None:
    """Return a logic or policy as plain values.

    Args:
        value: The callable, or None.
        routine: The routine that has it.
        fresh: What the routine's constructor puts in its place.
        twin: The routine that the constructor made, which has `fresh`.
        where: What it is, for messages.
        constructed: The routine's own constructor set `value`, so that another call of
            it sets it again, whatever it has counted meanwhile.

    Raises:
        SerializationError: It has no name that leads to it.
    """
    if value is None:
        return None
    config = getattr(value, "_policy_config", None)
    kind = getattr(value, "_policy_type", None)
    if kind in FACTORIES and isinstance(config, dict):
        config = {
            key: callable_to(item, routine, None, twin, f"{key} of {where}")
            if callable(item)
            else item
            for key, item in config.items()
        }
        return {"_type": "policy", "kind": kind, "config": config}
    name = method_name(routine, value)
    if name is not None:
        return _told("method", type(routine).__module__, name)
    try:
        module, _, name = name_of(value).partition(":")
        return _told("function", module, name)
    except ValueError as error:
        if (constructed and is_like(value, fresh)) or same(
            value, fresh, routine, twin, constructed
        ):
            return _told(
                "constructor", type(routine).__module__, type(routine).__qualname__
            )
        raise SerializationError(
            f"{where} can't be named in a document: {error}, and it is not what the"
            " routine's constructor sets, the same code with the same values. Make it a"
            " method, a function at the top of a module, or let the constructor set it",
            object_type="callable",
        ) from None


def _told(kind: str, module: str, name: str) -> dict[str, Any]:
    return {"_type": "callable", "callable_type": kind, "module": module, "name": name}


def method_name(routine: Any, value: Any) -> str | None:
    """Return the name by which a routine has a method, None for what is none of its."""
    if getattr(value, "__self__", None) is not routine:
        return None
    name = str(getattr(value, "__name__", ""))
    private = [f"_{cls.__name__.lstrip('_')}{name}" for cls in type(routine).__mro__]
    names = (name, *private)
    return next((n for n in names if is_one(getattr(routine, n, None), value)), None)


def is_like(value: Any, fresh: Any) -> bool:
    """Whether two callables are of one piece of code, or of one class."""
    codes = getattr(value, "__code__", None), getattr(fresh, "__code__", None)
    return type(value) is type(fresh) and codes[0] is codes[1]


def same(
    value: Any, fresh: Any, routine: Any, twin: Any, constructed: bool = False
) -> bool:
    """Whether two callables are the same code with the same values, made by two calls.

    Args:
        value: The callable of a routine.
        fresh: The callable of its twin, or None.
        routine: The routine.
        twin: The routine that the same constructor made; where `value` holds the
            routine, `fresh` has to hold the twin.
        constructed: See `callable_to`.
    """
    return Alike(routine, twin, constructed).check(value, fresh)


def callable_from(
    document: dict[str, Any] | None, routine: Routine, current: Any, where: str
) -> Any:
    """Return the logic or policy that `callable_to` wrote.

    Args:
        document: What it wrote, or None.
        routine: The routine, made again.
        current: What its constructor put there.
        where: What it is, for messages.

    Raises:
        SerializationError: What it names is not there.
    """
    if document is None:
        return None
    try:
        if document["_type"] == "policy":
            config = {
                key: callable_from(item, routine, None, where)
                if isinstance(item, dict)
                else item
                for key, item in document["config"].items()
            }
            values = list(config.values()) if document["kind"] == "custom" else []
            if values:
                return FACTORIES[document["kind"]](*values)
            return FACTORIES[document["kind"]](**config)
        kind, name = document["callable_type"], document["name"]
        if kind == "constructor":
            if current is None:
                raise ValueError(
                    f"the constructor of {type(routine).__name__} sets none"
                )
            return current
        if kind == "method":
            return getattr(routine, name)
        return named(f"{document['module']}:{name}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        text = f"{type(error).__name__}: {error}"
        raise SerializationError(f"{where} can't be found: {text}") from error
