"""Observers of routilux: the flow register, execution hooks and metrics."""

from routilux.monitoring.flow_registry import FlowRegistry, get_flow_registry
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    NullExecutionHooks,
    get_execution_hooks,
    reset_execution_hooks,
    set_execution_hooks,
)
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
