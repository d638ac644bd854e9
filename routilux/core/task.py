"""Tasks for a worker under their older import path."""

from routilux.executor import EventRoutingTask, SlotActivationTask, TaskPriority

__all__ = [
    "EventRoutingTask",
    "SlotActivationTask",
    "TaskPriority",
]
