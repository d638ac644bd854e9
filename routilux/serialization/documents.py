"""Flows, routines and workers as documents, and back.

A flow's document has the shape of all of it: the class of each routine by reference,
its configuration, slots, events, policy, logic and error handler, and the connections.
Reading one makes each routine by calling its class without arguments, then gives it
what the document says. Nothing of a running worker is in it; see `checkpoints`.
"""

from __future__ import annotations

from typing import Any

from routilux.errors import SerializationError
from routilux.serialization.flows import connection_to, flow_from, flow_to
from routilux.serialization.routines import (
    handler_from,
    handler_to,
    routine_from,
    routine_to,
)
from routilux.serialization.serializable import Serializable
from routilux.serialization.values import decode, encode
from routilux.serialization.worker_states import worker_from, worker_to

__all__ = ["deserialize", "serialize"]


def serialize(value: Any) -> dict[str, Any]:
    """Return a flow, routine, connection, handler, worker or other as plain values."""
    from routilux.error_handler import ErrorHandler
    from routilux.flow import Connection, Flow
    from routilux.routine import Routine
    from routilux.worker import WorkerState

    if isinstance(value, Flow):
        return flow_to(value)
    if isinstance(value, Routine):
        return routine_to(value, f"{value!r}")
    if isinstance(value, ErrorHandler):
        return handler_to(value)
    if isinstance(value, WorkerState):
        return worker_to(value)
    if isinstance(value, Connection):
        return connection_to(value)
    if isinstance(value, Serializable):
        fields = {n: getattr(value, n) for n in value.serializable_fields()}
        kind = type(value).__qualname__
        return {"_type": kind, **encode(fields, kind)}
    raise SerializationError(f"{value!r} has no form as a document")


def deserialize(
    cls: type, self: Any, data: dict[str, Any], strict: bool, registry: Any
) -> Any:
    """Make an object of a class of what `serialize` returned, or fill one."""
    from routilux.error_handler import ErrorHandler
    from routilux.flow import Flow
    from routilux.routine import Routine
    from routilux.worker import WorkerState

    if issubclass(cls, Flow):
        return flow_from(data, self, strict, registry)
    if not isinstance(data, dict):
        raise SerializationError(f"a document of {cls.__name__} must be an object")
    if issubclass(cls, Routine):
        return routine_from(data, self, "routine", registry)
    if issubclass(cls, ErrorHandler):
        made = handler_from(data, "error handler")
        if self is None:
            return made
        for name in ErrorHandler.__slots__:
            if name != "__dict__":
                setattr(self, name, getattr(made, name))
        return self
    if issubclass(cls, WorkerState):
        return worker_from(data, self, cls)
    return _fields_from(cls, self, data, strict)


def _fields_from(cls: type, self: Any, data: dict[str, Any], strict: bool) -> Any:
    made = cls() if self is None else self
    kind = data.get("_type")
    if kind != cls.__qualname__:
        raise SerializationError(f"a {kind!r} is no {cls.__qualname__!r}", kind)
    fields = {key: value for key, value in data.items() if key != "_type"}
    unknown = [key for key in fields if key not in made.serializable_fields()]
    if strict and unknown:
        raise SerializationError(f"{cls.__qualname__} has no field {unknown[0]!r}")
    for key in unknown:
        del fields[key]
    for key, value in decode(fields, cls.__qualname__).items():
        setattr(made, key, value)
    return made
