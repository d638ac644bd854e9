"""Flow: routines under ids, and the connections between them.

Users build a flow here; every call checks its arguments at once, so that a wrong
name is reported on the line that has it. What they build, its lock, and how it is
frozen while a worker runs it, is in `shape`. Nothing in this file runs while items
flow. Any thread may call any method; a call that raises has changed nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from routilux._core import Event
from routilux.arguments import check_type
from routilux.checks import (
    check_name,
    check_routine,
    check_timeout,
    find_errors,
    find_event,
    find_routine,
    find_slot,
    find_warnings,
)
from routilux.error_handler import ErrorHandler
from routilux.functions import as_routine
from routilux.graph import Connection
from routilux.monitoring.flow_registry import FlowRegistry
from routilux.observability.drawn import DrawnFlow
from routilux.portable import Portable
from routilux.routine import Routine
from routilux.serialization.serializable import Serializable
from routilux.shape import Shape

__all__ = ["Connection", "Flow"]


class Flow(Shape, Portable, DrawnFlow, Serializable):
    """Routines and the connections between them.

    1. Add routines, each under an id of its own.
    2. Connect events to slots; many to many, and cycles are legal.
    3. Give the flow to `Runtime.exec`, itself or by name or id.

    The flow enters itself in the `FlowRegistry`, which does not keep it alive.
    While a worker runs it, its shape is frozen. One routine object may be in
    several flows, but only once in each.

    Thread-safety: every method may be called from any thread.

    Args:
        flow_id: Id of the flow; a random one if None.
        execution_timeout: Kept as an attribute for callers of older versions,
            seconds; it ends nothing.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the id is empty or the timeout not more than 0.

    Example:
        >>> flow = Flow("orders")
        >>> _ = flow.add_routine(Reader(), "reader")
        >>> _ = flow.add_routine(Parser(), "parser")
        >>> flow.connect("reader", "output", "parser", "input")
        <Connection reader.output -> parser.input>
    """

    def __init__(
        self, flow_id: str | None = None, execution_timeout: float | None = None
    ) -> None:
        super().__init__(
            str(uuid.uuid4()) if flow_id is None else check_name("flow_id", flow_id)
        )
        self.execution_timeout = check_timeout(execution_timeout)
        FlowRegistry.get_instance().register(self)

    @property
    def flow_id(self) -> str:
        """Id of the flow, for good."""
        return self._flow_id

    @property
    def routines(self) -> Mapping[str, Routine]:
        """The routines by id, in the order in which they were added; read-only."""
        return MappingProxyType(self._routines)

    @property
    def connections(self) -> list[Connection]:
        """The connections, in the order in which they were made; a copy."""
        with self._lock:
            return list(self._connections.values())

    @property
    def error_handler(self) -> ErrorHandler | None:
        """Handler for routines that have none of their own, or None."""
        return self._error_handler

    @error_handler.setter
    def error_handler(self, handler: ErrorHandler | None) -> None:
        self.set_error_handler(handler)

    def add_routine(self, routine: Routine, routine_id: str | None = None) -> str:
        """Add a routine.

        Args:
            routine: The routine; an object of yours, not its class.
            routine_id: Id within this flow; the routine's own if None.

        Returns:
            The id.

        Raises:
            TypeError: If it is not a `Routine`, or the id is not a str.
            ValueError: If the flow has the id, or the routine, already.
            RuntimeError: If a worker runs the flow.
        """
        check_routine(routine)
        if routine_id is None:
            routine_id = routine._id
        routine_id = check_name("routine_id", routine_id)
        with self._lock:
            self._check_free()
            if routine_id in self._routines:
                raise ValueError(
                    f"Routine ID {routine_id!r} already exists in flow "
                    f"{self._flow_id!r}; give another routine_id"
                )
            if id(routine) in self._id_of:
                raise ValueError(
                    f"This routine is already in flow {self._flow_id!r}, as "
                    f"{self._id_of[id(routine)]!r}; make another one of its class"
                )
            self._routines[routine_id] = routine
            self._id_of[id(routine)] = routine_id
            self._ranks = None
        return routine_id

    def connect(
        self,
        source_routine_id: str,
        source_event: str,
        target_routine_id: str,
        target_slot: str,
    ) -> Connection:
        """Connect an event of one routine to a slot of another, or of the same.

        To connect the same four names again is allowed and does nothing more:
        the connection that is there is returned, and items are delivered once.

        Args:
            source_routine_id: Id of the routine that emits.
            source_event: Name of its event.
            target_routine_id: Id of the routine that receives.
            target_slot: Name of its slot.

        Returns:
            The connection.

        Raises:
            TypeError: If a name is not a str.
            ValueError: If there is no such routine, event or slot.
            RuntimeError: If a worker runs the flow.
        """
        key = (
            check_name("source_routine_id", source_routine_id),
            check_name("source_event", source_event),
            check_name("target_routine_id", target_routine_id),
            check_name("target_slot", target_slot),
        )
        with self._lock:
            self._check_free()
            known = self._connections.get(key)
            if known is not None:
                return known
            source = find_routine("Source", self._flow_id, self._routines, key[0])
            event = find_event(source, key[0], key[1])
            target = find_routine("Target", self._flow_id, self._routines, key[2])
            slot = find_slot(target, key[2], key[3])
            made = Connection(event, slot, flow=self, key=key)
            self._connections[key] = made
            self._heard.setdefault(id(event), []).append(made)
            self._ranks = None
        return made

    def pipe(
        self,
        routine: Routine | Callable[[Any], Any],
        routine_id: str | None = None,
        *,
        from_routine: str | None = None,
        from_event: str = "output",
        to_slot: str = "input",
    ) -> Flow:
        """Add a routine and connect the routine piped before it to it.

        The first routine of a pipe is only added. Where the connection can't
        be made, the routine is not added either.

        Args:
            routine: The routine, or a plain function (see `FunctionRoutine`).
            routine_id: Id within this flow; if None the routine's own, or the name of
                the function.
            from_routine: Id of the routine to connect from; None for the one
                that was piped last.
            from_event: Name of the event to connect from.
            to_slot: Name of the slot of the new routine.

        Returns:
            The flow, for the next call.

        Raises:
            Exception: What `add_routine` and `connect` raise.

        Example:
            >>> flow = Flow("etl").pipe(Reader(), "read").pipe(Parser(), "parse")
        """
        made = as_routine(routine)
        with self._lock:
            source = self._last_piped if from_routine is None else from_routine
            added = self.add_routine(made, routine_id)
            try:
                if source is not None:
                    self.connect(source, from_event, added, to_slot)
            except BaseException:
                del self._routines[added], self._id_of[id(made)]
                raise
            self._last_piped = added
        return self

    def get_connections_for_event(self, event: Event) -> list[Connection]:
        """Return the connections of an event in this flow, in connect order.

        Args:
            event: The event itself, as `Routine.get_event` returns it.

        Raises:
            TypeError: If it is not an `Event`.
        """
        if not isinstance(event, Event):
            raise TypeError(f"event must be an Event, not {type(event).__name__}")
        with self._lock:
            return list(self._heard.get(id(event), ()))

    def find_routines_by_type(self, cls: type[Routine]) -> list[tuple[str, Routine]]:
        """Return the routines of a class or its subclasses, with their ids.

        Args:
            cls: The class.
        """
        check_type("cls", cls, type)
        with self._lock:
            pairs = list(self._routines.items())
        return [pair for pair in pairs if isinstance(pair[1], cls)]

    def validate(self) -> list[str]:
        """Look for what is wrong or left open; an empty list means nothing.

        Returns:
            One text for each problem, ``"Error: ..."`` for a routine that can't run
            as it is set up, then ``"Warning: ..."`` for a slot or an event without a
            connection.

        Example:
            >>> flow.validate()
            ["Warning: Event 'output' of routine 'last' is not connected: ..."]
        """
        with self._lock:
            routines = dict(self._routines)
            connections = list(self._connections.values())
            letters = self._dead_letter
        warnings = find_warnings(routines, connections, letters)
        return [
            *(f"Error: {text}" for text in find_errors(routines)),
            *(f"Warning: {text}" for text in warnings),
        ]

    def set_error_handler(self, handler: ErrorHandler | None) -> None:
        """Set the handler for routines that have none of their own.

        Args:
            handler: The handler, or None for none.

        Raises:
            TypeError: If it is not an `ErrorHandler`.
            RuntimeError: If a worker runs the flow.
        """
        if handler is not None and not isinstance(handler, ErrorHandler):
            raise TypeError(
                f"handler must be an ErrorHandler or None, not {type(handler).__name__}"
            )
        with self._lock:
            self._check_free()
            self._error_handler = handler

    def set_dead_letter(self, routine_id: str | None, slot: str = "input") -> None:
        """Send every item whose activation failed for good to a slot of the flow.

        The slot gets, in a job of its own for each item, a dict with `item`, `error`
        (as `job.error` has it), `routine`, `slot` and `job_id`; the failed job stays
        failed. Failures of the routine that reads them, and of all that it causes, are
        not sent again.

        Args:
            routine_id: Id of the routine that reads dead letters; None: nobody does.
            slot: Name of its slot.

        Raises:
            TypeError: If a name is not a str.
            ValueError: If there is no such routine or slot, or the slot has a dtype.
            RuntimeError: If a worker runs the flow.

        Example:
            >>> flow.set_dead_letter("failures", "input")
        """
        if routine_id is not None:
            check_name("routine_id", routine_id)
            check_name("slot", slot)
        with self._lock:
            self._check_free()
            if routine_id is None:
                self._dead_letter = None
                return
            reader = find_routine(
                "Dead-letter", self._flow_id, self._routines, routine_id
            )
            if find_slot(reader, routine_id, slot).dtype is not None:
                raise ValueError(
                    f"Slot {slot!r} of routine {routine_id!r} is a typed slot: dead"
                    " letters are dicts"
                )
            self._dead_letter = (routine_id, slot)

    @property
    def dead_letter(self) -> tuple[str, str] | None:
        """Routine and slot that `set_dead_letter` named, or None."""
        return self._dead_letter

    def get_error_handler(self) -> ErrorHandler | None:
        """Return the handler set with `set_error_handler`, or None."""
        return self._error_handler

    def __repr__(self) -> str:
        return (
            f"<Flow {self._flow_id!r}: {len(self._routines)} routines, "
            f"{len(self._connections)} connections>"
        )
