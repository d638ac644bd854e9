"""MonitoringExecutionHooks: the hooks that feed collector, listeners and breakpoints.

In force while monitoring is on. Everything is noted under the id of its job, workers
under their own. They run on the threads that do the work, so they only note, and hand
events over; a breakpoint pauses a worker without waiting for it.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from routilux.monitoring.debug_session import CallFrame
from routilux.monitoring.event_manager import get_event_manager
from routilux.monitoring.holds import hold, let_go, worker_of
from routilux.monitoring.hooks import ExecutionHooksInterface, get_execution_hooks
from routilux.monitoring.registry import MonitoringRegistry

if TYPE_CHECKING:
    from routilux._core import Event, JobContext, JobError, Slot
    from routilux.flow import Flow
    from routilux.worker import WorkerState

__all__ = [
    "MonitoringExecutionHooks",
    "disable_monitoring_hooks",
    "enable_monitoring_hooks",
    "get_monitoring_hooks",
]

logger = logging.getLogger("routilux")


class MonitoringExecutionHooks(ExecutionHooksInterface):
    """Feeds what `MonitoringRegistry` holds.

    Args:
        registry: The registry; that of the process if None.
    """

    def __init__(self, registry: MonitoringRegistry | None = None) -> None:
        self.registry = registry or MonitoringRegistry.get_instance()

    def on_worker_start(self, flow: Flow, worker_state: WorkerState) -> None:
        """Tell listeners of the worker."""
        self._tell(worker_state.worker_id, "worker_start", flow_id=flow.flow_id)

    def on_worker_stop(
        self, flow: Flow, worker_state: WorkerState, status: str
    ) -> None:
        """Tell listeners of the worker."""
        facts = {"flow_id": flow.flow_id, "status": status}
        self._tell(worker_state.worker_id, "worker_stop", **facts)

    def on_job_start(self, job: JobContext, worker_state: WorkerState) -> None:
        """Note the job."""
        collector = self.registry.monitor_collector
        if collector is not None:
            collector.record_flow_start(job.flow_id, job.job_id)
        self._tell(job.job_id, "job_started", flow_id=job.flow_id)

    def on_job_end(
        self,
        job: JobContext,
        worker_state: WorkerState | None,
        status: str = "completed",
        error: JobError | None = None,
    ) -> None:
        """Note how the job ended."""
        collector = self.registry.monitor_collector
        if collector is not None:
            collector.record_flow_end(job.flow_id, job.job_id, status)
        store = self.registry.debug_session_store
        session = None if store is None else store.get(job.job_id)
        if store is not None and session is not None:
            store.remove(job.job_id)
            session.resume()  # nobody else would let its worker go
        text = None if error is None else str(error)
        self._tell(job.job_id, f"job_{status}", error=text)

    def on_routine_start(
        self,
        routine_id: str,
        worker_state: WorkerState,
        job: JobContext | None = None,
    ) -> bool:
        """Note that logic is called."""
        if job is not None:
            collector = self.registry.monitor_collector
            if collector is not None:
                collector.record_routine_start(routine_id, job.job_id)
            self._tell(job.job_id, "routine_started", routine_id=routine_id)
        return True

    def on_routine_end(
        self,
        routine_id: str,
        worker_state: WorkerState,
        job: JobContext | None = None,
        status: str = "completed",
        error: BaseException | None = None,
    ) -> None:
        """Note that it returned or raised, in the worker's history as well."""
        if job is None:
            return
        collector = self.registry.monitor_collector
        if collector is not None:
            collector.record_routine_end(routine_id, job.job_id, status, error)
        if error is None:
            facts = {"job_id": job.job_id, "status": str(status)}
            worker_state.record_execution(routine_id, "logic_executed", facts)
        kind = "routine_completed" if error is None else "routine_failed"
        text = None if error is None else f"{type(error).__name__}: {error}"
        self._tell(job.job_id, kind, routine_id=routine_id, error=text)

    def on_event_emit(
        self,
        event: Event,
        source_routine_id: str,
        worker_state: WorkerState,
        job: JobContext | None = None,
        data: dict[str, Any] | None = None,
    ) -> bool:
        """Note the event, in the worker's history as well."""
        if job is not None:
            collector = self.registry.monitor_collector
            if collector is not None:
                collector.record_event_emit(
                    event.name, source_routine_id, job.job_id, data
                )
            facts = {"job_id": job.job_id, "event": event.name}
            worker_state.record_execution(source_routine_id, "event_emit", facts)
            facts |= {"routine_id": source_routine_id}
            for key in (job.job_id, worker_state.worker_id):
                self._tell(key, "event_emit", **facts)
        return True

    def on_slot_before_enqueue(
        self,
        slot: Slot,
        routine_id: str,
        job_context: JobContext | None,
        data: Any,
        flow_id: str,
    ) -> tuple[bool, str | None]:
        """Note the item, and stop where a breakpoint or a step says so."""
        if job_context is not None:
            collector = self.registry.monitor_collector
            if collector is not None:
                collector.record_slot_call(
                    slot.name, routine_id, job_context.job_id, data
                )
            self._stop(slot.name, routine_id, job_context, data)
        return True, None

    def _stop(
        self, slot_name: str, routine_id: str, job: JobContext, data: Any
    ) -> None:
        breakpoints = self.registry.breakpoint_manager
        store = self.registry.debug_session_store
        if breakpoints is None or store is None:
            return
        hit = breakpoints.check_slot_breakpoint(job.job_id, routine_id, slot_name, data)
        session = store.get(job.job_id)
        stepped = session is not None and session.stops_at(routine_id)
        if hit is None and not stepped:
            return
        worker = worker_of(job)
        if worker is None:
            return
        session = store.get_or_create(job.job_id)
        variables = data if isinstance(data, dict) else {"data": data}
        reason = "step" if hit is None else f"breakpoint {hit.breakpoint_id}"
        frame = CallFrame(routine_id, slot_name, variables)
        if not hold(worker, session, f"{reason} at {routine_id}.{slot_name}"):
            return
        session.pause(frame, reason, partial(let_go, worker, session))
        if job.done():  # its end may have come before it stood
            store.remove(job.job_id)
            session.resume()
        facts = {"routine_id": routine_id, "slot_name": slot_name, "reason": reason}
        self._tell(job.job_id, "breakpoint_hit", **facts)

    def _tell(self, key: str, kind: str, **facts: Any) -> None:
        get_event_manager().publish_now(key, {"type": kind, **facts})


def get_monitoring_hooks() -> MonitoringExecutionHooks | None:
    """Return the monitoring hooks if they are in force, else None."""
    hooks = get_execution_hooks()
    return hooks if isinstance(hooks, MonitoringExecutionHooks) else None


def enable_monitoring_hooks() -> None:
    """Do what `MonitoringRegistry.enable` does."""
    MonitoringRegistry.enable()


def disable_monitoring_hooks() -> None:
    """Do what `MonitoringRegistry.disable` does."""
    MonitoringRegistry.disable()
