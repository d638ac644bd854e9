"""Slots and events in a spec, both ways; see `spec` for what a spec is.

Connections name them as "routine.slot" and "routine.event". Any of these names may have
dots of its own: it is the flow that says where one ends.

A spec lists what a routine has beside the slots and events of its class. Of those it
can change one thing, how many items a slot holds; whatever else differs has no place
in a spec, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from routilux.errors import ConfigurationError
from routilux.tools.dsl.spec import (
    SLOT_KEYS,
    check_keys,
    check_names,
    expect,
    guard,
    part_of,
)

if TYPE_CHECKING:
    from routilux._core import Event, Slot
    from routilux.flow import Flow
    from routilux.routine import Routine

__all__ = ["export_ports", "join_names", "load_ports", "two_names"]


def export_ports(
    where: str, spec: dict[str, Any], routine: Routine, fresh: Routine
) -> None:
    """Write down the slots and events that the class does not have."""
    slots = {
        name: written
        for name, slot in routine.slots.items()
        if (
            written := export_slot(f"{where}.slots.{name}", slot, fresh.slots.get(name))
        )
    }
    events = {
        name: list(event.output_params)
        for name, event in routine.events.items()
        if is_new(f"{where}.events.{name}", event, fresh.events.get(name))
    }
    if slots:
        spec["slots"] = slots
    if events:
        spec["events"] = events


def export_slot(where: str, slot: Slot, known: Slot | None) -> dict[str, Any]:
    """Write down what tells a slot from that of the class."""
    options = options_of(slot)
    if known is None:
        return options
    usual = options_of(known)
    length = options["max_queue_length"]
    if {**options, "max_queue_length": 0} != {**usual, "max_queue_length": 0}:
        raise ConfigurationError(
            f"{where} can't be written down: a spec can change no more of a slot of the"
            f" class than its max_queue_length; it has {options}, the class {usual}"
        )
    return {} if usual == options else {"max_queue_length": length}


def options_of(slot: Slot) -> dict[str, Any]:
    """Return how a slot was declared; what is rarely asked for only if it was."""
    options = {key: getattr(slot, key) for key in SLOT_KEYS[:3]}
    if slot.timestamps:
        options["timestamps"] = True
    if slot.dtype is not None:
        from numpy.lib.format import dtype_to_descr

        options["dtype"] = lists_of(dtype_to_descr(slot.dtype))
        if slot.shape:
            options["shape"] = list(slot.shape)
    return options


def is_new(where: str, event: Event, known: Event | None) -> bool:
    """Whether the class has no such event; raises if it has another."""
    if known is not None and known.output_params != event.output_params:
        raise ConfigurationError(
            f"{where} can't be written down: it has the values {event.output_params},"
            f" that of the class {known.output_params}, and a spec can't change them"
        )
    return known is None


def load_ports(where: str, made: Routine, part: Mapping[str, Any]) -> None:
    """Declare the slots and events that a spec adds to those of the class."""
    for name, options in names_of(f"{where}.slots", part_of(part, "slots", {})):
        at = f"{where}.slots.{name}"
        given = dict(check_keys(at, options or {}, SLOT_KEYS))
        if name in made.slots and set(given) == {"max_queue_length"}:
            guard(at, made.slots[name].resize, **given)
            continue
        if isinstance(given.get("dtype"), list):
            given["dtype"] = guard(f"{at}.dtype", dtype_of, given["dtype"])
        guard(at, made.add_slot, name, **given)
    for name, params in names_of(f"{where}.events", part_of(part, "events", {})):
        at = f"{where}.events.{name}"
        guard(at, made.add_event, name, expect(at, params or [], list, "a list"))


def names_of(where: str, value: Any) -> Any:
    """Return names and what is said about each, of a mapping or a list of names."""
    if isinstance(value, list):
        for name in value:
            expect(f"each name in {where}", name, str, "a name")
        value = dict.fromkeys(value)
    return check_names(where, value).items()


def lists_of(value: Any) -> Any:
    """Return what numpy says of a dtype with lists for its tuples, as YAML has them."""
    return [lists_of(part) for part in value] if not is_plain(value) else value


def is_plain(value: Any) -> bool:
    return not isinstance(value, (list, tuple))


def dtype_of(fields: list[Any]) -> Any:
    """Return the dtype of `[name, dtype]` or `[name, dtype, shape]`, a list of them."""
    from numpy.lib.format import descr_to_dtype

    return descr_to_dtype(tuples_of(fields))


def tuples_of(fields: Any) -> Any:
    """Return fields as numpy wants them: each a tuple, its name and shape too."""
    if is_plain(fields):
        return fields
    return [
        (
            name if is_plain(name) else tuple(name),
            tuples_of(kind),
            *(size if is_plain(size) else tuple(size) for size in shape),
        )
        for name, kind, *shape in fields
    ]


def two_names(where: str, text: Any, flow: Flow, port: str) -> tuple[str, str]:
    """Return the two names that a dot joins, or raise with their place.

    Args:
        where: The place.
        text: "routine.slot" or "routine.event".
        flow: Has the routines.
        port: "slot" or "event".
    """
    letters = text if isinstance(text, str) else ""
    dots = [at for at, letter in enumerate(letters) if letter == "."]
    splits = [(text[:at], text[at + 1 :]) for at in dots if 0 < at < len(text) - 1]
    if not splits:
        raise ConfigurationError(f"{where} must be 'routine.{port}', not {text!r}")
    known = [
        (routine_id, name)
        for routine_id, name in splits
        if routine_id in flow.routines
        and name in getattr(flow.routines[routine_id], f"{port}s")
    ]
    if len(known) > 1:
        ways = " or ".join(f"{port} {name!r} of routine {r!r}" for r, name in known)
        raise ConfigurationError(f"{where}: {text!r} means {ways}; rename one")
    return (known or splits)[-1]


def join_names(where: str, flow: Flow, names: tuple[str, str], port: str) -> str:
    """Return the text for two names; raises if it could mean others as well."""
    text = ".".join(names)
    two_names(where, text, flow, port)
    return text
