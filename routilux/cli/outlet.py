"""Outlets: routines that write what leaves a flow.

An event leaves the flow if nobody hears it. Of plain functions it is not the event but
the result of the job that counts, so that each item has its answer, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from routilux.activation_policies import immediate_policy
from routilux.checks import find_event, find_routine
from routilux.errors import ConfigurationError
from routilux.flow import Flow
from routilux.routine import Routine

__all__ = ["add_outlets"]


class Outlet(Routine):
    """Writes items.

    Args:
        write: Called with each of them.
        source: "routine.event" that they come from; None: they are written alone.
    """

    def __init__(self, write: Callable[[Any], None], source: str | None) -> None:
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())
        self._write = write
        self._source = source

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        """Write what came."""
        for item in slot_data["input"]:
            if self._source is not None:
                item = {"from": self._source, "data": item}
            self._write(item)


def add_outlets(
    flow: Flow, events: Sequence[str], write: Callable[[Any], None]
) -> bool | None:
    """Connect outlets to the events that leave a flow, or to those that are asked for.

    Args:
        flow: The flow; no worker runs it.
        events: As "routine.event"; none of them: those that nobody hears.
        write: Called with each item, by any thread. Where there are several events
            that nobody hears, it gets `{"from": "routine.event", "data": item}`.

    Returns:
        Whether the results of jobs are to be written: True: each; False: none; None:
        those that are not None.
    """
    if events:
        for routine_id, event in [split(flow, text) for text in events]:
            connect(flow, routine_id, event, Outlet(write, None))
        return False
    heard = {(c.source_routine_id, c.source_event_name) for c in flow.connections}
    left = [
        (routine_id, event)
        for routine_id, routine in flow.routines.items()
        for event in routine.events
        if (routine_id, event) not in heard
    ]
    functions = [pair for pair in left if flow.routines[pair[0]]._is_function]
    others = [pair for pair in left if pair not in functions]
    for routine_id, event in others:
        source = f"{routine_id}.{event}" if len(others) > 1 else None
        connect(flow, routine_id, event, Outlet(write, source))
    return True if functions else None


def split(flow: Flow, text: str) -> tuple[str, str]:
    """Return the two names of "routine.event", which must be there."""
    routine_id, dot, event = text.rpartition(".")
    if not dot:
        raise ConfigurationError(f"--event needs ROUTINE.EVENT, not {text!r}")
    routine = find_routine("Source", flow.flow_id, flow.routines, routine_id)
    find_event(routine, routine_id, event)
    return routine_id, event


def connect(flow: Flow, routine_id: str, event: str, outlet: Outlet) -> None:
    """Add an outlet to a flow, and connect it."""
    added = flow.add_routine(outlet, f"write {routine_id}.{event}")
    flow.connect(routine_id, event, added, "input")
