"""RoutineTester: one routine on the real runtime, with what it emits kept.

The runtime is made with the inline engine: a routine runs on the thread that waits, so
a test is over when it says so, a breakpoint stops where one expects, and nothing has to
be slept for.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from routilux.activation_policies import immediate_policy
from routilux.flow import Flow
from routilux.routine import Routine
from routilux.runtime import JobContext, Runtime

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.worker import WorkerState

__all__ = ["RoutineTester"]

PATIENCE = 30.0  # seconds


class Listener(Routine):
    """Keeps what comes."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input", 1_000_000)
        self.set_activation_policy(immediate_policy())
        self.heard: list[Any] = []
        self.guard = threading.Lock()

    def logic(
        self,
        slot_data: dict[str, list[Any]],
        policy_message: Any,
        worker_state: WorkerState,
    ) -> None:
        """Keep the items."""
        with self.guard:
            self.heard.extend(slot_data["input"])


class RoutineTester:
    """Runs one routine and tells what it emitted.

    Args:
        routine: The routine under test; it must be in no running flow.
        config: Set before it starts.
        engine: "inline", or "threads" where threads are what is tested.

    Raises:
        TypeError: It is no routine.

    Example:
        >>> with RoutineTester(Filter(), {"condition": "data > 1"}) as tester:
        ...     tester.run("input", 1, 2)
        ...     tester.emitted("passed")
        [{'data': 2}]
    """

    def __init__(
        self,
        routine: Routine,
        config: dict[str, Any] | None = None,
        *,
        engine: Literal["inline", "threads"] = "inline",
    ) -> None:
        if not isinstance(routine, Routine):
            raise TypeError(f"routine must be a Routine, not {routine!r}")
        routine._prepare()
        if config:
            routine.set_config(**config)
        self.routine = routine
        self.jobs: list[JobContext] = []
        self._listeners: dict[str, Listener] = {}
        self._flow = Flow()
        self._flow.add_routine(routine, "routine")
        for name in routine.events:
            listener = self._listeners[name] = Listener()
            self._flow.add_routine(listener, f"event {name}")
            self._flow.connect("routine", name, f"event {name}", "input")
        self._runtime = Runtime(thread_pool_size=2, engine=engine)
        try:
            self.worker_state = self._runtime.exec(self._flow)
        except BaseException:
            self.close()
            raise

    def post(self, slot: str, data: Any) -> JobContext:
        """Post an item to a slot and return its job, which runs in `wait`."""
        job = self._runtime.post(self._flow, "routine", slot, data).job
        self.jobs.append(job)
        return job

    def wait(self, timeout: float = PATIENCE) -> None:
        """Run what was posted.

        Raises:
            TimeoutError: It is not finished after so many seconds.
        """
        if not self._runtime.wait_until_all_jobs_finished(timeout):
            raise TimeoutError(f"{self.routine!r} is not finished after {timeout} s")

    def run(self, slot: str, *items: Any) -> list[JobContext]:
        """Post items to a slot, wait, and return their jobs.

        Raises:
            JobFailedError: The logic raised; the message has its exception.
        """
        jobs = [self.post(slot, item) for item in items]
        self.wait()
        for job in jobs:
            job.result(0)
        return jobs

    def emitted(self, event: str) -> list[Any]:
        """Return the items that went out through an event, oldest first.

        Raises:
            ValueError: The routine has no such event.
        """
        if event not in self._listeners:
            valid = ", ".join(map(repr, self._listeners)) or "none"
            raise ValueError(f"{self.routine!r} has no event {event!r}; it has {valid}")
        with self._listeners[event].guard:
            return list(self._listeners[event].heard)

    def clear(self) -> None:
        """Forget what was emitted and posted so far."""
        for listener in self._listeners.values():
            with listener.guard:
                listener.heard.clear()
        self.jobs.clear()

    @property
    def state(self) -> dict[str, Any]:
        """What the routine keeps in the state of its worker; a copy."""
        return self.worker_state.get_routine_state("routine", {})

    def close(self) -> None:
        """End the runtime; what was posted and has not run is cancelled."""
        self._runtime.shutdown(cancel_pending=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
