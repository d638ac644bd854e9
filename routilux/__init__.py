"""An in-process, event-driven workflow runtime with a compiled hot path."""

from routilux.activation_policies import (
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    immediate_policy,
    time_interval_policy,
)
from routilux.context import (
    get_current_job,
    get_current_job_id,
    get_current_jobs,
    get_current_routine_id,
    get_current_worker_state,
)
from routilux.error_handler import ErrorHandler, ErrorStrategy
from routilux.errors import (
    ConfigurationError,
    JobCancelledError,
    JobFailedError,
    QueueFullError,
    RoutiluxError,
    SlotQueueFullError,
    WorkerNotRunningError,
)
from routilux.flow import Connection, Flow
from routilux.functions import SKIP, FunctionRoutine
from routilux.monitoring.flow_registry import FlowRegistry
from routilux.routine import Event, Routine, Slot
from routilux.runtime import JobContext, JobStatus, PostResult, Runtime
from routilux.simple import pipeline
from routilux.worker import WorkerState, WorkerStatus

__all__ = [
    "SKIP",
    "ConfigurationError",
    "Connection",
    "ErrorHandler",
    "ErrorStrategy",
    "Event",
    "Flow",
    "FlowRegistry",
    "FunctionRoutine",
    "JobCancelledError",
    "JobContext",
    "JobFailedError",
    "JobStatus",
    "PostResult",
    "QueueFullError",
    "RoutiluxError",
    "Routine",
    "Runtime",
    "Slot",
    "SlotQueueFullError",
    "WorkerNotRunningError",
    "WorkerState",
    "WorkerStatus",
    "all_slots_ready_policy",
    "batch_size_policy",
    "custom_policy",
    "get_current_job",
    "get_current_job_id",
    "get_current_jobs",
    "get_current_routine_id",
    "get_current_worker_state",
    "immediate_policy",
    "pipeline",
    "time_interval_policy",
]
