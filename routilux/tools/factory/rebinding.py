"""Logic and policies of a clone: what was of the original is of the clone.

The clone keeps what its constructor made, if it is what the original has. Any other
function that leads to the original is made again around the clone, since it would emit
from the original. So are the functions that it encloses, and their variables: those
that shared a variable go on to share one, which is the clone's.
"""

from __future__ import annotations

from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

from routilux._core import Event, Policy, Slot
from routilux.activation_policies import custom_policy
from routilux.routine import Routine
from routilux.serialization.callables import same

__all__ = ["Rebinding"]


class Rebinding:
    """Answers what a clone has for each callable of its original.

    Args:
        old: The original.
        new: The clone, with all its slots and events.
    """

    def __init__(self, old: Routine, new: Routine) -> None:
        self._old = old
        self._new = new
        # By the id of the original's, which the original keeps alive.
        self._cells: dict[int, CellType] = {}
        self._functions: dict[int, FunctionType] = {}

    def choose(self, value: Any, made: Any, what: str) -> Any:
        """Return what the clone shall have for a callable.

        Args:
            value: The original's.
            made: What the constructor of the clone put in its place.
            what: "logic", "policy" or "key".
        """
        constructed = self._old._constructed.get(what, False)
        if same(value, made, self._old, self._new, constructed):
            return made
        return self._of(value) if self._leads_to_old(value, set()) else value

    def _leads_to_old(self, value: Any, seen: set[int]) -> bool:
        if value is self._old:
            return True
        if id(value) in seen:
            return False
        seen.add(id(value))
        return any(self._leads_to_old(part, seen) for part in parts_of(value))

    def _of(self, value: Any) -> Any:
        if value is self._old:
            return self._new
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, partial):
            keywords = {key: self._of(item) for key, item in value.keywords.items()}
            return partial(self._of(value.func), *map(self._of, value.args), **keywords)
        if isinstance(value, Policy) and value.check is not None:
            return custom_policy(self._of(value.check))
        if not any(part is self._old for part in parts_of(value)):
            return value
        if isinstance(value, MethodType):
            return MethodType(value.__func__, self._new)
        known: Any = self._new.events if isinstance(value, Event) else self._new.slots
        return known.get(value.name, value)

    def _function(self, value: FunctionType) -> FunctionType:
        if not parts_of(value):
            return value
        cells = tuple(map(self._cell, value.__closure__ or ()))
        known = self._functions.get(id(value))
        if known is not None:  # made meanwhile, for one of its own cells
            return known
        defaults = tuple(map(self._of, value.__defaults__ or ())) or None
        made = FunctionType(
            value.__code__, value.__globals__, value.__name__, defaults, cells or None
        )
        if value.__kwdefaults__:
            keywords = value.__kwdefaults__.items()
            made.__kwdefaults__ = {key: self._of(item) for key, item in keywords}
        made.__qualname__ = value.__qualname__
        made.__dict__.update(value.__dict__)
        self._functions[id(value)] = made
        return made

    def _cell(self, cell: CellType) -> CellType:
        made = self._cells.get(id(cell))
        if made is None:
            made = self._cells[id(cell)] = CellType()
            for value in contents(cell):
                made.cell_contents = self._of(value)
        return made


def parts_of(value: Any) -> list[Any]:
    """Return what a callable, slot or event holds."""
    if isinstance(value, FunctionType):
        cells = value.__closure__ or ()
        enclosed = [item for cell in cells for item in contents(cell)]
        keywords = (value.__kwdefaults__ or {}).values()
        return [*enclosed, *(value.__defaults__ or ()), *keywords]
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, (Event, Slot)):
        return [value.routine]
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    return [value.check] if isinstance(value, Policy) else []


def contents(cell: CellType) -> list[Any]:
    """Return the value of a variable; nothing if it has none yet."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []
