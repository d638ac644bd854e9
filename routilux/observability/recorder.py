"""The flight recorder, as users read it: what happened last in a runtime.

The core records; `Runtime.recent()` has the records told here. Each is a `TraceEvent`;
`describe` makes a line of one, for logs and for who prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from routilux._core import recall_records, set_moments
from routilux.arguments import check_length
from routilux.observability.table import duration

if TYPE_CHECKING:
    from routilux._core import Control

__all__ = ["TraceEvent", "last_moments", "recent"]

TOLD = 8


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """One record of the flight recorder.

    Attributes:
        at: When it happened or began, seconds since the epoch.
        kind: "activation", "post", "job_end", "failure", "retry" (an attempt failed and
            is repeated), "wait" (for room in a slot, or for a job) or "drop" (by the
            rule of a slot); while a trace is written also "emit", and "take" for the
            second and further items of an activation.
        duration: Seconds that it took; None for what has no duration.
        thread: As `threading.get_ident()` has it.
        flow_id: Id of the flow; None if the worker is forgotten.
        worker_id: Id of the worker.
        routine_id: Id of the routine; of an emit the one that emits.
        job_id: Id of the job; the newest one when there are several.
        slot: Name of the slot that it is about.
        detail: How a job ended, what an emit went to, how much was dropped.

    Example:
        >>> [event.kind for event in runtime.recent(3)]
        ['post', 'activation', 'job_end']
    """

    at: float
    kind: str
    duration: float | None
    thread: int
    flow_id: str | None
    worker_id: str | None
    routine_id: str | None
    job_id: str | None
    slot: str | None
    detail: str | None

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.at).strftime("%H:%M:%S.%f")
        where = ".".join(filter(None, (self.routine_id, self.slot)))
        lasted = None if self.duration is None else duration(self.duration)
        return " ".join(filter(None, (when, self.kind, where, self.detail, lasted)))


def recent(core: Control, n: int | None = None) -> list[TraceEvent]:
    """Return what was recorded last; see `Runtime.recent`."""
    if n is not None:
        check_length("n", n, 0)
    return [
        TraceEvent(*record) for record in recall_records(core, -1 if n is None else n)
    ]


def last_moments(core: Control) -> str:
    """Say in one line what was recorded last, "" when nothing was; for log messages."""
    return "; ".join(str(TraceEvent(*record)) for record in recall_records(core, TOLD))


set_moments(last_moments)
