"""Those who act for the core: threads of a pool, and a keeper.

The thread driver submits pump tasks to the runtime's ThreadPoolExecutor and owns one
more thread, the keeper, which sleeps until a timer is due, and which, while pumps are
at work, looks every few milliseconds whether ready work waits behind one that blocks;
then it asks for more pumps. It looks without the GIL and takes it only to act.
"""

import logging

cimport cython

from routilux._core.platform cimport (
    RLX_FREE_THREADED,
    PyThread_acquire_lock_timed,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    rlx_fence,
    rlx_load,
    rlx_load_ptr,
    rlx_lock,
    rlx_monotonic_ns,
    rlx_store,
    rlx_unlock,
)
from routilux._core.mutant cimport mutant
from routilux._core.breadth cimport weigh
from routilux._core.hooks cimport log_safely
from routilux._core.engine cimport pump_t
from routilux._core.worker cimport WorkerCore
from routilux._core.frame cimport set_loop_engine
from routilux._core.pump cimport finish_async, pump_task

logger = logging.getLogger("routilux")

cdef int64_t SHORTEST_US = 500       # between two looks while something seems to block
cdef int64_t LONGEST_US = 8000       # while everything moves
cdef int64_t PROBE = -2              # doze: look whether logic gives back the GIL
cdef int64_t OFFER = -3              # doze: posts sleep though there are places
cdef int ROOMY_LOOKS = 6             # so often in a row, 24 to 48 ms
cdef int64_t TRY_AGAIN_NS = 200000000    # after no pump could be started
cdef int64_t LONG_NS = 100000         # an activation that makes up for another thread


