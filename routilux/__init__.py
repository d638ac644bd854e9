"""An in-process, event-driven workflow runtime with a compiled hot path.

Names that few programs need are imported when they are asked for.
"""

from importlib import import_module
from os import environ
from typing import TYPE_CHECKING, Any

from routilux._core import Event, JobContext, JobError, JobStatus, Slot, WorkerStatus
from routilux.activation_policies import (
    all_slots_ready_policy,
    batch_size_policy,
    breakpoint_policy,
    custom_policy,
    immediate_policy,
    time_interval_policy,
)
from routilux.context import (
    ExecutionContext,
    get_current_execution_context,
    get_current_job,
    get_current_job_id,
    get_current_jobs,
    get_current_routine_id,
    get_current_worker_state,
    set_current_execution_context,
    set_current_job,
    set_current_worker_state,
)
from routilux.error_handler import ErrorHandler, ErrorStrategy
from routilux.errors import (
    ActivationTimeout,
    ConfigurationError,
    DeadlineExceeded,
    ExecutionError,
    JobCancelledError,
    JobFailedError,
    QueueFullError,
    RoutiluxError,
    SerializationError,
    SlotHandlerError,
    SlotQueueFullError,
    StateError,
    WorkerNotRunningError,
)
from routilux.flow import Connection, Flow
from routilux.functions import SKIP, FunctionRoutine
from routilux.history import ExecutionRecord
from routilux.monitoring.flow_registry import FlowRegistry, get_flow_registry
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    NullExecutionHooks,
    get_execution_hooks,
    reset_execution_hooks,
    set_execution_hooks,
)
from routilux.routine import Routine
from routilux.runtime import PostResult, Runtime
from routilux.simple import pipeline, run_async, run_sync
from routilux.worker import WorkerState

if TYPE_CHECKING:
    from routilux.data_point import SlotDataPoint
    from routilux.executor import (
        EventRoutingTask,
        SlotActivationTask,
        TaskPriority,
        WorkerExecutor,
    )
    from routilux.interfaces import IEventHandler, IEventRouter, IRoutineExecutor
    from routilux.output import (
        RoutedStdout,
        clear_job_output,
        get_job_output,
        get_routed_stdout,
        install_routed_stdout,
        uninstall_routed_stdout,
    )
    from routilux.routine_config import RoutineConfig
    from routilux.serialization import MigrationRegistry, Serializable
    from routilux.status import ExecutionStatus, RoutineStatus
    from routilux.validators import ValidationError, Validator
    from routilux.workers import (
        WorkerManager,
        WorkerRegistry,
        get_worker_manager,
        get_worker_registry,
        reset_worker_manager,
    )

__all__ = [
    "SKIP",
    "ActivationTimeout",
    "ConfigurationError",
    "Connection",
    "DeadlineExceeded",
    "ErrorHandler",
    "ErrorStrategy",
    "Event",
    "EventRoutingTask",
    "ExecutionContext",
    "ExecutionError",
    "ExecutionHooksInterface",
    "ExecutionRecord",
    "ExecutionStatus",
    "Flow",
    "FlowRegistry",
    "FunctionRoutine",
    "IEventHandler",
    "IEventRouter",
    "IRoutineExecutor",
    "JobCancelledError",
    "JobContext",
    "JobError",
    "JobFailedError",
    "JobStatus",
    "MigrationRegistry",
    "NullExecutionHooks",
    "PostResult",
    "QueueFullError",
    "RoutedStdout",
    "RoutiluxError",
    "Routine",
    "RoutineConfig",
    "RoutineStatus",
    "Runtime",
    "Serializable",
    "SerializationError",
    "Slot",
    "SlotActivationTask",
    "SlotDataPoint",
    "SlotHandlerError",
    "SlotQueueFullError",
    "StateError",
    "TaskPriority",
    "ValidationError",
    "Validator",
    "WorkerExecutor",
    "WorkerManager",
    "WorkerNotRunningError",
    "WorkerRegistry",
    "WorkerState",
    "WorkerStatus",
    "all_slots_ready_policy",
    "batch_size_policy",
    "breakpoint_policy",
    "clear_job_output",
    "custom_policy",
    "get_current_execution_context",
    "get_current_job",
    "get_current_job_id",
    "get_current_jobs",
    "get_current_routine_id",
    "get_current_worker_state",
    "get_execution_hooks",
    "get_flow_registry",
    "get_job_output",
    "get_routed_stdout",
    "get_worker_manager",
    "get_worker_registry",
    "immediate_policy",
    "install_routed_stdout",
    "pipeline",
    "reset_execution_hooks",
    "reset_worker_manager",
    "run_async",
    "run_sync",
    "set_current_execution_context",
    "set_current_job",
    "set_current_worker_state",
    "set_execution_hooks",
    "time_interval_policy",
    "uninstall_routed_stdout",
]

# What is imported when it is asked for: module to names.
LATE = {
    "routilux.data_point": ("SlotDataPoint",),
    "routilux.executor": (
        "EventRoutingTask",
        "SlotActivationTask",
        "TaskPriority",
        "WorkerExecutor",
    ),
    "routilux.interfaces": (
        "IEventHandler",
        "IEventRouter",
        "IRoutineExecutor",
    ),
    "routilux.output": (
        "RoutedStdout",
        "clear_job_output",
        "get_job_output",
        "get_routed_stdout",
        "install_routed_stdout",
        "uninstall_routed_stdout",
    ),
    "routilux.routine_config": ("RoutineConfig",),
    "routilux.serialization": (
        "MigrationRegistry",
        "Serializable",
    ),
    "routilux.status": (
        "ExecutionStatus",
        "RoutineStatus",
    ),
    "routilux.validators": (
        "ValidationError",
        "Validator",
    ),
    "routilux.workers": (
        "WorkerManager",
        "WorkerRegistry",
        "get_worker_manager",
        "get_worker_registry",
        "reset_worker_manager",
    ),
}
MODULE_OF = {name: module for module, names in LATE.items() for name in names}


def __getattr__(name: str) -> Any:
    module = MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


if environ.get("ROUTILUX_ENABLE_MONITORING", "").lower() in ("1", "true", "yes"):
    import_module("routilux.monitoring.registry").MonitoringRegistry.enable()
