"""All workers of the process: a register to look them up, and a manager to run some.

`WorkerRegistry` asks the runtimes that live for their workers when it is asked, so it
keeps no one alive, needs no thread that cleans up, and can't be out of date. What is
entered by hand is held weakly. `WorkerManager` is a `Runtime` that is made when its
first worker starts, for programs that start workers without one.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from routilux.flow import Flow
from routilux.machine import MACHINES
from routilux.runtime import Runtime
from routilux.worker import WorkerState

__all__ = [
    "WorkerManager",
    "WorkerRegistry",
    "get_worker_manager",
    "get_worker_registry",
    "reset_worker_manager",
]


class WorkerRegistry:
    """Find workers of any runtime of this process, by worker or flow.

    Thread-safety: every method may be called from any thread.
    """

    _instance: WorkerRegistry | None = None

    def __init__(self) -> None:
        self._entered: weakref.WeakValueDictionary[str, WorkerState] = (
            weakref.WeakValueDictionary()
        )
        self._ended: weakref.WeakSet[WorkerState] = weakref.WeakSet()
        self._lock = threading.RLock()

    @classmethod
    def get_instance(cls) -> WorkerRegistry:
        """Return the register that the process shares."""
        with _LOCK:
            if cls._instance is None:
                cls._instance = cls()
            return cls._instance

    def register(self, worker_state: WorkerState) -> None:
        """Enter a worker weakly; those that a runtime runs are found anyway."""
        if not isinstance(worker_state, WorkerState):
            raise TypeError(f"Expected a WorkerState, not {worker_state!r}")
        with self._lock:
            self._entered[worker_state.worker_id] = worker_state
            self._ended.discard(worker_state)

    def get(self, worker_id: str) -> WorkerState | None:
        """Return the worker with an id, one that runs if there is one; or None."""
        found = [w for w in self.list_all() if w.worker_id == worker_id]
        return found[-1] if found else None

    def get_by_flow(self, flow_id: str) -> list[WorkerState]:
        """Return the workers of a flow."""
        return [worker for worker in self.list_all() if worker.flow_id == flow_id]

    def list_all(self) -> list[WorkerState]:
        """Return every worker that runs, is paused, or was entered and is alive."""
        running = [w for machine in list(MACHINES) for w in machine.core.all_workers()]
        with self._lock:
            entered = list(self._entered.values())
            ended = set(self._ended)
        # Running ones last: of several with one id, `get` answers the last.
        both = dict.fromkeys([*entered, *running])
        return [worker for worker in both if worker not in ended]

    def mark_completed(self, worker_id: str) -> None:
        """Answer for a worker no more; for a later one with its id it does."""
        found = [w for w in self.list_all() if w.worker_id == worker_id]
        with self._lock:
            self._entered.pop(worker_id, None)
            self._ended.update(found)

    def clear(self) -> None:
        """Forget what was entered and marked; running workers are still found."""
        with self._lock:
            self._entered.clear()
            self._ended.clear()

    def shutdown(self, timeout: float | None = None) -> None:
        """Forget everything; there is no thread to wait for."""
        self.clear()


class WorkerManager:
    """Runs workers on a `Runtime` of its own.

    Args:
        max_workers: Threads of that runtime, at most.
    """

    def __init__(self, max_workers: int = 100) -> None:
        self.max_workers = max_workers
        self._lock = threading.Lock()
        self._own: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        """The runtime of the manager, made when it is asked for first."""
        with self._lock:
            if self._own is None:
                self._own = Runtime(self.max_workers)
            return self._own

    def start_worker(
        self,
        flow: Flow | str,
        worker_state: WorkerState | None = None,
        worker_id: str | None = None,
        **ignored: Any,
    ) -> WorkerState:
        """Start a worker of a flow; see `Runtime.exec`."""
        return self.runtime.exec(flow, worker_id, worker_state=worker_state)

    def get_worker(self, worker_id: str) -> WorkerState | None:
        """Return one of its workers, or None."""
        return None if self._own is None else self._own.get_worker(worker_id)

    def stop_worker(self, worker_id: str, reason: str = "") -> bool:
        """Cancel a worker; False if it is unknown or has ended."""
        worker = self.get_worker(worker_id)
        return worker is not None and worker.cancel(reason)

    def list_workers(self) -> list[WorkerState]:
        """Return its workers that run or are paused."""
        return [] if self._own is None else self._own.list_workers()

    def get_worker_count(self) -> int:
        """Return how many of its workers run or are paused."""
        return len(self.list_workers())

    def shutdown(
        self,
        wait: bool = True,
        timeout: float | None = None,
        fast_cleanup: bool = False,
    ) -> None:
        """Shut its runtime down; see `Runtime.shutdown`.

        Args:
            wait: Return when all jobs are finished and all threads joined.
            timeout: Seconds to wait; None waits without a limit.
            fast_cleanup: Cancel what is queued instead of finishing it.
        """
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.shutdown(wait, timeout, cancel_pending=fast_cleanup)


_LOCK = threading.Lock()
_manager: WorkerManager | None = None


def get_worker_registry() -> WorkerRegistry:
    """Return the register of workers that the process shares."""
    return WorkerRegistry.get_instance()


def get_worker_manager() -> WorkerManager:
    """Return the manager that the process shares."""
    global _manager
    with _LOCK:
        if _manager is None:
            _manager = WorkerManager()
        return _manager


def reset_worker_manager() -> None:
    """Cancel what the shared manager runs; the next call of get_* makes another."""
    global _manager
    with _LOCK:
        before, _manager = _manager, None
    if before is not None:
        before.shutdown(fast_cleanup=True)
