"""Deadlines: fails jobs that are not finished in time.

Called by post when a job is accepted, and by the clock. A timer knows its job by number
alone: a job that ended leaves it behind and is forgotten all the same, and when such
timers are many, they are swept.
"""

from cpython.object cimport PyObject

from routilux._core.status cimport JOB_FAILED, JOB_RUNNING, TIMER_DEADLINE
from routilux._core.platform cimport (
    deadline_of,
    rlx_add,
    rlx_incref,
    rlx_load,
    rlx_lock,
    rlx_look,
    rlx_store,
    rlx_unlock,
    rlx_xdecref,
)
from routilux._core.job cimport JobContext
from routilux._core.timer cimport Clock
from routilux._core.worker cimport WorkerCore, worker_of

from routilux._core.failure import JobError

cdef int64_t FEW_DEADLINES = 1024


cdef object deadline_in(object seconds):
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"deadline must be a number of seconds or None, not {seconds!r}")
    if not seconds > 0:
        raise ValueError(f"deadline must be more than 0 seconds, not {seconds!r}")
    return seconds


cdef class Deadline(Overtime):
    """The engine, and how it ends jobs at their deadline."""

    cdef int late(self, timer_t* timer) except -1:
        cdef WorkerCore worker
        if timer.kind != TIMER_DEADLINE:
            return Overtime.late(self, timer)
        worker = <WorkerCore>timer.worker       # until here: it may be the last reference
        rlx_xdecref(timer.worker)
        rlx_add(&self.n_deadlines, -1)
        return self.end_late(<uint64_t>timer.cell)

    def limit_job(self, JobContext job, seconds):
        """Fail a job that is not finished in so many seconds."""
        cdef WorkerCore worker = worker_of(job.ident)
        cdef int64_t when = deadline_of(seconds, self.clock.now())
        cdef int first
        if worker is None or when < 0 or rlx_look(<int*>&job.ended):
            return
        if rlx_load(&self.n_deadlines) > 2 * rlx_load(&self.ledger.live) + FEW_DEADLINES:
            self.sweep()
        rlx_add(&self.n_deadlines, 1)
        rlx_incref(<PyObject*>worker)
        first = self.clock.arm(
            when, TIMER_DEADLINE, <PyObject*>worker, <void*>job.seq, NULL
        )
        if first < 0:
            rlx_add(&self.n_deadlines, -1)
            rlx_xdecref(<PyObject*>worker)
            self.cancel_many(worker, [job], ["no memory for the timer of its deadline"])
            raise MemoryError("no memory for the timer of a deadline")
        if first:
            self.driver.nudge()

    cdef int end_late(self, uint64_t seq) except -1:
        cdef JobContext job
        cdef PyObject* found
        rlx_lock(&self.ledger.lock)
        found = self.ledger.buckets[<Py_ssize_t>(seq & <uint64_t>(self.ledger.n_buckets - 1))]
        while found != NULL and (<JobContext>found).seq != seq:
            found = (<JobContext>found).bucket_next
        if found != NULL:
            rlx_incref(found)
        rlx_unlock(&self.ledger.lock)
        if found == NULL:
            return 0
        job = <JobContext>found
        rlx_xdecref(found)
        if rlx_look(&job.state) <= JOB_RUNNING:
            text = "not finished at its deadline: what was queued of it is dropped"
            self.end_for(job, JOB_FAILED, JobError("DeadlineExceeded", text))
        return 0

    cdef bint is_live(self, uint64_t seq) noexcept nogil:
        # Under the ledger's lock.
        cdef PyObject* job = self.ledger.buckets[
            <Py_ssize_t>(seq & <uint64_t>(self.ledger.n_buckets - 1))
        ]
        while job != NULL and (<JobContext>job).seq != seq:
            job = (<JobContext>job).bucket_next
        return job != NULL and not (<JobContext>job).ended

    cdef int sweep(self) except -1:
        # Drops the timers of jobs that ended before their deadline.
        cdef Clock clock = self.clock
        cdef timer_t* timers
        cdef timer_t* kept
        cdef Py_ssize_t i, n, cap, left = 0
        cdef int64_t deadlines = 0
        rlx_lock(&clock.lock)
        timers = clock.heap
        n = clock.size
        cap = clock.cap
        clock.heap = NULL
        clock.size = clock.cap = 0
        rlx_unlock(&clock.lock)
        rlx_lock(&self.ledger.lock)
        for i in range(n):
            kept = &timers[i]
            if kept.kind == TIMER_DEADLINE and not self.is_live(<uint64_t>kept.cell):
                continue
            deadlines += kept.kind == TIMER_DEADLINE
            kept = &timers[left]
            left += 1
            timers[i], kept[0] = kept[0], timers[i]
        rlx_unlock(&self.ledger.lock)
        for i in range(left, n):
            rlx_xdecref(timers[i].worker)
        rlx_store(&self.n_deadlines, deadlines)     # exact again
        clock.put_back(timers, left, cap)
        self.driver.nudge()
        return 0
