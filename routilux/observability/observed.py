"""What a Runtime shows of itself: the methods, each of which loads its module.

The half of `Runtime` for those who look on. Nothing here runs once per item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from routilux._core import BulkCore, edges, rows, tally

if TYPE_CHECKING:
    from routilux.machine import Machine
    from routilux.observability.snapshot import RuntimeMetrics

__all__ = ["ObservedRuntime"]


class ObservedRuntime(BulkCore):
    """The half of `Runtime` that shows what it does.

    Thread-safety: every method may be called from any thread.
    """

    _machine: Machine
    _made_at: float
    enable_monitoring: bool

    def metrics(self) -> RuntimeMetrics:
        """Return a snapshot of all counters; printing it gives a table.

        Without `enable_monitoring=True` it has only what is counted anyway: jobs,
        items in slots and over connections, drops, waits.

        Example:
            >>> runtime.metrics().routine("parser").logic.p99
            0.000262144
        """
        from routilux.observability.snapshot import collect

        workers = self._machine.workers()
        counts = tally(self.core)
        totals = {
            "taken_at": counts["wall"],
            "uptime": counts["clock"] - self._made_at,
            "enabled": self.enable_monitoring,
            **{name: counts[name] for name in ("jobs", "pumps_busy", "pool_size")},
            "waits_for_room": counts["waits_for_room"],
        }
        return collect(
            totals,
            [row for worker in workers for row in rows(worker)],
            [edge for worker in workers for edge in edges(worker)],
        )
