"""WorkerState: a running instance of a flow, as users see it.

Made by `Runtime.exec`. The compiled half has the queues and the routine states; this
half keeps the short history of errors that a handler let pass. Any thread may call any
method; a lock protects the history.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timezone
from typing import Any, NamedTuple

from routilux._core import WorkerCore, WorkerStatus, get_current_routine_id

__all__ = ["ExecutionRecord", "WorkerState", "WorkerStatus"]

MAX_HISTORY = 1000


class ExecutionRecord(NamedTuple):
    """One entry of a worker's history.

    Attributes:
        routine_id: The routine that it is about.
        event_name: What happened, in a word.
        data: Facts worth keeping.
        timestamp: When it was written, UTC.
    """

    routine_id: str
    event_name: str
    data: dict[str, Any]
    timestamp: datetime

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return self._asdict() | {"timestamp": self.timestamp.isoformat()}


class WorkerState(WorkerCore):
    """One running instance of a flow: its queues and the states of its routines.

    Routine states belong to the user alone: the runtime never writes there.

    Attributes:
        worker_id: Unique id of the worker.
        flow_id: Id of the flow that it runs.
        status: A `WorkerStatus`; prints as the bare word.
        job_id: Id of the job that the calling thread posted last to it, or None.
        routine_states: Snapshot of all routine states.
        execution_history: What error handlers let pass, oldest first, at most 1,000.

    Example:
        >>> worker_state = runtime.exec("my_flow")
        >>> worker_state.update_routine_state("counter", {"n": 1})
        >>> worker_state.get_routine_state("counter")
        {'n': 1}
    """

    def __init__(self) -> None:
        self._history: deque[ExecutionRecord] = deque()
        self._lock = threading.Lock()

    @property
    def current_routine_id(self) -> str | None:
        """Id of the routine whose logic is calling, None outside of logic."""
        return get_current_routine_id()

    @property
    def execution_history(self) -> list[ExecutionRecord]:
        """Entries of `record_execution`, oldest first."""
        with self._lock:
            return list(self._history)

    def record_execution(
        self, routine_id: str, event_name: str, data: dict[str, Any] | None = None
    ) -> None:
        """Append an entry to the history.

        Args:
            routine_id: The routine that it is about.
            event_name: What happened, in a word.
            data: Facts worth keeping.
        """
        data = {} if data is None else data
        now = datetime.now(timezone.utc)
        record = ExecutionRecord(routine_id, event_name, data, now)
        with self._lock:
            self._history.append(record)
            full = len(self._history) > MAX_HISTORY
            oldest = self._history.popleft() if full else None
        del oldest  # outside the lock: its data is the user's
