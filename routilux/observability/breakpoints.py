"""Breakpoints of a runtime: an item is held at its slot until somebody says what now.

An item that meets one pauses its worker and enters its slot as it would have, so it is
never lost, no thread is blocked and a post returns. `HeldItem` shows it; `resume` lets
it go on, `drop` takes it out. The worker goes on when nothing of it is held any more.
The breakpoints of each runtime are an observer of their own beside the hooks in force,
there only while there are breakpoints: without them nothing costs anything.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from routilux._core import Control, JobContext, JobError, Slot, core_of
from routilux._core.control import FORKED
from routilux.arguments import check_type
from routilux.errors import ConfigurationError, name_hint
from routilux.monitoring.breakpoint_condition import check_condition
from routilux.monitoring.debug_session import Breakpoint, BreakpointManager
from routilux.monitoring.holds import hold, let_go, worker_of
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    add_observer,
    remove_observer,
)
from routilux.worker import WorkerState

if TYPE_CHECKING:
    from types import TracebackType

    from routilux.flow import Flow
    from routilux.runtime import Runtime

__all__ = ["HeldItem", "Stop", "add_breakpoint", "held_items"]

State = Literal["held", "resumed", "dropped", "gone"]
Condition = str | Callable[[Any], object] | None


@dataclass(eq=False)
class HeldItem:
    """An item that a breakpoint holds.

    Attributes:
        job: Its job.
        worker: The worker that is paused for it.
        routine_id: The routine that would run on it.
        slot_name: The slot that it lies in.
        item: The item, by reference: what you change, the routine will see.
        breakpoint_id: The breakpoint that it met.
        since: When, seconds since the epoch.
        state: "held", then "resumed", "dropped", or "gone": its job ended meanwhile.
    """

    job: JobContext
    worker: WorkerState
    routine_id: str
    slot_name: str
    item: Any
    breakpoint_id: str
    since: float
    state: State = "held"
    _desk: Breakpoints | None = field(default=None, repr=False)

    @property
    def job_id(self) -> str:
        """Id of its job."""
        return self.job.job_id

    def resume(self) -> bool:
        """Let it go on; False if it is not held any more.

        Its worker goes on when the last item that is held of it was told to.
        """
        return self._desk is not None and self._desk.let_go(self, "resumed")

    def drop(self) -> bool:
        """Take it out of its slot; it counts as dropped there.

        A job of which nothing is left ends by that: `completed`, or `cancelled` if
        nothing of it ever ran.

        Returns:
            False if it is not held any more.

        Raises:
            RuntimeError: It waits for room in its slot; resume it.
            TypeError: Its slot has a dtype: the item is a part of an array.
        """
        return self._desk is not None and self._desk.drop(self)

    def __str__(self) -> str:
        return (
            f"item {short(self.item)} of job {self.job_id!r} is held at"
            f" {self.breakpoint_id} before {self.routine_id!r} takes it from slot"
            f" {self.slot_name!r}: resume() or drop() it"
        )


class Stop:
    """A breakpoint of a runtime, in force until `remove()` or the end of its block.

    Example:
        >>> with runtime.add_breakpoint("pay", condition="amount > 1000") as stop:
        ...     held = stop.wait(10.0)
        ...     held.item["amount"] = 1000
        ...     held.resume()
    """

    def __init__(self, desk: Breakpoints, breakpoint: Breakpoint) -> None:
        self._desk = desk
        self._breakpoint = breakpoint

    @property
    def breakpoint_id(self) -> str:
        """Its id."""
        return self._breakpoint.breakpoint_id

    @property
    def hits(self) -> int:
        """How many items it has held so far."""
        return self._breakpoint.hit_count

    def held(self) -> list[HeldItem]:
        """Return the items that it holds, oldest first."""
        return [h for h in self._desk.held() if h.breakpoint_id == self.breakpoint_id]

    def wait(self, timeout: float | None = None) -> HeldItem | None:
        """Sleep until it holds an item; return the oldest, None at the timeout."""
        return self._desk.wait(self.held, timeout)

    def remove(self) -> None:
        """Take it out of force; what it holds goes on."""
        self._desk.remove(self._breakpoint)

    def __enter__(self) -> Stop:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        b = self._breakpoint
        return (
            f"<Stop {b.breakpoint_id}: {b.routine_id}.{b.slot_name}, hits {self.hits}>"
        )


class Breakpoints(ExecutionHooksInterface):
    """The breakpoints of one runtime, and what they hold.

    Thread-safety: `_changed` protects the lists; it is held for single steps of
    bookkeeping, never while a worker is paused or resumed.
    """

    def __init__(self, core: Control) -> None:
        self._core = core
        self._manager = BreakpointManager()
        self._held: list[HeldItem] = []
        self._changed = threading.Condition()

    def add(self, breakpoint: Breakpoint) -> Stop:
        """Put a breakpoint in force."""
        self._manager.add_breakpoint(breakpoint)
        add_observer(self)
        return Stop(self, breakpoint)

    def remove(self, breakpoint: Breakpoint) -> None:
        """Take one out of force and let go what it holds."""
        self._manager.remove_breakpoint(breakpoint.breakpoint_id)
        for held in self.held():
            if held.breakpoint_id == breakpoint.breakpoint_id:
                self.let_go(held, "resumed")
        self._leave_if_idle()

    def held(self) -> list[HeldItem]:
        """Return what is held, oldest first."""
        with self._changed:
            return list(self._held)

    def wait(
        self, find: Callable[[], list[HeldItem]], timeout: float | None
    ) -> HeldItem | None:
        """Sleep until `find` finds something; return the first of it."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while True:
                found = [held for held in self._held if held in find()]
                left = None if end is None else end - time.monotonic()
                if found or (left is not None and left <= 0):
                    return found[0] if found else None
                self._changed.wait(left)

    def let_go(self, held: HeldItem, state: State) -> bool:
        """Hold an item no longer; its worker goes on if it was the last one."""
        if not self._take(held, state):
            return False
        self._go_on(held)
        return True

    def drop(self, held: HeldItem) -> bool:
        """Take a held item out of its slot and hold it no longer."""
        view: Any = held.worker.get_slot(held.routine_id, held.slot_name)
        # First: the end of its job, which comes with it, must find it settled.
        if not self._take(held, "dropped"):
            return False
        try:
            if not view.discard(held.item, held.job) and not held.job.done():
                raise RuntimeError(
                    f"the item has not entered slot {held.slot_name!r} of routine"
                    f" {held.routine_id!r} yet, it waits for room: resume() it instead"
                )
        except BaseException:
            with self._changed:
                held.state = "held"
                self._held.append(held)
                self._held.sort(key=lambda one: one.since)
            if held.job.done():  # meanwhile: its end did not find it
                self.let_go(held, "gone")
            raise
        self._go_on(held)
        return True

    def _take(self, held: HeldItem, state: State) -> bool:
        with self._changed:
            if held not in self._held:
                return False
            self._held.remove(held)
            held.state = state
            return True

    def _go_on(self, held: HeldItem) -> None:
        let_go(held.worker, held)
        self._leave_if_idle()

    def on_slot_before_enqueue(
        self,
        slot: Slot,
        routine_id: str,
        job_context: JobContext | None,
        data: Any,
        flow_id: str,
    ) -> tuple[bool, str | None]:
        """Hold the item if it meets a breakpoint: note it, and pause its worker."""
        job = job_context
        if job is None or core_of(job) is not self._core:
            return True, None
        hit = self._manager.check_slot_breakpoint(
            job.job_id, routine_id, slot.name, data
        )
        worker = None if hit is None else worker_of(job)
        if hit is None or worker is None:
            return True, None
        held = HeldItem(
            job,
            worker,
            routine_id,
            slot.name,
            data,
            hit.breakpoint_id,
            time.time(),
            _desk=self,
        )
        reason = f"{hit.breakpoint_id} at {routine_id}.{slot.name}"
        if not hold(worker, held, reason):
            return True, None
        with self._changed:
            self._held.append(held)
            self._changed.notify_all()
        if job.done():  # its end may have come before it was noted as held
            self.let_go(held, "gone")
        return True, None

    def on_job_end(
        self,
        job: JobContext,
        worker_state: WorkerState | None,
        status: str = "completed",
        error: JobError | None = None,
    ) -> None:
        """Forget what is held of a job that ended."""
        for held in self.held():
            if held.job is job:
                self.let_go(held, "gone")

    def _leave_if_idle(self) -> None:
        with self._changed:
            idle = not self._held and not self._manager.get_breakpoints()
        if idle:
            remove_observer(self)


