"""Faults: a simulation in which things go wrong that may go wrong.

Called by the simulation before each step, before each logic and whenever time passes.
Nothing that it does is against the contract: threads are late, clocks jump, sleepers
wake for nothing, queues are full for others' sake, memory runs out. So every invariant
holds at every step, and once `calm` was called every job ends.
"""

from libc.stdint cimport int64_t, uint64_t

from routilux._core.status cimport OVERFLOW_BLOCK
from routilux._core.platform cimport (
    PyThread_get_thread_ident,
    rlx_lock,
    rlx_unlock,
    set_alloc_fails,
    waiter_pick,
    waiter_t,
    waiters_t,
    wake_chain,
)
from routilux._core.chance cimport chance_below, chance_once_in, mix
from routilux._core.ledger cimport Ledger, effects_t
from routilux._core.routine cimport cell_t
from routilux._core.park cimport wake_slot
from routilux._core.drain cimport recheck_held
from routilux._core.engine cimport zero

cdef int64_t HOUR_NS = <int64_t>3600 * 1000000000

NAMES = ("late", "timer", "clock", "wake", "full", "memory")

# The one simulation whose allocations fail, and its thread: the last one that was made,
# until it is calm or gone.
cdef void* STARVED = NULL
cdef unsigned long STARVED_THREAD = 0


cdef bint is_starved() noexcept nogil:
    return (
        STARVED != NULL
        and PyThread_get_thread_ident() == STARVED_THREAD
        and (<FaultDriver>STARVED).happens(FAULT_MEMORY)
    )


cdef class FaultDriver(SimDriver):
    """Plays the threads of a core and lets things go wrong.

    Args:
        core, seed, level, new_loop: see SimDriver.
        names: kinds that may happen; the seed takes half of them.
    """

    def __init__(self, core, seed, level, new_loop, names):
        global STARVED, STARVED_THREAD
        self.luck.state = mix(self.seed)
        self.names = []
        for i, name in enumerate(NAMES):
            # Drawn for all, so that what is named does not change the rest.
            happens = chance_below(&self.luck, 2)
            odds = (2, 8, 32)[chance_below(&self.luck, 3)]
            if happens and name in names:
                self.odds[i] = odds
                self.names.append(name)
        if self.odds[FAULT_MEMORY]:
            STARVED = <void*>self
            STARVED_THREAD = PyThread_get_thread_ident()
            set_alloc_fails(is_starved)

    def __dealloc__(self):
        global STARVED
        if STARVED == <void*>self:
            STARVED = NULL
            set_alloc_fails(NULL)

    def calm(self):
        """No fault happens any more, and what was full for show is not."""
        cdef int i
        for i in range(FAULTS):
            self.odds[i] = 0
        self.release()

    cdef bint happens(self, int fault) noexcept nogil:
        cdef bint yes = self.odds[fault] and chance_once_in(&self.luck, self.odds[fault])
        self.faults += yes
        return yes

    cdef int64_t delay_ns(self) noexcept:
        # 1 us to 8 s, each size as likely as another.
        return <int64_t>1000 << chance_below(&self.luck, 24)

    cdef int delay(self) except -1:
        if self.happens(FAULT_LATE):
            self.clock.pass_to(self.clock.now() + self.delay_ns())
        return 0

    cdef bint advance(self, int64_t limit) except -1:
        if not SimDriver.advance(self, limit):
            return False
        if self.happens(FAULT_TIMER):
            self.clock.pass_to(self.clock.now() + self.delay_ns())
        return True

    cdef int mishap(self) except -1:
        cdef int64_t hours
        if self.happens(FAULT_CLOCK):
            hours = 1 + <int64_t>chance_below(&self.luck, 24)
            if chance_once_in(&self.luck, 2):
                self.clock.pass_to(self.clock.now() + hours * HOUR_NS)
            else:
                self.clock.virtual_wall_ns -= hours * HOUR_NS
        if self.happens(FAULT_WAKE):
            self.wake_one()
        if self.slot != NULL or self.place_bound:
            if chance_once_in(&self.luck, 4):
                self.release()
        elif self.happens(FAULT_FULL):
            self.squeeze()
        return 0

    cdef int wake_one(self) except -1:
        # Somebody who sleeps looks again, for nothing.
        cdef Ledger ledger = self.engine.ledger
        cdef WorkerCore worker
        cdef waiters_t* waiters
        cdef waiter_t* chain = NULL
        cdef uint64_t which = chance_below(&self.luck, 4)
        if which == 3:
            for worker in self.core.all_workers():
                rlx_lock(&worker.lock)
                if worker.slot_waiters.head != NULL:
                    waiter_pick(&worker.slot_waiters, worker.slot_waiters.head, &chain)
                rlx_unlock(&worker.lock)
        else:
            waiters = &ledger.all_waiters
            if which:
                waiters = &ledger.room_waiters if which == 1 else &ledger.job_waiters
            rlx_lock(&ledger.lock)
            if waiters.head != NULL:
                waiter_pick(waiters, waiters.head, &chain)
            rlx_unlock(&ledger.lock)
        wake_chain(chain)
        return 0

    cdef int squeeze(self) except -1:
        # A slot that has items is full from now on, or the table of jobs is.
        cdef Ledger ledger = self.engine.ledger
        cdef WorkerCore worker
        cdef slot_t* slot
        cdef Py_ssize_t i
        cdef uint64_t n = 0
        if chance_once_in(&self.luck, 4):
            rlx_lock(&ledger.lock)
            if 0 < ledger.admitted < ledger.bound:
                self.place_bound = ledger.bound
                ledger.bound = ledger.admitted
            rlx_unlock(&ledger.lock)
            return 0
        for worker in self.core.all_workers():
            for i in range(worker.n_slots):
                slot = &worker.slots[i]
                if slot.overflow != OVERFLOW_BLOCK or slot.inert:
                    continue
                if 0 < slot.size < slot.bound:
                    n += 1
                    if chance_once_in(&self.luck, n):
                        self.squeezed = worker
                        self.slot = slot
        if n:
            rlx_lock(&self.squeezed.lock)
            self.taken = self.slot.bound - self.slot.size
            self.slot.bound -= self.taken
            rlx_unlock(&self.squeezed.lock)
        return 0

    cdef int release(self) except -1:
        # The bounds are what they were; whoever waited may go on.
        cdef WorkerCore worker = self.squeezed
        cdef effects_t fx
        if self.place_bound:
            rlx_lock(&self.engine.ledger.lock)
            self.engine.ledger.bound = self.place_bound
            self.place_bound = 0
            rlx_unlock(&self.engine.ledger.lock)
            self.engine.offer_room()
        if worker is None:
            return 0
        zero(&fx)
        rlx_lock(&worker.lock)
        if self.slot.bound < self.slot.size <= self.slot.bound + self.taken:
            worker.n_crowded -= 1
        self.slot.bound += self.taken
        wake_slot(worker, self.slot, &fx)
        recheck_held(worker, &fx)
        rlx_unlock(&worker.lock)
        self.squeezed = None
        self.slot = NULL
        self.engine.apply(worker, &fx)
        return 0
