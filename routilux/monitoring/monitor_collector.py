"""MonitorCollector: what happened to each job, event by event, and its numbers.

Fed by `MonitoringExecutionHooks`, or by hand. It keeps the newest events of each job
and the newest jobs, so that it can run for ever; one lock protects all of it and is
held for a few steps of bookkeeping.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

__all__ = [
    "ErrorRecord",
    "ExecutionEvent",
    "ExecutionMetrics",
    "MonitorCollector",
    "RoutineMetrics",
    "set_max_events_per_job",
]

MAX_JOBS = 10_000
_default_limit = 1000


def set_max_events_per_job(limit: int) -> None:
    """Set how many events of each job collectors keep that are made from now on.

    Raises:
        ValueError: It is less than 1.
    """
    global _default_limit
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit must be an int, not {limit!r}")
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    _default_limit = limit


def now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class ExecutionEvent:
    """One thing that happened to a job.

    Attributes:
        event_id: Its number within the job, from 1.
        job_id: The job.
        event_type: For example "routine_start", "event_emit", "slot_call".
        routine_id: The routine that it is about, or None.
        timestamp: When it happened, UTC.
        data: What else is known.
        duration: Seconds, where something ended.
        status: How it ended.
    """

    event_id: int
    job_id: str
    event_type: str
    routine_id: str | None = None
    timestamp: datetime = field(default_factory=now)
    data: dict[str, Any] = field(default_factory=dict)
    duration: float | None = None
    status: str | None = None


@dataclass
class ErrorRecord:
    """One error of a job: which routine, when, and what it was."""

    routine_id: str
    timestamp: datetime
    error_type: str
    error_message: str


@dataclass
class RoutineMetrics:
    """Numbers of one routine within one job; times in seconds."""

    routine_id: str
    execution_count: int = 0
    error_count: int = 0
    total_duration: float = 0.0
    min_duration: float | None = None
    max_duration: float | None = None
    last_execution: datetime | None = None

    @property
    def success_count(self) -> int:
        """Executions without an error."""
        return self.execution_count - self.error_count

    @property
    def avg_duration(self) -> float:
        """Mean time of an execution, 0.0 before the first."""
        return self.total_duration / max(1, self.execution_count)


@dataclass
class ExecutionMetrics:
    """Numbers of one job; `end_time` and `duration` are None while it lives."""

    job_id: str
    flow_id: str
    start_time: datetime
    end_time: datetime | None = None
    duration: float | None = None
    status: str = "running"
    routine_metrics: dict[str, RoutineMetrics] = field(default_factory=dict)
    total_events: int = 0
    total_slot_calls: int = 0
    total_event_emits: int = 0
    errors: list[ErrorRecord] = field(default_factory=list)


class _Job:
    def __init__(self, job_id: str, flow_id: str, limit: int) -> None:
        self.metrics = ExecutionMetrics(job_id, flow_id, now())
        self.events: deque[ExecutionEvent] = deque(maxlen=limit)
        self.begun = time.perf_counter()
        self.starts: dict[str, list[float]] = {}


class MonitorCollector:
    """Collects events and numbers of jobs.

    Thread-safety: every method may be called from any thread.

    Args:
        max_events_per_job: Events kept of each job, the newest; None: 1,000, or what
            `set_max_events_per_job` said.
    """

    def __init__(self, max_events_per_job: int | None = None) -> None:
        if max_events_per_job is not None and max_events_per_job < 1:
            raise ValueError(
                f"max_events_per_job must be at least 1, not {max_events_per_job!r}"
            )
        self.max_events_per_job = max_events_per_job or _default_limit
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()

    def record_flow_start(self, flow_id: str, job_id: str) -> None:
        """Note that a job of a flow began."""
        with self._lock:
            job = self._job(job_id, flow_id)
            job.metrics.flow_id = flow_id
            self._event(job, "flow_start", None, {"flow_id": flow_id})

    def record_flow_end(
        self, flow_id: str, job_id: str, status: str = "completed"
    ) -> None:
        """Note that a job ended, and how."""
        with self._lock:
            job = self._job(job_id, flow_id)
            metrics = job.metrics
            metrics.end_time, metrics.status = now(), str(status)
            metrics.duration = time.perf_counter() - job.begun
            event = self._event(job, "flow_end", None, {"flow_id": flow_id})
            event.status, event.duration = metrics.status, metrics.duration

    def record_routine_start(self, routine_id: str, job_id: str) -> None:
        """Note that logic of a routine is called for a job."""
        with self._lock:
            job = self._job(job_id)
            job.starts.setdefault(routine_id, []).append(time.perf_counter())
            self._event(job, "routine_start", routine_id, {})

    def record_routine_end(
        self,
        routine_id: str,
        job_id: str,
        status: str = "completed",
        error: BaseException | str | None = None,
    ) -> None:
        """Note that it returned or raised."""
        ended = time.perf_counter()
        with self._lock:
            job = self._job(job_id)
            starts = job.starts.get(routine_id)
            duration = ended - starts.pop(0) if starts else 0.0
            self._count(job, routine_id, duration, status, error)

    def record_routine_execution(
        self,
        routine_id: str,
        job_id: str,
        duration: float,
        status: str = "completed",
        error: BaseException | str | None = None,
    ) -> None:
        """Note one execution as a whole, with its time in seconds."""
        with self._lock:
            self._count(self._job(job_id), routine_id, duration, status, error)

    def record_slot_call(
        self, slot_name: str, routine_id: str, job_id: str, data: Any = None
    ) -> None:
        """Note that an item entered a slot."""
        with self._lock:
            job = self._job(job_id)
            job.metrics.total_slot_calls += 1
            facts = {"slot_name": slot_name, "data": data}
            self._event(job, "slot_call", routine_id, facts)

    def record_event_emit(
        self, event_name: str, routine_id: str, job_id: str, data: Any = None
    ) -> None:
        """Note that a routine emitted an event."""
        with self._lock:
            job = self._job(job_id)
            job.metrics.total_event_emits += 1
            facts = {"event_name": event_name, "data": data}
            self._event(job, "event_emit", routine_id, facts)

    def get_metrics(self, job_id: str) -> ExecutionMetrics | None:
        """Return the numbers of a job, None if nothing of it was noted."""
        with self._lock:
            job = self._jobs.get(job_id)
            return None if job is None else job.metrics

    def get_execution_trace(
        self, job_id: str, limit: int | None = None
    ) -> list[ExecutionEvent]:
        """Return the events of a job, oldest first; the newest `limit` of them."""
        with self._lock:
            job = self._jobs.get(job_id)
            events = [] if job is None else list(job.events)
        return events if limit is None else events[max(0, len(events) - limit) :]

    def clear(self, job_id: str | None = None) -> None:
        """Forget a job, or all of them."""
        with self._lock:
            if job_id is None:
                self._jobs.clear()
            else:
                self._jobs.pop(job_id, None)

    # The methods below run under the lock.
    def _job(self, job_id: str, flow_id: str = "") -> _Job:
        job = self._jobs.get(job_id)
        if job is None:
            job = self._jobs[job_id] = _Job(job_id, flow_id, self.max_events_per_job)
            if len(self._jobs) > MAX_JOBS:
                del self._jobs[next(iter(self._jobs))]
        return job

    def _event(
        self, job: _Job, kind: str, routine_id: str | None, data: dict[str, Any]
    ) -> ExecutionEvent:
        job.metrics.total_events += 1
        number = job.metrics.total_events
        event = ExecutionEvent(number, job.metrics.job_id, kind, routine_id, data=data)
        job.events.append(event)
        return event

    def _count(
        self,
        job: _Job,
        routine_id: str,
        duration: float,
        status: str,
        error: BaseException | str | None,
    ) -> None:
        event = self._event(job, "routine_end", routine_id, {})
        event.status, event.duration = str(status), duration
        row = job.metrics.routine_metrics.setdefault(
            routine_id, RoutineMetrics(routine_id)
        )
        row.execution_count += 1
        row.total_duration += duration
        row.min_duration = min(duration, row.min_duration or duration)
        row.max_duration = max(duration, row.max_duration or duration)
        row.last_execution = event.timestamp
        if error is not None:
            kind = type(error).__name__ if isinstance(error, BaseException) else "error"
            record = ErrorRecord(routine_id, event.timestamp, kind, str(error))
            row.error_count += 1
            job.metrics.errors.append(record)
            event.data["error"] = str(error)