# The desks by core; none for a runtime without breakpoints.
_desks: weakref.WeakKeyDictionary[Control, Breakpoints] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def add_breakpoint(
    runtime: Runtime,
    routine_id: str | None,
    slot_name: str | None,
    condition: Condition,
    job_id: str | None,
) -> Stop:
    """Put a breakpoint in force; see `Runtime.add_breakpoint`."""
    core = runtime.core
    if not core.is_open:
        closed = "Runtime is shut down: there is nothing to stop any more"
        raise RuntimeError(FORKED if core.forked else closed)
    for name, value in (
        ("routine_id", routine_id),
        ("slot_name", slot_name),
        ("job_id", job_id),
    ):
        if value is not None:
            check_type(name, value, str)
    check_place([w.flow for w in core.all_workers()], routine_id, slot_name)
    check_condition(condition)
    with _lock:
        desk = _desks.get(core)
        if desk is None:
            desk = _desks[core] = Breakpoints(core)
            weakref.finalize(runtime, remove_observer, desk).atexit = False
    return desk.add(
        Breakpoint(
            routine_id=routine_id,
            slot_name=slot_name,
            condition=condition,
            job_id=job_id,
        )
    )


def held_items(core: Control) -> list[HeldItem]:
    """Return what the breakpoints of a runtime hold, oldest first."""
    desk = _desks.get(core)
    return [] if desk is None else desk.held()


def check_place(
    flows: list[Flow], routine_id: str | None, slot_name: str | None
) -> None:
    """Raise if no flow that runs has such a routine and slot."""
    routines = {
        name: routine for flow in flows for name, routine in flow.routines.items()
    }
    if not flows:
        raise ConfigurationError(
            "a breakpoint is for a flow that runs: exec() it first, paused if need be"
        )
    if routine_id is not None and routine_id not in routines:
        hint = name_hint(routine_id, routines, "routines")
        raise ValueError(f"Routine {routine_id!r} runs in no worker. {hint}")
    wanted = routines.values() if routine_id is None else [routines[routine_id]]
    slots = dict.fromkeys(name for routine in wanted for name in routine.slots)
    if slot_name is not None and slot_name not in slots:
        hint = name_hint(slot_name, slots, "slots")
        raise ValueError(f"Slot {slot_name!r} not found. {hint}")


def short(item: object) -> str:
    """Return the repr of an item, cut where it is long; it is the user's code."""
    try:
        text = repr(item)
    except BaseException as error:  # it must not end the thread that shows it
        main = threading.current_thread() is threading.main_thread()
        if main and isinstance(error, KeyboardInterrupt):
            raise
        text = f"<{type(item).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= 200 else f"{text[:200]}..."
