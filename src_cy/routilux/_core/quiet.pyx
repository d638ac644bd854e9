"""Quiet: what happens when nothing moves any more, and to jobs that are cancelled.

Called through Engine.apply by whoever saw the last job stop moving while somebody
waits, and by control. Partial batches run, those nearest to the sources first; at a
shutdown, what no policy will ever take is given up, with its slot named. Cancelling
many jobs costs one pass over the queues of a worker, not one for each.
"""

from routilux._core.status cimport (
    FLUSH_ALL,
    FLUSH_LAST,
    JOB_CANCELLED,
    JOB_PENDING,
    TIMER_RETRY,
)
from routilux._core.platform cimport (
    rlx_load,
    rlx_lock,
    rlx_look,
    rlx_unlock,
    waiter_pick,
)
from routilux._core.mutant cimport mutant
from routilux._core.group cimport is_dead
from routilux._core.ledger cimport effects_t
from routilux._core.timer cimport Clock, timer_t
from routilux._core.worker cimport Activation, worker_of
from routilux._core.settle cimport end_early, mark, purge
from routilux._core.flush cimport flush_lowest, parked_in
from routilux._core.engine cimport zero

from routilux._core.job import JobError


cdef class Quiet(Engine):
    """The engine, and what it does when nothing moves."""

    cdef int quiet(self) except -1:
        # Nothing moves and somebody waits: partial batches go, and at a shutdown what
        # no policy will ever take is given up. What that ends comes back here through
        # apply: one call does the work, the others only say that there is more.
        cdef bint first
        rlx_lock(&self.lock)
        self.quiet_calls += 1
        first = not self.in_quiet
        self.in_quiet = True
        rlx_unlock(&self.lock)
        try:
            while first and self.more_quiet():
                if not self.flush_quiet() and rlx_load(&self.ledger.draining):
                    if rlx_load(&self.ledger.admitted) == 0 and not mutant(45):
                        self.cancel_parked()
        except BaseException:
            self.in_quiet = False
            raise
        return 0

    cdef bint more_quiet(self) noexcept nogil:
        # One look for all calls that came; none can slip in between look and leave.
        cdef bint more
        rlx_lock(&self.lock)
        more = self.quiet_calls > 0
        self.quiet_calls = 0
        self.in_quiet = more
        rlx_unlock(&self.lock)
        return more

    cdef bint flush_quiet(self) except -1:
        # The batches nearest to the sources first: what they emit may fill the others.
        # True: something was flushed, or something still moves.
        cdef WorkerCore worker
        cdef effects_t fx
        cdef bint moved = False
        cdef int kind = FLUSH_LAST if rlx_load(&self.ledger.draining) else FLUSH_ALL
        for worker in list(self.workers.values()):
            zero(&fx)
            rlx_lock(&worker.lock)
            moved |= flush_lowest(worker, kind, &fx)
            rlx_unlock(&worker.lock)
            self.apply(worker, &fx)
        return moved

    cdef int cancel_parked(self) except -1:
        cdef WorkerCore worker
        for worker in list(self.workers.values()):
            jobs, labels = parked_in(worker)
            self.cancel_many(
                worker,
                jobs,
                [f"still parked in {label} when the runtime shut down" for label in labels],
            )
        return 0

    cdef int cancel_many(self, WorkerCore worker, list jobs, list texts) except -1:
        # One pass over the queues for all of them. Returns how many it ended.
        cdef effects_t fx
        cdef JobContext job
        cdef Py_ssize_t i
        cdef bint any_of_them
        cdef int n_marked = 0
        cdef list reasons = [JobError("Cancelled", text) for text in texts]
        zero(&fx)
        rlx_lock(&worker.lock)
        for i in range(len(jobs)):
            job = <JobContext>jobs[i]
            if job.own.open > 0:
                n_marked += mark(&job.own, JOB_CANCELLED, reasons[i])
        any_of_them = n_marked > 0
        if any_of_them:
            purge(worker, &fx)
        while any_of_them and worker.slot_waiters.head != NULL:
            waiter_pick(&worker.slot_waiters, worker.slot_waiters.head, &fx.wake)
        rlx_unlock(&worker.lock)
        self.apply(worker, &fx)
        if any_of_them:
            self.hurry()
            self.offer_room()
        return n_marked

    def cancel_all(self, text, bint begun=True, flow_id=None):
        """Cancel every job that is not finished, and return how many that are.

        Only those not begun if not `begun`; only those of a flow if it is named.
        """
        cdef JobContext job
        cdef int n = 0
        found = {}
        for job in self.ledger.live_jobs():
            if flow_id is not None and job.ident.flow_id != flow_id:
                continue
            if job.ident.worker is not None and (begun or rlx_look(&job.state) == JOB_PENDING):
                found.setdefault(job.ident.worker, []).append(job)
        for worker, jobs in found.items():
            n += self.cancel_many(worker, jobs, [text] * len(jobs))
        return n

    cdef bint end_for(self, JobContext job, int state, reason) except -1:
        cdef WorkerCore worker = worker_of(job.ident)
        cdef effects_t fx
        cdef bint done
        if worker is None:
            return False
        zero(&fx)
        rlx_lock(&worker.lock)
        done = end_early(worker, &job.own, state, reason, &fx)
        while done and worker.slot_waiters.head != NULL:
            waiter_pick(&worker.slot_waiters, worker.slot_waiters.head, &fx.wake)
        rlx_unlock(&worker.lock)
        self.apply(worker, &fx)
        if done:
            if rlx_load(&worker.timers):
                self.hurry()
            self.offer_room()
        return done

    cdef int hurry(self) except -1:
        # Retries of jobs that were cancelled meanwhile are due now.
        cdef Clock clock = self.clock
        cdef timer_t* timers
        cdef WorkerCore worker
        cdef Py_ssize_t i, n, cap
        rlx_lock(&clock.lock)
        timers = clock.heap
        n = clock.size
        cap = clock.cap
        clock.heap = NULL
        clock.size = clock.cap = 0
        rlx_unlock(&clock.lock)
        for i in range(n):
            if timers[i].kind == TIMER_RETRY:
                worker = <WorkerCore>timers[i].worker
                rlx_lock(&worker.lock)
                if is_dead((<Activation>timers[i].activation).c.owner):
                    timers[i].when *= mutant(43)
                rlx_unlock(&worker.lock)
        clock.put_back(timers, n, cap)
        self.driver.nudge()
        return 0
