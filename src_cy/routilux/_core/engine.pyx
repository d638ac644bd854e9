"""The state machine of a runtime. It decides, a driver acts.

Entered by everybody after a critical section, with what that section decided
(`apply`), by pumps that look for work (`next_worker`) and by the driver when time has
passed (`fire`). The state machines of engine, worker, pump and job, and who may change
them, are drawn in docs/architecture.md. It promises that ready work is never left
without a pump that will see it: a worker with ready cells is in the run queue, or a
pump that took it off the queue has yet to look at it under the worker's lock.
"""

import logging

cimport cython

from routilux._core.status cimport ENGINE_CLOSED, TIMER_RETRY, TIMER_TIMEOUT
from routilux._core.platform cimport PyThread_acquire_lock_timed, PyThread_allocate_lock
from routilux._core.platform cimport PyThread_free_lock, PyThread_get_thread_ident
from routilux._core.platform cimport PyThread_release_lock, bell_wait, rlx_add
from routilux._core.platform cimport rlx_fence, rlx_incref, rlx_load, rlx_load_ptr
from routilux._core.platform cimport rlx_lock, rlx_monotonic_ns, rlx_store
from routilux._core.platform cimport rlx_unlock, rlx_xdecref, waiter_sleep, wake_chain
from routilux._core.mutant cimport mutant
from routilux._core.count cimport sweep
from routilux._core.measure cimport record_ends
from routilux._core.settle cimport wake_if_blocked
from routilux._core.hooks cimport HOOKED, call_hook, jobs_in, log_safely
from routilux._core.breadth cimport breadth_init, linger_busily
from routilux._core.flush cimport check_time, resume

logger = logging.getLogger("routilux")

cdef class Driver:
    cdef int start_pump(self) except -1:
        return 0

    cdef int nudge(self) except -1:
        return 0

    cdef bint block(
        self, waiters_t* waiters, waiter_t* waiter, rlx_lock_t* lock, int64_t deadline
    ) except -1:
        return waiter_sleep(waiters, waiter, lock, deadline)

    cdef int spawn(self, Activation activation) except -1:
        raise NotImplementedError

    cdef int cancel(self, Activation activation) except -1:
        return 0

    cdef bint is_inline(self) noexcept:
        return True


