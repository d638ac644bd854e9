"""The machine behind a Runtime: core, threads, and the order in which they end.

Made by `Runtime`, which is the only one to hold it strongly from outside; the threads
hold the core and the driver. Ending goes: refuse posts, finish or cancel the jobs,
close the core (pumps end), stop the keeper and the event loop, join. Whoever ends it
first does the work; all others wait for `_closed`.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures.thread import ThreadPoolExecutor
from functools import partial

from routilux._core import FORKED, Control, InlineDriver, SimControl, ThreadDriver
from routilux.companions import Companions
from routilux.event_loop import EventLoopThread
from routilux.flow import Flow
from routilux.observability.recorder import last_moments
from routilux.simulation import Interleave, Simulation
from routilux.spares import Spares
from routilux.worker import WorkerState

__all__ = ["Machine"]

logger = logging.getLogger("routilux")

# An idle pump stays for a second: a post that comes meanwhile is picked up in a few
# microseconds. Pumps on the shared pool end at once, others need its threads.
LINGER_SECONDS = 1.0
CLOSED = "Runtime is shut down: it starts no more workers"
EXIT_SECONDS = 5.0
SIMULATED_SIZE = 4  # of a simulation's pool when nothing is said: the same everywhere


class SharedPool:
    """The process-wide pool of runtimes made with `thread_pool_size=0`."""

    lock = threading.Lock()
    executor: ThreadPoolExecutor | None = None
    size = os.cpu_count() or 1

    @classmethod
    def get(cls) -> ThreadPoolExecutor:
        with cls.lock:
            if cls.executor is None:
                cls.executor = ThreadPoolExecutor(cls.size, "routilux-shared")
            return cls.executor


class Machine:
    """Core, executor, keeper and event loop of one runtime.

    Thread-safety: `_lock` protects the list of workers and the choice of who closes;
    it is not held while anything is waited for.
    """

    def __init__(
        self,
        size: int | None,
        bound: int,
        history: int,
        metered: bool,
        *,
        inline: bool,
        seed: int | None = None,
        interleave: Interleave = "posts",
        faults: tuple[str, ...] = (),
        patience: float = 0.0,
    ) -> None:
        shared = size == 0 and not inline
        pool = size or (SharedPool.size if seed is None else SIMULATED_SIZE)
        linger = 0.0 if shared else LINGER_SECONDS
        self.core: Control
        self.simulation: Simulation | None = None
        self._lock = threading.RLock()  # reentrant: see EventLoopThread
        self._workers: list[WorkerState] = []
        self._flows: list[Flow] = []
        self._closing = 0  # the thread that closes, once one does
        self._closed = threading.Event()
        self._cancel_at_exit = False
        self._executor: ThreadPoolExecutor | None = None
        self._owns_executor = not shared and not inline
        self._keeper: threading.Thread | None = None
        self._spares = Spares()
        self._driver: ThreadDriver | InlineDriver | None = None
        self._let_go: Callable[[], None] | None = None
        self.companions = Companions()
        if seed is not None:
            self.core = SimControl(pool, bound, history, metered, linger)
            self.simulation = Simulation(self.core, seed, interleave, faults)
        else:
            self.core = Control(pool, bound, history, metered, linger)
        self.core.holders = holders
        self._loop = loop = EventLoopThread("routilux-loop", self.core.adopt_loop)
        # At exit it takes over from the threads, which know it from when they began.
        self._inliner = InlineDriver(self.core, loop.spawn, loop.cancel)
        if self.simulation is not None:
            pass  # it attached its driver
        elif inline:
            self._attach(self._inliner)
        else:
            self._executor = (
                SharedPool.get() if shared else ThreadPoolExecutor(pool, "routilux")
            )
            submit = self._executor.submit
            self._attach(
                ThreadDriver(
                    self.core,
                    submit,
                    loop.spawn,
                    loop.cancel,
                    self._spares.start,
                    patience,
                )
            )
        MACHINES.add(self)

    def _attach(self, driver: ThreadDriver | InlineDriver) -> None:
        self._driver = driver
        self.core.attach(driver)

    def start_worker(
        self, flow: Flow, worker_id: str, worker: WorkerState | None = None
    ) -> WorkerState:
        """Freeze a flow and start a worker of it; see `Runtime.exec`."""
        if not self.core.is_open:
            raise RuntimeError(FORKED if self.core.forked else CLOSED)
        plan = flow._acquire()
        worker = WorkerState() if worker is None else worker
        try:
            with self._lock:
                if not self.core.is_open or self._closing:
                    raise RuntimeError(CLOSED)
                self._start_keeper()
                self.core.add_worker(worker, flow, plan, worker_id)
                worker._machine = weakref.ref(self)
                worker._said = None
                self._workers.append(worker)
                self._flows.append(flow)
        except BaseException:
            flow._release()
            raise
        for routine in flow.routines.values():
            routine._join_worker(worker)
        self.core.announce(worker)
        return worker

    def stop_worker(self, worker: WorkerState, text: str, status: str) -> bool:
        """Cancel the jobs of a worker and stop it; see `WorkerState.cancel`.

        What runs of it goes on to its end; the flow is free after that.
        """
        with self._lock:
            if self._closing or not self.core.retire(worker):
                return False
            self._flows.remove(worker.flow)
        jobs = self.core.cancel_jobs(worker, text)
        self.core.resume(worker)  # nothing is queued: sets retries that wait free
        left = [len(jobs) + 1]

        def one_less(job: object) -> None:
            with self._lock:
                left[0] -= 1
                last = left[0] == 0
                if last and worker in self._workers:
                    self._workers.remove(worker)  # its meters go with it
            if last:
                self.core.let_go(worker, status)
                worker.flow._release()

        for job in jobs:
            job.add_done_callback(one_less)
        one_less(None)
        return True

    def draw_id(self) -> str:
        """Return eight hex digits: at random, or from the seed of a simulation."""
        if self.simulation is not None:
            return self.simulation.draw_id()
        return os.urandom(4).hex()

    def coroutines(self) -> list[object]:
        """The coroutines of async logic that have not ended."""
        return self._loop.coroutines()

    def workers(self) -> list[WorkerState]:
        """All workers that were ever started, oldest first."""
        with self._lock:
            return list(self._workers)

    def log_holders(self, what: str) -> None:
        """Log which routines and slots hold the unfinished jobs."""
        texts = holders(self.core)
        last = last_moments(self.core)
        logger.warning(
            "routilux: %d %s; they are held by: %s%s",
            self.core.counts()["jobs_live"],
            what,
            "; ".join(texts[:10]) or "nothing that is queued or running",
            f"; what happened last: {last}" if last else "",
        )

    def end(self, *, wait: bool, timeout: float | None, cancel_pending: bool) -> None:
        """Shut down; see `Runtime.shutdown`."""
        closes_here = (
            self._closing == threading.get_ident() and not self._closed.is_set()
        )
        if self.core.forked or closes_here:  # a hook or __del__ of the end asks for it
            return
        self.core.drain()
        if cancel_pending:
            self.core.cancel_all("cancelled by a shutdown")
        if not wait or self._is_ours():
            self._cancel_at_exit = True
            self._close_later()
            return
        if not self.core.wait_all(timeout):
            self.log_holders(f"jobs are unfinished after {timeout} s of shutdown")
            text = f"not begun after {timeout} s of shutdown"
            self.core.cancel_all(text, begun=False)
            self._cancel_at_exit = True
            self._close_later()
            return
        self._close()
        self._closed.wait()
        self._join()

    def watch(self, runtime: object) -> None:
        """End when `runtime` is collected; once closed, do no more than forget.

        The watch is kept by the process and holds what it calls. Machine and workers
        may lead back to the runtime, as through logic that refers to it: holding them
        beyond the end would keep all of it for ever.
        """
        watch = weakref.finalize(runtime, self.abandon)
        watch.atexit = False
        self._let_go = partial(let_go, weakref.ref(runtime), watch, self.core)

    def abandon(self) -> None:
        """The Runtime is gone: cancel what is queued and end without waiting."""
        if not self._closed.is_set():
            if self.simulation is not None:
                self.simulation.cancel_coroutines()
            self.end(wait=False, timeout=None, cancel_pending=True)
            self._loop.cancel_all()
        self.core.forget()

    def end_at_exit(self) -> None:
        """Finish the jobs before the interpreter exits.

        After `shutdown(wait=False)` what is queued is cancelled instead.
        """
        if self._closed.is_set():
            return
        if isinstance(self._driver, ThreadDriver):
            # From CPython 3.12 on no thread can be started any more, so what no pump is
            # awake for runs on this one. The old driver stays: threads are in it.
            self.core.attach(self._inliner)
        if self._cancel_at_exit:
            self.core.cancel_all("cancelled: the interpreter exits")
            self._loop.cancel_all()
            # No pump is woken any more, so this thread serves. Logic on a pool thread
            # is waited for by the pool's own hook.
            threaded = isinstance(self._driver, ThreadDriver)
            if not threaded or self.core.wait_all(EXIT_SECONDS):
                self._closed.wait(EXIT_SECONDS)
        else:
            self.end(wait=True, timeout=None, cancel_pending=False)

    def orphan(self) -> None:
        """Wait for nothing any more: in a fork's child no thread came along."""
        self.core.orphan()
        self._closing = threading.get_ident()
        self._closed = threading.Event()
        self._closed.set()

    @property
    def executor(self) -> ThreadPoolExecutor | None:
        """The executor, if it belongs to this machine alone."""
        return self._executor if self._owns_executor else None

    def _is_ours(self) -> bool:
        return self.core.is_inside() or self._loop.is_current()

    def _start_keeper(self) -> None:
        if self._keeper is None and isinstance(self._driver, ThreadDriver):
            keeper = threading.Thread(
                target=self._driver.keep, name="routilux-keeper", daemon=True
            )
            keeper.start()
            self._keeper = keeper

    def _close_later(self) -> None:
        # Threads end by themselves: somebody has to see the last job go.
        if self.core.counts()["jobs_live"] == 0:
            self._close()
            return
        with self._lock:
            if self._closing:
                return
        if isinstance(self.core, SimControl):
            # There is no other thread. What can't end yet, because logic is calling,
            # ends with the last step.
            self.core.when_done(self._close)
            self.core.run_dry()
            return
        threading.Thread(
            target=self._close_when_done, name="routilux-closer", daemon=True
        ).start()

    def _close_when_done(self) -> None:
        self.core.wait_all(None)
        self._close()

    def _close(self) -> None:
        # Nothing lives: tells every thread to end, and waits for none.
        with self._lock:
            if self._closing:
                return
            self._closing = threading.get_ident()
            flows, self._flows = self._flows, []
        self.core.close()
        if isinstance(self._driver, ThreadDriver):
            self._driver.stop()
        self._loop.stop()
        if self._executor is not None and self._owns_executor:
            self._executor.shutdown(wait=False)
        for flow in flows:
            flow._release()
        self.companions.stop()
        self._closed.set()
        if self._let_go is not None:
            self._let_go()

    def _join(self) -> None:
        given_up = self.core.n_given_up()
        if given_up:
            logger.warning(
                "routilux: %d threads are left behind; they run logic that took longer"
                " than its timeout, and end when it does",
                given_up,
            )
        else:
            if self._executor is not None and self._owns_executor:
                self._executor.shutdown(wait=True)
            self._spares.join()
        if self._keeper is not None:
            self._keeper.join()
        self._loop.join()
        self.companions.join()


def holders(core: Control) -> list[str]:
    """Say what holds the unfinished jobs."""
    from routilux.observability.explain import holders

    return holders(core)


def let_go(
    runtime: weakref.ref[object], watch: weakref.finalize[..., object], core: Control
) -> None:
    """Watch a runtime whose machine is closed with less in hand."""
    alive = runtime()
    if alive is not None and watch.detach() is not None:
        weakref.finalize(alive, core.forget).atexit = False


MACHINES: weakref.WeakSet[Machine] = weakref.WeakSet()


def end_all() -> None:
    """End every machine; runs before the interpreter joins its threads."""
    for machine in list(MACHINES):
        machine.end_at_exit()


def orphan_all() -> None:
    """Forget the parent's machines; runs in the child of a fork."""
    for machine in list(MACHINES):
        machine.orphan()
    MACHINES.clear()
    SharedPool.executor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=orphan_all)

# The pool's own exit hook refuses new pump tasks; hooks run in reverse order, and
# importing concurrent.futures.thread above made ours the later one. The function has
# no public twin: atexit runs only after the pool's threads were joined.
register: Callable[[Callable[[], None]], None]
register = getattr(threading, "_register_atexit")  # noqa: B009
register(end_all)
