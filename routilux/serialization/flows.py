"""Flows as documents, and back."""

from __future__ import annotations

from typing import Any

from routilux.checks import check_name, check_timeout
from routilux.errors import SerializationError
from routilux.flow import Connection, Flow
from routilux.monitoring.flow_registry import FlowRegistry
from routilux.serialization.routines import (
    handler_from,
    handler_to,
    routine_from,
    routine_to,
)
from routilux.serialization.versions import VERSION, bring_up

__all__ = ["connection_to", "flow_from", "flow_to"]

KNOWN = frozenset(
    [
        *("_type", "version", "_serialization_version", "flow_id", "error_handler"),
        *("execution_timeout", "routines", "connections", "dead_letter"),
    ]
)


def flow_to(flow: Flow) -> dict[str, Any]:
    """Return a flow as plain values."""
    handler = flow.error_handler
    where = f"flow {flow.flow_id!r}"
    return {
        "_type": "Flow",
        "version": VERSION,
        "_serialization_version": VERSION,
        "flow_id": flow.flow_id,
        "execution_timeout": flow.execution_timeout,
        "error_handler": None if handler is None else handler_to(handler),
        "routines": {
            routine_id: routine_to(routine, f"routine {routine_id!r} of {where}")
            for routine_id, routine in flow.routines.items()
        },
        "connections": [connection_to(item) for item in flow.connections],
        "dead_letter": flow.dead_letter and list(flow.dead_letter),
    }


def connection_to(connection: Connection) -> dict[str, Any]:
    """Return a connection as plain values."""
    return {
        "_type": "Connection",
        "_source_routine_id": connection.source_routine_id,
        "_source_event_name": connection.source_event_name,
        "_target_routine_id": connection.target_routine_id,
        "_target_slot_name": connection.target_slot_name,
    }


def flow_from(
    document: Any, self: Flow | None = None, strict: bool = False, registry: Any = None
) -> Flow:
    """Return the flow that `flow_to` wrote; `self`, an empty flow, is filled."""
    document = bring_up(document, "a flow")
    unknown = sorted(set(document) - KNOWN)
    if strict and unknown:
        raise SerializationError(f"a document of a flow has no key {unknown[0]!r}")
    if document.get("_type", "Flow") != "Flow":
        raise SerializationError(f"a {document['_type']!r} is no flow")
    flow_id = document.get("flow_id")
    where = f"flow {flow_id!r}"
    listed = document.get("routines") or {}
    if not isinstance(listed, dict):
        raise SerializationError(f"{where}: its routines must be an object")
    routines = {
        routine_id: routine_from(
            facts, None, f"routine {routine_id!r} of {where}", registry
        )
        for routine_id, facts in listed.items()
    }
    handler = handler_from(document.get("error_handler"), where)
    try:
        flow = _empty(self, flow_id, document.get("execution_timeout"))
        for routine_id, routine in routines.items():
            flow.add_routine(routine, routine_id)
        for facts in document.get("connections") or ():
            flow.connect(
                facts["_source_routine_id"],
                facts["_source_event_name"],
                facts["_target_routine_id"],
                facts["_target_slot_name"],
            )
        flow.set_error_handler(handler)
        if document.get("dead_letter") is not None:
            flow.set_dead_letter(*document["dead_letter"])
    except (TypeError, ValueError, KeyError) as error:
        if isinstance(error, SerializationError):
            raise
        raise SerializationError(f"{where}: {type(error).__name__}: {error}") from error
    return flow


def _empty(self: Flow | None, flow_id: Any, timeout: Any) -> Flow:
    if self is None:
        return Flow(flow_id, timeout)
    if self.routines:
        raise SerializationError(f"{self!r} is not empty: make a new one")
    if flow_id is not None:
        self._flow_id = check_name("flow_id", flow_id)
    self.execution_timeout = check_timeout(timeout)
    FlowRegistry.get_instance().register(self)
    return self
