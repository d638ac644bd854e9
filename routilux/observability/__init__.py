"""Seeing a runtime at work: numbers, traces, pictures, pages.

The core counts and records; what is here reads that and shows it. Each module is
imported by the method of `Runtime` or `Flow` that needs it, and an extra only then.
"""

from __future__ import annotations

from routilux.observability.distribution import Distribution
from routilux.observability.recorder import TraceEvent
from routilux.observability.snapshot import (
    EdgeMetrics,
    RoutineMetrics,
    RuntimeMetrics,
    SlotMetrics,
)

__all__ = [
    "Distribution",
    "EdgeMetrics",
    "RoutineMetrics",
    "RuntimeMetrics",
    "SlotMetrics",
    "TraceEvent",
]
