"""Protocols of the engine under their older import path."""

from routilux.interfaces import IEventHandler, IEventRouter, IRoutineExecutor

__all__ = [
    "IEventHandler",
    "IEventRouter",
    "IRoutineExecutor",
]
