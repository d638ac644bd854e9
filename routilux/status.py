"""Words for the state of a worker or routine that older programs compare with.

The runtime itself answers a `WorkerStatus` for a worker and a `JobStatus` for a job.
All of them are strings, so members of different enums with one word are equal.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["ExecutionStatus", "RoutineStatus"]


class ExecutionStatus(str, Enum):
    """How an execution goes; compares equal to its plain string."""

    PENDING = "pending"
    RUNNING = "running"
    IDLE = "idle"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(str(self.value), spec)


class RoutineStatus(str, Enum):
    """How a routine goes; compares equal to its plain string."""

    PENDING = "pending"
    RUNNING = "running"
    IDLE = "idle"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ERROR_CONTINUED = "error_continued"
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(str(self.value), spec)
