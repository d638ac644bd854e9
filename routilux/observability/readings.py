"""How far a run is: what `progress` shows, without a word on how it looks.

A `Meter` reads the counters of a runtime from time to time and makes rates of the
differences, over the last ten seconds. It asks the core for its counters and leaves the
distributions of `Runtime.metrics` out, which would cost sixteen times as much. It needs
no more than the core counts anyway: without `enable_monitoring` a routine has done what
its slots took and hold no more, and its failures are not known.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routilux._core import rows, tally

if TYPE_CHECKING:
    from routilux.runtime import Runtime

__all__ = ["Meter", "Reading", "RoutineReading"]

WINDOW = 10.0  # seconds over which a rate is a mean
MOST = 128  # readings that are kept for it


@dataclass(slots=True)
class RoutineReading:
    """One routine, in all workers of its flow, since the meter began.

    Attributes:
        name: Its id, with that of its flow when there are several.
        done: Activations, or items, that it has finished.
        queued: Items that wait for it, or that it works on.
        failures: Activations that failed.
        rate: What it finishes in a second.
    """

    name: str
    done: int = 0
    queued: int = 0
    failures: int = 0
    rate: float = 0.0


@dataclass(slots=True)
class Reading:
    """One look at a runtime.

    Attributes:
        elapsed: Seconds since the meter began.
        done: Jobs finished since then.
        live: Jobs that are posted and not finished.
        failed: Jobs that failed since then.
        total: Jobs that there will be in all; None when nobody knows.
        rate: Jobs finished in a second.
        eta: Seconds to the end; None while it can't be told.
        routines: In the order in which they were added to their flows.
    """

    elapsed: float
    done: int
    live: int
    failed: int
    total: int | None
    rate: float
    eta: float | None
    routines: list[RoutineReading]


class Meter:
    """Reads a runtime; used by one thread at a time.

    Args:
        runtime: The runtime.
        total: Jobs that there will be in all, from now on; None for not known.
    """

    def __init__(self, runtime: Runtime, total: int | None = None) -> None:
        self._runtime = runtime
        self.total = total
        self._began = time.monotonic()
        jobs = tally(runtime.core)["jobs"]
        self._before = {name: jobs[name] for name in FINISHED}
        self._first = {item.name: item for item in read_routines(runtime)}
        self._past: deque[tuple[float, int, dict[str, int]]] = deque(maxlen=MOST)

    def expect_no_more(self) -> None:
        """Say that no job comes to those that live: their number is the total."""
        if self.total is None:
            jobs = tally(self._runtime.core)["jobs"]
            self.total = live_of(jobs) + self._done(jobs)

    def _done(self, jobs: dict[str, int]) -> int:
        return sum(jobs[name] - self._before[name] for name in FINISHED)

    def read(self, last: bool = False) -> Reading:
        """Look at the runtime now; the rates of the last look are of all the time."""
        jobs = tally(self._runtime.core)["jobs"]
        now = time.monotonic()
        done, live = self._done(jobs), live_of(jobs)
        routines = read_routines(self._runtime)
        for item in routines:
            first = self._first.get(item.name)
            if first is not None:
                item.done -= first.done
                item.failures -= first.failures
        counts = {item.name: item.done for item in routines}
        past = self._past
        while len(past) > 1 and now - past[0][0] > WINDOW:
            past.popleft()
        rate = done / max(now - self._began, 1e-9)
        if past and not last:
            then, done_then, counts_then = past[0]
            span = max(now - then, 1e-9)
            rate = max(0, done - done_then) / span
            for item in routines:
                before = counts_then.get(item.name, 0)
                item.rate = max(0, item.done - before) / span
        elif last:
            for item in routines:
                item.rate = item.done / max(now - self._began, 1e-9)
        past.append((now, done, counts))
        total = self.total
        eta = None
        if total is not None:
            total = max(total, done + live)
            if rate > 0 or total == done:
                eta = (total - done) / rate if total > done else 0.0
        return Reading(
            elapsed=now - self._began,
            done=done,
            live=live,
            failed=jobs["failed"] - self._before["failed"],
            total=total,
            rate=rate,
            eta=None if eta is None or math.isinf(eta) else eta,
            routines=routines,
        )


FINISHED = ("completed", "failed", "cancelled")


def live_of(jobs: dict[str, int]) -> int:
    """Return how many jobs are posted and not finished."""
    return jobs["pending"] + jobs["running"]


def read_routines(runtime: Runtime) -> list[RoutineReading]:
    """Read the routines, the workers of each added up."""
    found: dict[tuple[str, str], RoutineReading] = {}
    for worker in runtime._machine.workers():
        for row in rows(worker):
            key = row["flow_id"], row["routine_id"]
            item = found.setdefault(key, RoutineReading(key[1]))
            add_row(item, row, runtime.enable_monitoring)
    several = len({flow_id for flow_id, _ in found}) > 1
    for (flow_id, routine_id), item in found.items():
        item.done = max(0, item.done)
        if several:
            item.name = f"{flow_id}/{routine_id}"
    return list(found.values())


def add_row(item: RoutineReading, row: dict[str, Any], monitored: bool) -> None:
    """Add what the core tells of a routine in one worker."""
    taken = waiting = 0
    for _, depth, _, _, items_in, dropped, _ in row["slots"]:
        waiting += depth
        taken += items_in - dropped
    running = row["running"]
    item.queued += waiting + running
    item.done += row["activations"] if monitored else taken - waiting - running
    item.failures += row["failures"]
