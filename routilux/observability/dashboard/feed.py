"""What the live page shows: the state of a runtime as JSON-ready dicts.

Called on the thread of the server, never by logic. `state` is asked about once a second
while somebody looks; `routine` and `job` when somebody clicks. What users named or
emitted leaves here as plain text, and the page shows it as text.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any

from routilux._core import JobContext
from routilux.errors import name_hint
from routilux.observability.breakpoints import held_items, short
from routilux.observability.explain import Whereabouts, explain

if TYPE_CHECKING:
    from routilux.observability.snapshot import Distribution, RoutineMetrics
    from routilux.runtime import Runtime
    from routilux.worker import WorkerState

__all__ = ["Feed"]

SHOWN = 30  # jobs of a list, items of a slot, errors of a routine
MANY = 5_000  # live jobs: more are counted, not listed


class Feed:
    """What is shown of one runtime.

    It does not keep its runtime alive. Not thread-safe: one thread asks.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._ref = weakref.ref(runtime)
        self._failed: list[JobContext] = []
        self._n_failed = -1

    @property
    def _runtime(self) -> Runtime:
        runtime = self._ref()
        if runtime is None:
            raise RuntimeError("the runtime is gone")
        return runtime

    def state(self) -> dict[str, Any]:
        """Return what the page shows without a click."""
        runtime = self._runtime
        metrics = runtime.metrics()
        now = metrics.taken_at
        rows: dict[str, list[RoutineMetrics]] = {}
        for row in metrics.routines:
            rows.setdefault(row.worker_id, []).append(row)
        edges: dict[str, list[Any]] = {}
        for edge in metrics.edges:
            place = [edge.source, edge.event, edge.target, edge.slot, edge.items]
            edges.setdefault(edge.worker_id, []).append(place)
        return {
            "at": metrics.taken_at,
            "uptime": metrics.uptime,
            "enabled": metrics.enabled,
            "jobs": metrics.jobs,
            "busy": metrics.pumps_busy,
            "pool": metrics.pool_size,
            "waits": metrics.waits_for_room,
            "workers": [
                {
                    "id": worker.worker_id,
                    "flow": worker.flow_id,
                    "status": str(worker.status),
                    "routines": [row_of(r) for r in rows.get(worker.worker_id, ())],
                    "edges": edges.get(worker.worker_id, []),
                }
                for worker in runtime.list_workers()
            ],
            "failed": [brief(job, now) for job in self._failures()[:SHOWN]],
            "live": self._live(metrics.jobs_live, now),
            "held": [str(held) for held in held_items(runtime.core)][:SHOWN],
        }

    def _live(self, number: int, now: float) -> list[dict[str, Any]]:
        if number > MANY:
            return []
        return [brief(job, now) for job in self._runtime.list_jobs()[:SHOWN]]

    def _failures(self) -> list[JobContext]:
        # The history is only looked through when one more has failed.
        number = self._runtime.core.counts()["jobs_failed"]
        if number != self._n_failed:
            self._n_failed = number
            ended = self._runtime.core.ended_jobs()
            found = (job for job in reversed(ended) if str(job.status) == "failed")
            self._failed = [job for job, _ in zip(found, range(200), strict=False)]
        return self._failed

    def routine(self, worker_id: str, routine_id: str) -> dict[str, Any]:
        """Return what the page shows of a routine that was clicked.

        Raises:
            ValueError: No worker has such a routine.
        """
        worker = self._worker(worker_id)
        metrics = self._runtime.metrics()
        row = metrics.routine(routine_id, worker_id)
        here = Whereabouts(self._runtime.core, worker)
        lines = [line for line in here.lines() if repr(routine_id) in line]
        errors = [
            {**brief(job, metrics.taken_at), "traceback": traceback_of(job)}
            for job in self._failures()
            if job.worker_id == worker_id
            and getattr(job.error, "routine_id", None) == routine_id
        ]
        return {
            **row_of(row),
            "worker": worker_id,
            "flow": worker.flow_id,
            "class": type(worker.flow.routines[routine_id]).__name__,
            "times": times_of(row.logic),
            "retries": row.retries,
            "lines": lines,
            "errors": errors[:SHOWN],
            "slots": [
                {
                    "name": slot.name,
                    "depth": slot.depth,
                    "peak": slot.peak,
                    "capacity": slot.capacity,
                    "items_in": slot.items_in,
                    "dropped": slot.dropped,
                    "wait": times_of(slot.wait),
                    "items": items_of(worker, routine_id, slot.name),
                }
                for slot in row.slots.values()
            ],
        }

    def job(self, job_id: str) -> dict[str, Any]:
        """Return what the page shows of a job that was clicked.

        Raises:
            ValueError: The job is unknown.
        """
        job = self._runtime.get_job(job_id)
        if job is None:
            raise ValueError(explain(self._runtime, job_id))
        return {
            **brief(job, self._runtime.metrics().taken_at),
            "traceback": traceback_of(job),
            "explain": explain(self._runtime, job_id),
            "path": path_of(self._runtime, job),
        }

    def _worker(self, worker_id: str) -> WorkerState:
        worker = self._runtime.get_worker(worker_id)
        if worker is None:
            known = [one.worker_id for one in self._runtime.list_workers()]
            hint = name_hint(worker_id, known, "workers")
            raise ValueError(f"Worker {worker_id!r} does not run. {hint}")
        return worker

    def act(self, action: str, target: str) -> str:
        """Do what a button says, and say what was done.

        Args:
            action: "pause" or "resume" a worker, "flush" a flow, "cancel" a job.
            target: The worker's, flow's or job's id.

        Raises:
            ValueError: There is no such action or target.
        """
        runtime = self._runtime
        if action == "pause":
            self._worker(target).pause("on the live page", wait=False)
            return f"worker {target!r} is paused"
        if action == "resume":
            done = self._worker(target).resume()
            return f"worker {target!r} goes on" if done else "it was not paused"
        if action == "flush":
            runtime.core.flush(target)
            return f"partial batches of flow {target!r} run"
        if action == "cancel":
            done = runtime.cancel_job(target)
            return f"job {target!r} is cancelled" if done else "it was over, or unknown"
        known = ["pause", "resume", "flush", "cancel"]
        raise ValueError(f"no action {action!r}. {name_hint(action, known, 'actions')}")


