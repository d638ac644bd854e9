"""Routines made of a function or of a plain class.

`@routine` makes a `Routine` subclass of a function of one item, `@routine_class` one of
a class with a method `process` or `logic`. Both declare slots, events and the policy.
For a chain of plain functions, `pipeline` is shorter and faster.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, overload

from routilux.activation_policies import all_slots_ready_policy, immediate_policy
from routilux.context import is_wanted
from routilux.errors import SlotQueueFullError
from routilux.functions import SKIP, check_function, name_of
from routilux.routine import Routine

__all__ = ["routine", "routine_class"]

Function = Callable[[Any], Any]


@overload
def routine(input_slot: Function, /) -> type[Routine]: ...


@overload
def routine(
    input_slot: str = "input", output_event: str = "output", name: str | None = None
) -> Callable[[Function], type[Routine]]: ...


def routine(
    input_slot: str | Function = "input",
    output_event: str = "output",
    name: str | None = None,
) -> type[Routine] | Callable[[Function], type[Routine]]:
    """Make a `Routine` class of a function of one item.

    1. The class has one slot, one event and the immediate policy.
    2. Each item is passed as `function(item)`.
    3. What it returns is emitted as `result=`; `SKIP` emits nothing.
    4. When it raises and the routine has an event "error", that is emitted with
       `error=` (the text), `error_type=` and `data=` (the item); else it is raised.

    A generator function emits each value, and is closed when its job is cancelled; an
    async function is awaited.

    Args:
        input_slot: Name of the slot.
        output_event: Name of the event.
        name: Name of the class; that of the function if None.

    Returns:
        The class. Its attribute `function` is the function.

    Raises:
        TypeError: If what is decorated is not a function.

    Example:
        >>> @routine(output_event="parsed")
        ... def parse(item):
        ...     return int(item["text"])
        >>> flow.add_routine(parse(), "parse")
        'parse'
    """
    if not isinstance(input_slot, str):
        return make_class(input_slot, "input", output_event, name)
    slot = input_slot

    def decorate(function: Function) -> type[Routine]:
        return make_class(function, slot, output_event, name)

    return decorate


def make_class(
    function: Function, slot: str, event: str, name: str | None
) -> type[Routine]:
    """Return the class for `@routine`."""
    check_function("what @routine decorates", function)

    def set_up(self: Routine) -> None:
        Routine.__init__(self)
        declare(self, [slot], [event])

    body = {
        "__init__": set_up,
        "__doc__": function.__doc__,
        "__module__": getattr(function, "__module__", __name__),
        "function": staticmethod(function),
        "logic": logic_of(lambda self, *items: function(*items), function, event),
    }
    return type(name or name_of(function, "function"), (Routine,), body)


@overload
def routine_class(name: type[Any], /) -> type[Any]: ...


@overload
def routine_class(
    name: str | None = None,
    slots: Iterable[str] | None = None,
    events: Iterable[str] | None = None,
) -> Callable[[type[Any]], type[Any]]: ...


def routine_class(
    name: str | type[Any] | None = None,
    slots: Iterable[str] | None = None,
    events: Iterable[str] | None = None,
) -> type[Any] | Callable[[type[Any]], type[Any]]:
    """Make a `Routine` class of a plain class that has `process` or `logic`.

    `process(item)` is called for each item; with several slots it gets one item of
    each, in their order. What it returns is treated as that of a function under
    `@routine`, for the first of the events. Where a policy hands over more items of one
    slot than of another, the activation fails. `logic(slot_data, policy_message,
    worker_state)` is taken as it is, and can call `self.emit`.

    To type checkers a decorated class is what it was before: let it inherit from
    `Routine` where they look.

    The class may be built with arguments, and may declare more slots and events, or
    set another policy, in its constructor.

    Args:
        name: Name of the new class; that of the decorated one if None.
        slots: Names of its slots; "input" alone if None.
        events: Names of its events; "output" alone if None.

    Returns:
        A subclass of the decorated class and of `Routine`.

    Raises:
        TypeError: If it is no class, or has neither method.

    Example:
        >>> @routine_class(slots=["left", "right"])
        ... class Add:
        ...     def process(self, left, right):
        ...         return left + right
        >>> flow.add_routine(Add(), "add")
        'add'
    """
    inputs = ["input"] if slots is None else list(slots)
    outputs = ["output"] if events is None else list(events)
    if isinstance(name, type):
        return extend_class(name, None, inputs, outputs)
    new_name = name

    def decorate(cls: type[Any]) -> type[Any]:
        return extend_class(cls, new_name, inputs, outputs)

    return decorate


def extend_class(
    cls: type[Any], name: str | None, slots: list[str], events: list[str]
) -> type[Any]:
    """Return the class for `@routine_class`."""
    if not isinstance(cls, type):
        raise TypeError(f"@routine_class decorates a class, not {cls!r}")
    body: dict[str, Any] = {"__doc__": cls.__doc__, "__module__": cls.__module__}
    joins = not hasattr(cls, "logic")
    if joins:
        if not callable(getattr(cls, "process", None)):
            raise TypeError(f"class {cls.__name__} needs a method process or logic")
        event = events[0] if events else None
        body["logic"] = logic_of(
            lambda self, *items: self.process(*items), cls.process, event
        )

    def set_up(self: Any, *args: Any, **kwargs: Any) -> None:
        if cls.__init__ is not object.__init__ or args or kwargs:
            cls.__init__(self, *args, **kwargs)
        declare(self, slots, events, joins)

    body["__init__"] = set_up
    bases = (cls,) if issubclass(cls, Routine) else (cls, Routine)
    return type(name or cls.__name__, bases, body)


def declare(
    routine: Routine, slots: list[str], events: list[str], joins: bool = False
) -> None:
    """Declare what a constructor has not: slots, events and a policy.

    Args:
        routine: The routine.
        slots: Names of its slots.
        events: Names of its events.
        joins: Its logic wants one item of each slot.
    """
    for slot in slots:
        if slot not in routine.slots:
            routine.add_slot(slot)
    for event in events:
        if event not in routine.events:
            routine.add_event(event, ["result"])
    if routine._activation_policy is None:
        several = len(routine.slots) > 1 and joins
        routine.set_activation_policy(
            all_slots_ready_policy() if several else immediate_policy()
        )


def logic_of(
    call: Callable[..., Any], function: Callable[..., Any], event: str | None
) -> Callable[..., Any]:
    """Return a logic that calls a function for each group of items.

    Args:
        call: Calls it: `call(routine, *items)`.
        function: Tells whether it is async and whether it yields.
        event: What its values are emitted by; None: they are dropped.
    """
    if inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(function):
        return logic_of__async(call, inspect.isasyncgenfunction(function), event)
    yields = inspect.isgeneratorfunction(function)

    def logic(self: Routine, slot_data: Any, message: Any, worker_state: Any) -> None:
        for items in groups(slot_data):
            try:
                value = call(self, *items)
                for one in value if yields else (value,):
                    give(self, event, one)
                    if yields and not is_wanted():
                        value.close()  # no job is left that wants the rest
                        return
            except SlotQueueFullError:
                raise
            except Exception as error:
                if not report(self, items, error):
                    raise

    return logic


def logic_of__async(
    call: Callable[..., Any], yields: bool, event: str | None
) -> Callable[..., Any]:
    """Do what `logic_of` does for async functions."""

    async def logic(
        self: Routine, slot_data: Any, message: Any, worker_state: Any
    ) -> None:
        for items in groups(slot_data):
            try:
                if yields:
                    values = call(self, *items)
                    async for one in values:
                        give(self, event, one)
                        if not is_wanted():
                            await values.aclose()
                            return
                else:
                    give(self, event, await call(self, *items))
            except SlotQueueFullError:
                raise
            except Exception as error:
                if not report(self, items, error):
                    raise

    return logic


def groups(slot_data: dict[str, list[Any]]) -> list[tuple[Any, ...]]:
    """Return the items that belong together: one of each slot, or each alone."""
    lists = list(slot_data.values())
    counts = {name: len(items) for name, items in slot_data.items()}
    if all(counts.values()):
        if len(set(counts.values())) > 1:
            raise ValueError(
                "process() takes one item of each slot, but the policy handed over"
                f" {counts}: use all_slots_ready_policy(), or a class with logic()"
            )
        return list(zip(*lists, strict=True))
    return [(item,) for items in lists for item in items]


def give(routine: Routine, event: str | None, value: Any) -> None:
    """Emit what a function returned."""
    if value is not SKIP and event is not None:
        routine.emit(event, result=value)


def report(routine: Routine, items: tuple[Any, ...], error: Exception) -> bool:
    """Emit an error by the event of that name; False if there is none."""
    if "error" not in routine.events:
        return False
    routine.emit(
        "error",
        error=str(error),
        error_type=type(error).__name__,
        data=items[0] if len(items) == 1 else list(items),
    )
    return True
