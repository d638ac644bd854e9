"""Who is running: the job, worker and routine of the calling logic.

The functions answer on the thread that runs the logic and, but for the routine, on
every thread that carries its context (`asyncio.to_thread`, `copy_context().run`).

The `set_*` functions say it by hand where no logic runs, in a test for example; they
change the context of the caller alone. Inside logic the runtime knows better: only the
job can be changed there, and `emit` then works for that job.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, NamedTuple

from routilux._core import (
    JobContext,
    JobStatus,
    get_current_job,
    get_current_job_id,
    get_current_jobs,
    get_current_routine_id,
    get_current_worker_state,
    say_current_job,
    worker_variable,
)

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.worker import WorkerState

__all__ = [
    "ExecutionContext",
    "get_current_execution_context",
    "get_current_job",
    "get_current_job_id",
    "get_current_jobs",
    "get_current_routine_id",
    "get_current_worker_state",
    "set_current_execution_context",
    "set_current_job",
    "set_current_worker_state",
]


UNFINISHED = (JobStatus.PENDING, JobStatus.RUNNING)


class ExecutionContext(NamedTuple):
    """What the calling logic runs for.

    Attributes:
        flow: The flow.
        worker_state: The worker.
        routine_id: Id of the routine.
        job_context: Job of the newest item of the activation.
    """

    flow: Flow | None
    worker_state: WorkerState
    routine_id: str
    job_context: JobContext | None = None


_said: ContextVar[ExecutionContext | None] = ContextVar(
    "routilux_execution_context", default=None
)


def get_current_execution_context() -> ExecutionContext | None:
    """Return what the calling logic runs for, None outside of logic."""
    worker = get_current_worker_state()
    routine_id = get_current_routine_id()
    if worker is None or routine_id is None:
        return _said.get()
    return ExecutionContext(worker.flow, worker, routine_id, get_current_job())


def is_wanted() -> bool:
    """Whether a job still lives that the calling logic runs for; True outside."""
    jobs = get_current_jobs()
    return not jobs or any(job.status in UNFINISHED for job in jobs)


def set_current_execution_context(
    context: ExecutionContext | None,
) -> Token[ExecutionContext | None]:
    """Say what the caller runs for, where no logic runs; None: nothing."""
    if context is not None and not isinstance(context, ExecutionContext):
        raise TypeError(f"context must be an ExecutionContext or None, not {context!r}")
    return _said.set(context)


def set_current_job(job: JobContext | None) -> None:
    """Say which job the caller works for; None: no job.

    Raises:
        TypeError: It is not a `JobContext`.
    """
    if job is not None and not isinstance(job, JobContext):
        raise TypeError(f"job must be a JobContext or None, not {job!r}")
    say_current_job(job)


def set_current_worker_state(worker_state: WorkerState | None) -> Token[Any]:
    """Say which worker the caller belongs to, where no logic runs; None: none.

    Raises:
        TypeError: It is not a `WorkerState`.
    """
    from routilux.worker import WorkerState

    if worker_state is not None and not isinstance(worker_state, WorkerState):
        raise TypeError(f"expected a WorkerState or None, not {worker_state!r}")
    return worker_variable().set(worker_state)
