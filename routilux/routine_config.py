"""RoutineConfig: set up a routine in a chain of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from routilux.error_handler import ErrorHandler
from routilux.routine import Routine

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RoutineConfig"]


class RoutineConfig:
    """Sets up one routine, call by call.

    Args:
        routine: The routine, afterwards the attribute `routine`.

    Example:
        >>> RoutineConfig(reader).config("path", "in.csv").error_handler(handler)
    """

    def __init__(self, routine: Routine) -> None:
        self.routine = routine

    def config(self, key: str, value: Any) -> Self:
        """Set one configuration value; returns itself."""
        self.routine.set_config(**{key: value})
        return self

    def error_handler(self, handler: ErrorHandler | None) -> Self:
        """Set the error handler; returns itself."""
        self.routine.set_error_handler(handler)
        return self
