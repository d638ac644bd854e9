"""`routilux.Event` under its older import path."""

from routilux._core import Event

__all__ = [
    "Event",
]
