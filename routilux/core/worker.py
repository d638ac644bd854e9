"""Workers under their older import path."""

from routilux.history import ExecutionRecord
from routilux.status import ExecutionStatus, RoutineStatus
from routilux.worker import WorkerState

__all__ = [
    "ExecutionRecord",
    "ExecutionStatus",
    "RoutineStatus",
    "WorkerState",
]
