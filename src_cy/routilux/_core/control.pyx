"""Control: what Python asks of a running core, besides post and emit.

Called by Runtime and by the jobs, from any thread: start a worker, wait, cancel,
flush, refuse posts, end. Each call decides under a lock and acts after it, like the
hot path does, and every wait goes through the driver, which may run work meanwhile.
"""

import logging

cimport cython
from libc.stdint cimport int64_t

from routilux._core.status cimport ENGINE_CLOSED, ENGINE_DRAINING, ENGINE_OPEN
from routilux._core.status cimport FLUSH_WANTED, JOB_CANCELLED, JOB_RUNNING
from routilux._core.status cimport WORKER_STOPPED
from routilux._core.platform cimport (
    WAIT_ALL,
    WAIT_JOB,
    PyThread_release_lock,
    deadline_of,
    rlx_load,
    rlx_load_ptr,
    rlx_lock,
    rlx_look,
    rlx_show,
    rlx_store,
    rlx_unlock,
    rlx_xdecref,
    waiter_free,
    waiter_init,
    waiter_leave,
    waiter_link,
    waiter_pick,
    waiter_t,
    waiters_t,
    wake_chain,
)
from routilux._core.mutant cimport cut
from routilux._core.failure cimport failure_of
from routilux._core.job cimport JobContext, owner_t, wall_ns
from routilux._core.group cimport newest_job
from routilux._core.ledger cimport Ledger, call_one, effects_t
from routilux._core.routine cimport Node, Plan
from routilux._core.timer cimport timer_t
from routilux._core.worker cimport WorkerCore
from routilux._core.layout cimport lay_out
from routilux._core.settle cimport is_stuck, wake_if_blocked
from routilux._core.flush cimport flush_cell, flush_cells
from routilux._core.frame cimport (
    context_value,
    current_frame,
    frame_t,
    loop_engine,
    owner_of,
    pump_engine,
    set_loop_engine,
)
from routilux._core.hooks cimport call_hook
from routilux._core.engine cimport pump_t, zero
from routilux._core.pause cimport Pause
from routilux._core.view cimport view_of

from routilux._core.job import JobError, JobStatus
from routilux._core.pause import FORKED

logger = logging.getLogger("routilux")

cdef list STATUS = list(JobStatus)      # in the order of the enum JobState
cdef int64_t LAST_NS = 0x7fffffffffffffff


