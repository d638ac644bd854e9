"""Job accounting: which jobs live, which ended last, who waits for that.

Called by entry when a job enters, by count when one is parked, by the engine when jobs
ended. Its lock is taken inside a worker's lock and never the other way round. It
promises: a job ends exactly once; a sleeper is woken exactly when what it waits for
came true; the table costs no boxed id and no dict entry per job.
"""

import os

cimport cython
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from routilux._core.status cimport (
    JOB_CANCELLED,
    JOB_COMPLETED,
    JOB_FAILED,
)
from routilux._core.platform cimport (
    alloc,
    rlx_add,
    rlx_incref,
    rlx_load,
    rlx_load_ptr,
    rlx_lock,
    rlx_show,
    rlx_store,
    rlx_unlock,
    rlx_xdecref,
    waiter_pick,
)
from routilux._core.mutant cimport mutant
import logging

from routilux._core.job cimport wall_ns

from routilux._core.job import JobError

logger = logging.getLogger("routilux")


@cython.final
cdef class Ledger:
    """The jobs of one runtime.

    Args:
        bound: jobs that may be posted and not yet finished before post() waits.
        history: ended jobs that get_job() still answers for.

    Thread-safety: everything under its own lock, which may be taken while a worker's
    lock is held; no Python code runs while it is held.
    """

    def __cinit__(self, Py_ssize_t bound, Py_ssize_t history):
        self.bound = bound
        self.history_limit = history
        self.n_buckets = 64
        self.buckets = <PyObject**>calloc(self.n_buckets, sizeof(PyObject*))
        if self.buckets == NULL:
            raise MemoryError()
        self.named = {}
        self.prefix = os.urandom(4).hex() + "_"

    def __dealloc__(self):
        free(self.buckets)

    cdef bint has_room(self) noexcept nogil:
        return self.admitted < self.bound + mutant(2)

    cdef bint is_wanted(self) noexcept nogil:
        return (
            rlx_load(&self.draining) != 0
            or rlx_load_ptr(&self.all_waiters.head) != NULL
            or rlx_load_ptr(&self.job_waiters.head) != NULL
        )

    cdef int grow(self) except -1:
        # Twice the table. Without the lock.
        cdef PyObject** bigger
        cdef PyObject** old
        cdef PyObject* job
        cdef PyObject* following
        cdef Py_ssize_t i, n = 2 * rlx_load(&self.n_buckets)
        bigger = <PyObject**>alloc(n * sizeof(PyObject*))
        if bigger == NULL:
            raise MemoryError("no memory for the table of jobs")
        memset(bigger, 0, n * sizeof(PyObject*))
        rlx_lock(&self.lock)
        old = bigger
        if n == 2 * self.n_buckets:
            for i in range(self.n_buckets):
                job = self.buckets[i]
                while job != NULL:
                    following = (<JobContext>job).bucket_next
                    self.link_job(bigger, n, job)
                    job = following
            old = self.buckets
            self.buckets = bigger
            rlx_store(&self.n_buckets, n)
        rlx_unlock(&self.lock)
        free(old)
        return 0

    cdef void link_job(self, PyObject** buckets, Py_ssize_t n, PyObject* job) noexcept nogil:
        cdef Py_ssize_t at = <Py_ssize_t>((<JobContext>job).seq & <uint64_t>(n - 1))
        (<JobContext>job).bucket_next = buckets[at]
        buckets[at] = job

    cdef void unlink_job(self, PyObject* job) noexcept nogil:
        cdef Py_ssize_t at = <Py_ssize_t>(
            (<JobContext>job).seq & <uint64_t>(self.n_buckets - 1)
        )
        cdef PyObject* other = self.buckets[at]
        if other == job:
            self.buckets[at] = (<JobContext>job).bucket_next
        else:
            while (<JobContext>other).bucket_next != job:
                other = (<JobContext>other).bucket_next
            (<JobContext>other).bucket_next = (<JobContext>job).bucket_next
        rlx_add(&self.n_jobs, -1)

    cdef void admit(self, JobContext job) noexcept nogil:
        # Under the lock. The caller gives one reference of the job to the table.
        rlx_store(<int64_t*>&self.next_seq, self.next_seq + 1)     # pumps look at it
        rlx_store(<int64_t*>&job.seq, self.next_seq)               # find looks at it
        self.link_job(self.buckets, self.n_buckets, <PyObject*>job)
        rlx_add(&self.n_jobs, 1)
        rlx_add(&self.live, 1)
        rlx_add(&self.admitted, 1)

    cdef JobContext find(self, object job_id):
        cdef PyObject* job
        cdef JobContext found = None
        cdef uint64_t seq
        if job_id in self.named:
            found = self.named.get(job_id)
            # A name is taken before its job is posted; until then nobody may find it.
            return found if found is not None and rlx_load(<int64_t*>&found.seq) else None
        head, _, tail = job_id.rpartition("_")
        if head + "_" != "job_" + self.prefix:
            return None
        try:
            seq = int(tail, 16)
        except (ValueError, OverflowError):
            return None
        rlx_lock(&self.lock)
        job = self.buckets[<Py_ssize_t>(seq & <uint64_t>(self.n_buckets - 1))]
        while job != NULL and (<JobContext>job).seq != seq:
            job = (<JobContext>job).bucket_next
        if job != NULL:
            rlx_incref(job)      # under the lock, or it might be evicted in between
        rlx_unlock(&self.lock)
        if job == NULL:
            return None
        found = <JobContext>job
        rlx_xdecref(job)
        found.show()
        return found if found.job_id == job_id else None

    cdef void wake_room(self, bint all_of_them, effects_t* fx) noexcept nogil:
        # Under the lock. A poster that is woken for each place costs a hand-off a job;
        # half of the bound at a time costs one a burst. The pump that runs dry and the
        # keeper's tick call with all_of_them, so nobody sleeps beside free places.
        if self.room_waiters.head == NULL:
            return
        if self.admitted > (self.bound - 1 if all_of_them else self.bound // 2) - mutant(33):
            return
        while self.room_waiters.head != NULL:
            waiter_pick(&self.room_waiters, self.room_waiters.head, &fx.wake)

    cdef void wake_all(self, effects_t* fx) noexcept nogil:
        # Under the lock: admission closed, every poster must look again.
        while self.room_waiters.head != NULL:
            waiter_pick(&self.room_waiters, self.room_waiters.head, &fx.wake)

    cdef int finish(self, effects_t* fx) except -1:
        # Ends the jobs of fx.done; no lock held. What it wakes and drops is added to fx.
        cdef owner_t* owner = fx.done
        cdef owner_t* following
        cdef JobContext job
        cdef waiter_t* waiter
        cdef waiter_t* next_waiter
        cdef PyObject* evicted
        while owner != NULL:
            following = owner.link
            job = <JobContext>owner.obj
            rlx_store(&job.completed, wall_ns(job.ident.virtual_wall))
            if job.state == JOB_CANCELLED and job._error is None:
                describe_drop(job, fx)
            evicted = NULL
            rlx_lock(&self.lock)
            rlx_add(&self.live, -1)
            if not owner.out:
                rlx_add(&self.admitted, -1)
            if job.state == JOB_COMPLETED:
                rlx_add(&self.completed, 1)
                rlx_add(&job.ident.n_completed, 1)
            elif job.state == JOB_FAILED:
                rlx_add(&self.failed, 1)
                rlx_add(&job.ident.n_failed, 1)
            else:
                rlx_add(&self.cancelled, 1)
            rlx_show(<int*>&job.ended, 1)
            evicted = self.remember(<PyObject*>job)
            if job.has_waiters:
                waiter = self.job_waiters.head
                while waiter != NULL:
                    next_waiter = waiter.next
                    if waiter.target == <void*>job and not mutant(32):
                        waiter_pick(&self.job_waiters, waiter, &fx.wake)
                    waiter = next_waiter
            if self.live == 0:
                while self.all_waiters.head != NULL and not mutant(31):
                    waiter_pick(&self.all_waiters, self.all_waiters.head, &fx.wake)
            elif self.admitted == 0 and self.is_wanted():
                fx.quiet = True
            self.wake_room(False, fx)
            rlx_unlock(&self.lock)
            fx.done = following     # so that a second try begins there
            if job._callbacks is not None:
                call_back(job)
            if evicted != NULL:
                self.evict(evicted)
            owner = following
        return 0

    cdef PyObject* remember(self, PyObject* job) noexcept nogil:
        # Under the lock. Returns the job that falls out of the history, or NULL.
        cdef PyObject* oldest = NULL
        (<JobContext>job).history_next = NULL
        if self.history_tail != NULL:
            (<JobContext>self.history_tail).history_next = job
        else:
            self.history_head = job
        self.history_tail = job
        self.history_size += 1
        if self.history_size > self.history_limit + mutant(34):
            oldest = self.history_head
            self.history_head = (<JobContext>oldest).history_next
            if self.history_head == NULL:
                self.history_tail = NULL
            self.history_size -= 1
            self.unlink_job(oldest)
        return oldest

    cdef int evict(self, PyObject* job) except -1:
        if self.named and (<JobContext>job)._id is not None:
            self.named.pop((<JobContext>job)._id, None)
        if not mutant(29): rlx_xdecref(job)
        return 0

    cdef bint listen(self, JobContext job, object callback) except -1:
        # True: the callback will be called; False: the job had ended before.
        cdef list fresh = [callback]
        cdef bint ended
        rlx_lock(&self.lock)
        try:                # appending may run out of memory, but runs no Python code
            ended = job.ended and not mutant(35)
            if ended:
                return False
            rlx_show(<int*>&job.has_waiters, 1)
            if job._callbacks is None:
                job._callbacks = fresh
            else:
                (<list>job._callbacks).append(callback)
        finally:
            rlx_unlock(&self.lock)
        return True

    cdef list live_jobs(self):
        # Jobs that are not finished, oldest first.
        cdef list found = []
        cdef PyObject** snapshot
        cdef PyObject* job
        cdef Py_ssize_t i, n = 0, cap
        rlx_lock(&self.lock)
        cap = self.live
        snapshot = <PyObject**>alloc((cap + 1) * sizeof(PyObject*))
        if snapshot != NULL:
            for i in range(self.n_buckets):
                job = self.buckets[i]
                while job != NULL and n < cap:
                    if not (<JobContext>job).ended:
                        rlx_incref(job)
                        snapshot[n] = job
                        n += 1
                    job = (<JobContext>job).bucket_next
        rlx_unlock(&self.lock)
        if snapshot == NULL:
            raise MemoryError()
        for i in range(n):
            (<JobContext>snapshot[i]).show()
            found.append(<object>snapshot[i])
            rlx_xdecref(snapshot[i])
        free(snapshot)
        found.sort(key=seq_of)
        return found

    cdef list ended_jobs(self):
        # The history, oldest end first.
        cdef list found = []
        cdef PyObject** snapshot
        cdef PyObject* job
        cdef Py_ssize_t i, n = 0, cap
        rlx_lock(&self.lock)
        cap = self.history_size
        snapshot = <PyObject**>calloc(cap + 1, sizeof(PyObject*))
        job = self.history_head if snapshot != NULL else NULL
        while job != NULL and n < cap:
            rlx_incref(job)
            snapshot[n] = job
            n += 1
            job = (<JobContext>job).history_next
        rlx_unlock(&self.lock)
        if snapshot == NULL:
            raise MemoryError()
        for i in range(n):
            (<JobContext>snapshot[i]).show()
            found.append(<object>snapshot[i])
            rlx_xdecref(snapshot[i])
        free(snapshot)
        return found

    cdef void forget(self):
        # Drops the history, and what will end: the runtime is gone and nobody can ask.
        cdef PyObject* job
        cdef PyObject* following
        rlx_lock(&self.lock)
        self.history_limit = 0
        job = self.history_head
        self.history_head = self.history_tail = NULL
        self.history_size = 0
        following = job
        while following != NULL:
            self.unlink_job(following)
            following = (<JobContext>following).history_next
        rlx_unlock(&self.lock)
        self.named = {}
        while job != NULL:
            following = (<JobContext>job).history_next
            rlx_xdecref(job)
            job = following


def seq_of(JobContext job):
    return job.seq


cdef int describe_drop(JobContext job, effects_t* fx) except -1:
    text = "its only item was dropped before anything ran"
    if fx.dropped_by != NULL:
        text = f"{text}: {<object>fx.dropped_by}"
    job._error = JobError("Dropped", text)
    return 0


cdef int call_back(JobContext job) except -1:
    cdef list callbacks
    with cython.critical_section(job):
        callbacks = job._callbacks
        job._callbacks = None
    for callback in callbacks or ():
        call_one(job, callback)
    return 0


cdef int call_one(JobContext job, object callback) except -1:
    try:
        callback(job)
    except BaseException:
        try:
            logger.exception(
                "a done callback of job %r of flow %r raised", job.job_id, job.flow_id
            )
        except BaseException:
            pass                # a logging handler is user code as well
    return 0
