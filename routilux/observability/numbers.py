"""What was measured of one flow: the numbers that pictures and reports show.

A snapshot has a row for each routine of each worker. `numbers_of` picks those of one
flow, or of one worker of it, and adds them up by routine and by connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

from routilux.observability.snapshot import RuntimeMetrics
from routilux.worker import WorkerState

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.runtime import Runtime

__all__ = ["Numbers", "RoutineNumbers", "Run", "numbers_of"]

Run = Union["Runtime", WorkerState, RuntimeMetrics]
Key = tuple[str, str, str, str]  # source, event, target, slot


@dataclass(slots=True)
class RoutineNumbers:
    """Of one routine, or of several."""

    activations: int = 0
    failures: int = 0
    queued: int = 0
    seconds: float = 0.0  # in logic

    def add(self, other: RoutineNumbers, sign: int = 1) -> None:
        """Add, or take away, what was counted; what is queued is never taken."""
        self.activations += sign * other.activations
        self.failures += sign * other.failures
        self.seconds += sign * other.seconds
        if sign > 0:
            self.queued += other.queued


@dataclass(slots=True)
class Numbers:
    """Of one flow.

    Attributes:
        seconds: Over which it was counted.
        routines: By routine id.
        edges: Items that went over each connection.
        timed: Whether activations and times were measured, not only items.
    """

    seconds: float = 0.0
    routines: dict[str, RoutineNumbers] = field(default_factory=dict)
    edges: dict[Key, int] = field(default_factory=dict)
    timed: bool = False

    def of(self, routine_id: str) -> RoutineNumbers:
        """Return those of one routine."""
        return self.routines.get(routine_id) or RoutineNumbers()

    def add(self, metrics: RuntimeMetrics, flow_id: str, worker_id: str | None) -> None:
        """Add the rows of a flow."""
        self.seconds = max(self.seconds, metrics.uptime)
        self.timed = self.timed or metrics.enabled
        for row in metrics.routines:
            if row.flow_id == flow_id and worker_id in (None, row.worker_id):
                queued = sum(slot.depth for slot in row.slots.values())
                self.routines.setdefault(row.routine_id, RoutineNumbers()).add(
                    RoutineNumbers(row.activations, row.failures, queued, row.logic.sum)
                )
        for edge in metrics.edges:
            if edge.flow_id == flow_id and worker_id in (None, edge.worker_id):
                key = (edge.source, edge.event, edge.target, edge.slot)
                self.edges[key] = self.edges.get(key, 0) + edge.items

    def take(self, earlier: Numbers) -> None:
        """Take away what was counted before."""
        self.seconds -= earlier.seconds
        for routine_id, row in self.routines.items():
            row.add(earlier.of(routine_id), -1)
        for key in self.edges:
            self.edges[key] -= earlier.edges.get(key, 0)


def numbers_of(
    flow: Flow, run: Run | None, since: RuntimeMetrics | None = None
) -> Numbers | None:
    """Collect what was measured of a flow.

    Args:
        flow: The flow.
        run: A runtime, a worker of the flow, or a snapshot; None for all runtimes of
            this process that run the flow and count.
        since: An earlier snapshot of it: only what came after is told.

    Returns:
        The numbers; None when nobody counts and `run` is None.

    Raises:
        TypeError: `run` is nothing that has numbers.
        ValueError: It never ran the flow.
    """
    numbers, found = Numbers(), False
    for metrics, worker_id in snapshots(flow, run):
        found = True
        numbers.add(metrics, flow.flow_id, worker_id)
    if not found:
        return None
    if not numbers.routines and run is not None and flow.routines:
        raise ValueError(f"{run!r:.80} has no numbers of flow {flow.flow_id!r}")
    if since is not None:
        earlier = Numbers()
        worker = run.worker_id if isinstance(run, WorkerState) else None
        earlier.add(since, flow.flow_id, worker)
        numbers.take(earlier)
    return numbers


def snapshots(
    flow: Flow, run: Run | None
) -> Iterable[tuple[RuntimeMetrics, str | None]]:
    """Yield snapshots that may have numbers of a flow, and of which worker only."""
    if run is None:
        for runtime in runtimes_of(flow):
            yield runtime.metrics(), None
        return
    if isinstance(run, RuntimeMetrics):
        metrics, worker_id = run, None
    elif isinstance(run, WorkerState):
        owner = run._runtime()
        if owner is None:
            raise ValueError(f"{run!r} was not started by a runtime, or it is gone")
        metrics, worker_id = owner.metrics(), run.worker_id
    elif hasattr(run, "metrics"):
        metrics, worker_id = run.metrics(), None
    else:
        raise TypeError(
            f"run must be a Runtime, a WorkerState or what runtime.metrics() returned,"
            f" not {type(run).__name__}"
        )
    yield metrics, worker_id


def runtimes_of(flow: Flow) -> list[Runtime]:
    """Return the runtimes of this process that run a flow and count."""
    from routilux.machine import MACHINES

    found: dict[int, Runtime] = {}
    for machine in list(MACHINES):
        for worker in machine.workers():
            runtime = worker._runtime() if worker.flow is flow else None
            if runtime is not None and runtime.enable_monitoring:
                found[id(runtime)] = runtime
    return list(found.values())
