"""Routines under their older import path."""

from routilux.context import ExecutionContext
from routilux.routine import Routine
from routilux.routine_config import RoutineConfig

__all__ = [
    "ExecutionContext",
    "Routine",
    "RoutineConfig",
]
