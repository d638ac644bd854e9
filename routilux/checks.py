"""What a flow accepts, and what it complains about.

Two kinds of check. The first half looks at the arguments of one call to `Flow`, and
raises with the names of parameter, flow, routine and slot in the text. The second
half looks at a whole flow and returns texts: `find_errors` and `find_warnings` for
`Flow.validate()`, `find_unworkable` and `find_idle` for the start of a worker.

`Flow` calls the first half with its lock held, so nothing of the user runs there. The
second half reads attributes of policies, which may be objects of the user, and is
called without a lock. All are functions of their arguments alone and keep no state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from routilux._core import Policy
from routilux.errors import name_hint
from routilux.routine import Routine

if TYPE_CHECKING:
    from routilux._core import Event, Slot
    from routilux.flow import Flow
    from routilux.graph import Connection

__all__ = [
    "check_name",
    "check_routine",
    "check_timeout",
    "find_deferred",
    "find_errors",
    "find_event",
    "find_idle",
    "find_routine",
    "find_slot",
    "find_unworkable",
    "find_warnings",
]

DEFAULT_EXECUTION_TIMEOUT = 300.0


def check_name(parameter: str, value: object) -> str:
    """Return a name as an exact str, or raise."""
    if not isinstance(value, str):
        raise TypeError(f"{parameter} must be a str, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{parameter} must not be empty")
    # An exact str: the __hash__ and __eq__ of a subclass would run under the lock.
    return str.__str__(value)


def check_timeout(value: object) -> float:
    """Return the `execution_timeout` of a flow, or raise."""
    if value is None:
        return DEFAULT_EXECUTION_TIMEOUT
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"execution_timeout must be a number, not {type(value).__name__}"
        )
    if not value > 0:
        raise ValueError(f"execution_timeout must be more than 0, not {value!r}")
    return value


def check_routine(value: object) -> None:
    """Raise if a value is no `Routine` object; have one declare what it has."""
    if isinstance(value, Routine):
        value._prepare()
        return
    if isinstance(value, type) and issubclass(value, Routine):
        name = value.__name__
        raise TypeError(
            f"routine must be a Routine, not the class {name}; write {name}()"
        )
    raise TypeError(f"routine must be a Routine, not {type(value).__name__}")


def find_routine(
    end: str, flow_id: str, routines: Mapping[str, Routine], routine_id: str
) -> Routine:
    """Return the routine with an id, or raise; `end` is "Source" or "Target"."""
    routine = routines.get(routine_id)
    if routine is None:
        hint = name_hint(routine_id, routines, "routines")
        raise ValueError(
            f"{end} routine {routine_id!r} not found in flow {flow_id!r}. {hint}"
        )
    return routine


def find_event(routine: Routine, routine_id: str, name: str) -> Event:
    """Return the event with a name, or raise."""
    event = routine._events.get(name)
    if event is None:
        hint = name_hint(name, routine._events, "events")
        raise ValueError(f"Event {name!r} not found in routine {routine_id!r}. {hint}")
    return event


def find_slot(routine: Routine, routine_id: str, name: str) -> Slot:
    """Return the slot with a name, or raise."""
    slot = routine._slots.get(name)
    if slot is None:
        hint = name_hint(name, routine._slots, "slots")
        raise ValueError(f"Slot {name!r} not found in routine {routine_id!r}. {hint}")
    return slot


def find_deferred(flow: Flow, routine_id: str, event_name: str, data: Any) -> Event:
    """Return the event of a flow that a deferred event names, or raise."""
    routine = find_routine("Source", flow.flow_id, flow.routines, routine_id)
    return find_event(routine, routine_id, event_name)


def find_idle(routines: Mapping[str, Routine]) -> list[str]:
    """Say which routines can never run, and why.

    Args:
        routines: The routines of a flow by id.

    Returns:
        One text for each lack of an activation policy or of logic.
    """
    problems = []
    for routine_id, routine in routines.items():
        if routine._activation_policy is None:
            problems.append(f"Routine {routine_id!r} has no activation policy")
        if not _has_logic(routine):
            problems.append(f"Routine {routine_id!r} has no logic")
    return problems


def _has_logic(routine: Routine) -> bool:
    # A method named `logic` counts, unless it is only what the base class has.
    method = getattr(type(routine), "logic", None)
    inherited = getattr(Routine, "logic", None)
    return routine._logic is not None or (method is not inherited)


def find_unworkable(routines: Mapping[str, Routine]) -> list[str]:
    """Say which settings of routines can never work together.

    Args:
        routines: The routines of a flow by id.

    Returns:
        One text for each batch size that a slot can't hold, for each key of a
        routine whose policy is not `immediate_policy()` or that has a typed slot, and
        for each routine that finds its own configuration wanting.
    """
    return [
        *_find_oversized(routines),
        *_find_keyed(routines),
        *_find_faults(routines),
    ]


def _find_faults(routines: Mapping[str, Routine]) -> list[str]:
    faults = [(name, routine._find_fault()) for name, routine in routines.items()]
    return [f"Routine {name!r} can't run: {fault}" for name, fault in faults if fault]


def _find_keyed(routines: Mapping[str, Routine]) -> list[str]:
    problems = []
    for routine_id, routine in routines.items():
        policy: Any = routine._activation_policy  # may be an object of the user
        if routine._concurrency_key is None or policy is None:
            continue
        problems += [
            f"Routine {routine_id!r} has a key (set_concurrency), but the items of its "
            f"slot {name!r} have none: it is a typed slot"
            for name, slot in list(routine._slots.items())
            if slot.dtype is not None
        ]
        if isinstance(policy, Policy) and policy.kind == "immediate":
            continue
        kind = policy.kind if isinstance(policy, Policy) else "a policy of its own"
        problems.append(
            f"Routine {routine_id!r} has a key (set_concurrency) and the policy {kind}:"
            f" a key goes with immediate_policy() only"
        )
    return problems


def _find_oversized(routines: Mapping[str, Routine]) -> list[str]:
    problems = []
    for routine_id, routine in routines.items():
        policy: Any = routine._activation_policy  # may be an object of the user
        if getattr(policy, "kind", None) != "batch_size":
            continue
        size = policy.batch_size
        for name, slot in list(routine._slots.items()):
            if size > slot.max_queue_length:
                problems.append(
                    f"Routine {routine_id!r} waits for batches of {size}, but its "
                    f"slot {name!r} holds at most {slot.max_queue_length} items: "
                    f"raise max_queue_length or lower the batch size"
                )
    return problems


def find_errors(routines: Mapping[str, Routine]) -> list[str]:
    """List all that keeps routines from running, for `Flow.validate()`.

    Args:
        routines: The routines of a flow by id.
    """
    return [
        *(f"{problem}: it never runs" for problem in find_idle(routines)),
        *find_unworkable(routines),
    ]


def find_warnings(
    routines: Mapping[str, Routine],
    connections: Sequence[Connection],
    dead_letter: tuple[str, str] | None = None,
) -> list[str]:
    """List the slots and events that no connection uses, for `Flow.validate()`.

    Args:
        routines: The routines of a flow by id.
        connections: The connections of the flow.
        dead_letter: Routine and slot of its dead letters, or None.
    """
    fed = {(c.target_routine_id, c.target_slot_name) for c in connections}
    if dead_letter is not None:
        fed.add(dead_letter)
    heard = {(c.source_routine_id, c.source_event_name) for c in connections}
    warnings = []
    for routine_id, routine in routines.items():
        for name in list(routine._slots):
            if (routine_id, name) not in fed:
                warnings.append(
                    f"Slot {name!r} of routine {routine_id!r} is not connected: "
                    f"only post() can feed it"
                )
        for name in list(routine._events):
            if routine._is_function and name == "output":
                continue  # what it returns is the result of the job
            if (routine_id, name) not in heard:
                warnings.append(
                    f"Event {name!r} of routine {routine_id!r} is not connected: "
                    f"what it emits is dropped"
                )
    return warnings
