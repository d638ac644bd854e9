"""Who acts for a core without threads: whoever waits.

A wait runs the work that is ready on its own thread, and sleeps while there is none.
"""

cimport cython

from routilux._core.platform cimport (
    WAIT_HELP,
    rlx_load,
    rlx_lock,
    rlx_monotonic_ns,
    rlx_unlock,
    waiter_leave,
    waiter_nap,
    waiter_pick,
    wake_chain,
)
from routilux._core.worker cimport WorkerCore
from routilux._core.frame cimport set_context
from routilux._core.pump cimport QUANTUM, TAIL_EVERY, serve
from routilux._core.driver cimport AsyncEnd


@cython.final
cdef class InlineDriver(Driver):
    """Runs a core on the threads that wait: no thread of its own, but for coroutines."""

    def __cinit__(self, Engine engine, spawner, canceller):
        self.engine = engine
        self.spawner = spawner
        self.canceller = canceller

    cdef int spawn(self, Activation activation) except -1:
        self.spawner(activation.coroutine, activation, AsyncEnd(activation))
        return 0

    cdef int cancel(self, Activation activation) except -1:
        self.canceller(activation)
        return 0

    cdef int nudge(self) except -1:
        # Wakes every sleeper for nothing: who waits looks again and serves.
        cdef sleeper_t* sleeper
        cdef waiter_t* chain = NULL
        rlx_lock(&self.lock)
        sleeper = self.sleepers
        while sleeper != NULL:
            rlx_lock(sleeper.lock)
            if sleeper.waiter.linked:
                waiter_pick(sleeper.waiters, sleeper.waiter, &chain)
            rlx_unlock(sleeper.lock)
            sleeper = sleeper.next
        rlx_unlock(&self.lock)
        wake_chain(chain)
        return 0

    cdef bint block(
        self, waiters_t* waiters, waiter_t* waiter, rlx_lock_t* lock, int64_t deadline
    ) except -1:
        cdef sleeper_t sleeper
        cdef bint woken
        cdef WorkerCore worker = None
        sleeper.waiters = waiters
        sleeper.waiter = waiter
        sleeper.lock = lock
        try:
            while True:
                self.engine.fire()
                if waiter.kind != WAIT_HELP:    # who helps chooses what may run on top
                    rlx_lock(&self.engine.lock)
                    worker = self.engine.pop_runq()
                    rlx_unlock(&self.engine.lock)
                if worker is not None:
                    serve(self.engine, worker, NULL, self.quantum())
                    worker = None
                    set_context(NULL)
                    rlx_lock(lock)
                    woken = waiter.woken
                    rlx_unlock(lock)
                elif self.nap(&sleeper, deadline):
                    return True
                else:
                    woken = False
                if woken or (deadline >= 0 and rlx_monotonic_ns() >= deadline):
                    return waiter_leave(waiters, waiter, lock)
        except BaseException:
            waiter_leave(waiters, waiter, lock)
            raise

    cdef int quantum(self) noexcept:
        # One at a time while a timer is armed, or it would fire when all is done.
        if rlx_load(&self.engine.clock.next_ns) < 0:
            return QUANTUM
        self.turns += 1
        return -1 if self.turns % TAIL_EVERY == 0 else 1

    cdef bint nap(self, sleeper_t* sleeper, int64_t deadline) except -1:
        # Nothing is ready: sleeps until a wake (True), a timer or the deadline.
        cdef int64_t due, until = deadline
        cdef sleeper_t** place
        self.engine.offer_room()
        rlx_lock(&self.lock)
        sleeper.next = self.sleepers
        self.sleepers = sleeper
        rlx_unlock(&self.lock)
        try:
            # After that: a post that came before would not have woken anybody.
            if sleeper.waiter.kind != WAIT_HELP and rlx_load(&self.engine.runq_len) > 0:
                return False
            due = rlx_load(&self.engine.clock.next_ns)
            if due >= 0 and (until < 0 or due < until):
                until = due
            return waiter_nap(sleeper.waiter, until)
        finally:
            rlx_lock(&self.lock)
            place = &self.sleepers
            while place[0] != sleeper:
                place = &place[0].next
            place[0] = sleeper.next
            rlx_unlock(&self.lock)