def row_of(row: RoutineMetrics) -> dict[str, Any]:
    """Return the numbers of a routine that the graph shows."""
    return {
        "id": row.routine_id,
        "slots_of": [slot.name for slot in row.slots.values()],
        "activations": row.activations,
        # What entered its slots: it is counted without monitoring, too.
        "arrived": sum(slot.items_in for slot in row.slots.values()),
        "failures": row.failures,
        "running": row.running,
        "depth": row.queue_depth,
        "capacity": sum(slot.capacity for slot in row.slots.values()),
        "dropped": row.dropped,
        "share": row.share,
        "p50": row.logic.p50,
        "p99": row.logic.p99,
    }


def times_of(times: Distribution) -> dict[str, Any]:
    """Return a histogram without the empty buckets at its ends."""
    found = [
        [None if math.isinf(bound) else bound, number]
        for bound, number in times.buckets
    ]
    while found and not found[-1][1]:
        found.pop()
    while found and not found[0][1]:
        found.pop(0)
    return {
        "count": times.count,
        "mean": times.mean,
        "p50": times.p50,
        "p95": times.p95,
        "p99": times.p99,
        "buckets": found,
    }


def brief(job: JobContext, now: float) -> dict[str, Any]:
    """Return a job as a line of a list."""
    end = job.completed_at
    seconds = (end.timestamp() if end else now) - job.created_at.timestamp()
    return {
        "job": job.job_id,
        "worker": job.worker_id,
        "flow": job.flow_id,
        "status": str(job.status),
        "seconds": max(0.0, seconds),
        "error": None if job.error is None else str(job.error),
        "routine": getattr(job.error, "routine_id", None),
    }


def traceback_of(job: JobContext) -> str:
    """Return the traceback of a job that failed, "" of others."""
    return str(getattr(job.error, "traceback", "") or "")


def path_of(runtime: Runtime, job: JobContext) -> list[dict[str, Any]]:
    """Return what a job went through so far: its trace, else the flight recorder."""
    path = [
        {"routine": entry.get("routine_id"), "what": entry.get("action")}
        for entry in job.trace_log
    ]
    if not path:
        path = [
            {"routine": event.routine_id, "what": event.kind}
            for event in runtime.recent()
            if event.job_id == job.job_id and event.routine_id is not None
        ]
    return path[-200:]


def items_of(worker: WorkerState, routine_id: str, slot_name: str) -> list[str]:
    """Return the oldest items of a slot as text."""
    view = worker.get_slot(routine_id, slot_name)
    return [short(item) for item in list(view.peek_all_new())[:SHOWN]]
