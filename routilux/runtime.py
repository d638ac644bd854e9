"""Runtime: starts workers of flows, takes jobs, waits for them, ends.

Users hold a Runtime; threads never do. All that threads need hangs on a `Machine`, so
that a runtime that is dropped without `shutdown()` is collected, and its machine is
ended then. `post` and `post_many` are compiled (`BulkCore`), maps and what is for
`asyncio` are in `StreamingRuntime`; everything here runs once per worker, wait or
shutdown, not once per item.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from routilux._core import (
    JobContext,
    JobStatus,
    set_post_result,
    tally,
)
from routilux.arguments import check_length, check_seconds
from routilux.errors import name_hint
from routilux.flow import Flow
from routilux.machine import Machine
from routilux.monitoring.flow_registry import FlowRegistry
from routilux.observability.live import LiveRuntime
from routilux.observability.observed import ObservedRuntime
from routilux.simulation import (
    Interleave,
    Simulation,
    check_faults,
    check_interleave,
    check_seed,
)
from routilux.streaming import StreamingRuntime
from routilux.supervision import Supervision
from routilux.worker import WorkerState

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Self


__all__ = ["JobContext", "JobStatus", "PostResult", "Runtime"]

logger = logging.getLogger("routilux")

MANY_THREADS = 1000
MOST_THREADS = 2**31 - 1


class PostResult(tuple[WorkerState, JobContext]):
    """What `Runtime.post` returns: `(worker_state, job)`, and the job's attributes.

    Unpack it, or ask it for `job_id`, `status`, `data` and whatever else a
    `JobContext` has.

    Example:
        >>> result = runtime.post("my_flow", "routine", "input", {"x": 1})
        >>> worker_state, job = result
        >>> result.job_id == job.job_id
        True
    """

    __slots__ = ()

    @property
    def worker_state(self) -> WorkerState:
        """The worker that got the job."""
        return self[0]

    @property
    def job(self) -> JobContext:
        """The job."""
        return self[1]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self[1], name)


set_post_result(PostResult)


def check_fresh(worker: object, flow: Flow) -> WorkerState:
    """Return a `WorkerState` that can become a worker of a flow, or raise."""
    if not isinstance(worker, WorkerState):
        raise TypeError(f"worker_state must be a WorkerState, not {worker!r}")
    if worker.engine is not None:
        raise ValueError(
            f"{worker!r} was started before: make or load another WorkerState"
        )
    if worker.flow_id not in ("", flow.flow_id):
        raise ValueError(
            f"worker_state is for flow {worker.flow_id!r}, not for {flow.flow_id!r}"
        )
    return worker


class Runtime(StreamingRuntime, Supervision, ObservedRuntime, LiveRuntime):
    """Runs flows on a thread pool.

    1. `exec` starts a worker of a flow.
    2. `post` submits jobs to it.
    3. `wait_until_all_jobs_finished` waits for them.
    4. `shutdown`, or leaving the `with` block, finishes what is left and joins all
       threads.

    Thread-safety: every method may be called from any thread.

    Args:
        thread_pool_size: Threads that run logic; None: the number of CPUs; 0: share
            one process-wide pool with other runtimes.
        max_queue_size: Jobs that may be posted and not yet finished before `post`
            waits. Jobs that only wait below their policy's threshold do not count.
        enable_monitoring: Count and time every activation for `metrics()`.
        engine: "threads"; "inline": work runs on the thread that waits; "sim": it does
            so in virtual time, in an order that the seed decides.
        job_history: Finished jobs that `get_job` still answers for.
        seed: For "sim": 0 <= seed < 2**64; None draws one. See `simulation`.
        interleave: For "sim": where activations may run. "waits": while somebody waits
            or sleeps; "posts": inside calls of the runtime, too; "logic": and inside
            logic, wherever it calls the runtime.
        faults: For "sim": let things go wrong: True, or some of "late", "timer",
            "clock", "wake", "full" and "memory". The seed decides which do, and when.
        trace: Write all that happens to this file, until the runtime ends; see the
            method `trace`.

        stall_warning: Seconds in which no activation begins, though items wait, until
            the log says which routines, threads and slots are involved; None: never.

    Raises:
        TypeError: A parameter has the wrong type; it is named with its value.
        ValueError: A parameter is out of range; it is named with its value.

    Example:
        >>> with Runtime(thread_pool_size=2) as runtime:
        ...     runtime.exec("my_flow")
        ...     runtime.post("my_flow", "routine", "input", {"x": 1})
        ...     runtime.wait_until_all_jobs_finished(timeout=10.0)
    """

    def __init__(
        self,
        thread_pool_size: int | None = None,
        max_queue_size: int = 1000,
        enable_monitoring: bool = False,
        *,
        engine: Literal["threads", "inline", "sim"] = "threads",
        job_history: int = 10_000,
        seed: int | None = None,
        interleave: Interleave = "posts",
        faults: bool | Iterable[str] = False,
        stall_warning: float | None = 5.0,
        trace: str | PathLike[str] | None = None,
    ) -> None:
        if thread_pool_size is not None:
            check_length("thread_pool_size", thread_pool_size, 0, MOST_THREADS)
            if thread_pool_size > MANY_THREADS:
                logger.warning(
                    "a pool of %d threads is rarely of use", thread_pool_size
                )
        check_length("max_queue_size", max_queue_size, 1)
        check_length("job_history", job_history, 0)
        if engine not in ("threads", "inline", "sim"):
            raise ValueError(
                f"engine must be 'threads', 'inline' or 'sim', not {engine!r}"
            )
        patience = 0.0
        if stall_warning is not None:
            patience = check_seconds("stall_warning", stall_warning, positive=True)
        check_interleave(interleave)
        names = check_faults(faults)
        if engine != "sim" and (seed is not None or names or interleave != "posts"):
            raise ValueError(
                f"seed, interleave and faults are for engine='sim', not for {engine!r}"
            )
        self.thread_pool_size = thread_pool_size
        self.max_queue_size = max_queue_size
        self.enable_monitoring = bool(enable_monitoring)
        self.engine = engine
        self._machine = Machine(
            thread_pool_size,
            max_queue_size,
            job_history,
            bool(enable_monitoring),
            inline=engine != "threads",
            seed=check_seed(seed) if engine == "sim" else None,
            interleave=interleave,
            faults=names,
            patience=patience,
        )
        self._attach(self._machine.core)
        self._machine.watch(self)
        self._made_at = tally(self.core)["clock"]
        if trace is not None:
            self.trace(trace)

    def exec(
        self,
        flow_id: str | Flow | None = None,
        worker_id: str | WorkerState | None = None,
        worker_state: WorkerState | str | None = None,
        *,
        flow_name: str | Flow | None = None,
    ) -> WorkerState:
        """Start a worker of a flow.

        1. Checks the flow and freezes its shape.
        2. Makes a worker with queues of its own; posts without `worker_id` go to it.

        Args:
            flow_id: Registered name or id of the flow, or the Flow; also `flow_name`.
            worker_id: An id of your choice, unique among the running workers.
            worker_state: A `WorkerState` that never ran, made by hand or loaded: it
                becomes the worker, with its id, routine states and history. The two
                may stand in each other's place.

        Returns:
            The `WorkerState` of the new worker.

        Raises:
            ValueError: The flow is unknown, the worker_id taken, or the worker_state
                is for another flow, or ran before.
            ConfigurationError: A batch size that its slot can never hold.
            RuntimeError: After `shutdown()`.
        """
        flow = self._find_flow(flow_id if flow_name is None else flow_name)
        if isinstance(worker_id, WorkerState) or isinstance(worker_state, str):
            worker_id, worker_state = worker_state, worker_id
        fresh = None if worker_state is None else check_fresh(worker_state, flow)
        if fresh is not None and worker_id is None:
            worker_id = fresh.worker_id
        if worker_id is None:
            worker_id = f"worker_{self._machine.draw_id()}"
        elif not isinstance(worker_id, str) or not worker_id:
            raise TypeError(f"worker_id must be a non-empty str, not {worker_id!r}")
        worker = self._machine.start_worker(flow, worker_id, fresh)
        worker._runtime = weakref.ref(self)
        return worker

    def get_job(self, job_id: str) -> JobContext | None:
        """Return a job that lives or ended not long ago, None when it is unknown.

        Args:
            job_id: As `job.job_id` has it.
        """
        if not isinstance(job_id, str):
            raise TypeError(f"job_id must be a str, not {job_id!r}")
        if self.simulation is not None:
            self.simulation.poll()
        return self.core.find_job(str(job_id))

    def cancel_job(self, job_id: str) -> bool:
        """Cancel a job: what is queued of it is dropped and counted.

        Returns:
            True when this call cancelled it; False when it was finished or is unknown.
        """
        job = self.get_job(job_id)
        return job is not None and job.cancel()

    def flush(self, flow_id: str | Flow | None = None) -> None:
        """Run the partial batches of a flow now, of all flows when it is None."""
        self.core.flush(None if flow_id is None else self._resolve(flow_id))

    def wait_until_all_jobs_finished(
        self, timeout: float | None = None, *, progress: bool = False
    ) -> bool:
        """Sleep until every job is finished.

        Partial batches run when nothing else is left to do. The last job's end wakes
        the caller; nothing polls.

        Args:
            timeout: Seconds; None waits without a limit.
            progress: Show meanwhile how far they are; see `progress`.

        Returns:
            True when all are finished; False at the timeout, after a log line that says
            which routines and slots hold the rest.

        Raises:
            RuntimeError: Inside logic, which would wait for itself.
        """
        if progress:
            self.core.check_outside("wait_until_all_jobs_finished()")
            shown = self._progress
            with self.progress() if shown is None else nullcontext(shown) as seen:
                seen.expect_no_more()
                return self.wait_until_all_jobs_finished(timeout)
        if self.core.wait_all(timeout):
            return True
        self._machine.log_holders(f"jobs are unfinished after {timeout} s")
        return False

    def shutdown(
        self,
        wait: bool = True,
        timeout: float | None = None,
        cancel_pending: bool = False,
    ) -> None:
        """Refuse new jobs, finish the others, end all threads. Idempotent.

        Data that no policy will ever take ends its job `cancelled`, with the slot named
        in `job.error`. Inside logic it acts like `wait=False`.

        Args:
            wait: Return when all jobs are finished and all threads joined. With False
                it returns at once, and the threads end by themselves.
            timeout: Seconds to wait. Jobs that have not begun by then are cancelled;
                the others go on, and the threads end after them.
            cancel_pending: Cancel what is queued instead of finishing it.
        """
        self._machine.end(wait=wait, timeout=timeout, cancel_pending=cancel_pending)
        self._forget_last_post()
        if wait:
            self._end_trace()

    def sleep(self, seconds: float) -> None:
        """Let time pass.

        With the engine "sim" it is virtual and the flow goes on meanwhile; with the
        others it is `time.sleep`. Logic has `routilux.clock.sleep` instead.

        Args:
            seconds: How long, at least.
        """
        check_seconds("seconds", seconds)
        if self.simulation is None:
            time.sleep(seconds)
        else:
            self.simulation.sleep(seconds)

    @property
    def simulation(self) -> Simulation | None:
        """What the engine "sim" drew and did; None with the others."""
        return self._machine.simulation

    @property
    def thread_pool(self) -> ThreadPoolExecutor | None:
        """The executor that the runtime owns; None when it shares one, or has none."""
        return self._machine.executor

    def _find_flow(self, flow: object) -> Flow:
        if isinstance(flow, Flow):
            return flow
        if not isinstance(flow, str):
            raise TypeError(f"flow_id must be a str or a Flow, not {flow!r}")
        registry = FlowRegistry.get_instance()
        found = registry.find(flow)
        if found is None:
            ids = {item.flow_id for item in registry.list_all()}
            known = sorted(ids.union(registry.near(flow)))
            hint = name_hint(flow, known, "flows")
            raise ValueError(f"Flow {flow!r} not found in registry. {hint}")
        return found

    def _resolve(self, flow: object) -> str:
        # For the compiled half: what users call a flow, to the flow's id.
        return self._find_flow(flow).flow_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown(wait=True, cancel_pending=kind is not None)

    def __repr__(self) -> str:
        state = "open" if self.core.is_open else "shut down"
        return f"<Runtime {self.engine}, pool {self.core.pool_size}: {state}>"
