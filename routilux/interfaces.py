"""Protocols: what an object must have to take a part of the engine.

`Event.emit` works with any `IEventRouter`; `Runtime` is one. They are checked by type
checkers, and with `isinstance` at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from routilux._core import Event
    from routilux.worker import WorkerState

__all__ = ["IEventHandler", "IEventRouter", "IRoutineExecutor"]


@runtime_checkable
class IEventRouter(Protocol):
    """Routes an event to the slots that it is connected to."""

    def handle_event_emit(
        self, event: Event, event_data: Mapping[str, Any], worker_state: WorkerState
    ) -> None:
        """Route the values under "data" of `event_data`."""


@runtime_checkable
class IEventHandler(IEventRouter, Protocol):
    """The same, under the name that `Runtime` had."""


@runtime_checkable
class IRoutineExecutor(Protocol):
    """Takes tasks for a worker; `WorkerExecutor` is one."""

    def enqueue_task(self, task: Any) -> None:
        """Take a task."""
