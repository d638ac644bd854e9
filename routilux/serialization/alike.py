"""Alike: whether two calls of one constructor made two equal things.

Functions inside of functions, bound methods, `functools.partial` and callable objects
have no name that leads to them, and are not equal to one another. They are alike when
the code is the same and every value that it holds is: defaults, enclosed variables,
attributes. Where one holds a routine, its slots or events, the other holds its twin's.
What shows no values, such as a lock or an open file, is alike if its class is the same:
no document holds those, so making it anew is all that can be done.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
)
from typing import Any

from routilux._core import Event, Policy, Slot
from routilux.errors import SerializationError
from routilux.serialization.values import encode

__all__ = ["Alike"]


class Alike:
    """Compares what belongs to a routine with what belongs to its twin.

    Args:
        routine: The routine.
        twin: The routine that the same constructor made.
        constructed: The constructor set what is compared, so that what shows its values
            only to pickle, such as an iterator, is alike if its class is: it differs
            by how far it went, and begins anew.

    Thread-safety: an object is for one comparison, on one thread.
    """

    def __init__(self, routine: Any, twin: Any, constructed: bool = False) -> None:
        self._constructed = constructed
        self._routine = routine
        self._twin = twin
        # Pairs that are being compared, kept alive so that their ids stay theirs: a
        # function may enclose itself.
        self._seen: dict[tuple[int, int], tuple[Any, Any]] = {}

    def check(self, one: Any, other: Any) -> bool:
        """Whether the second is to the twin what the first is to the routine."""
        try:
            return self._check(one, other)
        except RecursionError:
            return False

    def _check(self, one: Any, other: Any) -> bool:
        if one is self._routine or other is self._twin:
            return one is self._routine and other is self._twin
        if one is other:
            return True
        if type(one) is not type(other):
            return False
        pair = (id(one), id(other))
        if pair in self._seen:
            return True
        self._seen[pair] = (one, other)
        parts = PARTS.get(type(one))
        if parts is not None:
            return self._all(parts(one), parts(other))
        if isinstance(one, dict):
            same_keys = list(one) == list(other)
            return same_keys and self._contents(
                one, other, one.values(), other.values()
            )
        if isinstance(one, (list, tuple)):
            return self._contents(one, other, one, other)
        return self._values(one, other)

    def _contents(
        self, one: Any, other: Any, ones: Iterable[Any], others: Iterable[Any]
    ) -> bool:
        if not self._all(ones, others):
            return False
        # A subclass has attributes beside its items, a defaultdict its factory.
        plain = type(one) in (dict, list, tuple)
        return plain or self._all(_state(one), _state(other))

    def _all(self, ones: Iterable[Any], others: Iterable[Any]) -> bool:
        left, right = list(ones), list(others)
        return len(left) == len(right) and all(map(self._check, left, right))

    def _values(self, one: Any, other: Any) -> bool:
        try:
            # Tells apart what == does not (1 and True), and knows arrays and nan.
            return bool(encode(one) == encode(other))
        except SerializationError:
            pass
        cls: Any = type(one)
        if cls.__eq__ is not object.__eq__:
            try:
                return bool(one == other)
            except Exception:  # code of the user
                return False
        if not self._all(_state(one), _state(other)):
            return False
        return self._constructed or self._check(_reduced(one), _reduced(other))


def _reduced(value: Any) -> Any:
    # What pickle would make it again of: an object of a C type, such as an itemgetter,
    # has no attributes, but shows its values there. None if it has no such form.
    if isinstance(value, itertools.count):
        return repr(value)  # its pickling is deprecated, and gone in Python 3.14
    cls: Any = type(value)  # of a class its metaclass, whose method wants the class
    try:
        return cls.__reduce_ex__(value, 2)
    except Exception:  # a TypeError for locks and files; code of the user
        return None


def _state(value: Any) -> list[Any]:
    # The attributes of an object of any class, those in __slots__ by their name.
    slots: dict[str, Any] = {}
    for cls in type(value).__mro__:
        for name, member in vars(cls).items():
            if isinstance(member, MemberDescriptorType):
                with contextlib.suppress(AttributeError):  # not set
                    slots[name] = member.__get__(value)
    return [slots, getattr(value, "__dict__", None)]


def _function(value: FunctionType) -> list[Any]:
    code = id(value.__code__)  # equal code at two places is not the same code
    cells = value.__closure__
    return [code, value.__defaults__, value.__kwdefaults__, cells, value.__dict__]


def _cell(value: CellType) -> list[Any]:
    try:
        return [value.cell_contents]
    except ValueError:  # not filled yet
        return []


# What takes part in the comparison, for exact classes.
PARTS: dict[type, Callable[[Any], Iterable[Any]]] = {
    BuiltinFunctionType: lambda value: [value.__name__, value.__self__],
    CellType: _cell,
    Event: lambda value: [value.name, value.routine],
    FunctionType: _function,
    MethodType: lambda value: [value.__func__, value.__self__],
    Policy: lambda value: [value._policy_type, value._policy_config],
    Slot: lambda value: [value.name, value.routine],
    functools.partial: lambda v: [v.func, v.args, v.keywords, v.__dict__],
}
