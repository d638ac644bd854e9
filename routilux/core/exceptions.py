"""The exceptions under their older import path."""

from routilux.exceptions import (
    ConfigurationError,
    ExecutionError,
    JobCancelledError,
    JobFailedError,
    QueueFullError,
    RoutiluxError,
    SerializationError,
    SlotHandlerError,
    SlotQueueFullError,
    StateError,
    ValidationError,
    WorkerNotRunningError,
)

__all__ = [
    "ConfigurationError",
    "ExecutionError",
    "JobCancelledError",
    "JobFailedError",
    "QueueFullError",
    "RoutiluxError",
    "SerializationError",
    "SlotHandlerError",
    "SlotQueueFullError",
    "StateError",
    "ValidationError",
    "WorkerNotRunningError",
]
