"""Numbers of a runtime, as one frozen picture.

The core counts while it works; `Runtime.metrics()` has `collect` make the objects here
of it. They hold no reference to the runtime: a picture never changes, may be kept,
compared with a later one and read on any thread without a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from routilux.errors import name_hint
from routilux.observability.distribution import (
    Distribution,
    distribution_of,
    plain_times,
)

__all__ = [
    "Distribution",
    "EdgeMetrics",
    "RoutineMetrics",
    "RuntimeMetrics",
    "SlotMetrics",
    "collect",
]


@dataclass(frozen=True, slots=True)
class SlotMetrics:
    """Counts of one slot of one routine in one worker.

    Attributes:
        name: Name of the slot.
        depth: Items in it at the moment of the picture.
        peak: Most items that were ever in it at once.
        capacity: Its `max_queue_length`.
        items_in: Items that it took.
        dropped: Items that were lost to its overflow rule, or with an ended job.
        wait: Time that items waited in it. Of the first 64 items each is measured, of
            those that follow every 16th; nothing without `enable_monitoring`.
    """

    name: str
    depth: int
    peak: int
    capacity: int
    items_in: int
    dropped: int
    wait: Distribution


@dataclass(frozen=True, slots=True)
class RoutineMetrics:
    """Counts of one routine in one worker.

    Attributes:
        flow_id: Id of the flow.
        worker_id: Id of the worker, empty in a total over several.
        routine_id: Id of the routine in its flow.
        activations: Calls of its logic that ended, failed ones included; repeats after
            a failure count with the call that they repeat.
        items_in: Items that these activations took.
        items_out: Items that it emitted, connected or not.
        failures: Activations that failed their job.
        retries: Calls that were repeats after a failure.
        running: Activations that go on at the moment of the picture.
        logic: Time that activations spent in logic.
        share: Its part of the time in logic of all routines of its worker, 0 to 1.
        slots: Its slots by name.
    """

    flow_id: str
    worker_id: str
    routine_id: str
    activations: int
    items_in: int
    items_out: int
    failures: int
    retries: int
    running: int
    logic: Distribution
    share: float
    slots: dict[str, SlotMetrics] = field(hash=False)

    @property
    def queue_depth(self) -> int:
        """Items in all of its slots."""
        return sum(slot.depth for slot in self.slots.values())

    @property
    def queue_peak(self) -> int:
        """Most items that were ever in one of its slots."""
        return max((slot.peak for slot in self.slots.values()), default=0)

    @property
    def dropped(self) -> int:
        """Items that were lost in all of its slots."""
        return sum(slot.dropped for slot in self.slots.values())

    @property
    def busy_seconds(self) -> float:
        """Seconds in logic in all."""
        return self.logic.sum

    @property
    def mean_seconds(self) -> float:
        """Seconds in logic per activation, 0.0 before the first."""
        return self.logic.mean

    def percentile(self, q: float) -> float:
        """Estimate the seconds in logic that `q` percent did not exceed.

        Raises:
            ValueError: If q is not from 0 to 100.
        """
        if not 0 <= q <= 100:
            raise ValueError(f"q must be 0 to 100 (percent), not {q!r}")
        return self.logic.quantile(q / 100)


@dataclass(frozen=True, slots=True)
class EdgeMetrics:
    """What went over one connection of one worker.

    Attributes:
        flow_id: Id of the flow.
        worker_id: Id of the worker.
        source: Id of the routine that emits.
        event: Name of its event.
        target: Id of the routine that receives.
        slot: Name of its slot.
        items: Items emitted over it.
    """

    flow_id: str
    worker_id: str
    source: str
    event: str
    target: str
    slot: str
    items: int


@dataclass(frozen=True, slots=True)
class RuntimeMetrics:
    """Counts of a whole runtime; `print` shows them as a table.

    Attributes:
        taken_at: When the picture was taken, seconds since the epoch.
        uptime: Seconds since the runtime was made.
        enabled: Whether it has `enable_monitoring`. Without it, activations, failures,
            retries, `items_in` of routines and all times are 0.
        jobs: How many by status; finished ones since the runtime was made.
        pumps_busy: Threads that are taking up work.
        pool_size: Threads at most.
        waits_for_room: Posts and emits that found no room and had to wait.
        routines: One row for each routine of each worker.
        edges: One row for each connection of each worker.

    Example:
        >>> with Runtime(enable_monitoring=True) as runtime:
        ...     ...
        ...     print(runtime.metrics())
    """

    taken_at: float
    uptime: float
    enabled: bool
    jobs: dict[str, int] = field(hash=False)
    pumps_busy: int
    pool_size: int
    waits_for_room: int
    routines: tuple[RoutineMetrics, ...]
    edges: tuple[EdgeMetrics, ...]

    @property
    def jobs_live(self) -> int:
        """Jobs that are posted and not finished."""
        return self.jobs["pending"] + self.jobs["running"]

    @property
    def jobs_completed(self) -> int:
        """Jobs that ended as completed."""
        return self.jobs["completed"]

    @property
    def jobs_failed(self) -> int:
        """Jobs that ended as failed."""
        return self.jobs["failed"]

    @property
    def jobs_cancelled(self) -> int:
        """Jobs that ended as cancelled."""
        return self.jobs["cancelled"]

    def routine(self, routine_id: str, worker_id: str | None = None) -> RoutineMetrics:
        """Look up the row of one routine.

        Args:
            routine_id: Id of the routine in its flow.
            worker_id: Id of the worker; without it, the total over all workers of the
                flow (of peaks, the highest).

        Returns:
            The row, or the total with an empty `worker_id`.

        Raises:
            ValueError: If there is no such row, or if routines of different flows have
                this id and no worker was named.
        """
        rows = [row for row in self.routines if row.routine_id == routine_id]
        if not rows:
            known = dict.fromkeys(row.routine_id for row in self.routines)
            hint = name_hint(routine_id, known, "routines")
            raise ValueError(f"Routine {routine_id!r} has no metrics. {hint}")
        if worker_id is not None:
            for row in rows:
                if row.worker_id == worker_id:
                    return row
            hint = name_hint(worker_id, [row.worker_id for row in rows], "workers")
            raise ValueError(
                f"Routine {routine_id!r} has no metrics in worker {worker_id!r}. {hint}"
            )
        flows = list(dict.fromkeys(row.flow_id for row in rows))
        if len(flows) > 1:
            raise ValueError(
                f"Routine {routine_id!r} is in flows {', '.join(map(repr, flows))}; "
                f"name the worker_id"
            )
        return rows[0] if len(rows) == 1 else self._total(rows)

    def _total(self, rows: list[RoutineMetrics]) -> RoutineMetrics:
        workers = {row.worker_id for row in rows}
        busy = sum(r.logic.sum for r in self.routines if r.worker_id in workers)
        logic = Distribution.total(row.logic for row in rows)
        return RoutineMetrics(
            flow_id=rows[0].flow_id,
            worker_id="",
            routine_id=rows[0].routine_id,
            activations=sum(row.activations for row in rows),
            items_in=sum(row.items_in for row in rows),
            items_out=sum(row.items_out for row in rows),
            failures=sum(row.failures for row in rows),
            retries=sum(row.retries for row in rows),
            running=sum(row.running for row in rows),
            logic=logic,
            share=logic.sum / busy if busy else 0.0,
            slots={
                name: _slots_total([row.slots[name] for row in rows])
                for name in rows[0].slots
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as dicts and lists that `json.dumps` takes."""
        return {
            **asdict(self),
            "routines": [_plain(row) for row in self.routines],
            "edges": [asdict(edge) for edge in self.edges],
        }

    def __str__(self) -> str:
        from routilux.observability.table import table_of

        return table_of(self)


