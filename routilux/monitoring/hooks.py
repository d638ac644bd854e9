"""Execution hooks: methods of yours that the engine calls as it works.

One hooks object serves the whole process, whatever the number of runtimes. The core
keeps it in one variable and asks a single `if` per step while there is none, which
is why `NullExecutionHooks` is given to it as None.

A hook runs on the thread that does the step it reports, with no lock held, so it
may be called from many threads at once and should return soon. A hook that raises
is logged and ignored, and counts as having answered "go on". The lock here only
keeps this module and the core agreed on which object is in force.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from routilux._core import set_hooks

if TYPE_CHECKING:
    from routilux._core import JobError
    from routilux.core import Event, Flow, JobContext, Slot, WorkerState

__all__ = [
    "ExecutionHooksInterface",
    "NullExecutionHooks",
    "add_observer",
    "get_execution_hooks",
    "remove_observer",
    "reset_execution_hooks",
    "set_execution_hooks",
]


logger = logging.getLogger("routilux")


class ExecutionHooksInterface:
    """Base for your hooks: override the methods that you care about.

    Each method does nothing, and those that may veto a step let it pass.

    Thread-safety: the engine calls hooks from many threads at once.

    Example:
        >>> class Ends(ExecutionHooksInterface):
        ...     def on_job_end(self, job, ws, status="completed", error=None):
        ...         print(job.job_id, status)
        >>> set_execution_hooks(Ends())
    """

    def on_worker_start(self, flow: Flow, worker_state: WorkerState) -> None:
        """Note that a worker of a flow has started.

        Args:
            flow: The flow it runs.
            worker_state: State of the new worker.
        """

    def on_worker_stop(
        self, flow: Flow, worker_state: WorkerState, status: str
    ) -> None:
        """Note that a worker has ended.

        Args:
            flow: The flow it ran.
            worker_state: State of the worker.
            status: How it ended.
        """

    def on_job_start(self, job: JobContext, worker_state: WorkerState) -> None:
        """Note that a job is about to run for the first time.

        Args:
            job: The job.
            worker_state: State of its worker.
        """

    def on_job_end(
        self,
        job: JobContext,
        worker_state: WorkerState,
        status: str = "completed",
        error: JobError | None = None,
    ) -> None:
        """Note that a job is finished.

        Args:
            job: The job.
            worker_state: State of its worker.
            status: "completed", "failed" or "cancelled".
            error: `job.error`: what failed or cancelled it, if anything did.
        """

    def on_routine_start(
        self,
        routine_id: str,
        worker_state: WorkerState,
        job: JobContext | None = None,
    ) -> bool:
        """Note that logic is about to be called, or forbid it.

        Args:
            routine_id: Id of the routine in its flow.
            worker_state: State of the worker.
            job: Job of the newest item of the activation.

        Returns:
            False to skip this activation; its items are consumed all the same.
        """
        return True

    def on_routine_end(
        self,
        routine_id: str,
        worker_state: WorkerState,
        job: JobContext | None = None,
        status: str = "completed",
        error: BaseException | None = None,
    ) -> None:
        """Note that logic has returned or raised.

        Args:
            routine_id: Id of the routine in its flow.
            worker_state: State of the worker.
            job: Job of the newest item of the activation.
            status: "completed" or "failed".
            error: What the logic raised, if it did.
        """

    def on_event_emit(
        self,
        event: Event,
        source_routine_id: str,
        worker_state: WorkerState,
        job: JobContext | None = None,
        data: dict[str, Any] | None = None,
    ) -> bool:
        """Note that logic emits an event, or block it.

        Args:
            event: The event.
            source_routine_id: Id of the routine that emits.
            worker_state: State of the worker.
            job: Job of the newest item of the activation.
            data: The keyword arguments of the emit.

        Returns:
            False to deliver the event to nobody.
        """
        return True

    def on_slot_before_enqueue(
        self,
        slot: Slot,
        routine_id: str,
        job_context: JobContext | None,
        data: Any,
        flow_id: str,
    ) -> tuple[bool, str | None]:
        """Note that an item is about to enter a slot, or drop it.

        Args:
            slot: The slot.
            routine_id: Id of the routine that has the slot.
            job_context: Job of the item.
            data: The item.
            flow_id: Id of the flow.

        Returns:
            `(True, None)` to let it in, `(False, reason)` to drop it.
        """
        return True, None


class NullExecutionHooks(ExecutionHooksInterface):
    """Hooks that do nothing; what is in force until you set your own."""


class _Several(ExecutionHooksInterface):
    # The hooks in force and the observers beside them: each is told, in this order,
    # until one says no.
    def __init__(self, members: tuple[ExecutionHooksInterface, ...]) -> None:
        self.members = members


def _tell_all(name: str) -> Callable[..., object]:
    def tell(self: _Several, *args: object, **kwargs: object) -> object:
        for member in self.members:
            try:
                answer = getattr(member, name)(*args, **kwargs)
                said = answer[0] if isinstance(answer, tuple) and answer else answer
                if said is not None and not said:
                    return answer
            except Exception:
                logger.exception("routilux: the execution hook %s raised", name)
        return None

    return tell


_METHODS = tuple(name for name in vars(ExecutionHooksInterface) if name[:3] == "on_")
for _name in _METHODS:
    setattr(_Several, _name, _tell_all(_name))
_lock = threading.Lock()
_observers: tuple[ExecutionHooksInterface, ...] = ()
_hooks: ExecutionHooksInterface = NullExecutionHooks()


def get_execution_hooks() -> ExecutionHooksInterface:
    """Return the hooks in force, `NullExecutionHooks` when none were set."""
    return _hooks


def set_execution_hooks(hooks: ExecutionHooksInterface | None) -> None:
    """Put hooks in force for every runtime of this process.

    Steps that are under way when it is called may still report to the hooks
    that were in force before.

    Args:
        hooks: An object with the methods of `ExecutionHooksInterface`; None is
            the same as `reset_execution_hooks()`.

    Raises:
        TypeError: If one of the methods is missing.
    """
    global _hooks
    if hooks is None:
        hooks = NullExecutionHooks()
    missing = [name for name in _METHODS if not callable(getattr(hooks, name, None))]
    if isinstance(hooks, type) or missing:
        raise TypeError(
            f"set_execution_hooks() expects an ExecutionHooksInterface, not {hooks!r}"
            + (f", which has no {', '.join(missing)}" if missing else "")
        )
    with _lock:
        # The old object leaves with `before`, after the lock: it is user code.
        before, _hooks = _hooks, hooks
        _install()
    del before


def add_observer(observer: ExecutionHooksInterface) -> None:
    """Put hooks in force beside the others; they stay when those are replaced.

    For what looks on while hooks of the user are in force: breakpoints, spans. Adding
    one twice adds it once.
    """
    global _observers
    with _lock:
        if observer not in _observers:
            _observers = (*_observers, observer)
            _install()


def remove_observer(observer: ExecutionHooksInterface) -> None:
    """Take an observer out of force; one that is not in force is no error."""
    global _observers
    with _lock:
        before, _observers = (
            _observers,
            tuple(one for one in _observers if one is not observer),
        )
        _install()
    del before


def _install() -> None:
    # Under the lock: gives the core what stands for all of them, None for nobody.
    members = () if type(_hooks) is NullExecutionHooks else (_hooks,)
    members = (*members, *_observers)
    if len(members) > 1:
        set_hooks(_Several(members))
    else:
        set_hooks(members[0] if members else None)


def reset_execution_hooks() -> None:
    """Take all hooks out of force."""
    set_execution_hooks(None)
