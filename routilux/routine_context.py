"""What a routine asks of the activation that it runs in: its state, its job, its place.

The half of `Routine` that works inside logic, besides `emit`. Each method asks the
context who is running; nothing is kept here. Outside of logic there is nothing to ask,
and the methods that write say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from routilux._core import (
    JobContext,
    Policy,
    RoutineCore,
    WorkerCore,
    get_current_job,
)
from routilux.context import ExecutionContext, get_current_execution_context

if TYPE_CHECKING:
    from routilux.worker import WorkerState

__all__ = ["RoutineContext"]


class RoutineContext(RoutineCore):
    """The half of `Routine` that looks at the running activation."""

    _activation_policy: Any

    def get_execution_context(self) -> ExecutionContext | None:
        """Return flow, worker, routine id and job of the calling logic, or None."""
        return get_current_execution_context()

    def get_state(
        self, worker_state: WorkerState, key: str | None = None, default: Any = None
    ) -> Any:
        """Return the routine's state in a worker, or one value of it.

        Args:
            worker_state: The worker.
            key: A key of the state; None for a copy of the whole state.
            default: What to return where there is nothing.
        """
        place = self._place(worker_state)
        state = worker_state.get_routine_state(place)
        if state is None:
            return default
        return state if key is None else state.get(key, default)

    def set_state(self, worker_state: WorkerState, key: str, value: Any) -> None:
        """Set one value of the routine's state in a worker, atomically."""
        self.update_state(worker_state, {key: value})

    def update_state(self, worker_state: WorkerState, values: dict[str, Any]) -> None:
        """Set several values of the routine's state in a worker, atomically.

        Raises:
            TypeError: `values` is not a dict.
        """
        if not isinstance(values, dict):
            raise TypeError(f"values must be a dict, not {values!r}")
        place = self._place(worker_state)
        worker_state.update_routine_state_with(place, lambda state: state | values)

    def set_job_data(self, key: str, value: Any) -> None:
        """Store a value in the current job, under this routine's name.

        Raises:
            RuntimeError: Outside of logic.
        """
        job, routine_id = self._job()
        job.set_routine_data(routine_id, key, value)

    def get_job_data(self, key: str, default: Any = None) -> Any:
        """Return what `set_job_data` stored in the current job, else `default`."""
        context = get_current_execution_context()
        if context is None or context.job_context is None:
            return default
        return context.job_context.get_routine_data(context.routine_id, key, default)

    def constructor_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that make this routine again, for documents.

        Override it in a class whose constructor needs some; see `serialize`.
        """
        return {}

    def get_activation_policy_info(self) -> dict[str, Any]:
        """Return what the activation policy is, as plain values.

        Returns:
            A dict with "type" ("none" without a policy, "custom" for one of your own),
            "description" and "config".
        """
        policy = self._activation_policy
        if policy is None:
            text = "no policy: it never runs"
            return {"type": "none", "description": text, "config": {}}
        name = getattr(policy, "__name__", type(policy).__name__)
        info = {
            "type": getattr(policy, "_policy_type", "custom"),
            "description": getattr(policy, "_policy_description", name),
            "config": dict(getattr(policy, "_policy_config", {})),
        }
        if not isinstance(policy, Policy):
            info["module"] = getattr(policy, "__module__", None)
        return info

    def _place(self, worker: WorkerState) -> str:
        # The id under which the worker's flow has this routine.
        if not isinstance(worker, WorkerCore):
            raise TypeError(f"worker_state must be a WorkerState, not {worker!r}")
        context = get_current_execution_context()
        if context is not None and context.worker_state is worker:
            return context.routine_id
        flow = getattr(worker, "flow", None)
        for routine_id, routine in flow.routines.items() if flow is not None else ():
            if routine is self:
                return str(routine_id)
        raise RuntimeError(f"{self!r} is not a routine of the flow of {worker!r}")

    def _job(self) -> tuple[JobContext, str]:
        context = get_current_execution_context()
        job = get_current_job() if context is None else context.job_context
        if context is None or job is None:
            raise RuntimeError(
                f"set_job_data() of {self!r} outside of logic: there is no current job"
            )
        return job, context.routine_id
