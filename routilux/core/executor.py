"""The handle on a worker under its older import path."""

from routilux.executor import (
    EventRoutingTask,
    SlotActivationTask,
    TaskPriority,
    WorkerExecutor,
)

__all__ = [
    "EventRoutingTask",
    "SlotActivationTask",
    "TaskPriority",
    "WorkerExecutor",
]
