"""Clones: a routine or flow again, with queues, state and workers of its own.

A clone is made by the class, not by copying memory: what only a running worker has, and
what others hold, stays with the original.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from routilux.flow import Flow
from routilux.routine import Routine, Slot
from routilux.tools.factory.rebinding import Rebinding

__all__ = ["clone_flow", "clone_routine", "is_same", "make_routine", "renew"]

R = TypeVar("R", bound=Routine)

SLOT = ("watermark", "overflow", "timestamps", "dtype", "shape")


def make_routine(cls: type[R]) -> R:
    """Make a routine of a class, and have its `setup()` declare what it has.

    Raises:
        TypeError: Its constructor wants arguments.
    """
    try:
        made = cls()
    except TypeError as error:
        raise TypeError(
            f"{cls.__name__}() can't be made without arguments: {error}; routines take"
            " none, so that files can name them: use set_config()"
        ) from error
    made._prepare()
    return made


def renew(routine: R) -> R:
    """Return a new routine of the same class, made with the same arguments."""
    arguments = routine.constructor_arguments()
    if not arguments:
        return make_routine(type(routine))
    return type(routine)(**arguments)


def clone_routine(routine: R) -> R:
    """Return another routine of the same class, configured and connected to nothing.

    Slots, events, configuration (a deep copy), policy, logic, error handler,
    concurrency and timeout are those of the original.

    Args:
        routine: The original; it may be running.

    Raises:
        TypeError: It is no routine, or its constructor wants arguments.
    """
    if not isinstance(routine, Routine):
        raise TypeError(f"routine must be a Routine, not {type(routine).__name__}")
    made = renew(routine)
    config = copy.deepcopy(routine.config())
    if not is_same(config, made.config()):
        made.set_config(**config)
    for slot in routine.slots.values():
        clone_slot(slot, made)
    for event in routine.events.values():
        if event.name not in made.events:
            made.add_event(event.name, list(event.output_params))
    clone_callables(routine, made)
    if routine._given_handler() is not made._given_handler():
        made.set_error_handler(routine._given_handler())
    if routine._timeout != made._timeout:
        made.set_timeout(routine._timeout)
    return made


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal; False for those that can't tell."""
    try:
        return bool(one == other)
    except Exception:
        return False


def clone_slot(slot: Slot, made: Routine) -> None:
    """Give a clone the slot of its original."""
    options = {key: getattr(slot, key) for key in SLOT}
    known = made.slots.get(slot.name)
    if known is None or options != {key: getattr(known, key) for key in SLOT}:
        # One that setup() made may have been declared otherwise in the original.
        length = slot.max_queue_length
        made._slots[slot.name] = Slot(slot.name, made, length, **options)
    else:
        known.resize(slot.max_queue_length)


def clone_callables(routine: Routine, made: Routine) -> None:
    """Give a clone policy, logic and concurrency of its original."""
    rebinding = Rebinding(routine, made)
    policy = routine._given_policy()
    if policy is not None:
        chosen = rebinding.choose(policy, made._activation_policy, "policy")
        made.set_activation_policy(chosen)
    if routine._logic is not None and routine._logic is not made._logic:
        made.set_logic(rebinding.choose(routine._logic, made._logic, "logic"))
    key = routine._concurrency_key
    if callable(key):
        key = rebinding.choose(key, made._concurrency_key, "key")
    order = routine._concurrency, key, routine._order_chosen
    if order != (made._concurrency, made._concurrency_key, made._order_chosen):
        made.set_concurrency(routine._concurrency, key=key)
    # What was the constructor's is so in the clone, for clones and documents of it.
    made._constructed.update(routine._constructed)


def clone_flow(flow: Flow, flow_id: str | None = None) -> Flow:
    """Return another flow with clones of the routines, connected in the same way.

    Args:
        flow: The original; workers may run it.
        flow_id: Id of the clone; a random one if None.

    Raises:
        TypeError: It is no flow.
    """
    if not isinstance(flow, Flow):
        raise TypeError(f"flow must be a Flow, not {type(flow).__name__}")
    made = Flow(flow_id, flow.execution_timeout)
    for routine_id, routine in flow.routines.items():
        made.add_routine(clone_routine(routine), routine_id)
    for connection in flow.connections:
        made.connect(*connection.key)
    made.set_error_handler(flow.error_handler)
    if flow.dead_letter is not None:
        made.set_dead_letter(*flow.dead_letter)
    return made
