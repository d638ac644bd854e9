"""Observers of routilux: the flow register, execution hooks and metrics.

Metrics, collectors, breakpoints and registers of runtimes are imported when they are
asked for: their dataclasses take longer to import than all the rest, and most programs
never look at them.
"""

from importlib import import_module
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
    from routilux.monitoring.debug_session import (
        Breakpoint,
        BreakpointManager,
        CallFrame,
        DebugSession,
        DebugSessionStore,
    )
    from routilux.monitoring.event_manager import JobEventManager, get_event_manager
    from routilux.monitoring.execution_hooks import (
        MonitoringExecutionHooks,
        disable_monitoring_hooks,
        enable_monitoring_hooks,
        get_monitoring_hooks,
    )
    from routilux.monitoring.monitor_collector import (
        ErrorRecord,
        ExecutionEvent,
        ExecutionMetrics,
        MonitorCollector,
        set_max_events_per_job,
    )
    from routilux.monitoring.registry import MonitoringRegistry
    from routilux.monitoring.runtime_registry import RuntimeRegistry
    from routilux.observability.snapshot import RoutineMetrics, RuntimeMetrics

__all__ = [
    "Breakpoint",
    "BreakpointManager",
    "CallFrame",
    "DebugSession",
    "DebugSessionStore",
    "ErrorRecord",
    "ExecutionEvent",
    "ExecutionHooksInterface",
    "ExecutionMetrics",
    "FlowRegistry",
    "JobEventManager",
    "MonitorCollector",
    "MonitoringExecutionHooks",
    "MonitoringRegistry",
    "NullExecutionHooks",
    "RoutineMetrics",
    "RuntimeMetrics",
    "RuntimeRegistry",
    "disable_monitoring_hooks",
    "enable_monitoring_hooks",
    "get_event_manager",
    "get_execution_hooks",
    "get_flow_registry",
    "get_monitoring_hooks",
    "reset_execution_hooks",
    "set_execution_hooks",
    "set_max_events_per_job",
]

LATE = {
    "routilux.monitoring.debug_session": (
        "Breakpoint",
        "BreakpointManager",
        "CallFrame",
        "DebugSession",
        "DebugSessionStore",
    ),
    "routilux.monitoring.event_manager": (
        "JobEventManager",
        "get_event_manager",
    ),
    "routilux.monitoring.execution_hooks": (
        "MonitoringExecutionHooks",
        "disable_monitoring_hooks",
        "enable_monitoring_hooks",
        "get_monitoring_hooks",
    ),
    "routilux.observability.snapshot": (
        "RoutineMetrics",
        "RuntimeMetrics",
    ),
    "routilux.monitoring.monitor_collector": (
        "ErrorRecord",
        "ExecutionEvent",
        "ExecutionMetrics",
        "MonitorCollector",
        "set_max_events_per_job",
    ),
    "routilux.monitoring.registry": ("MonitoringRegistry",),
    "routilux.monitoring.runtime_registry": ("RuntimeRegistry",),
}
MODULE_OF = {name: module for module, names in LATE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULE_OF[name]), name)
