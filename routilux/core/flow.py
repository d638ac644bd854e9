"""`routilux.Flow` and what belongs to it under their older import path."""

from routilux.errors import WorkerNotRunningError
from routilux.flow import Flow
from routilux.graph import Connection
from routilux.routine_config import RoutineConfig

__all__ = [
    "Connection",
    "Flow",
    "RoutineConfig",
    "WorkerNotRunningError",
]
