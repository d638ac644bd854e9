"""Routines and error handlers as documents, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routilux._core import Event, Slot
from routilux.error_handler import ErrorHandler
from routilux.errors import SerializationError, name_hint
from routilux.routine import Routine
from routilux.serialization.callables import callable_from, callable_to
from routilux.serialization.names import name_of, named
from routilux.serialization.values import decode, encode

__all__ = ["handler_from", "handler_to", "make_routine", "routine_from", "routine_to"]

HANDLER = ("max_retries", "retry_delay", "retry_backoff", "retry_count", "is_critical")
MORE = ("retry_jitter", "max_delay")
SLOT = ("max_queue_length", "watermark", "overflow", "timestamps")


def handler_to(handler: ErrorHandler) -> dict[str, Any]:
    """Return an error handler as plain values.

    Raises:
        SerializationError: Its class can't be made again with the arguments of
            `ErrorHandler`, or has no name.
    """
    document: dict[str, Any] = {
        "_type": "ErrorHandler",
        "strategy": handler.strategy.value,
        **{name: getattr(handler, name) for name in (*HANDLER, *MORE)},
        "retryable_exceptions": encode(handler.retryable_exceptions, "error handler"),
    }
    if type(handler) is not ErrorHandler:
        document["class"] = _name_of(type(handler), "error handler")
        # Made once here, so that a document that is written can be read.
        handler_from(document, f"class {type(handler).__qualname__!r}")
    return document


def handler_from(document: Any, where: str) -> ErrorHandler | None:
    """Return the error handler that `handler_to` wrote; None for None."""
    if document is None:
        return None
    try:
        known = dict(document)
        known.pop("_type", None)
        count = known.pop("retry_count", 0)
        cls = _class_of(known.pop("class", None), ErrorHandler, where) or ErrorHandler
        kinds = decode(known.pop("retryable_exceptions", None), where)
        made = cls(retryable_exceptions=kinds, **known)
    except SerializationError:
        raise
    except Exception as error:  # a constructor of the user
        text = f"{type(error).__name__}: {error}"
        raise SerializationError(
            f"the error handler of {where} can't be made with the arguments of"
            f" ErrorHandler: {text}"
        ) from error
    made.retry_count = count
    return made


def routine_to(routine: Routine, where: str) -> dict[str, Any]:
    """Return a routine as plain values: its class, and what it was given."""
    arguments = encode(routine.constructor_arguments(), f"the arguments of {where}")
    fresh = make_routine(type(routine), arguments, where)
    handler = routine._given_handler()
    fields = routine.serializable_fields()
    document = {
        "_type": type(routine).__qualname__,
        "class": _name_of(type(routine), where),
        "arguments": arguments,
        "_id": routine._id,
        "_config": encode(routine._given_config(), f"the configuration of {where}"),
        "_error_handler": None if handler is None else handler_to(handler),
        "_slots": {name: _slot_to(slot) for name, slot in routine._slots.items()},
        "_events": {
            name: {"_type": "Event", "name": name, "output_params": event.output_params}
            for name, event in routine._events.items()
        },
        **_callables_to(routine, fresh, where),
        "timeout": routine._timeout,
        "fields": {
            name: encode(getattr(routine, name), f"{name} of {where}")
            for name in fields
        },
    }
    if routine._order_chosen:
        document["concurrency"] = encode(
            routine._concurrency, f"the concurrency of {where}"
        )
    return document


def _callables_to(routine: Routine, fresh: Routine, where: str) -> dict[str, Any]:
    constructed = routine._constructed
    return {
        "_activation_policy": callable_to(
            routine._given_policy(),
            routine,
            fresh._activation_policy,
            fresh,
            f"the activation policy of {where}",
            constructed.get("policy", False),
        ),
        "_logic": callable_to(
            routine._logic,
            routine,
            fresh._logic,
            fresh,
            f"the logic of {where}",
            constructed.get("logic", False),
        ),
        "concurrency_key": _key_to(routine, fresh, f"the key of {where}"),
    }


def _key_to(routine: Routine, fresh: Routine, where: str) -> Any:
    key = routine._concurrency_key
    if isinstance(key, str):
        return key
    constructed = routine._constructed.get("key", False)
    return callable_to(key, routine, fresh._concurrency_key, fresh, where, constructed)


def _slot_to(slot: Slot) -> dict[str, Any]:
    facts = {name: getattr(slot, name) for name in SLOT}
    if slot.dtype is not None:
        import numpy

        facts["dtype"] = encode(numpy.lib.format.dtype_to_descr(slot.dtype))
        facts["shape"] = list(slot.shape or ())
    return {"_type": "Slot", "name": slot.name, **facts, "_queue": []}


def make_routine(cls: type[Routine], arguments: dict[str, Any], where: str) -> Routine:
    """Call the class of a routine, with what `constructor_arguments` said.

    Raises:
        SerializationError: It needs more, or raises.
    """
    given = decode(arguments, f"the arguments of {where}")
    try:
        return cls(**given)
    except Exception as error:
        raise SerializationError(
            f"{where}: {cls.__qualname__}() raised {type(error).__name__}: {error}. A"
            " routine in a document is made by calling its class without arguments:"
            " give it configuration instead, or override constructor_arguments()",
            object_type=cls.__qualname__,
        ) from error


def routine_from(
    document: dict[str, Any], self: Routine | None, where: str, registry: Any = None
) -> Routine:
    """Return the routine that `routine_to` wrote; `self` is filled if it is given."""
    if not isinstance(document, dict):
        raise SerializationError(f"{where}: its document must be an object")
    cls = _routine_class(document, where, registry)
    if self is None:
        self = make_routine(cls, document.get("arguments") or {}, where)
    elif not isinstance(self, cls):
        raise SerializationError(
            f"{where}: the document is of {cls.__qualname__}, not of {self!r}"
        )
    try:
        _fill(self, document, where)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        if isinstance(error, SerializationError):
            raise
        raise SerializationError(f"{where}: {type(error).__name__}: {error}") from error
    return self


def _fill(routine: Routine, document: dict[str, Any], where: str) -> None:
    config = decode(document.get("_config") or {}, f"the configuration of {where}")
    routine._take_config(config)
    for facts in _listed(document.get("_slots")):
        _put_slot(routine, facts)
    for facts in _listed(document.get("_events")):
        if facts["name"] not in routine._events:
            name = facts["name"]
            made = Event(name, routine, facts.get("output_params"))
            routine._events[name] = made
    routine.set_error_handler(handler_from(document.get("_error_handler"), where))
    policy = callable_from(
        document.get("_activation_policy"),
        routine,
        routine._activation_policy,
        f"the activation policy of {where}",
    )
    logic = callable_from(
        document.get("_logic"), routine, routine._logic, f"the logic of {where}"
    )
    if policy is not None:
        routine.set_activation_policy(policy)
    if logic is not None:
        routine.set_logic(logic)
    if "concurrency" in document:
        routine._concurrency = decode(document["concurrency"], where)
        routine._order_chosen = True
    if "timeout" in document:
        routine.set_timeout(document["timeout"])
    if "concurrency_key" in document:
        key = document["concurrency_key"]
        if not isinstance(key, str):
            current = routine._concurrency_key
            key = callable_from(key, routine, current, f"the key of {where}")
        routine._concurrency_key = key
    fields = document.get("fields") or {}
    routine.add_serializable_fields(fields)
    for name, value in fields.items():
        setattr(routine, name, decode(value, f"{name} of {where}"))


def _put_slot(routine: Routine, facts: dict[str, Any]) -> None:
    name = facts["name"]
    given = {key: facts[key] for key in SLOT if key in facts}
    if facts.get("dtype") is not None:
        import numpy

        given["dtype"] = numpy.lib.format.descr_to_dtype(decode(facts["dtype"]))
        given["shape"] = tuple(facts["shape"])
    known = routine._slots.get(name)
    if known is None or any(getattr(known, k) != v for k, v in given.items()):
        length = given.pop("max_queue_length", 1000)
        watermark = given.pop("watermark", 0.8)
        routine._slots[name] = Slot(name, routine, length, watermark, **given)


def _listed(value: Any) -> list[dict[str, Any]]:
    return list(value.values()) if isinstance(value, dict) else list(value or ())


def _routine_class(
    document: dict[str, Any], where: str, registry: Any
) -> type[Routine]:
    named = document.get("class")
    kind = document.get("_type", "Routine")
    found: type[Routine] | None = _class_of(named, Routine, where)
    if found is not None:
        return found
    if kind == "Routine":
        return Routine
    known = registry if isinstance(registry, Mapping) else {}
    if kind in known:
        found = _checked(known[kind], Routine, where, kind)
        assert found is not None
        return found
    matches = [cls for cls in _all_below(Routine) if cls.__name__ == kind]
    if len(matches) != 1:
        names = {cls.__name__ for cls in _all_below(Routine)}
        why = (
            "several classes have that name" if matches else "no such class is imported"
        )
        raise SerializationError(
            f"{where} is a {kind!r}: {why}. {name_hint(str(kind), names, 'classes')}",
            object_type=str(kind),
        )
    return matches[0]


def _class_of(reference: Any, base: type, where: str) -> Any:
    if reference is None:
        return None
    try:
        found = named(reference)
    except ValueError as error:
        raise SerializationError(
            f"the class of {where} is not there: {error}", object_type=str(reference)
        ) from error
    return _checked(found, base, where, reference)


def _checked(found: Any, base: type, where: str, name: Any) -> Any:
    if not (isinstance(found, type) and issubclass(found, base)):
        raise SerializationError(f"{where}: {name!r} is no {base.__name__} class")
    return found


def _name_of(cls: type, where: str) -> str:
    try:
        return name_of(cls)
    except ValueError as error:
        raise SerializationError(
            f"the class of {where} can't be named in a document: {error}",
            object_type=cls.__qualname__,
        ) from None


def _all_below(cls: type) -> set[type]:
    found: set[type] = set(cls.__subclasses__())
    return found.union(*(_all_below(sub) for sub in found))
