"""Prometheus: the numbers of a runtime, for the client library to serve.

A collector that takes `Runtime.metrics()` whenever it is scraped and keeps nothing.
Names and labels follow the customs of Prometheus: seconds, `_total`, one histogram for
each routine and slot. It does not keep its runtime alive.
"""

from __future__ import annotations

import math
import re
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from routilux.extras import load_extra

if TYPE_CHECKING:
    from routilux.observability.snapshot import Distribution
    from routilux.runtime import Runtime

__all__ = ["RuntimeCollector"]

ROUTINE = ("flow", "worker", "routine")
SLOT = (*ROUTINE, "slot")
EDGE = ("flow", "worker", "source", "event", "target", "slot")

COUNTERS = {
    "activations": "Calls of logic that ended",
    "failures": "Activations that failed their job",
    "retries": "Calls of logic that were repeats",
    "items_in": "Items that activations took",
    "items_out": "Items that the routine emitted",
}
RESERVED = tuple(dict.fromkeys((*SLOT, *EDGE, "status", "le")))
FINISHED = ("completed", "failed", "cancelled")


class RuntimeCollector:
    """Shows a runtime to a registry of `prometheus_client`.

    Args:
        runtime: The runtime; without `enable_monitoring=True` it counts only jobs,
            slots and connections.
        labels: Put on every sample. Two runtimes in one registry need different ones.

    Raises:
        ConfigurationError: `prometheus_client` is not installed.
        ValueError: A label has a name that Prometheus refuses or that samples have.
        TypeError: The name or the value of a label is no str.

    Example:
        >>> from prometheus_client import REGISTRY, start_http_server
        >>> REGISTRY.register(RuntimeCollector(runtime))
        >>> start_http_server(9000)
    """

    def __init__(
        self, runtime: Runtime, labels: Mapping[str, str] | None = None
    ) -> None:
        self._client = load_extra("prometheus_client.core", "RuntimeCollector")
        self._runtime = weakref.ref(runtime)
        for name, value in (labels or {}).items():
            check_label(name, value)
        self._names = tuple(labels or ())
        self._values = tuple((labels or {}).values())

    def describe(self) -> Iterable[Any]:
        """Return nothing: several may be in one registry, apart by their labels."""
        return ()

    def collect(self) -> Iterator[Any]:
        """Take a picture of the runtime, and yield its families of metrics."""
        runtime = self._runtime()
        if runtime is None:
            return
        metrics = runtime.metrics()
        live = self._family("Gauge", "jobs_unfinished", "Jobs that live", ["status"])
        ended = self._family("Counter", "jobs", "Jobs that finished", ["status"])
        for status, number in metrics.jobs.items():
            self._add(ended if status in FINISHED else live, (status,), number)
        yield from (live, ended)
        for kind, name, text, value in (
            ("Gauge", "threads_busy", "Threads that work", metrics.pumps_busy),
            ("Gauge", "threads", "Threads at most", metrics.pool_size),
            (
                "Counter",
                "waits_for_room",
                "Posts and emits that had to wait for room",
                metrics.waits_for_room,
            ),
            ("Gauge", "uptime_seconds", "Since the runtime was made", metrics.uptime),
        ):
            family = self._family(kind, name, text, [])
            self._add(family, (), value)
            yield family
        yield from self._routines(metrics.routines)
        family = self._family("Counter", "edge_items", "Items over a connection", EDGE)
        for edge in metrics.edges:
            start = (edge.flow_id, edge.worker_id, edge.source, edge.event)
            self._add(family, (*start, edge.target, edge.slot), edge.items)
        yield family

    def _routines(self, rows: Iterable[Any]) -> Iterator[Any]:
        counters = {
            name: self._family("Counter", f"routine_{name}", text, ROUTINE)
            for name, text in COUNTERS.items()
        }
        running = self._family(
            "Gauge", "routine_running", "Activations that go on", ROUTINE
        )
        logic = self._family(
            "Histogram", "routine_logic_seconds", "Time in logic", ROUTINE
        )
        wait = self._family("Histogram", "slot_wait_seconds", "Time in a slot", SLOT)
        depth = self._family("Gauge", "slot_depth", "Items in a slot", SLOT)
        peak = self._family("Gauge", "slot_peak", "Most items at once", SLOT)
        capacity = self._family("Gauge", "slot_capacity", "Items at most", SLOT)
        put = self._family("Counter", "slot_items", "Items that a slot took", SLOT)
        dropped = self._family("Counter", "slot_dropped", "Items dropped", SLOT)
        for row in rows:
            place = (row.flow_id, row.worker_id, row.routine_id)
            for name, family in counters.items():
                self._add(family, place, getattr(row, name))
            self._add(running, place, row.running)
            self._add_times(logic, place, row.logic)
            for slot in row.slots.values():
                here = (*place, slot.name)
                self._add(depth, here, slot.depth)
                self._add(peak, here, slot.peak)
                self._add(capacity, here, slot.capacity)
                self._add(put, here, slot.items_in)
                self._add(dropped, here, slot.dropped)
                self._add_times(wait, here, slot.wait)
        yield from counters.values()
        yield from (running, logic, wait, depth, peak, capacity, put, dropped)

    def _family(self, kind: str, name: str, text: str, labels: Iterable[str]) -> Any:
        make = getattr(self._client, f"{kind}MetricFamily")
        return make(f"routilux_{name}", text, labels=(*self._names, *labels))

    def _add(self, family: Any, labels: tuple[str, ...], value: float) -> None:
        family.add_metric((*self._values, *labels), value)

    def _add_times(
        self, family: Any, labels: tuple[str, ...], times: Distribution
    ) -> None:
        total, buckets = 0, []
        for bound, number in times.buckets:
            total += number
            shown = "+Inf" if math.isinf(bound) else repr(bound)
            buckets.append((shown, total))
        family.add_metric((*self._values, *labels), buckets, times.sum)


def check_label(name: object, value: object) -> None:
    """Raise if a label can't be put on every sample."""
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"labels must be names and texts, not {name!r}: {value!r}")
    if name in RESERVED:
        raise ValueError(
            f"label {name!r} is one that samples have by themselves, like all of"
            f" {', '.join(RESERVED)}: give it another name"
        )
    if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) or name.startswith("__"):
        raise ValueError(
            f"label {name!r} is no name of a label: letters, digits and _, of which the"
            " first is no digit and the first two are not __"
        )
