"""The simulation: plays the threads of a runtime on one thread, by the seed.

Called by whoever waits or sleeps, and at points by whoever goes on; what a step does,
choose decides and play does. Only the thread that holds the baton steps. Nothing here
holds a lock of the core meanwhile, and no step is taken while one is held.
"""

import logging

from libc.stdint cimport int64_t, uint64_t

from routilux._core.status cimport ENGINE_CLOSED
from routilux._core.platform cimport (
    PyThread_get_thread_ident,
    deadline_of,
    rlx_lock,
    rlx_monotonic_ns,
    rlx_unlock,
    set_alloc_fails,
    waiter_leave,
    waiter_nap,
    waiters_t,
)
from routilux._core.chance cimport chance_once_in
from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport Node
from routilux._core.worker cimport WorkerCore
from routilux._core.frame cimport current_frame, depth_of
from routilux._core.hooks cimport log_safely
from routilux._core.play cimport player
from routilux._core.choose cimport CALL_POINT, CALL_SLEEP, CALL_WAIT, may_sleep

from routilux.errors import SimulationError

logger = logging.getLogger("routilux")

cdef int64_t NAP_NS = 1000000
cdef int TIDY_STEPS = 1000
# 2000-01-01 UTC: what the wall clock of a simulation shows when it begins.
cdef int64_t EPOCH_NS = <int64_t>946684800 * 1000000000


cdef class SimDriver(Chooser):
    """Plays the threads of a core.

    Args:
        core: the core.
        seed: 0 <= seed < 2**64.
        level: 0, 1 or 2: the enum Level.
        new_loop: ``new_loop(driver)`` makes the virtual event loop.
    """

    def __cinit__(self, SimControl core, uint64_t seed, int level, new_loop, *args):
        self.core = core
        core.sim = self
        self.clock.start(EPOCH_NS)
        set_alloc_fails(NULL)           # of another one
        core.ledger.prefix = f"{self.draw(1 << 32):08x}_"
        self.new_loop = new_loop
        self.level = level
        self.post_odds = (0, 1, 2, 4, 16)[self.draw(5)]
        self.run_odds = (0, 1, 2, 4, 16)[self.draw(5)]
        if level == LEVEL_WAITS:
            self.post_odds = 0
        elif level == LEVEL_LOGIC:
            self.straight = False       # it has no points

    def cancel_coroutines(self):
        """Cancel the tasks of async logic."""
        if self.loop is not None:
            self.loop.cancel_all()

    # --- When it happens

    cdef void point(self) noexcept:
        # Here the system may suspend the calling thread and let others go on.
        cdef int odds
        if self.core.phase == ENGINE_CLOSED or (self.in_user and self.level < LEVEL_LOGIC):
            return
        if depth_of(current_frame()) > 4 or not self.claim():
            return
        try:
            odds = self.post_odds if self.runs == NULL else self.run_odds
            if odds and chance_once_in(&self.chance, odds):
                while self.step(CALL_POINT) and not chance_once_in(&self.chance, 2):
                    pass
        except BaseException:
            log_safely(logger.exception, ("routilux: an error of the simulation itself",))
        finally:
            self.unclaim()

    cdef bint block(
        self, waiters_t* waiters, waiter_t* waiter, rlx_lock_t* lock, int64_t deadline
    ) except -1:
        cdef int64_t now = self.clock.now()
        cdef int64_t until = -1         # the deadline by the real clock
        cdef bint woken
        cdef bint inside = self.is_inside()
        if deadline >= 0:
            until = rlx_monotonic_ns() + deadline - now
        if inside:          # else another thread may count
            self.sleepers += 1
        try:
            while True:
                rlx_lock(lock)
                woken = waiter.woken
                rlx_unlock(lock)
                if woken or (0 <= deadline <= self.clock.now()):
                    return waiter_leave(waiters, waiter, lock)
                if not self.claim():
                    if self.nap(waiter, until):
                        return True
                    if 0 <= until <= rlx_monotonic_ns():
                        return waiter_leave(waiters, waiter, lock)
                    continue
                try:
                    self.raise_trouble()
                    if self.step(CALL_SLEEP if inside else CALL_WAIT):
                        continue
                    self.engine.offer_room()
                    if waiter.woken or self.advance(-1 if self.foreign else deadline):
                        continue
                finally:
                    self.unclaim()
                if self.foreign:
                    if self.nap(waiter, until):
                        return True
                    if 0 <= until <= rlx_monotonic_ns():
                        self.clock.pass_to(deadline)
                elif inside:
                    return waiter_leave(waiters, waiter, lock)
                else:
                    raise self.stuck()
        except BaseException:
            waiter_leave(waiters, waiter, lock)
            raise
        finally:
            if inside:
                self.sleepers -= 1

    cdef bint nap(self, waiter_t* waiter, int64_t until) except -1:
        # Other threads take part: looks again when they may have done something.
        cdef int64_t soon = rlx_monotonic_ns() + NAP_NS
        return waiter_nap(waiter, until if 0 <= until < soon else soon)

    cdef int raise_trouble(self) except -1:
        # What belongs to nobody on the stack belongs to who waits below it.
        if self.runs != NULL:
            return 0
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        if self.fatal:
            raise self.fatal.pop(0)
        return 0

    cdef int tell_trouble(self) except -1:
        # While another thread plays, it is that one's.
        if self.hold():
            try:
                self.raise_trouble()
            finally:
                self.unclaim()
        return 0

    cdef bint is_inside(self) noexcept:
        # Whether the calling thread is in something that it plays.
        cdef bint mine
        rlx_lock(&self.lock)
        mine = self.owner == PyThread_get_thread_ident()
        rlx_unlock(&self.lock)
        return mine and self.runs != NULL

    def stuck(self):
        """Return the error that says that nothing can ever move again."""
        held = self.core.holders(self.core)
        return SimulationError(
            f"nothing can move any more in the simulation with seed {self.seed}, so this"
            f" wait would never end; held by: {'; '.join(held[:10]) or 'nothing'}"
        )

    cdef int pause(self, int64_t ns) except -1:
        # The calling thread sleeps; others go on meanwhile.
        cdef int64_t until = self.clock.now() + ns
        cdef bint in_user = self.in_user, inside = self.is_inside()
        if not self.claim():
            raise RuntimeError("another thread plays this simulation")
        self.in_user = True
        if inside:          # else another thread may count
            self.sleepers += 1
        if inside and self.runs.cell != NULL:
            self.runs.cell.sleepy = True
        try:
            while self.clock.now() < until:
                if self.step(CALL_SLEEP if inside else CALL_WAIT):
                    continue
                self.engine.offer_room()
                self.advance(until)
            self.raise_trouble()
        finally:
            if inside:
                self.sleepers -= 1
            self.in_user = in_user
            self.unclaim()
        return 0

    cdef int tidy(self) except -1:
        # Coroutines that were given up, and cancelled, may be busy with their `finally`.
        cdef int left = TIDY_STEPS
        while left > 0 and self.loop.is_busy():
            if self.loop.has_ready(self.clock.now()):
                self.turn()
            elif not self.advance(-1):
                break
            left -= 1
        return 0

    cdef bint claim(self) noexcept:
        cdef unsigned long me = PyThread_get_thread_ident()
        rlx_lock(&self.lock)
        if self.first == 0:
            self.first = me
        elif self.first != me:
            self.foreign = True
        rlx_unlock(&self.lock)
        return self.hold()

    cdef bint hold(self) noexcept:
        cdef unsigned long me = PyThread_get_thread_ident()
        cdef bint got
        rlx_lock(&self.lock)
        got = self.owner == 0 or self.owner == me
        if got:
            self.owner = me
            self.holds += 1
        rlx_unlock(&self.lock)
        return got

    cdef void unclaim(self) noexcept:
        cdef bint outermost
        rlx_lock(&self.lock)
        self.holds -= 1
        outermost = self.holds == 0
        if outermost:
            self.owner = 0
        rlx_unlock(&self.lock)
        if outermost and self.core.at_end is not None and self.core.ledger.live == 0:
            self.end()

    def end(self):
        """Close the runtime that was told to end when no job lives any more."""
        close, self.core.at_end = self.core.at_end, None
        close()


