"""The flows that are timed, each with a twin in plain Python that does the same job.

A twin calls the same logic with the same dicts, one plain call where the flow has an
emit. It tracks no jobs, handles no errors, keeps no order across threads and bounds
nothing: what a flow costs above its twin is the price of all that. Both count what
reaches their end, so that a run which lost something is noticed.

`conftest.py` and `measures.py` use this file; `driving.py` puts items in.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from routilux import (
    Flow,
    Routine,
    all_slots_ready_policy,
    batch_size_policy,
    immediate_policy,
)

Item: TypeAlias = dict[str, Any]
Logic: TypeAlias = Callable[[dict[str, list[Any]], Any, Any], object]

MESSAGE = {"reason": "immediate"}
MEGABYTE = 1 << 20
NAP = 0.2


class Tally:
    """The end of a flow: count the items that arrive."""

    seen = 0

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        self.seen += len(slot_data["input"])


class JoinTally(Tally):
    """Count the slots of each join."""

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        self.seen += len(slot_data)


class HashTally(Tally):
    """Hash a buffer; hashlib releases the GIL meanwhile."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        start = time.perf_counter()
        for item in slot_data["input"]:
            hashlib.sha256(item["buffer"]).digest()
        self.spans.append((start, time.perf_counter()))
        self.seen += len(slot_data["input"])


