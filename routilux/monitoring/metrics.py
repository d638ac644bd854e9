"""Numbers of a runtime, as one frozen picture.

The core counts while it works; `Runtime.metrics()` takes one row of counts for each
routine of each worker and hands them to `collect`, which makes the objects here.
They hold no reference to the runtime: a picture never changes, may be kept, compared
with a later one and read on any thread without a lock.

Times come as a histogram with one bucket per power of two of nanoseconds, so a
percentile is known to its bucket and interpolated within it. It promises to lie in
the bucket of the true value: less than half or twice of it is never shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from routilux.errors import name_hint

__all__ = ["RoutineMetrics", "RuntimeMetrics", "collect"]

BUCKETS = 64


@dataclass(frozen=True)
class RoutineMetrics:
    """Counts of one routine in one worker.

    Attributes:
        flow_id: Id of the flow.
        worker_id: Id of the worker, empty in a total over several.
        routine_id: Id of the routine in its flow.
        activations: Calls of its logic that ended, failed ones included.
        failures: Calls that raised.
        retries: Calls that were repeats after a failure.
        items_in: Items that entered its slots.
        items_out: Events that it emitted, connected or not.
        dropped: Items that were lost to an overflow rule or an ended job.
        queue_depth: Items in its slots at the moment of the picture.
        queue_peak: Most items that were ever in its slots at once.
        busy_seconds: Time spent in its logic.
        histogram: 64 counts; bucket i has the calls of 2**i up to, not
            including, 2**(i+1) nanoseconds.
    """

    flow_id: str
    worker_id: str
    routine_id: str
    activations: int
    failures: int
    retries: int
    items_in: int
    items_out: int
    dropped: int
    queue_depth: int
    queue_peak: int
    busy_seconds: float
    histogram: tuple[int, ...]

    @property
    def mean_seconds(self) -> float:
        """Mean time of one call of the logic, 0.0 before the first."""
        return self.busy_seconds / self.activations if self.activations else 0.0

    def percentile(self, q: float) -> float:
        """Estimate the time that q percent of the calls did not exceed.

        The calls of a bucket are taken as spread evenly over it, the last one
        at its upper end.

        Args:
            q: Percent, 0 to 100.

        Returns:
            Seconds, 0.0 before the first call.

        Raises:
            ValueError: If q is not from 0 to 100.

        Example:
            >>> runtime.metrics().routine("parser").percentile(99)
            0.000262144
        """
        if not 0 <= q <= 100:
            raise ValueError(f"q must be 0 to 100 (percent), not {q!r}")
        rank = max(1, math.ceil(q * sum(self.histogram) / 100))
        below = 0
        for bucket, count in enumerate(self.histogram):
            if below + count >= rank:
                return float(2**bucket * (1 + (rank - below) / count) / 1e9)
            below += count
        return 0.0


@dataclass(frozen=True)
class RuntimeMetrics:
    """Counts of a whole runtime; `print` shows them as a table.

    Attributes:
        routines: One row for each routine of each worker.
        jobs_live: Jobs that are posted and not finished.
        jobs_completed: Jobs that ended as completed.
        jobs_failed: Jobs that ended as failed.
        jobs_cancelled: Jobs that ended as cancelled.
        pumps: Threads that are taking up work right now.

    Example:
        >>> with Runtime(enable_monitoring=True) as runtime:
        ...     ...
        ...     print(runtime.metrics())
    """

    routines: tuple[RoutineMetrics, ...]
    jobs_live: int
    jobs_completed: int
    jobs_failed: int
    jobs_cancelled: int
    pumps: int

    def routine(self, routine_id: str, worker_id: str | None = None) -> RoutineMetrics:
        """Look up the row of one routine.

        Args:
            routine_id: Id of the routine in its flow.
            worker_id: Id of the worker; without it, the total over all workers
                of the flow (of `queue_peak`, the highest).

        Returns:
            The row, or the total with an empty `worker_id`.

        Raises:
            ValueError: If there is no such row, or if routines of different
                flows have this id and no worker was named.
        """
        rows = [row for row in self.routines if row.routine_id == routine_id]
        if not rows:
            known = dict.fromkeys(row.routine_id for row in self.routines)
            hint = name_hint(routine_id, known, "routines")
            raise ValueError(f"Routine {routine_id!r} has no metrics. {hint}")
        if worker_id is not None:
            return _of_worker(rows, worker_id)
        flows = list(dict.fromkeys(row.flow_id for row in rows))
        if len(flows) > 1:
            raise ValueError(
                f"Routine {routine_id!r} is in flows {', '.join(map(repr, flows))}; "
                f"name the worker_id"
            )
        return rows[0] if len(rows) == 1 else _total(rows)

    def __str__(self) -> str:
        lines = [_HEADINGS, *(_cells(row) for row in self.routines)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = "\n".join(
            "  ".join(
                cell.ljust(width) if column < 3 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )
        return (
            f"jobs: {self.jobs_live} live, {self.jobs_completed} completed, "
            f"{self.jobs_failed} failed, {self.jobs_cancelled} cancelled; "
            f"pumps: {self.pumps}\n{table}"
        )


def collect(
    rows: Iterable[Mapping[str, Any]], counters: Mapping[str, int]
) -> RuntimeMetrics:
    """Build the picture from what the core counted.

    Args:
        rows: One mapping for each routine of each worker, with the fields of
            `RoutineMetrics` as keys.
        counters: The fields of `RuntimeMetrics` other than `routines`.

    Raises:
        TypeError: If a field is missing, or is none of these.
        ValueError: If a histogram has not 64 buckets.
    """
    routines = []
    for row in rows:
        histogram = tuple(row["histogram"])
        if len(histogram) != BUCKETS:
            raise ValueError(
                f"histogram of routine {row['routine_id']!r} must have {BUCKETS} "
                f"buckets, not {len(histogram)}"
            )
        routines.append(RoutineMetrics(**{**row, "histogram": histogram}))
    return RuntimeMetrics(tuple(routines), **counters)


def _of_worker(rows: list[RoutineMetrics], worker_id: str) -> RoutineMetrics:
    for row in rows:
        if row.worker_id == worker_id:
            return row
    hint = name_hint(worker_id, [row.worker_id for row in rows], "workers")
    raise ValueError(
        f"Routine {rows[0].routine_id!r} has no metrics in worker {worker_id!r}. {hint}"
    )


def _total(rows: list[RoutineMetrics]) -> RoutineMetrics:
    return RoutineMetrics(
        flow_id=rows[0].flow_id,
        worker_id="",
        routine_id=rows[0].routine_id,
        activations=sum(row.activations for row in rows),
        failures=sum(row.failures for row in rows),
        retries=sum(row.retries for row in rows),
        items_in=sum(row.items_in for row in rows),
        items_out=sum(row.items_out for row in rows),
        dropped=sum(row.dropped for row in rows),
        queue_depth=sum(row.queue_depth for row in rows),
        queue_peak=max(row.queue_peak for row in rows),
        busy_seconds=sum(row.busy_seconds for row in rows),
        histogram=tuple(
            map(sum, zip(*(row.histogram for row in rows), strict=True)),
        ),
    )


_HEADINGS = (
    *("flow", "worker", "routine", "runs", "failed", "retried", "in", "out"),
    *("dropped", "queued", "peak", "busy", "mean", "p99"),
)


def _cells(row: RoutineMetrics) -> tuple[str, ...]:
    numbers = (
        *(row.activations, row.failures, row.retries, row.items_in),
        *(row.items_out, row.dropped, row.queue_depth, row.queue_peak),
    )
    times = (row.busy_seconds, row.mean_seconds, row.percentile(99))
    return (
        *(row.flow_id, row.worker_id, row.routine_id),
        *(f"{number:,}" for number in numbers),
        *map(_duration, times),
    )


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            # Four digits: with three, 999.6 ms would print as 1e+03 ms.
            scaled = seconds / size
            return f"{scaled:.4g} {unit}" if scaled < 1e4 else f"{scaled:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns" if seconds else "0"
