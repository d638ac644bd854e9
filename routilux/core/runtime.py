"""`routilux.Runtime` under its older import path."""

from routilux.runtime import PostResult, Runtime

__all__ = [
    "PostResult",
    "Runtime",
]