class NapTally(Tally):
    """Sleep, as logic that waits for a service does; safe to run in parallel."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        time.sleep(NAP)
        with self.lock:
            self.seen += len(slot_data["input"])


class Stage(Routine):
    """Take a value, send it on, one larger."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input")
        self.add_event("output", ["value"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        (item,) = slot_data["input"]
        self.emit("output", value=item["value"] + 1)


class BareStage:
    """The twin of `Stage` in a chain."""

    def __init__(self, following: Logic) -> None:
        self.following = following

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        (item,) = slot_data["input"]
        self.following({"input": [{"value": item["value"] + 1}]}, MESSAGE, None)


class BareFork:
    """The twin of `Stage` with several targets, which share the emitted dict."""

    def __init__(self, targets: Sequence[Logic]) -> None:
        self.targets = targets

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        (item,) = slot_data["input"]
        data = {"value": item["value"] + 1}
        for target in self.targets:
            target({"input": [data]}, MESSAGE, None)


class Parts(Routine):
    """Take a value and emit it once by each of several events."""

    def __init__(self, parts: Sequence[str]) -> None:
        super().__init__()
        self.parts = parts
        self.add_slot("input")
        for part in parts:
            self.add_event(part, ["value"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        (item,) = slot_data["input"]
        for part in self.parts:
            self.emit(part, value=item["value"])


class BareParts:
    """The twin of `Parts` and the join behind it."""

    def __init__(self, parts: Sequence[str], following: Logic) -> None:
        self.parts = parts
        self.following = following

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        (item,) = slot_data["input"]
        joined = {part: [{"value": item["value"]}] for part in self.parts}
        self.following(joined, MESSAGE, None)


@dataclass(frozen=True)
class Case:
    """A flow, where items enter it, and its twin.

    Attributes:
        entries: Routines to which each item is posted.
        feed: The twin: takes all items through plain calls.
        tallies: The ends of the flow.
        bare: The ends of the twin.
        share: What one item adds to all ends together.
    """

    flow: Flow
    entries: Sequence[str]
    feed: Callable[[Sequence[Item]], None]
    tallies: Sequence[Tally]
    bare: Sequence[Tally]
    share: int = 1

    def is_complete(self, tallies: Sequence[Tally], count: int) -> bool:
        """Answer whether all items of one or more runs of `count` items arrived."""
        seen = sum(tally.seen for tally in tallies)
        return seen > 0 and seen % (count * self.share) == 0


def routine_of(
    logic: Logic, *, slots: Iterable[str] = ("input",), length: int = 1000
) -> Routine:
    """Make a routine that runs at once for each item."""
    routine = Routine()
    for slot in slots:
        routine.add_slot(slot, max_queue_length=length)
    routine.set_logic(logic)
    routine.set_activation_policy(immediate_policy())
    return routine


def items_of(count: int) -> list[Item]:
    """Make the items that are posted; the same for a flow and its twin."""
    return [{"value": number} for number in range(count)]


def shares_of(count: int, threads: int) -> list[list[Item]]:
    """Make `count` items, dealt out to `threads` posting threads."""
    items = items_of(count)
    return [items[index::threads] for index in range(threads)]


def call_each(logics: Sequence[Logic], items: Sequence[Item]) -> None:
    """Call logic once for each item."""
    for logic in logics:
        for item in items:
            logic({"input": [item]}, MESSAGE, None)


def call_batches(logic: Logic, size: int, items: Sequence[Item]) -> None:
    """Take the items one by one and call logic whenever there are `size`."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            logic({"input": batch}, MESSAGE, None)
            batch = []


def chain(depth: int) -> Case:
    """`depth` routines in a row; 1 is a routine alone."""
    tally, bare = Tally(), Tally()
    flow = Flow()
    following: Logic = bare.logic
    for index in range(depth - 1):
        flow.add_routine(Stage(), str(index))
        following = BareStage(following).logic
    flow.add_routine(routine_of(tally.logic), str(depth - 1))
    for index in range(depth - 1):
        flow.connect(str(index), "output", str(index + 1), "input")
    return Case(flow, "0", partial(call_each, [following]), [tally], [bare])


def fan_out(width: int) -> Case:
    """One event that goes to `width` routines."""
    tallies, bare = ([Tally() for _ in range(width)] for _ in range(2))
    flow = Flow()
    flow.add_routine(Stage(), "source")
    for index, tally in enumerate(tallies):
        flow.add_routine(routine_of(tally.logic), str(index))
        flow.connect("source", "output", str(index), "input")
    logic = BareFork([tally.logic for tally in bare]).logic
    return Case(flow, ["source"], partial(call_each, [logic]), tallies, bare, width)


def fan_in(width: int) -> Case:
    """`width` events that are joined again by `all_slots_ready_policy`."""
    tally, bare = JoinTally(), JoinTally()
    parts = [f"part_{index}" for index in range(width)]
    join = routine_of(tally.logic, slots=parts)
    join.set_activation_policy(all_slots_ready_policy())
    flow = Flow()
    flow.add_routine(Parts(parts), "source")
    flow.add_routine(join, "join")
    for part in parts:
        flow.connect("source", part, "join", part)
    logic = BareParts(parts, bare.logic).logic
    return Case(flow, ["source"], partial(call_each, [logic]), [tally], [bare], width)


def batches(size: int) -> Case:
    """One routine that takes `size` items at a time."""
    tally, bare = Tally(), Tally()
    routine = routine_of(tally.logic, length=10 * size)
    routine.set_activation_policy(batch_size_policy(size))
    flow = Flow()
    flow.add_routine(routine, "batch")
    return Case(
        flow, ["batch"], partial(call_batches, bare.logic, size), [tally], [bare]
    )


def hashing() -> Case:
    """Two routines that hash buffers and release the GIL meanwhile."""
    tallies, bare = [HashTally(), HashTally()], [HashTally(), HashTally()]
    flow = Flow()
    for name, tally in zip("ab", tallies, strict=True):
        flow.add_routine(routine_of(tally.logic), name)
    feed = partial(call_each, [tally.logic for tally in bare])
    return Case(flow, "ab", feed, tallies, bare, 2)


def buffers_of(count: int) -> list[Item]:
    """Make the items of `hashing`: buffers of 1 MB."""
    return [{"buffer": bytes([number % 256]) * MEGABYTE} for number in range(count)]


def napping() -> Case:
    """One routine that sleeps, as often at a time as the pool has threads."""
    tally, bare = NapTally(), NapTally()
    routine = routine_of(tally.logic).set_concurrency(None)
    flow = Flow()
    flow.add_routine(routine, "nap")
    return Case(flow, ["nap"], partial(call_each, [bare.logic]), [tally], [bare])
