"""The rows of the tables, and the clock behind them.

Times are wall clock. The contenders of a row take turns in one process, so that a busy
machine disturbs all of them alike; a row is the ratio of their medians, and the ratios
of the single rounds say how far to trust it. The collector runs between the turns and
stays switched on during them, as it is for users.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from driving import Work
from flows import Case

from routilux import Runtime


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: What is measured.
        value: The median over the rounds, or the ratio of two medians.
        rounds: The value of each round by itself.
        unit: Empty for a ratio.
        limit: The value to reach, with "<=" or ">=" before it; empty for none.
        note: What the value was made of.
        curve: Points (x, y) for a picture, where the value was read off a curve.
    """

    what: str
    value: float
    rounds: Sequence[float]
    unit: str = ""
    limit: str = ""
    note: str = ""
    curve: Sequence[tuple[float, float]] = ()

    @property
    def is_met(self) -> bool | None:
        """Whether the limit is kept; None without a limit."""
        if not self.limit:
            return None
        sign, limit = self.limit.split()
        return (
            self.value <= float(limit) if sign == "<=" else self.value >= float(limit)
        )

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile of the rounds."""
        if len(self.rounds) < 2:
            return self.value, self.value
        low, _, high = quantiles(self.rounds, n=4, method="inclusive")
        return low, high


@dataclass(frozen=True)
class Skipped:
    """A line of the table that could not be measured.

    Attributes:
        what: What would have been measured.
        reason: Why it was not, and what to do about it.
    """

    what: str
    reason: str


def ratio(
    what: str, above: list[float], below: list[float], limit: str = "", note: str = ""
) -> Row:
    """Make a row of two lists of times that were taken in turns."""
    rounds = [a / b for a, b in zip(above, below, strict=True)]
    return Row(what, median(above) / median(below), rounds, "", limit, note)


def interleave(
    rounds: int, *works: Work, clock: Callable[[], float] = time.perf_counter
) -> list[list[float]]:
    """Time each work once a round, in alternating order, after one run to warm up."""
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for turn in range(rounds):
        order = range(len(works))
        for index in order if turn % 2 == 0 else reversed(order):
            gc.collect()
            start = clock()
            works[index]()
            times[index].append(clock() - start)
    return times


def each(times: list[float], count: int) -> str:
    """Say what one of `count` took, by the median."""
    seconds = median(times) / count
    return f"{seconds * 1e9:.0f} ns" if seconds < 1e-5 else f"{seconds * 1e6:.1f} µs"


@contextmanager
def running(case: Case, pool: int = 2, **options: Any) -> Iterator[Runtime]:
    """Run a case on a runtime of its own; afterwards nothing may be missing."""
    with Runtime(thread_pool_size=pool, **options) as runtime:
        runtime.exec(case.flow)
        yield runtime


def check(cases: list[Case], count: int) -> None:
    """Raise unless all that was posted arrived."""
    for case in cases:
        if not case.is_complete(case.tallies, count):
            raise RuntimeError(f"items of {case.flow!r} are missing")