cdef class SimControl(Control):
    """The core of one simulated runtime."""

    cdef int apply(self, WorkerCore worker, effects_t* fx) except -1:
        # Between a critical section and what follows from it, and after that.
        self.sim.pending += 1
        self.sim.point()
        self.sim.pending -= 1
        Control.apply(self, worker, fx)
        self.sim.point()
        return 0

    def add_worker(self, WorkerCore worker, flow, plan, worker_id):
        """Build a worker's queues and let posts find it."""
        cdef Node node
        self.n_workers += 1
        worker.number = self.n_workers
        Control.add_worker(self, worker, flow, plan, worker_id)
        for node in worker.plan.nodes:
            worker.cells[node.index].sleepy = may_sleep(node)
            if not self.sim.straight:
                worker.cells[node.index].straight = worker.cells[node.index].plain = False

    def preempt(self):
        """The calling thread may be suspended here."""
        self.sim.point()

    def close(self):
        """No job lives and none will come: let go of the workers."""
        set_alloc_fails(NULL)
        if self.sim.loop is not None and not self.sim.is_inside():
            self.sim.tidy()
        Control.close(self)

    def wait_all(self, timeout):
        """Sleep until no job lives; see Runtime.wait_until_all_jobs_finished."""
        self.sim.tell_trouble()         # of steps that nobody waited for
        done = Control.wait_all(self, timeout)
        self.sim.tell_trouble()
        return done

    def wait_job(self, job, timeout):
        """Sleep until one job ended; see JobContext.wait."""
        self.sim.tell_trouble()
        done = Control.wait_job(self, job, timeout)
        self.sim.tell_trouble()
        return done

    def poll(self):
        """Who looks from outside whether something is done gives others their turn."""
        cdef SimDriver sim = self.sim
        if sim.level > LEVEL_WAITS and not sim.is_inside() and sim.claim():
            try:
                if not sim.step(CALL_WAIT):
                    sim.advance(-1)
            finally:
                sim.unclaim()

    def let_pass(self, seconds):
        """Sleep in virtual time."""
        self.sim.pause(deadline_of(seconds, 0))

    def run_dry(self):
        """Run all that can be run, timers included; answers whether no job is left."""
        cdef SimDriver sim = self.sim
        if not sim.is_inside() and sim.claim():
            try:
                while self.ledger.live and (sim.step(CALL_WAIT) or sim.advance(-1)):
                    pass
            finally:
                sim.unclaim()
        return self.ledger.live == 0

    def when_done(self, close):
        """Call ``close()`` once no job lives."""
        self.at_end = close


def sleep_in_logic(seconds):
    """Sleep in the virtual time of the simulation that runs the caller, if one does.

    Returns:
        False when the caller is not simulated, and has to sleep otherwise.
    """
    found = player()
    if found is None:
        return False
    (<SimDriver>found).pause(deadline_of(seconds, 0))
    return True


def clock_in_logic():
    """Return ``(monotonic_ns, wall_ns)`` of the calling simulation, else None."""
    found = player()
    if found is None:
        return None
    return found.clock.now(), found.clock.virtual_wall_ns
