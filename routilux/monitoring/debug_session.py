"""Breakpoints and debug sessions: holding a worker still where a job stands.

An item that meets a breakpoint pauses its worker and then enters its slot as it would
have: nothing is lost, no thread is blocked, and a post that meets one returns. The
session of the job tells where it stands and lets it go on. Both are driven by
`MonitoringExecutionHooks`; locks here are held for single steps of bookkeeping, never
while a worker is paused or resumed.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from routilux.errors import name_hint
from routilux.monitoring.breakpoint_condition import evaluate_condition

__all__ = [
    "Breakpoint",
    "BreakpointManager",
    "CallFrame",
    "DebugSession",
    "DebugSessionStore",
]

_numbers = itertools.count(1)


@dataclass
class Breakpoint:
    """Where to stop; a field that is None fits everything.

    Attributes:
        breakpoint_id: Its id; one is made if it is "".
        job_id: The job.
        routine_id: The routine whose slot the item enters.
        slot_name: The slot.
        condition: An expression over the keys of the item, or a callable that is given
            the item.
        enabled: Whether it stops anything.
        hit_count: How often it did.
    """

    breakpoint_id: str = ""
    job_id: str | None = None
    routine_id: str | None = None
    slot_name: str | None = None
    condition: str | Callable[[Any], object] | None = None
    enabled: bool = True
    hit_count: int = 0

    def __post_init__(self) -> None:
        if not self.breakpoint_id:
            self.breakpoint_id = f"breakpoint_{next(_numbers)}"

    def fits(self, job_id: str, routine_id: str, slot_name: str) -> bool:
        """Whether it is about that place; its condition is not looked at."""
        return (
            self.enabled
            and self.job_id in (None, job_id)
            and self.routine_id in (None, routine_id)
            and self.slot_name in (None, slot_name)
        )


class BreakpointManager:
    """The breakpoints that are in force.

    Thread-safety: every method may be called from any thread.
    """

    def __init__(self) -> None:
        self._breakpoints: dict[str, Breakpoint] = {}
        self._lock = threading.Lock()

    def add_breakpoint(self, breakpoint: Breakpoint) -> str:
        """Put a breakpoint in force and return its id.

        Raises:
            TypeError: It is no `Breakpoint`.
        """
        if not isinstance(breakpoint, Breakpoint):
            raise TypeError(f"expected a Breakpoint, not {breakpoint!r}")
        with self._lock:
            self._breakpoints[breakpoint.breakpoint_id] = breakpoint
        return breakpoint.breakpoint_id

    def remove_breakpoint(self, breakpoint_id: str, job_id: str | None = None) -> bool:
        """Take one out of force; False if it is unknown, or for another job."""
        with self._lock:
            found = self._breakpoints.get(breakpoint_id)
            if found is None or job_id not in (None, found.job_id):
                return False
            del self._breakpoints[breakpoint_id]
        return True

    def get_breakpoints(self, job_id: str | None = None) -> list[Breakpoint]:
        """Return all, or those for one job."""
        with self._lock:
            found = list(self._breakpoints.values())
        return [b for b in found if job_id in (None, b.job_id)]

    def clear_breakpoints(self, job_id: str | None = None) -> None:
        """Take all out of force, or those for one job."""
        for found in self.get_breakpoints(job_id):
            self.remove_breakpoint(found.breakpoint_id)

    def check_slot_breakpoint(
        self, job_id: str, routine_id: str, slot_name: str, data: Any = None
    ) -> Breakpoint | None:
        """Return the breakpoint that an item meets, and count the hit; else None.

        A condition that can't be computed for the item is not met.
        """
        with self._lock:
            if not self._breakpoints:
                return None
            found = [
                b
                for b in self._breakpoints.values()
                if b.fits(job_id, routine_id, slot_name)
            ]
        for breakpoint in found:
            try:
                met = evaluate_condition(breakpoint.condition, data)
            except ValueError:
                continue
            if met:
                with self._lock:
                    breakpoint.hit_count += 1
                return breakpoint
        return None


@dataclass
class CallFrame:
    """A place where a job stood: the slot that an item was about to enter.

    Attributes:
        routine_id: The routine of the slot.
        slot_name: The slot.
        variables: The item, if it is a dict, by reference; else `{"data": item}`.
        timestamp: When, UTC.
    """

    routine_id: str
    slot_name: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    timestamp: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


class DebugSession:
    """Where a job stands, and how it goes on.

    Args:
        job_id: The job.

    Attributes:
        status: "running" or "paused".
        reason: Why it was paused last.
    """

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.status = "running"
        self.reason = ""
        self._frames: list[CallFrame] = []
        self._step: tuple[str, str | None] | None = None
        self._go_on: Callable[[], object] | None = None
        self._lock = threading.Lock()

    def pause(
        self,
        frame: CallFrame | None = None,
        reason: str = "",
        go_on: Callable[[], object] | None = None,
    ) -> None:
        """Note that the job stands; `go_on` is called when it is resumed."""
        with self._lock:
            self.status, self.reason, self._step = "paused", reason, None
            if frame is not None:
                self._frames.append(frame)
            if go_on is not None:
                self._go_on = go_on

    def resume(self) -> bool:
        """Go on to the next breakpoint; False if it does not stand."""
        return self._leave(None)

    def step_into(self) -> bool:
        """Go on to the next item of the job that enters any slot."""
        return self._leave(("any", None))

    def step_over(self) -> bool:
        """Go on to the next item of the job for the routine that it stands at."""
        frame = self._frames[-1] if self._frames else None
        return self._leave(("routine", None if frame is None else frame.routine_id))

    def step_out(self) -> bool:
        """Go on to the next breakpoint, as `resume` does."""
        return self._leave(None)

    def should_continue(self) -> bool:
        """Whether the job goes on."""
        return self.status != "paused"

    def stops_at(self, routine_id: str) -> bool:
        """Whether a step ends where an item enters a slot of that routine."""
        step = self._step
        return step is not None and (step[0] == "any" or step[1] == routine_id)

    def get_variables(self) -> dict[str, Any]:
        """Return the values of the item that it stands at, `{}` before the first."""
        with self._lock:
            return dict(self._frames[-1].variables) if self._frames else {}

    def set_variable(self, name: str, value: Any) -> None:
        """Change a value of the item that it stands at; its routine will see it.

        Raises:
            RuntimeError: The job does not stand.
            ValueError: The item has no such key.
        """
        with self._lock:
            if self.status != "paused" or not self._frames:
                raise RuntimeError(f"job {self.job_id!r} does not stand at an item")
            variables = self._frames[-1].variables
            if name not in variables:
                hint = name_hint(name, map(str, variables), "variables")
                raise ValueError(f"The item has no {name!r}. {hint}")
            variables[name] = value

    def get_call_stack(self) -> list[CallFrame]:
        """Return the places where it stood, the newest last."""
        with self._lock:
            return list(self._frames)

    def _leave(self, step: tuple[str, str | None] | None) -> bool:
        with self._lock:
            if self.status != "paused":
                return False
            self.status, self._step = "running", step
            go_on, self._go_on = self._go_on, None
        if go_on is not None:
            go_on()
        return True


class DebugSessionStore:
    """The debug sessions by job."""

    def __init__(self) -> None:
        self._sessions: dict[str, DebugSession] = {}
        self._lock = threading.Lock()

    def get(self, job_id: str) -> DebugSession | None:
        """Return the session of a job, or None."""
        return self._sessions.get(job_id)

    def get_or_create(self, job_id: str) -> DebugSession:
        """Return the session of a job, made if there is none."""
        with self._lock:
            return self._sessions.setdefault(job_id, DebugSession(job_id))

    def add(self, session: DebugSession) -> None:
        """Enter a session; it takes the place of another of its job."""
        with self._lock:
            self._sessions[session.job_id] = session

    def remove(self, job_id: str) -> bool:
        """Forget a session; False if there is none."""
        with self._lock:
            return self._sessions.pop(job_id, None) is not None

    def sessions(self) -> list[DebugSession]:
        """Return all sessions."""
        with self._lock:
            return list(self._sessions.values())