cdef class Engine:
    """The compiled core of one runtime.

    Args:
        pool_size: pumps at most, at least 1.
        bound: jobs that may be posted and not yet finished.
        history: finished jobs that are still answered for.
        metered: count and time every activation.
        linger: seconds that an idle pump waits for more work before it ends.

    Thread-safety: `lock` protects the run queue and the pumps. It may be taken while a
    worker's lock is held, never the other way round.
    """

    def __cinit__(self, int pool_size, bound, history, bint metered, double linger):
        self.pool_size = pool_size
        self.ledger = Ledger(bound, history)
        self.clock = Clock()
        if metered:
            self.the_recorder().active = True
        self.linger_us = <int64_t>(linger * 1e6)
        self.workers = {}
        self.newest = {}
        self.keeper_asleep = True
        breadth_init(&self.breadth)

    def attach(self, Driver driver):
        """Give the engine what acts for it, before the first worker (again at exit)."""
        self.driver = driver

    cdef Recorder the_recorder(self):
        with cython.critical_section(self):
            if self.recorder is None:
                self.recorder = Recorder()
            return self.recorder

    cdef int apply(self, WorkerCore worker, effects_t* fx) except -1:
        # Without memory, the rest is tried again: what was done is not in fx any more.
        cdef int tries
        for tries in range(3):
            try:
                return self.carry_out(worker, fx)
            except MemoryError:
                continue
        return 0

    cdef int carry_out(self, WorkerCore worker, effects_t* fx) except -1:
        # Carries out what a critical section decided. Ready work is seen by others before
        # user code runs (callbacks, __del__, hooks), and sleepers are woken before most.
        cdef list ended = None
        if fx.runnable:
            fx.runnable = False
            self.runnable(worker)
        if fx.done != NULL:
            if self.recorder is not None:
                record_ends(self.recorder, worker, fx.done)
            if rlx_load(&HOOKED):
                ended = jobs_in(fx.done)
            self.ledger.finish(fx)
            if rlx_load(&self.n_pumps) <= rlx_load(&self.n_parked):
                self.offer_room()       # no pump will run dry and do it
        if fx.wake != NULL:
            wake_chain(fx.wake)
            fx.wake = NULL
        if fx.nudge:
            fx.nudge = False
            self.driver.nudge()
        if fx.n_litter:
            sweep(fx)
        if ended is not None:
            for job in ended:
                call_hook("on_job_end", (job, worker, str(job.status), job.error))
        if fx.first_drop:
            fx.first_drop = False
            slot, flow_id = <object>fx.dropped_by, worker.ident.flow_id
            text = "%s of flow %r is full and drops items (counted; logged once)"
            log_safely(logger.warning, (text, slot, flow_id))
        if fx.quiet:
            self.quiet()
            fx.quiet = False
        return 0

    cdef int runnable(self, WorkerCore worker) except -1:
        # The worker has ready work: queue it, and see to it that a pump comes by. One
        # that is awake looks at the queue before it parks; if it blocks, the keeper
        # notices.
        cdef pump_t* sleeper = NULL
        cdef bint start = False, nudge = False
        rlx_lock(&self.lock)
        if not rlx_load(&worker.in_runq):
            rlx_store(&worker.in_runq, 1)
            rlx_incref(<PyObject*>worker)       # the queue's
            worker.run_next = NULL
            if self.runq_tail != NULL:
                (<WorkerCore>self.runq_tail).run_next = <PyObject*>worker
            else:
                self.runq_head = <PyObject*>worker
            self.runq_tail = <PyObject*>worker
            rlx_add(&self.runq_len, 1)
        rlx_fence()         # against the keeper, which says that it sleeps, then looks
        if self.driver.is_inline():
            nudge = True
        elif self.n_pumps > self.n_parked:
            nudge = rlx_load(&self.keeper_asleep) and not mutant(37)
            if self.parked != NULL and (
                rlx_load(&self.n_pumps) - rlx_load(&self.n_parked)
                < rlx_load(&self.breadth.wide)
            ):
                sleeper = self.unpark()
        elif self.parked != NULL:
            sleeper = self.unpark()
        else:
            start = True
            rlx_add(&self.n_pumps, 1)
        rlx_unlock(&self.lock)
        if sleeper != NULL and not mutant(36):
            PyThread_release_lock(sleeper.bell)
        if start:
            self.launch()
        if nudge:
            self.driver.nudge()
        return 0

    cdef int launch(self) except -1:
        # n_pumps was counted up by the caller.
        try:
            self.driver.start_pump()
            rlx_store(&self.pumpless, 0)
        except BaseException:
            rlx_lock(&self.lock)
            rlx_add(&self.n_pumps, -1)
            closed, first = self.phase == ENGINE_CLOSED, self.pumpless == 0
            rlx_store(&self.pumpless, rlx_monotonic_ns())
            rlx_unlock(&self.lock)
            # Once closed, nothing is left to run, and the pool is gone.
            if first and not closed:
                log_safely(logger.exception, ("routilux: no pump could be started",))
            if not closed and (first or rlx_load(&self.keeper_asleep)):
                self.driver.nudge()     # the keeper will try again
        return 0

    cdef pump_t* unpark(self) noexcept nogil:
        # Under the lock: takes the pump that parked last off the list. The caller rings.
        cdef pump_t* pump = self.parked
        self.parked = pump.next_parked
        pump.parked = False
        rlx_add(&self.n_parked, -1)
        return pump

    cdef bint add_pumps(self, int64_t count) except -1:
        # More pumps, because ready work waits behind busy ones. False: all are there.
        cdef pump_t* sleeper
        cdef bint start, more = True
        while count > 0 and more:
            sleeper = NULL
            start = False
            rlx_lock(&self.lock)
            if self.runq_len == 0 or self.phase == ENGINE_CLOSED:
                more = False
            elif self.parked != NULL:
                sleeper = self.unpark()
            elif self.n_pumps < self.pool_size:
                rlx_add(&self.n_pumps, 1)
                start = True
            else:
                more = False
            rlx_unlock(&self.lock)
            if sleeper != NULL:
                PyThread_release_lock(sleeper.bell)
            if start:
                self.launch()
            count -= 1
        return more

    cdef WorkerCore pop_runq(self):
        # Under the lock. From here on the worker may be queued again, which is why the
        # flag goes before anybody looks at the worker's ready list.
        cdef PyObject* first = self.runq_head
        cdef WorkerCore worker
        if first == NULL:
            return None
        self.runq_head = (<WorkerCore>first).run_next
        if self.runq_head == NULL:
            self.runq_tail = NULL
        (<WorkerCore>first).run_next = NULL
        rlx_store(&(<WorkerCore>first).in_runq, 0)
        rlx_add(&self.runq_len, -1)
        worker = <WorkerCore>first
        rlx_xdecref(first)                      # never the last one: `worker` has it
        return worker

    cdef WorkerCore next_worker(self, pump_t* pump):
        # Where a pump goes next; sleeps for `linger` when there is nothing. None: end.
        cdef WorkerCore worker
        cdef int got
        while True:
            rlx_lock(&self.lock)
            worker = self.pop_runq()
            rlx_unlock(&self.lock)
            if worker is not None:
                return worker
            self.offer_room()
            if rlx_load(&self.breadth.wide) > 1:
                with nogil:
                    linger_busily(&self.breadth, &self.runq_len)
            rlx_lock(&self.lock)
            if self.runq_head != NULL:
                rlx_unlock(&self.lock)
                continue
            if self.phase == ENGINE_CLOSED or self.linger_us == 0 or pump.bell == NULL:
                self.unlink(pump)
                rlx_unlock(&self.lock)
                return None
            pump.parked = True
            pump.next_parked = self.parked
            self.parked = pump
            rlx_add(&self.n_parked, 1)
            rlx_unlock(&self.lock)
            with nogil:
                got = bell_wait(
                    pump.bell, <int64_t*>&self.ledger.next_seq, self.linger_us, 0
                )
            if got != 1 and self.give_up(pump):
                return None

    cdef bint give_up(self, pump_t* pump) noexcept:
        # The bell did not ring in time. True: the pump ends. False: somebody took it
        # off the list and rings right now.
        cdef pump_t** place
        cdef bint ends
        rlx_lock(&self.lock)
        ends = pump.parked
        if ends:
            place = &self.parked
            while place[0] != pump:
                place = &place[0].next_parked
            place[0] = pump.next_parked
            pump.parked = False
            rlx_add(&self.n_parked, -1)
            self.unlink(pump)
        rlx_unlock(&self.lock)
        if not ends:
            with nogil:
                PyThread_acquire_lock_timed(pump.bell, -1, 0)
        return ends

    cdef int join(self, pump_t* pump) except -1:
        # A pump task began. n_pumps was counted up when it was asked for. Without memory
        # for a bell it does not park, and ends when it finds nothing to do.
        pump.bell = PyThread_allocate_lock()
        if pump.bell != NULL:
            PyThread_acquire_lock_timed(pump.bell, 0, 0)
        pump.thread = PyThread_get_thread_ident()
        rlx_lock(&self.lock)
        pump.prev = NULL
        pump.next = self.pumps
        if self.pumps != NULL:
            self.pumps.prev = pump
        self.pumps = pump
        rlx_unlock(&self.lock)
        return 0

    cdef void unlink(self, pump_t* pump) noexcept nogil:
        # Under the lock: the pump is about to end, and nobody counts on it any more.
        if pump.prev != NULL:
            pump.prev.next = pump.next
        else:
            self.pumps = pump.next
        if pump.next != NULL:
            pump.next.prev = pump.prev
        rlx_add(&self.n_stuck if pump.stuck else &self.n_pumps, -1)

    cdef bint hand_over(self, pump_t* pump) except -1:
        # On a shared pool a busy runtime gives its thread back between two workers, to
        # the end of the pool's queue. True: the pump ends.
        # So does one that was stuck.
        cdef bint goes_on
        if self.linger_us and not rlx_load(&pump.stuck):
            return False
        rlx_lock(&self.lock)
        self.unlink(pump)
        goes_on = self.runq_head != NULL and self.n_pumps < self.pool_size
        if goes_on:
            rlx_add(&self.n_pumps, 1)
        rlx_unlock(&self.lock)
        if goes_on:
            self.launch()
        return True

    cdef int leave(self, pump_t* pump) except -1:
        # After next_worker said None.
        if pump.bell != NULL:
            PyThread_release_lock(pump.bell)
            PyThread_free_lock(pump.bell)
        return 0

    cdef int offer_room(self) except -1:
        # Nothing to do right now: whoever waits for a place may have any that is free.
        cdef waiter_t* chain
        cdef effects_t fx
        if rlx_load_ptr(&self.ledger.room_waiters.head) == NULL:
            return 0
        fx.wake = NULL
        rlx_lock(&self.ledger.lock)
        self.ledger.wake_room(True, &fx)
        rlx_unlock(&self.ledger.lock)
        wake_chain(fx.wake)
        return 0

    cdef int quiet(self) except -1:
        return 0                # see quiet.pyx

    cdef int hurry(self) except -1:
        return 0                # see quiet.pyx

    cdef int late(self, timer_t* timer) except -1:
        return 0                # see overtime.pyx

    cdef int fire(self) except -1:
        # Hands on what is due. Called by the driver when the clock passed next_ns.
        cdef timer_t timer
        cdef effects_t fx
        cdef WorkerCore worker
        cdef cell_t* cell
        cdef int64_t now = self.clock.now()     # once: what is armed meanwhile can wait
        while self.clock.pop_due(now, &timer):
            if timer.kind >= TIMER_TIMEOUT:
                self.late(&timer)
                continue
            worker = <WorkerCore>timer.worker
            cell = <cell_t*>timer.cell
            zero(&fx)
            rlx_lock(&worker.lock)
            rlx_add(&worker.timers, -1)
            if timer.kind == TIMER_RETRY and not mutant(42):
                resume(worker, cell, timer.activation, &fx)
            else:
                check_time(worker, cell, now, &fx)
            if worker.timers == 0:
                wake_if_blocked(worker, &fx)    # they slept because of this timer
            rlx_unlock(&worker.lock)
            rlx_xdecref(timer.worker)
            self.apply(worker, &fx)
        return 0