cdef class Control(Pause):
    """The core of one runtime, as :class:`routilux.Runtime` uses it."""

    def add_worker(self, WorkerCore worker, flow, Plan plan, str worker_id):
        """Build a worker's queues and let posts find it."""
        if worker_id in self.workers:
            raise ValueError(
                f"worker_id {worker_id!r} is taken by a running worker of flow"
                f" {self.workers[worker_id].flow_id!r}"
            )
        lay_out(
            worker,
            self,
            self.ledger,
            self.clock,
            plan,
            worker_id,
            self.pool_size,
            self.recorder if self.recorder is not None and self.recorder.active else None,
        )
        worker.flow = flow
        self.workers[worker_id] = worker
        self.newest[plan.flow_id] = worker
        self.epoch += 1

    def announce(self, WorkerCore worker):
        """Tell the hooks of a new worker; no lock held."""
        call_hook("on_worker_start", (worker.flow, worker))

    def wait_all(self, timeout):
        """Sleep until no job lives; see Runtime.wait_until_all_jobs_finished."""
        self.check_outside("wait_until_all_jobs_finished()")
        return self.sleep(WAIT_ALL, None, timeout)

    def wait_job(self, JobContext job, timeout):
        """Sleep until one job ended; see JobContext.wait."""
        if rlx_look(<int*>&job.ended):
            return True
        self.check_outside("job.wait()")
        return self.sleep(WAIT_JOB, job, timeout)

    def is_inside(self):
        """Whether the calling thread runs logic of this runtime, or belongs to it."""
        cdef frame_t* frame = current_frame()
        cdef owner_t* owner
        if frame != NULL and (<WorkerCore>frame.worker).engine is self:
            return True
        if pump_engine() == <void*>self or loop_engine() == <void*>self:
            return True
        owner = owner_of(context_value())       # asyncio.to_thread, copy_context().run
        if owner == NULL or owner.open == 0:
            return False
        return newest_job(owner).ident.engine is self

    def adopt_loop(self):
        """The calling thread runs the event loop of this runtime."""
        set_loop_engine(<void*>self)

    def check_outside(self, what):
        """Raise RuntimeError where waiting would be waiting for itself."""
        cdef frame_t* frame = current_frame()
        if not self.is_inside():
            return
        where = "on a thread of the runtime's pool"
        if frame != NULL:
            where = (
                f"inside logic of routine {(<Node>frame.act.cell.node).routine_id!r} of"
                f" flow {(<WorkerCore>frame.worker).ident.flow_id!r}"
            )
        raise RuntimeError(
            f"{what} {where} would wait for itself: the activation holds its job open"
            " until it returns. Use job.add_done_callback(), or await the job in async"
            " logic"
        )

    def sleep(self, int kind, JobContext job, timeout):
        cdef waiter_t waiter
        cdef int64_t deadline = deadline_of(timeout, self.clock.now())
        cdef Ledger ledger = self.ledger
        cdef waiters_t* waiters = &ledger.all_waiters if job is None else &ledger.job_waiters
        cdef bint quiet
        if self.forked:
            raise RuntimeError(FORKED)
        waiter_init(&waiter, kind, <void*>job)
        waiter.pulse = &self.beats
        try:
            while True:
                rlx_lock(&ledger.lock)
                if ledger.live == 0 if job is None else job.ended:
                    rlx_unlock(&ledger.lock)
                    return True
                cut(52, &ledger.lock)
                waiter_link(waiters, &waiter)
                if job is not None:
                    rlx_show(<int*>&job.has_waiters, 1)
                quiet = ledger.admitted == 0
                rlx_unlock(&ledger.lock)
                try:
                    self.announce_wait(quiet)
                except BaseException:
                    waiter_leave(waiters, &waiter, &ledger.lock)
                    raise
                if not self.driver.block(waiters, &waiter, &ledger.lock, deadline):
                    return False
        finally:
            waiter_free(&waiter)

    cdef int announce_wait(self, bint quiet) except -1:
        # Who waits has partial batches flushed: those that nothing else will fill, and
        # those whose full slot blocks all that could.
        cdef WorkerCore worker
        cdef effects_t fx
        if quiet:
            self.quiet()
        for worker in list(self.workers.values()):
            if rlx_load_ptr(&worker.slot_waiters.head) == NULL:
                continue
            zero(&fx)
            rlx_lock(&worker.lock)
            wake_if_blocked(worker, &fx)
            rlx_unlock(&worker.lock)
            self.apply(worker, &fx)
        return 0

    def add_callback(self, JobContext job, callback):
        """Call ``callback(job)`` when a job ended, now if it has."""
        if not self.ledger.listen(job, callback):
            call_one(job, callback)

    def is_inline(self):
        """Whether work is done on the threads that wait."""
        return self.driver.is_inline()

    def orphan(self):
        """This is a fork's child: the threads are gone, so nothing can run any more."""
        self.forked = True
        rlx_store(&self.phase, ENGINE_CLOSED)
        self.newest.clear()
        self.epoch += 1
        self.ledger.live = self.ledger.admitted = 0

    def cancel_job(self, JobContext job):
        reason = JobError("Cancelled", "cancelled by cancel_job()")
        return self.end_for(job, JOB_CANCELLED, reason)

    def end_job(self, JobContext job, status, error):
        """End a job early; see JobContext.complete."""
        return self.end_for(job, STATUS.index(status), failure_of(error, None))

    def set_status(self, JobContext job, status):
        """An end is an end; the rest of a job's way is the runtime's own business."""
        if STATUS.index(status) > JOB_RUNNING:
            self.end_job(job, status, None)
        elif STATUS.index(status) != rlx_look(&job.state):
            raise AttributeError(
                f"the runtime says when job {job.job_id!r} is {status}: it is {job.status}"
            )

    def set_error(self, JobContext job, error):
        raise AttributeError(
            f"the error of job {job.job_id!r} is set as it ends: complete('failed', error)"
        )

    def find_job(self, str job_id not None):
        return self.ledger.find(job_id)

    def live_jobs(self):
        return self.ledger.live_jobs()

    def ended_jobs(self):
        """Return the jobs of the history, the one that ended first in front."""
        return self.ledger.ended_jobs()

    cdef bint is_stuck(self) except -1:
        cdef WorkerCore worker
        cdef bint moves
        for worker in list(self.workers.values()):
            rlx_lock(&worker.lock)
            moves = worker.paused or not is_stuck(worker, worker.blocked_outside)
            rlx_unlock(&worker.lock)
            if moves:
                return False
        return True

    def view(self, WorkerCore worker, Node node, int index):
        return view_of(worker, node, index)

    def all_workers(self):
        return list(self.workers.values())

    def debug(self):
        """Return the state of pumps and waits as a dict, for tests and bug reports."""
        return {
            "phase": rlx_load(&self.phase),
            "admitted": rlx_load(&self.ledger.admitted),
            "live": rlx_load(&self.ledger.live),
            "wanted": self.ledger.is_wanted(),
            "pumps": rlx_load(&self.n_pumps),
            "parked": rlx_load(&self.n_parked),
            "runq": rlx_load(&self.runq_len),
            "keeper_asleep": rlx_load(&self.keeper_asleep),
            "beats": rlx_load(&self.beats),
            "room_waiters": rlx_load_ptr(&self.ledger.room_waiters.head) != NULL,
            "next_timer": rlx_load(&self.clock.next_ns),
            "deadlines": rlx_load(&self.n_deadlines),
            "stuck": rlx_load(&self.n_stuck),
        }

    def counts(self):
        """Return the numbers of jobs and pumps as a dict."""
        return {
            "jobs_live": rlx_load(&self.ledger.live),
            "jobs_completed": rlx_load(&self.ledger.completed),
            "jobs_failed": rlx_load(&self.ledger.failed),
            "jobs_cancelled": rlx_load(&self.ledger.cancelled),
            "pumps": rlx_load(&self.n_pumps) - rlx_load(&self.n_parked),
        }

    def flush(self, flow_id):
        """Run the partial batches of a flow (None: of all) now."""
        cdef WorkerCore worker
        cdef effects_t fx
        for worker in list(self.workers.values()):
            if flow_id is not None and worker.ident.flow_id != flow_id:
                continue
            zero(&fx)
            rlx_lock(&worker.lock)
            flush_cells(worker, -1, FLUSH_WANTED, &fx)
            rlx_unlock(&worker.lock)
            self.apply(worker, &fx)

    def flush_routine(self, WorkerCore worker, Node node):
        """Run what the policy of one routine holds back; see WorkerState.flush."""
        cdef effects_t fx
        zero(&fx)
        rlx_lock(&worker.lock)
        flush_cell(worker, &worker.cells[node.index], FLUSH_WANTED, &fx)
        rlx_unlock(&worker.lock)
        self.apply(worker, &fx)

    def drain(self):
        """Refuse posts from now on; returns False when that had happened before."""
        cdef effects_t fx
        cdef WorkerCore worker
        cdef bint first
        zero(&fx)
        rlx_lock(&self.lock)
        first = self.phase == ENGINE_OPEN
        if first:
            rlx_store(&self.phase, ENGINE_DRAINING)
        rlx_unlock(&self.lock)
        rlx_lock(&self.ledger.lock)
        rlx_store(&self.ledger.draining, 1)
        self.ledger.wake_all(&fx)
        rlx_unlock(&self.ledger.lock)
        wake_chain(fx.wake)
        for worker in list(self.workers.values()):
            zero(&fx)
            rlx_lock(&worker.lock)
            while worker.slot_waiters.head != NULL:
                waiter_pick(&worker.slot_waiters, worker.slot_waiters.head, &fx.wake)
            rlx_unlock(&worker.lock)
            wake_chain(fx.wake)
        self.give_up_paused()
        if rlx_load(&self.ledger.admitted) == 0:
            self.quiet()
        return first

    def drop_timers(self):
        cdef timer_t timer
        while self.clock.pop_due(LAST_NS, &timer):
            rlx_xdecref(timer.activation)
            rlx_xdecref(timer.worker)

    def close(self):
        """No job lives and none will come: end the pumps and let go of the workers."""
        cdef pump_t* sleepers = NULL
        cdef pump_t* pump
        cdef WorkerCore worker
        rlx_lock(&self.lock)
        rlx_store(&self.phase, ENGINE_CLOSED)
        sleepers = self.parked
        self.parked = NULL
        pump = sleepers
        while pump != NULL:
            pump.parked = False
            pump = pump.next_parked
        rlx_store(&self.n_parked, 0)
        rlx_unlock(&self.lock)
        while sleepers != NULL:
            pump = sleepers.next_parked     # its memory goes once its bell rang
            PyThread_release_lock(sleepers.bell)
            sleepers = pump
        self.driver.nudge()
        self.drop_timers()
        rlx_lock(&self.lock)
        while self.runq_head != NULL:
            worker = self.pop_runq()
        rlx_unlock(&self.lock)
        self.newest.clear()
        self.epoch += 1
        workers = list(self.workers.values())
        self.workers.clear()
        for worker in workers:
            worker.phase = WORKER_STOPPED
            worker.paused = False
            worker.stopped = wall_ns(worker.ident.virtual_wall)
            with cython.critical_section(worker.ident):
                worker.ident.worker = None
            call_hook("on_worker_stop", (worker.flow, worker, str(worker.status)))

    def forget(self):
        """Drop the history of jobs: the runtime is gone."""
        self.ledger.forget()

    @property
    def is_open(self):
        return rlx_load(&self.phase) == ENGINE_OPEN

    @property
    def is_closed(self):
        return rlx_load(&self.phase) == ENGINE_CLOSED
