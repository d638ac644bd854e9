"""Workers as documents, and back: states, history, counts; not what is queued."""

from __future__ import annotations

from typing import Any

from routilux.errors import SerializationError
from routilux.history import ExecutionRecord
from routilux.serialization.values import decode, encode
from routilux.serialization.versions import VERSION, bring_up
from routilux.worker import WorkerState

__all__ = ["worker_from", "worker_to"]

LISTS = ("pause_points", "deferred_events", "pending_tasks", "debug_data")
TIMES = ("created_at", "updated_at", "started_at", "completed_at")


def worker_to(worker: WorkerState) -> dict[str, Any]:
    """Return a worker as plain values."""
    where = f"worker {worker.worker_id!r}"
    times = {name: getattr(worker, name) for name in TIMES}
    return {
        "_type": "WorkerState",
        "version": VERSION,
        "flow_id": worker.flow_id,
        "worker_id": worker.worker_id,
        "status": str(worker.status),
        "routine_states": {
            routine_id: encode(state, f"the state of routine {routine_id!r} of {where}")
            for routine_id, state in worker.routine_states.items()
        },
        "execution_history": [
            encode(record.to_dict(), f"the history of {where}")
            for record in worker.execution_history
        ],
        "jobs_processed": worker.jobs_processed,
        "jobs_failed": worker.jobs_failed,
        **{
            key: None if when is None else when.isoformat()
            for key, when in times.items()
        },
        "error": worker.error,
        "error_traceback": worker.error_traceback,
        "max_execution_history": worker.max_execution_history,
        **{name: encode(getattr(worker, name), f"{name} of {where}") for name in LISTS},
    }


def worker_from(
    document: Any, self: WorkerState | None = None, cls: type[WorkerState] = WorkerState
) -> WorkerState:
    """Return a worker that was never started, with what `worker_to` wrote."""
    document = bring_up(document, "a worker")
    if document.get("_type", "WorkerState") != "WorkerState":
        raise SerializationError(f"a {document['_type']!r} is no worker")
    try:
        where = f"worker {document['worker_id']!r}"
        worker = cls() if self is None else self
        if worker.engine is not None:
            raise SerializationError(f"{worker!r} was started: make another one")
        worker._introduce(document["worker_id"], document["flow_id"])
        _fill(worker, document, where)
    except (TypeError, ValueError, KeyError) as error:
        if isinstance(error, SerializationError):
            raise
        text = f"{type(error).__name__}: {error}"
        raise SerializationError(f"a document of a worker: {text}") from error
    return worker


def _fill(worker: WorkerState, document: dict[str, Any], where: str) -> None:
    for routine_id, state in (document.get("routine_states") or {}).items():
        worker.update_routine_state(
            routine_id, decode(state, f"the state of routine {routine_id!r} of {where}")
        )
    worker.max_execution_history = document.get("max_execution_history", 1000)
    for record in document.get("execution_history") or ():
        facts = decode(record, f"the history of {where}")
        known = {key: value for key, value in facts.items() if key != "_type"}
        worker._history.append(ExecutionRecord.from_dict(known))
    worker._counted[:] = [
        document.get("jobs_processed", 0),
        document.get("jobs_failed", 0),
    ]
    worker.error = document.get("error")
    worker.error_traceback = document.get("error_traceback")
    for name in LISTS:
        if document.get(name):
            setattr(worker, name, decode(document[name], f"{name} of {where}"))
    worker._said = document.get("status")