def collect(
    totals: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    edges: Iterable[Sequence[Any]],
) -> RuntimeMetrics:
    """Build the picture from what the core counted.

    Args:
        totals: The fields of `RuntimeMetrics` other than `routines` and `edges`.
        rows: One mapping for each routine of each worker, as `census.rows` has it.
        edges: The fields of `EdgeMetrics` for each connection.
    """
    rows = list(rows)
    busy: dict[str, int] = {}
    for row in rows:
        busy[row["worker_id"]] = busy.get(row["worker_id"], 0) + row["logic"][1]
    routines = tuple(_routine(row, busy[row["worker_id"]]) for row in rows)
    return RuntimeMetrics(
        **totals, routines=routines, edges=tuple(EdgeMetrics(*edge) for edge in edges)
    )


def _routine(row: Mapping[str, Any], busy: int) -> RoutineMetrics:
    slots = {}
    for name, depth, peak, capacity, items_in, dropped, wait in row["slots"]:
        times = distribution_of(*wait)
        counts = (depth, peak, capacity, items_in, dropped)
        slots[name] = SlotMetrics(name, *counts, times)
    logic = distribution_of(*row["logic"])
    share = row["logic"][1] / busy if busy else 0.0
    return RoutineMetrics(**{**row, "slots": slots, "logic": logic, "share": share})


def _slots_total(slots: list[SlotMetrics]) -> SlotMetrics:
    return SlotMetrics(
        name=slots[0].name,
        depth=sum(slot.depth for slot in slots),
        peak=max(slot.peak for slot in slots),
        capacity=sum(slot.capacity for slot in slots),
        items_in=sum(slot.items_in for slot in slots),
        dropped=sum(slot.dropped for slot in slots),
        wait=Distribution.total(slot.wait for slot in slots),
    )


def _plain(row: RoutineMetrics) -> dict[str, Any]:
    slots = {}
    for name, slot in row.slots.items():
        slots[name] = {**asdict(slot), "wait": plain_times(slot.wait)}
    return {**asdict(row), "logic": plain_times(row.logic), "slots": slots}
