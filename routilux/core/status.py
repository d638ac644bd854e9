"""Words for states under their older import path."""

from routilux._core import JobStatus, WorkerStatus
from routilux.status import ExecutionStatus, RoutineStatus

__all__ = [
    "ExecutionStatus",
    "JobStatus",
    "RoutineStatus",
    "WorkerStatus",
]
