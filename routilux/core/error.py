"""Error handlers under their older import path."""

from routilux.error_handler import ErrorHandler, ErrorStrategy

__all__ = [
    "ErrorHandler",
    "ErrorStrategy",
]
