"""The exceptions of `routilux.errors` under their older import path."""

from routilux.errors import (
    ActivationTimeout,
    ConfigurationError,
    DeadlineExceeded,
    ExecutionError,
    JobCancelledError,
    JobFailedError,
    QueueFullError,
    RoutiluxError,
    SerializationError,
    SlotHandlerError,
    SlotQueueFullError,
    StateError,
    WorkerNotRunningError,
)
from routilux.validators import ValidationError

__all__ = [
    "ActivationTimeout",
    "ConfigurationError",
    "DeadlineExceeded",
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
