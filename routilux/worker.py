"""WorkerState: a running instance of a flow, as users see it.

Made by `Runtime.exec`, or by hand to be given to it. The compiled half has the queues
and the routine states; this half keeps a short history and what users note on a worker,
and holds it still or stops it. Any thread may call any method; a lock protects the
counters. It is held for single operations, never while code of the user runs.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from routilux._core import (
    JobError,
    WorkerCore,
    WorkerStatus,
    get_current_routine_id,
)
from routilux.arguments import check_seconds, check_type
from routilux.history import ExecutionRecord, History, now
from routilux.serialization.serializable import Serializable

if TYPE_CHECKING:
    from os import PathLike

    from routilux._core import Control
    from routilux.executor import WorkerExecutor
    from routilux.flow import Flow
    from routilux.machine import Machine
    from routilux.runtime import Runtime

__all__ = ["ExecutionRecord", "WorkerState", "WorkerStatus"]

MAX_HISTORY = 1000


def nothing() -> None:
    """Stand in for a weak reference to what is not there."""


class WorkerState(WorkerCore, Serializable):
    """One running instance of a flow: its queues and the states of its routines.

    Routine states belong to the user alone: the runtime never writes there. One that is
    made by hand, or loaded, does nothing until `Runtime.exec(worker_state=...)`.

    Args:
        flow_id: Id of the flow that it is for.
        worker_id: Its id; a random one if None.

    Attributes:
        worker_id: Unique id of the worker.
        flow_id: Id of the flow that it runs.
        job_id: Id of the job that the calling thread posted last to it, or None.
        routine_states: Snapshot of all routine states.
        is_idle: Whether nothing of it is queued, runs, or waits for a retry.
        pause_points: One dict for each `pause`: when, why, and what you noted.
        deferred_events: What `add_deferred_event` noted, until it is resumed.
        pending_tasks: A list for your own use; saved with the worker.
        debug_data: A dict for your own use, by routine id.
        updated_at: When it was paused, resumed or written to last, UTC.
        error, error_traceback: Text and traceback of its newest failure, or None.

    Example:
        >>> worker_state = runtime.exec("my_flow")
        >>> worker_state.update_routine_state("counter", {"n": 1})
        >>> worker_state.get_routine_state("counter")
        {'n': 1}
    """

    # Not in __init__, so that a subclass that forgets super().__init__() works.
    def __new__(cls, *args: Any, **kwargs: Any) -> WorkerState:
        """Make the fields; `__init__` names the worker."""
        self = super().__new__(cls, *args, **kwargs)
        self._history = History(MAX_HISTORY)
        self._lock = threading.Lock()
        self._machine = self._runtime = nothing
        self._counted = [0, 0]
        self._said = None
        self._executor_ = None
        self.pause_points = []
        self.deferred_events = []
        self.pending_tasks = []
        self.debug_data = {}
        self.error = self.error_traceback = None
        self.updated_at = now()
        return self

    _history: History
    _lock: threading.Lock
    _machine: Callable[[], Machine | None]
    _runtime: Callable[[], Runtime | None]
    _counted: list[int]
    _said: str | None
    _executor_: WorkerExecutor | None
    pause_points: list[dict[str, Any]]
    deferred_events: list[dict[str, Any]]
    pending_tasks: list[Any]
    debug_data: dict[str, Any]
    error: str | None
    error_traceback: str | None
    updated_at: datetime

    def __init__(self, flow_id: str = "", worker_id: str | None = None) -> None:
        if worker_id is None:
            worker_id = f"worker_{uuid.uuid4().hex[:8]}"
        self._introduce(worker_id, flow_id)

    @property
    def status(self) -> WorkerStatus:
        """A `WorkerStatus`, which prints as the bare word.

        On a worker that no runtime has started it may be set, to any word; a runtime
        says the status of its own workers itself.
        """
        said = self._said
        return super().status if said is None else cast(WorkerStatus, said)

    @status.setter
    def status(self, value: str) -> None:
        if self.engine is not None:
            raise AttributeError(
                f"the runtime says the status of {self!r}: pause(), resume(), cancel()"
            )
        self._said = value

    @property
    def created_at(self) -> datetime:
        """When it was made, UTC."""
        return self.times[0]

    @property
    def started_at(self) -> datetime | None:
        """When a runtime started it, UTC; None before that."""
        return self.times[1]

    @property
    def completed_at(self) -> datetime | None:
        """When it stopped, UTC; None before that."""
        return self.times[2]

    @property
    def current_routine_id(self) -> str | None:
        """Id of the routine whose logic is calling, None outside of logic."""
        return get_current_routine_id()

    @property
    def jobs_processed(self) -> int:
        """How many of its jobs have completed or failed."""
        return sum(self.job_counts) + self._counted[0]

    @property
    def jobs_failed(self) -> int:
        """How many of its jobs have failed."""
        return self.job_counts[1] + self._counted[1]

    def increment_jobs_processed(self, success: bool = True) -> None:
        """Count a job that you did yourself; the runtime counts its own."""
        with self._lock:
            self._counted[0] += 1
            self._counted[1] += not success

    @property
    def max_execution_history(self) -> int:
        """How many entries the history keeps, at least 10."""
        return self._history.limit

    @max_execution_history.setter
    def max_execution_history(self, value: int) -> None:
        self._history.set_limit(value)

    @property
    def execution_history(self) -> list[ExecutionRecord]:
        """What error handlers let pass, what failed, what you noted; oldest first."""
        return self._history.records()

    def get_execution_history(
        self, routine_id: str | None = None
    ) -> list[ExecutionRecord]:
        """Return the entries of the history, of one routine if it is named."""
        records = self.execution_history
        return [r for r in records if routine_id in (None, r.routine_id)]

    def record_execution(
        self, routine_id: str, event_name: str, data: dict[str, Any] | None = None
    ) -> None:
        """Append an entry to the history.

        Args:
            routine_id: The routine that it is about.
            event_name: What happened, in a word.
            data: Facts worth keeping.
        """
        record = ExecutionRecord(routine_id, event_name, data, self.now())
        self.updated_at = record.timestamp
        self._history.append(record)

    # Called by the core once for each activation that failed its jobs.
    def _note_failure(self, routine_id: str, job_id: str, error: JobError) -> None:
        self.error, self.error_traceback = str(error), error.traceback or None
        self.record_execution(
            routine_id, "logic_error", {"error": str(error), "job_id": job_id}
        )

    def add_deferred_event(
        self, routine_id: str, event_name: str, data: dict[str, Any] | None = None
    ) -> None:
        """Note an event that is emitted, as a job of its own, when it is resumed.

        Args:
            routine_id: The routine that emits it.
            event_name: One of its events.
            data: The values; every connected slot gets them as one dict.

        Raises:
            ValueError: Its flow, if it was started, has no such routine or event.
        """
        if self.engine is not None:
            self.get_event_count(routine_id, event_name)  # raises if there is none
        noted = {"routine_id": routine_id, "event_name": event_name, "data": data or {}}
        with self._lock:
            self.deferred_events.append(noted)

    def pause(
        self,
        reason: str = "",
        checkpoint: Any = None,
        *,
        wait: bool = True,
        timeout: float | None = None,
    ) -> bool:
        """Begin no activation any more, and wait until those that run have ended.

        Posts still queue up. What runs may emit over the bound of full slots. A worker
        that is paused when its runtime shuts down has its jobs cancelled.

        Args:
            reason: Noted in `pause_points`.
            checkpoint: Noted there too; anything that you want to find again.
            wait: False, and inside logic, returns at once.
            timeout: Seconds to wait; None waits without a limit.

        Returns:
            True when nothing of it executes.

        Raises:
            RuntimeError: It was not started, is stopped, or its runtime shuts down.

        Example:
            >>> worker_state.pause("maintenance")
            True
            >>> worker_state.resume()
            True
        """
        core = self._core()
        if not core.pause(self) and self.status != WorkerStatus.PAUSED:
            raise RuntimeError(
                f"{self!r} can't be paused: it does not run, or its runtime shuts down"
            )
        self.updated_at = self.now()
        point = {"timestamp": self.updated_at.isoformat(), "reason": reason}
        self.pause_points.append(point | {"checkpoint": checkpoint})
        return not core.is_inside() and core.wait_idle(self, timeout if wait else 0.0)

    def resume(self) -> bool:
        """Go on after `pause`, and emit the deferred events.

        What one that can't be emitted raises is raised when the rest is emitted.

        Returns:
            True when this call resumed it; False when it was not paused.
        """
        if not self._core().resume(self):
            return False
        self.updated_at = self.now()
        with self._lock:
            events, self.deferred_events = self.deferred_events, []
        if (runtime := self._runtime()) is not None:
            runtime._emit_deferred(self, events)
        return True

    def checkpoint(
        self, path: str | PathLike[str], *, timeout: float | None = None
    ) -> None:
        """Write the paused worker with all that it holds to a file.

        Flow, states, unfinished jobs and queued items; `Runtime.resume` goes on from
        it, in any process. A file that is there is replaced in one step, or stays.

        Args:
            path: The file, JSON.
            timeout: Seconds to wait for logic that still runs; None: without a limit.

        Raises:
            RuntimeError: It is not paused.
            TimeoutError: Logic still runs.
            SerializationError: Something can't be written; the text says what.

        Example:
            >>> worker_state.pause()
            True
            >>> worker_state.checkpoint("work.json")
        """
        from routilux.serialization.checkpoints import write_checkpoint

        write_checkpoint(self, path, timeout)

    def save(self, path: str | PathLike[str]) -> None:
        """Write states, history and counts to a file, not what is queued.

        Raises:
            SerializationError: Something can't be written; the text says what.
        """
        from routilux.serialization.files import write_document

        write_document(path, self.serialize())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> WorkerState:
        """Return a worker, not started, with what `save` wrote.

        Raises:
            SerializationError: The file holds no worker.
        """
        from routilux.serialization.files import read_document

        made: WorkerState = cls.deserialize(read_document(path))
        return made

    @property
    def _executor(self) -> WorkerExecutor:
        from routilux.executor import WorkerExecutor

        if self._executor_ is None:
            self._executor_ = WorkerExecutor(self.flow, self)
        return self._executor_

    def cancel(self, reason: str = "", *, status: str = "cancelled") -> bool:
        """Cancel its jobs and stop it; other workers of the flow are not touched.

        Logic that runs is not interrupted; what it emits is dropped and counted.

        Args:
            reason: Goes into the errors of its jobs.
            status: What `on_worker_stop` hooks are told.

        Returns:
            True when this call stopped it.
        """
        self._core()
        machine = self._machine()
        text = "its worker was stopped" + (f": {reason}" if reason else "")
        return machine is not None and machine.stop_worker(self, text, status)

    def wait_until_idle(self, timeout: float | None = None) -> bool:
        """Sleep until all its jobs are finished; False at the timeout.

        Raises:
            RuntimeError: Inside logic, which would wait for itself.
        """
        end = None
        if timeout is not None:
            end = self.monotonic() + check_seconds("timeout", timeout)
        own = self.worker_id
        while jobs := [j for j in self._core().live_jobs() if j.worker_id == own]:
            for job in jobs:
                left = None if end is None else max(0.0, end - self.monotonic())
                if not job.wait(left):
                    return False
        return True

    @staticmethod
    def wait_for_completion(
        flow: Flow | None,
        worker_state: WorkerState,
        timeout: float | None = None,
        check_interval: float = 0.1,
    ) -> bool:
        """Sleep until all jobs of a worker are finished; see `wait_until_idle`.

        Args:
            flow: The flow of the worker; not needed.
            worker_state: The worker.
            timeout: Seconds; None waits without a limit.
            check_interval: Not needed: the last job's end wakes the caller.

        Returns:
            True when all are finished; False at the timeout.
        """
        check_type("worker_state", worker_state, WorkerState)
        return worker_state.engine is None or worker_state.wait_until_idle(timeout)

    def _core(self) -> Control:
        if self.engine is None:
            raise RuntimeError(f"{self!r} was not started: give it to Runtime.exec()")
        return self.engine
