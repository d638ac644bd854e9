"""What a Runtime answers about its jobs and workers as a whole.

The half of `Runtime` that programs written for older versions use most beside `exec`
and `post`: lists, waits for all workers, the early end of a job, the routing of an
event by hand, and the attributes that they look into. All of it asks the core; nothing
is kept here, and the tables that are answered are copies.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from routilux._core import (
    BulkCore,
    Event,
    JobContext,
    JobStatus,
    get_current_worker_state,
)
from routilux.arguments import check_type
from routilux.checks import find_deferred
from routilux.worker import WorkerState

if TYPE_CHECKING:
    from os import PathLike

    from routilux.flow import Flow
    from routilux.machine import Machine
    from routilux.runtime import Runtime

__all__ = ["Supervision"]


def find_status(status: object) -> JobStatus:
    """Return the status that a text stands for, or raise."""
    for known in JobStatus:
        if isinstance(status, str) and known == status:
            return known
    names = ", ".join(repr(str(known)) for known in JobStatus)
    raise ValueError(f"status must be one of {names}, not {status!r}")


class Supervision(BulkCore):
    """The half of `Runtime` that looks after jobs and workers."""

    _machine: Machine

    def list_jobs(
        self,
        worker_id: str | None = None,
        flow_id: str | None = None,
        status: JobStatus | str | None = None,
    ) -> list[JobContext]:
        """Return jobs, oldest first: those that are not finished, or by status.

        Args:
            worker_id: Only those of this worker.
            flow_id: Only those of this flow.
            status: Only those with this status; the finished ones that `get_job` still
                answers for are found too.

        Raises:
            ValueError: There is no such status.
        """
        jobs = self.core.live_jobs()
        if status is not None:
            wanted = find_status(status)
            jobs = [*self.core.ended_jobs(), *jobs]
            jobs = [job for job in dict.fromkeys(jobs) if job.status == wanted]
        return [
            job
            for job in jobs
            if worker_id in (None, job.worker_id) and flow_id in (None, job.flow_id)
        ]

    def cancel_all(
        self,
        reason: str = "cancelled by cancel_all()",
        *,
        flow_id: str | Flow | None = None,
    ) -> int:
        """Cancel every job that is not finished; the runtime goes on.

        What is queued of them is dropped and counted. Logic that runs is not
        interrupted; what it emits for them is dropped.

        Args:
            reason: What `job.error` says of them.
            flow_id: Only those of this flow.

        Returns:
            How many this call cancelled.

        Raises:
            TypeError: `reason` is not a str.
            ValueError: There is no such flow.
        """
        if not isinstance(reason, str):
            raise TypeError(f"reason must be a str, not {reason!r}")
        wanted = None if flow_id is None else self._resolve(flow_id)
        return self.core.cancel_all(reason, flow_id=wanted)

    def complete_job(
        self, job_id: str, status: str = "completed", error: object = None
    ) -> bool:
        """End a job now, whatever of it is still queued; see `JobContext.complete`.

        Args:
            job_id: The job.
            status: "completed", "failed" or "cancelled".
            error: Why: an exception or a text.

        Returns:
            True when this call ended it; False when it had ended or is unknown.
        """
        check_type("job_id", job_id, str)
        job = self.core.find_job(job_id)
        if job is None or job.status not in (JobStatus.PENDING, JobStatus.RUNNING):
            return False
        job.complete(status, error)
        return job.status == status

    def list_workers(self, flow_id: str | None = None) -> list[WorkerState]:
        """Return the workers that run or are paused, in the order of `exec`."""
        workers = self.core.all_workers()
        return [w for w in workers if flow_id in (None, w.flow_id)]

    def get_worker(self, worker_id: str) -> WorkerState | None:
        """Return the worker with an id that runs or is paused, or None."""
        found = [w for w in self.core.all_workers() if w.worker_id == worker_id]
        return found[0] if found else None

    def wait_until_all_workers_idle(
        self, timeout: float | None = None, check_interval: float = 0.1
    ) -> bool:
        """Sleep until no worker has anything left to do.

        Args:
            timeout: Seconds; None waits without a limit.
            check_interval: Not needed: the last job's end wakes the caller.

        Returns:
            True when all are idle; False at the timeout.

        Raises:
            TypeError: A time is no number.
            ValueError: A time is not more than 0.
        """
        for name, value in (("timeout", timeout), ("check_interval", check_interval)):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{name} must be a number of seconds, not {value!r}")
            if not value > 0:
                raise ValueError(f"{name} must be more than 0, not {value!r}")
        return self.core.wait_all(timeout)

    def resume(
        self,
        path: str | PathLike[str],
        *,
        flow: Flow | None = None,
        worker_id: str | None = None,
        paused: bool = False,
    ) -> WorkerState:
        """Go on from a checkpoint, in this process or another than wrote it.

        1. Reads the file and checks all of it.
        2. Makes the flow again: each routine by its class, from where it is imported.
        3. Starts a worker with states, unfinished jobs and queued items as they were.

        The file is trusted like code, since it says which modules to import.

        Args:
            path: What `WorkerState.checkpoint` wrote.
            flow: A flow to go on with instead of the one in the file, for routines that
                the file can't name; it needs the same routines and slots.
            worker_id: Another id for the worker.
            paused: Start it paused.

        Returns:
            The new worker; its flow is `worker_state.flow`.

        Raises:
            SerializationError: The file is no checkpoint, of another version, or names
                a class, routine or slot that is not there.
            ValueError: The worker_id is taken, or a job of it known to this runtime.
            RuntimeError: After `shutdown()`.

        Example:
            >>> with Runtime() as runtime:
            ...     worker_state = runtime.resume("work.json")
            ...     runtime.wait_until_all_jobs_finished()
        """
        from routilux.serialization.checkpoints import resume_checkpoint

        return resume_checkpoint(cast("Runtime", self), path, flow, worker_id, paused)

    def handle_event_emit(
        self, event: Event, event_data: Mapping[str, Any], worker_state: WorkerState
    ) -> None:
        """Route an event by hand: what `Event.emit` does.

        Inside logic it is an emit of the running activation. Elsewhere it posts the
        values to every slot that the event is connected to, as one job.

        Args:
            event: The event.
            event_data: A mapping whose "data" are the values.
            worker_state: The worker to route in.

        Raises:
            RuntimeError: The worker does not run here.
            ValueError: The flow of the worker has no such event.
        """
        check_type("event", event, Event)
        check_type("event_data", event_data, Mapping)
        check_type("worker_state", worker_state, WorkerState)
        item = dict(event_data.get("data") or {})
        if get_current_worker_state() is worker_state and event.routine is not None:
            event.routine.emit(event.name, **item)
            return
        self._post_event(worker_state, event, item)

    def _post_event(self, worker: WorkerState, event: Event, item: Any) -> None:
        if worker.engine is not self.core:
            raise RuntimeError(f"{worker!r} is not a worker of this runtime")
        job_id = None
        for connection in worker.flow.get_connections_for_event(event):
            value = item
            if connection.target_slot.dtype is not None and len(item) == 1:
                (value,) = item.values()  # as emit does; the rest post() refuses
            posted = self.post(
                worker.flow,
                connection.target_routine_id,
                connection.target_slot_name,
                value,
                worker_id=worker.worker_id,
                job_id=job_id,
            )
            job_id = posted.job_id

    def _emit_deferred(self, worker: WorkerState, events: list[dict[str, Any]]) -> None:
        # One that can't be emitted takes none of its neighbours along.
        failed: Exception | None = None
        for noted in events:
            try:
                event = find_deferred(worker.flow, **noted)
                self._post_event(worker, event, noted["data"])
            except Exception as error:
                failed = failed or error
        if failed is not None:
            raise failed

    @property
    def _shutdown(self) -> bool:
        return not self.core.is_open

    @property
    def _active_workers(self) -> dict[str, WorkerState]:
        return {w.worker_id: w for w in self.core.all_workers()}

    @property
    def _active_jobs(self) -> dict[str, JobContext]:
        return {job.job_id: job for job in self.core.live_jobs()}

    @property
    def _worker_lock(self) -> threading.Lock:
        # Answers `with runtime._worker_lock:`; the tables are copies and need none.
        return threading.Lock()

    _jobs_lock = _worker_lock
