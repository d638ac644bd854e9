"""WorkerExecutor: the handle on a worker that older programs reach as `ws._executor`.

A worker has no thread and no loop of its own here: the pumps of its runtime serve it.
The handle says the same things in the older words, and each word is one call of the
worker or its runtime. It holds the worker and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from routilux._core import Event, JobContext, Slot
from routilux.worker import WorkerState

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.runtime import Runtime

__all__ = [
    "EventRoutingTask",
    "SlotActivationTask",
    "TaskPriority",
    "WorkerExecutor",
]


class TaskPriority(IntEnum):
    """Priorities of tasks; kept with a task, and no more than that.

    Ready work is taken by its place in the flow, what lies downstream first.
    """

    HIGH = 1
    NORMAL = 2
    LOW = 3


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class SlotActivationTask:
    """An item for a slot: what `WorkerExecutor.enqueue_task` posts.

    Attributes:
        slot: The slot, one of a routine of the worker's flow.
        data: The item.
        job_context: A live job that it joins; None: a job of its own.
        priority: Kept, not used.
        created_at: When the task was made, UTC.
    """

    slot: Slot
    data: Any = None
    job_context: JobContext | None = None
    priority: TaskPriority = TaskPriority.NORMAL
    created_at: datetime = field(default_factory=_now)


@dataclass
class EventRoutingTask:
    """An event to route: what `WorkerExecutor.enqueue_task` hands to its runtime.

    Attributes:
        event: The event.
        event_data: A mapping whose "data" are the values.
        priority: Kept, not used.
        created_at: When the task was made, UTC.
    """

    event: Event
    event_data: dict[str, Any] = field(default_factory=dict)
    priority: TaskPriority = TaskPriority.NORMAL
    created_at: datetime = field(default_factory=_now)


class WorkerExecutor:
    """The handle on one worker.

    Args:
        flow: The flow of the worker.
        worker_state: The worker.
        global_thread_pool: Not needed: the runtime of the worker has the threads.
        timeout: Kept as an attribute, seconds; it ends nothing.
    """

    def __init__(
        self,
        flow: Flow,
        worker_state: WorkerState,
        global_thread_pool: object = None,
        timeout: float | None = None,
    ) -> None:
        self.flow = flow
        self.worker_state = worker_state
        self.timeout = timeout

    def start(self) -> None:
        """Do nothing: `Runtime.exec` has started the worker.

        Raises:
            RuntimeError: If it has not.
        """
        self._runtime()

    def enqueue_task(self, task: SlotActivationTask | EventRoutingTask) -> None:
        """Post the item of a task, or route its event.

        Raises:
            RuntimeError: The worker does not run.
            ValueError: The slot or event is none of the worker's flow.
        """
        runtime = self._runtime()
        if isinstance(task, EventRoutingTask):
            runtime.handle_event_emit(task.event, task.event_data, self.worker_state)
            return
        if not isinstance(task, SlotActivationTask):
            raise TypeError(
                "task must be a SlotActivationTask or an EventRoutingTask,"
                f" not {task!r}"
            )
        ids = {id(routine): name for name, routine in self.flow.routines.items()}
        routine_id = ids.get(id(task.slot.routine))
        if routine_id is None:
            raise ValueError(
                f"{task.slot!r} is no slot of flow {self.worker_state.flow_id!r}"
            )
        job = task.job_context
        runtime.post(
            self.flow,
            routine_id,
            task.slot.name,
            task.data,
            worker_id=self.worker_state.worker_id,
            job_id=None if job is None else job.job_id,
        )

    def pause(self, reason: str = "", checkpoint: Any = None) -> None:
        """Begin no activation any more; returns at once."""
        self.worker_state.pause(reason, checkpoint, wait=False)

    def resume(self) -> bool:
        """Go on after `pause`; see `WorkerState.resume`."""
        return self.worker_state.resume()

    def cancel(self, reason: str = "") -> bool:
        """Cancel the jobs of the worker and stop it; see `WorkerState.cancel`."""
        return self.worker_state.cancel(reason)

    def stop(self, status: str = "completed") -> bool:
        """Stop the worker; hooks are told the status. Its jobs are cancelled."""
        return self.worker_state.cancel(status=str(status))

    def _runtime(self) -> Runtime:
        runtime = self.worker_state._runtime()
        if runtime is None:
            raise RuntimeError(f"{self.worker_state!r} has no runtime: call exec()")
        return runtime

    def __repr__(self) -> str:
        return f"<WorkerExecutor of {self.worker_state!r}>"
