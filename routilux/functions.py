"""Plain functions as routines.

`FunctionRoutine` makes a routine of one function: the item goes in, what the function
returns goes out, and there is no slot, event or policy to declare. A worker calls such
a function directly, without the dicts that a `logic` gets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeGuard, cast

from routilux._core import Skip, immediate_policy
from routilux.routine import Routine

__all__ = ["SKIP", "FunctionRoutine"]

SKIP: Final[Literal[Skip.SKIP]] = Skip.SKIP


class FunctionRoutine(Routine):
    """A routine that is one plain function.

    1. It has a slot "input" and an event "output".
    2. Each item is passed as `function(item)`.
    3. What it returns is emitted, as it is: the next routine's item. `None` is a value
       like any other; `SKIP` emits nothing.
    4. Where the event is not connected, the value becomes the result of the job.

    Its id in a flow is the name of the function, if it has one and none is given. A
    generator function emits each value that it yields; in a flow that has one,
    results of jobs are lists. Both forms may be `async`. With another policy than the
    immediate one, the function gets a list of items.

    Args:
        function: A function of one argument.
        max_queue_length: Items that may wait for it, per worker.

    Raises:
        TypeError: If it is not callable, or is a routine.

    Example:
        >>> flow = Flow("text")
        >>> flow.add_routine(FunctionRoutine(str.upper))
        'upper'
    """

    _is_function = True

    def __init__(
        self, function: Callable[[Any], Any], *, max_queue_length: int = 1000
    ) -> None:
        super().__init__()
        check_function("function", function)
        self._id = name_of(function, self._id)
        self.add_slot("input", max_queue_length)
        self.add_event("output", ["value"])
        self.set_activation_policy(immediate_policy())
        self.set_logic(function)

    def constructor_arguments(self) -> dict[str, Any]:
        """Return the function and the length of the slot."""
        length = self._slots["input"].max_queue_length
        return {"function": self._logic, "max_queue_length": length}


def is_function(value: object) -> TypeGuard[Callable[[Any], Any]]:
    """Whether a value can be the function of a routine; a routine can't."""
    if isinstance(value, type):
        return not issubclass(value, Routine)
    return callable(value) and not isinstance(value, Routine)


def as_routine(value: Routine | Callable[[Any], Any]) -> Routine:
    """Return a routine as it is, a function as a `FunctionRoutine`."""
    return FunctionRoutine(value) if is_function(value) else cast("Routine", value)


def check_function(parameter: str, value: object) -> None:
    """Raise if a value can't be the function of a routine."""
    if is_function(value):
        return
    if isinstance(value, (type, Routine)):
        raise TypeError(
            f"{parameter} must be a plain function, not the routine {value!r}; put"
            " routines into a flow with Flow.pipe() or Flow.add_routine()"
        )
    raise TypeError(f"{parameter} must be callable, not {value!r}")


def name_of(function: object, default: str) -> str:
    """Return the name of a function, a default for those that have none."""
    name = getattr(function, "__name__", "")
    return name if isinstance(name, str) and name.isidentifier() else default
