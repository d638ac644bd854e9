"""`routilux.Connection` under its older import path."""

from routilux.graph import Connection

__all__ = [
    "Connection",
]
