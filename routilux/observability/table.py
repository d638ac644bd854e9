"""`print(runtime.metrics())`: a table of routines, and a table of their slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routilux.observability.snapshot import RoutineMetrics, RuntimeMetrics

__all__ = ["table_of"]

ROUTINES = (
    *("routine", "runs", "in", "out", "failed", "retried", "now"),
    *("busy", "share", "mean", "p50", "p95", "p99"),
)
SLOTS = (
    *("slot", "items", "dropped", "queued", "peak", "room"),
    *("wait", "wait p50", "wait p95", "wait p99"),
)


def table_of(metrics: RuntimeMetrics) -> str:
    """Write a picture as text: a line for the runtime, two tables for each worker."""
    jobs = ", ".join(f"{count:,} {status}" for status, count in metrics.jobs.items())
    lines = [
        f"jobs: {jobs}",
        f"threads: {metrics.pumps_busy} of {metrics.pool_size} busy; "
        f"waits for room: {metrics.waits_for_room:,}; "
        f"up {duration(metrics.uptime)}",
    ]
    if not metrics.enabled:
        lines.append("times and activations need Runtime(enable_monitoring=True)")
    workers: dict[tuple[str, str], list[RoutineMetrics]] = {}
    for row in metrics.routines:
        workers.setdefault((row.flow_id, row.worker_id), []).append(row)
    for (flow_id, worker_id), rows in workers.items():
        lines += ["", f"flow {flow_id}, worker {worker_id}"]
        lines += aligned([ROUTINES, *map(routine_cells, rows)])
        slots = [cells for row in rows for cells in slot_cells(row)]
        if slots:
            lines += ["", *aligned([SLOTS, *slots])]
    return "\n".join(lines)


def routine_cells(row: RoutineMetrics) -> tuple[str, ...]:
    """Write one routine."""
    counts = (row.activations, row.items_in, row.items_out, row.failures, row.retries)
    times = (row.logic.mean, row.logic.p50, row.logic.p95, row.logic.p99)
    return (
        *(row.routine_id, *(f"{count:,}" for count in (*counts, row.running))),
        *(duration(row.logic.sum), f"{row.share:.0%}", *map(duration, times)),
    )


def slot_cells(row: RoutineMetrics) -> list[tuple[str, ...]]:
    """Write the slots of one routine."""
    lines = []
    for slot in row.slots.values():
        counts = (slot.items_in, slot.dropped, slot.depth, slot.peak, slot.capacity)
        times = (slot.wait.mean, slot.wait.p50, slot.wait.p95, slot.wait.p99)
        name = f"{row.routine_id}.{slot.name}"
        lines.append((name, *(f"{count:,}" for count in counts), *map(duration, times)))
    return lines


def aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    """Make columns of cells: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def duration(seconds: float) -> str:
    """Write a time with a unit that fits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            # Four digits: with three, 999.6 ms would print as 1e+03 ms.
            scaled = seconds / size
            return f"{scaled:.4g} {unit}" if scaled < 1e4 else f"{scaled:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns" if seconds else "0"