@cython.final
cdef class ThreadDriver(Driver):
    """Runs a core on a thread pool.

    Args:
        engine: the core.
        submit: the ``submit`` of a ``concurrent.futures.ThreadPoolExecutor``.
        spawner: ``spawner(coroutine, activation, callback)`` starts a coroutine on an
            event loop and calls ``callback(error or None)`` there when it ended.
        canceller: ``canceller(activation)`` cancels it.
        spare: ``spare(pump)`` runs a pump on a thread that is not the pool's.
        patience: seconds that nothing may begin until the log says so; 0: any.
    """

    def __cinit__(self, Engine engine, submit, spawner, canceller, spare, double patience):
        self.engine = engine
        self.clock = engine.clock
        self.submit = submit
        self.spawner = spawner
        self.canceller = canceller
        self.spare = spare
        self.stall = Stall(patience)
        self.bell = PyThread_allocate_lock()
        if self.bell == NULL:
            raise MemoryError()
        PyThread_acquire_lock_timed(self.bell, 0, 0)

    def __dealloc__(self):
        if self.bell != NULL:
            PyThread_release_lock(self.bell)
            PyThread_free_lock(self.bell)

    cdef bint is_inline(self) noexcept:
        return False

    cdef int start_pump(self) except -1:
        cdef int64_t stuck = rlx_load(&self.engine.n_stuck)
        cdef PumpTask task = PumpTask(self.engine)
        stuck += stuck and rlx_load(&self.engine.n_pumps)
        try:
            if stuck > (self.engine.pool_size if self.engine.linger_us else 0):
                self.spare(task.run)        # no thread of the pool may be left for it
            else:
                self.submit(task.run)
        except BaseException:
            # A pool that got no thread keeps the task, and runs it when it has one.
            if task.take() is not None:
                raise
        return 0

    cdef int nudge(self) except -1:
        # Ringing twice is fine where the bell is a semaphore; elsewhere the flag under
        # which the keeper sleeps makes it rare, and a spare ring only ends one sleep.
        if rlx_load(&self.engine.keeper_rung) == 0:
            rlx_store(&self.engine.keeper_rung, 1)
            PyThread_release_lock(self.bell)
        return 0

    cdef int spawn(self, Activation activation) except -1:
        self.spawner(activation.coroutine, activation, AsyncEnd(activation))
        return 0

    cdef int cancel(self, Activation activation) except -1:
        self.canceller(activation)
        return 0

    def keep(self):
        """Be the keeper until :meth:`stop`: the body of its thread."""
        cdef int64_t waited
        # Jobs that end at their deadline end here, so callbacks run here. They must not
        # wait: what would make room may need a timer.
        set_loop_engine(<void*>self.engine)
        while not rlx_load(&self.stopping):
            with nogil:
                waited = self.doze()
            if rlx_load(&self.stopping):
                break
            try:
                if waited == PROBE:
                    self.probe()
                    waited = 0
                elif waited == OFFER:
                    self.engine.offer_room()
                    waited = 0
                self.engine.fire()
                if waited:
                    self.look(waited)
            except BaseException:
                log_safely(logger.exception, ("routilux: the keeper met an error",))

    def stop(self):
        """Tell the keeper to end."""
        rlx_store(&self.stopping, 1)
        rlx_store(&self.engine.keeper_rung, 0)
        self.nudge()

    cdef int64_t doze(self) noexcept nogil:
        # Sleeps until there is something to do that needs the GIL. Returns 0 when a
        # timer is due or the end came; PROBE; OFFER; how long nothing has begun to run, in
        # ns; or -1 when activations begin, but take long while others wait.
        cdef int64_t us = SHORTEST_US, due, now, beats = rlx_load(&self.engine.beats)
        cdef int64_t begun, blocked = 0
        cdef int idle = 0, slow = 0, roomy = 0
        cdef bint watching = rlx_load(&self.engine.n_pumps) > rlx_load(&self.engine.n_parked)
        while True:
            if not watching:
                # A nudge comes with new work now; what came before this is looked for.
                rlx_store(&self.engine.keeper_asleep, 1)
                rlx_fence()
                watching = rlx_load(&self.engine.n_pumps) > rlx_load(&self.engine.n_parked)
            due = rlx_load(&self.clock.next_ns)
            now = rlx_monotonic_ns()
            if rlx_load(&self.stopping) or (due >= 0 and due <= now):
                rlx_store(&self.engine.keeper_asleep, 0)
                return 0
            if not watching:
                self.stall.idled = True
                us = self.stall.patience_ns // 1000 or -1
                if rlx_load(&self.engine.pumpless) and rlx_load(&self.engine.runq_len) > 0:
                    us = LONGEST_US     # to try again
            if due >= 0 and (us < 0 or (due - now + 999) // 1000 < us):
                us = (due - now + 999) // 1000
            if PyThread_acquire_lock_timed(self.bell, us, 0) == 1:
                rlx_store(&self.engine.keeper_rung, 0)
            elif not watching and us != LONGEST_US and rlx_load(
                &self.engine.n_pumps
            ) <= rlx_load(&self.engine.n_parked):
                continue            # nothing happened; due timers are seen above
            if not watching:
                rlx_store(&self.engine.keeper_asleep, 0)
                watching = True
                us = SHORTEST_US
                idle = 0
                beats = rlx_load(&self.engine.beats)
                continue
            if rlx_load(&self.engine.n_pumps) <= rlx_load(&self.engine.n_parked):
                if rlx_load(&self.engine.runq_len) > 0:
                    return 1        # work, and no pump could be started: try again
                self.stall.idled = True
                idle += 1
                watching = idle < 8
                us = LONGEST_US
                continue
            idle = 0
            now = rlx_monotonic_ns() - now
            begun = rlx_load(&self.engine.beats) - beats
            if begun * LONG_NS < now or (
                RLX_FREE_THREADED and rlx_load(&self.engine.runq_len) > 0
            ):
                # A pump that waits for the GIL looks the same for a moment: twice or
                # three times in a row is a fact.
                slow += 1
                blocked += now
                if begun == 0 and slow >= 2:
                    return blocked
                if slow >= 3 and rlx_load(&self.engine.runq_len) > 0:
                    return -1       # it moves, but what waits is worth a thread
                beats = rlx_load(&self.engine.beats)
                us = SHORTEST_US
                continue
            slow = 0
            blocked = 0
            beats = rlx_load(&self.engine.beats)
            # Posts are woken when half of the places are free, or a pump runs dry. With
            # long jobs that go on for long neither comes.
            roomy += 1
            if (
                rlx_load_ptr(&self.engine.ledger.room_waiters.head) == NULL
                or rlx_load(&self.engine.ledger.admitted) >= self.engine.ledger.bound
            ):
                roomy = 0
            if roomy >= ROOMY_LOOKS:
                return OFFER
            if not RLX_FREE_THREADED and self.engine.pool_size > 1 and (
                rlx_load(&self.engine.runq_len) > 0
                or rlx_load(&self.engine.breadth.wide) > 1
            ):
                now = rlx_monotonic_ns()
                if now >= self.engine.breadth.next_ns:
                    self.engine.breadth.asked_ns = now
                    return PROBE
            us = min(2 * us, LONGEST_US) if us > 0 else SHORTEST_US

    cdef int probe(self) except -1:
        # The GIL has just been got; see breadth.pyx.
        cdef Engine engine = self.engine
        cdef pump_t* pump
        cdef bint more
        rlx_lock(&engine.lock)
        pump = engine.pumps
        while pump != NULL and rlx_load_ptr(&pump.cell) == NULL:
            pump = pump.next
        more = weigh(
            &engine.breadth,
            rlx_load(&engine.beats),
            pump != NULL,
            rlx_load(&engine.n_pumps) - rlx_load(&engine.n_parked),
            engine.pool_size,
        )
        rlx_unlock(&engine.lock)
        if more:
            engine.add_pumps(engine.pool_size)
        return 0

    cdef int look(self, int64_t waited_ns) except -1:
        # Ready work waits behind pumps that block or take long: more pumps.
        cdef Engine engine = self.engine
        cdef int64_t awake = rlx_load(&engine.n_pumps) - rlx_load(&engine.n_parked)
        engine.offer_room()
        if rlx_load(&engine.runq_len) > 0 and not mutant(38) and (
            rlx_monotonic_ns() - rlx_load(&engine.pumpless) > TRY_AGAIN_NS
        ):
            engine.add_pumps(awake if awake > 1 else 1)
        if waited_ns > 0:
            if 0 < awake < engine.pool_size:
                self.stall.look_for_starved(engine, waited_ns)
            self.stall.look(engine)
        return 0


@cython.final
cdef class PumpTask:
    # The task of a thread: a pump, unless whoever asked for it has given it up.
    cdef Engine engine

    def __cinit__(self, Engine engine):
        self.engine = engine

    cdef Engine take(self):
        with cython.critical_section(self):
            engine, self.engine = self.engine, None
        return engine

    def run(self):
        engine = self.take()
        try:
            if engine is not None:
                pump_task(engine)
        except BaseException:
            log_safely(logger.exception, ("routilux: a pump ended by an error",))
            raise


@cython.final
cdef class AsyncEnd:
    # What the event loop calls when a coroutine ended.
    def __cinit__(self, Activation activation):
        self.activation = activation

    def __call__(self, error):
        cdef Activation activation = self.activation
        if activation is not None:
            self.activation = None
            finish_async(activation, error)
