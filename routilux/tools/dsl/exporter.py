"""From a flow to a spec; see `spec` for what a spec is.

A routine is written down as its class, and by what tells it from a new object of that
class: configuration, policy, logic, slots, events, error handler, concurrency. What
has no plain form (a lambda, an open file) is a `ConfigurationError` that names routine
and key; nothing is left out silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from routilux._core import Policy
from routilux.builtin_routines.configured import ConfiguredRoutine
from routilux.error_handler import ErrorHandler
from routilux.errors import ConfigurationError
from routilux.functions import FunctionRoutine
from routilux.references import reference_to
from routilux.serialization.callables import same
from routilux.tools.dsl.ports import export_ports, join_names
from routilux.tools.dsl.spec import HANDLER_KEYS, dump_yaml
from routilux.tools.factory.cloning import is_same, renew

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.routine import Routine
    from routilux.tools.factory.factory import ObjectFactory

__all__ = ["export_flow"]

FORMATS: dict[str, Callable[[Any], Any]] = {
    "dict": lambda spec: spec,
    "json": lambda spec: json.dumps(spec, indent=2, ensure_ascii=False),
    "yaml": dump_yaml,
}


def export_flow(flow: Flow, factory: ObjectFactory, format: str = "dict") -> Any:
    """Write a flow down as a spec.

    Args:
        flow: The flow.
        factory: Its names are used for classes that it has.
        format: "dict", "yaml" or "json".

    Raises:
        ConfigurationError: Something has no plain form; the message names it.
        ValueError: There is no such format.
    """
    if format not in FORMATS:
        words = ", ".join(map(repr, FORMATS))
        raise ValueError(f"format must be one of {words}, not {format!r}")
    spec: dict[str, Any] = {"flow_id": flow.flow_id}
    spec["routines"] = {
        routine_id: export_routine(f"routines.{routine_id}", routine, factory)
        for routine_id, routine in flow.routines.items()
    }
    spec["connections"] = [
        {
            "from": join_names(f"connections[{number}].from", flow, key[:2], "event"),
            "to": join_names(f"connections[{number}].to", flow, key[2:], "slot"),
        }
        for number, key in enumerate(c.key for c in flow.connections)
    ]
    spec["execution"] = {"timeout": flow.execution_timeout}
    if flow.error_handler is not None:
        spec["error_handler"] = export_handler("error_handler", flow.error_handler)
    if flow.dead_letter is not None:
        letter = flow.dead_letter
        spec["dead_letter"] = join_names("dead_letter", flow, letter, "slot")
    return FORMATS[format](plain("the flow", spec))  # ids may be members of an enum


def export_routine(
    where: str, routine: Routine, factory: ObjectFactory
) -> dict[str, Any]:
    """Write a routine down."""
    name = factory.get_factory_name(routine)
    is_function = isinstance(routine, FunctionRoutine)
    kind = routine._logic if is_function else type(routine)
    spec: dict[str, Any] = {"class": name or refer(f"{where}.class", kind)}
    if not is_function and routine.constructor_arguments():
        raise ConfigurationError(
            f"{where}.class can't be written down: {type(routine).__name__} is made"
            " with arguments, and a spec has none: use set_config()"
        )
    fresh: Routine
    if isinstance(routine, FunctionRoutine) and kind is not None:
        fresh = FunctionRoutine(kind)
    else:
        fresh = factory.create(name) if name else renew(routine)
    config, default = routine._given_config(), fresh.config()
    writes = isinstance(routine, ConfiguredRoutine)
    changed = {
        key: plain(f"{where}.config.{key}", value, functions=writes)
        for key, value in config.items()
        if key not in default
        or not (
            is_same(default[key], value) or same(value, default[key], routine, fresh)
        )
    }
    if changed:
        spec["config"] = changed
        fresh.set_config(**{key: config[key] for key in changed})
    export_ports(where, spec, routine, fresh)
    export_callables(where, spec, routine, fresh)
    handler = routine._given_handler()
    if handler is not None:
        spec["error_handler"] = export_handler(f"{where}.error_handler", handler)
    elif fresh._given_handler() is not None:
        raise ConfigurationError(
            f"{where}.error_handler can't be written down: the class sets one, the"
            " routine has none, and a spec can't take it away"
        )
    if routine._timeout != fresh._timeout:
        spec["timeout"] = routine._timeout
    return spec


def export_callables(
    where: str, spec: dict[str, Any], routine: Routine, fresh: Routine
) -> None:
    """Write down policy, logic and concurrency that the class does not set itself."""
    policy, logic = routine._given_policy(), routine._logic
    key, usual = routine._concurrency_key, fresh._concurrency_key

    def is_made(value: Any, other: Any, what: str) -> bool:
        # Making the class again makes it again.
        constructed = routine._constructed.get(what, False)
        return same(value, other, routine, fresh, constructed)

    if policy is not None and not is_made(policy, fresh._activation_policy, "policy"):
        spec["policy"] = export_policy(f"{where}.policy", policy)
    if logic is not None and not is_made(logic, fresh._logic, "logic"):
        spec["logic"] = refer(f"{where}.logic", logic)
    numbers = routine._concurrency, routine._order_chosen
    if numbers == (fresh._concurrency, fresh._order_chosen) and is_made(
        key, usual, "key"
    ):
        return
    spec["concurrency"] = routine._concurrency
    if key is not None:
        text = key if isinstance(key, str) else refer(f"{where}.concurrency.key", key)
        spec["concurrency"] = {"n": routine._concurrency, "key": text}


def export_policy(where: str, policy: Any) -> Any:
    """Write a policy down."""
    if not isinstance(policy, Policy):
        return refer(where, policy)
    if policy.kind == "batch_size":
        spec: dict[str, Any] = {"type": "batch_size"}
        spec["min_batch_size"] = policy.batch_size
        if policy.max_wait is not None:
            spec["max_wait"] = policy.max_wait
        return spec
    if policy.kind == "time_interval":
        return {"type": "time_interval", "min_interval_seconds": policy.interval}
    if policy.kind == "custom":
        return {"type": "custom", "check": refer(f"{where}.check", policy.check)}
    return policy.kind


def export_handler(where: str, handler: ErrorHandler) -> dict[str, Any]:
    """Write an error handler down: its strategy, and what is not the default."""
    if type(handler) is not ErrorHandler:
        raise ConfigurationError(
            f"{where} can't be written down: {type(handler).__name__} decides for"
            " itself, and a spec has only the numbers of an ErrorHandler"
        )
    default = ErrorHandler()
    spec: dict[str, Any] = {"strategy": str(handler.strategy)}
    for key in HANDLER_KEYS[1:]:
        value = getattr(handler, key)
        if value != getattr(default, key):
            spec[key] = plain(f"{where}.{key}", value)
    return spec


def refer(where: str, value: Any) -> str:
    """Return the reference of a class or function."""
    try:
        return reference_to(value)
    except ValueError as error:
        raise ConfigurationError(f"{where} can't be written down: {error}") from error


def plain(
    where: str, value: Any, *, functions: bool = True, inside: tuple[int, ...] = ()
) -> Any:
    """Return a value as plain data.

    Args:
        where: Its place, for messages.
        value: The value.
        functions: Whether whoever reads it takes "module:name" for a callable.
        inside: The ids of what it lies in.
    """
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return bare(kind, value)
    if id(value) in inside:
        raise ConfigurationError(f"{where} can't be written down: it holds itself")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ConfigurationError(
                    f"{where}: the key {key!r} is not a str, so it can't be written"
                )
        names = [bare(str, key) for key in value]
        places = [f"{where}.{name}" for name in names]
        parts = list(zip(places, value.values(), strict=True))
    elif isinstance(value, (set, frozenset)):
        parts = [(where, item) for item in sorted(value, key=repr)]
    elif isinstance(value, (list, tuple)):
        parts = [(f"{where}[{number}]", item) for number, item in enumerate(value)]
    elif callable(value) and functions:
        return refer(where, value)
    else:
        raise ConfigurationError(
            f"{where} can't be written down: {value!r} is no plain data (str, number,"
            " bool, None, list, dict)"
        )
    inside = (*inside, id(value))
    items = [
        plain(place, item, functions=functions, inside=inside) for place, item in parts
    ]
    return dict(zip(names, items, strict=True)) if isinstance(value, Mapping) else items


def bare(kind: Any, value: Any) -> Any:
    """Return a member of an enum, or a number of numpy, as the plain value it is."""
    return {str: str.__str__, int: int.__int__, float: float.__float__}[kind](value)
