"""Observers of routilux: the flow register, execution hooks and metrics.

The metrics are imported when they are asked for: their dataclasses take longer to
import than all the rest, and most programs never look at them.
"""

from typing import TYPE_CHECKING, Any

from routilux.monitoring.flow_registry import FlowRegistry, get_flow_registry
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    NullExecutionHooks,
    get_execution_hooks,
    reset_execution_hooks,
    set_execution_hooks,
)

if TYPE_CHECKING:
    from routilux.monitoring.metrics import RoutineMetrics, RuntimeMetrics

__all__ = [
    "ExecutionHooksInterface",
    "FlowRegistry",
    "NullExecutionHooks",
    "RoutineMetrics",
    "RuntimeMetrics",
    "get_execution_hooks",
    "get_flow_registry",
    "reset_execution_hooks",
    "set_execution_hooks",
]


def __getattr__(name: str) -> Any:
    if name not in ("RoutineMetrics", "RuntimeMetrics"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from routilux.monitoring import metrics

    return getattr(metrics, name)
