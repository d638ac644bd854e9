"""The current job, worker and context under their older import path."""

from routilux._core import JobContext, JobStatus
from routilux.context import (
    ExecutionContext,
    get_current_execution_context,
    get_current_job,
    get_current_job_id,
    get_current_jobs,
    get_current_routine_id,
    get_current_worker_state,
    set_current_execution_context,
    set_current_job,
    set_current_worker_state,
)

__all__ = [
    "ExecutionContext",
    "JobContext",
    "JobStatus",
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
