"""Pause: holds a worker still, so that nothing of it begins until it is resumed.

Called by users through control. A paused worker costs the hot path nothing: the limit of
each cell is negated, so no cell may have one more activation, and its ready cells leave
the ready list. Activations that execute go on to their end; what they emit into a full
slot goes in over its bound, since nothing drains it. Posts queue up as they do for a
slow worker. Resuming looks at every cell again, so timers that passed meanwhile count.
"""

cimport cython
from routilux._core.status cimport ENGINE_OPEN, WORKER_RUNNING, WORKER_STOPPED
from routilux._core.platform cimport (
    WAIT_IDLE,
    deadline_of,
    rlx_load,
    rlx_lock,
    rlx_unlock,
    waiter_free,
    waiter_init,
    waiter_link,
    waiter_pick,
    waiter_t,
)
from routilux._core.mutant cimport mutant
from routilux._core.job cimport JobContext, wall_ns
from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport cell_t
from routilux._core.drain cimport push_ready, recheck, unlink_ready
from routilux._core.hooks cimport call_hook
from routilux._core.engine cimport zero

# What a call of a runtime says in a fork's child.
FORKED = (
    "Runtime belongs to the parent of this process, where its threads are: make another"
    " Runtime after the fork"
)


cdef class Pause(Deadline):
    """The engine, and how its workers are held still or stopped."""

    def pause(self, WorkerCore worker):
        """Begin no activation of the worker any more; False if it is paused or stopped."""
        if self.forked:
            raise RuntimeError(FORKED)
        return self.pause_c(worker)

    def resume(self, WorkerCore worker):
        """Go on with a paused worker; False if it is not paused."""
        return self.resume_c(worker)

    def wait_idle(self, WorkerCore worker, timeout):
        """Sleep until no activation of the worker executes; False at the timeout."""
        self.check_outside("waiting for a paused worker")
        return self.await_idle(worker, deadline_of(timeout, self.clock.now()))

    cdef bint pause_c(self, WorkerCore worker) except -1:
        cdef effects_t fx
        cdef cell_t* cell
        cdef Py_ssize_t i
        cdef bint first
        zero(&fx)
        rlx_lock(&worker.lock)
        # A shutdown has given up what was paused, and nobody would resume this one.
        first = (
            worker.phase == WORKER_RUNNING
            and not worker.paused
            and rlx_load(&self.phase) == ENGINE_OPEN
        )
        if first:
            worker.paused = True
            for i in range(worker.n_cells):
                cell = &worker.cells[i]
                cell.limit = -cell.limit
                cell.straight = False
                if cell.ready:
                    unlink_ready(worker, cell)
            # Who sleeps in emit() must end: the next look lets the item in.
            while worker.slot_waiters.head != NULL:
                waiter_pick(&worker.slot_waiters, worker.slot_waiters.head, &fx.wake)
        rlx_unlock(&worker.lock)
        self.apply(worker, &fx)
        return first

    cdef bint resume_c(self, WorkerCore worker) except -1:
        cdef effects_t fx
        cdef cell_t* cell
        cdef Py_ssize_t i
        cdef bint first
        zero(&fx)
        rlx_lock(&worker.lock)
        first = worker.paused
        if first:
            worker.paused = False
            for i in range(worker.n_cells):
                worker.cells[i].limit = -worker.cells[i].limit
                worker.cells[i].straight = worker.cells[i].plain
            for i in range(worker.n_cells):
                cell = &worker.cells[i]
                if mutant(46): continue
                if cell.resumed == NULL:
                    recheck(worker, cell, worker.ready_tail, &fx)
                elif not cell.ready:
                    push_ready(worker, cell, worker.ready_tail)
            if worker.n_ready and not rlx_load(&worker.in_runq):
                fx.runnable = True
        rlx_unlock(&worker.lock)
        self.apply(worker, &fx)
        if rlx_load(&self.ledger.admitted) == 0 and self.ledger.is_wanted():
            self.quiet()          # batches that were flushed in vain meanwhile
        return first

    cdef bint await_idle(self, WorkerCore worker, int64_t deadline) except -1:
        cdef waiter_t waiter
        cdef bint idle
        waiter_init(&waiter, WAIT_IDLE, NULL)
        try:
            while True:
                rlx_lock(&worker.lock)
                idle = worker.running <= worker.n_waiting
                if not idle:
                    waiter_link(&worker.idle_waiters, &waiter)
                rlx_unlock(&worker.lock)
                if idle:
                    return True
                if not self.driver.block(
                    &worker.idle_waiters, &waiter, &worker.lock, deadline
                ):
                    return False
        finally:
            waiter_free(&waiter)

    def give_up_paused(self):
        """A shutdown: what a paused worker holds is cancelled, since nobody resumes it."""
        cdef WorkerCore worker
        for worker in list(self.workers.values()):
            if worker.paused:
                self.cancel_jobs(worker, "its worker was paused when the runtime shut down")
                self.resume_c(worker)

    def cancel_jobs(self, WorkerCore worker, text):
        """Cancel all live jobs of a worker and return them."""
        cdef JobContext job
        jobs = [job for job in self.ledger.live_jobs() if job.ident is worker.ident]
        self.cancel_many(worker, jobs, [text] * len(jobs))
        return jobs

    def retire(self, WorkerCore worker):
        """Let posts find a worker no more; False if it was stopped before."""
        cdef WorkerCore other
        cdef WorkerCore next_one = None
        cdef bint first
        rlx_lock(&worker.lock)
        first = worker.phase == WORKER_RUNNING
        if first:
            worker.phase = WORKER_STOPPED
            worker.stopped = wall_ns(worker.ident.virtual_wall)
        rlx_unlock(&worker.lock)
        if not first:
            return False
        self.workers.pop(worker.ident.worker_id, None)
        if self.newest.get(worker.ident.flow_id) is worker:
            for other in list(self.workers.values()):
                if other.ident.flow_id == worker.ident.flow_id:
                    next_one = other
            if next_one is None:
                del self.newest[worker.ident.flow_id]
            else:
                self.newest[worker.ident.flow_id] = next_one
        self.epoch += 1             # after it: who remembered a way to it looks again
        return True

    def let_go(self, WorkerCore worker, str status):
        """The last job of a retired worker ended."""
        with cython.critical_section(worker.ident):
            worker.ident.worker = None
        call_hook("on_worker_stop", (worker.flow, worker, status))
