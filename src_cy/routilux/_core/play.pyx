"""Playing threads: runs on one thread what pumps, an event loop and its executor would.

Called by the simulation for each step that it drew. An activation is taken, invoked and
settled as in pump.pyx, by the same functions; around it everything that belongs to a
thread (frame, context, whose pump it is, who posted last) is put aside and brought
back, so that what lies below on the stack finds itself on a thread of its own.
"""

import logging
from collections import deque

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from routilux._core.status cimport OUTCOME_ASIDE, OUTCOME_OK
from routilux._core.platform cimport rlx_lock, rlx_store, rlx_unlock
from routilux._core.chance cimport mix
from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport Node
from routilux._core.worker cimport Activation, pose_as
from routilux._core.measure cimport measure, ticks_for
from routilux._core.drain cimport take_ready
from routilux._core.settle cimport clear, settle, wake_if_blocked
from routilux._core.straight cimport settle_straight, take_straight
from routilux._core.frame cimport (
    context_value,
    current_frame,
    here,
    loop_engine,
    pump_engine,
    set_context,
    set_frame,
    set_loop_engine,
    set_pump_engine,
    unnest,
)
from routilux._core.engine cimport zero
from routilux._core.invoke cimport invoke_safely, invoke_straight
from routilux._core.pump cimport finish_async

logger = logging.getLogger("routilux")

cdef enum:
    REMEMBERED = 4096        # steps in the history
    STRAIGHT_ON = 16         # functions that may follow one another in one step

cdef uint64_t PLAYED = <uint64_t>1 << 48     # numbers of threads that are played

cdef extern from *:
    """
    #include "rlx_platform.h"
    static RLX_THREAD_LOCAL void *rlx_player = NULL;
    static inline void *rlx_get_player(void) { return rlx_player; }
    static inline void rlx_set_player(void *player) { rlx_player = player; }
    """
    void* rlx_get_player() nogil
    void rlx_set_player(void* player) nogil


cdef Player player():
    cdef void* found = rlx_get_player()
    return None if found == NULL else <Player>found


cdef class Player(Driver):
    """Runs activations, coroutines and their calls on the thread that steps."""

    def __cinit__(self, *args, **kwargs):
        self.coroutines = {}
        self.fatal = []
        self.history = deque(maxlen=REMEMBERED)

    cdef int run(self, WorkerCore worker, cell_t* cell) except -1:
        # One activation of a ready cell, from taking to settling.
        cdef activation_t act
        cdef frame_t frame
        cdef effects_t fx
        cdef run_t run
        cdef int outcome
        cdef bint got, straight = self.straight
        before = None if context_value() == NULL else <object>context_value()
        zero(&fx)
        memset(&act, 0, sizeof(activation_t))
        rlx_lock(&worker.lock)
        if straight and cell == worker.ready_head and take_straight(worker, &act):
            got = True
        else:
            got = cell.ready and take_ready(worker, cell, &act, &fx)
        if worker.n_ready and not worker.in_runq:
            fx.runnable = True
        rlx_unlock(&worker.lock)
        if not got:
            self.engine.apply(worker, &fx)
            return 0
        self.enter(&run, worker, cell)
        run.act = &act
        frame.up = NULL             # what lies below belongs to another thread
        frame.anchor = NULL
        frame.worker = <PyObject*>worker
        frame.nests = frame.gone = False
        frame.over = NULL
        frame.place = NULL
        frame.left = frame.until_tail = STRAIGHT_ON if straight else 0
        try:
            set_pump_engine(<void*>self.engine)
            self.engine.apply(worker, &fx)
            self.delay()
            self.note("run", worker, cell, act.tag)
            rlx_store(&self.engine.beats, self.engine.beats + 1)
            act.began = ticks_for(cell)
            self.in_user = True
            if straight:
                outcome = invoke_straight(worker, &act, &frame, here(), self.fatal)
            else:
                outcome = invoke_safely(worker, &act, &frame, self.fatal)
            self.in_user = False
            unnest(&frame)
            rlx_lock(&worker.lock)
            if act.began and outcome != OUTCOME_ASIDE:
                measure(worker, &act)
            if outcome == OUTCOME_OK and straight and settle_straight(
                worker, &act, frame.anchor, &fx
            ):
                pass
            elif outcome != OUTCOME_ASIDE:
                settle(worker, &act, frame.anchor, &fx)
            if worker.n_ready and not worker.in_runq:
                fx.runnable = True
            wake_if_blocked(worker, &fx)
            rlx_unlock(&worker.lock)
            run.act = NULL
            clear(&act)
            self.engine.apply(worker, &fx)
        finally:
            self.leave(&run)
            set_context(NULL if before is None else <PyObject*>before)
        return 0

    cdef int turn(self) except -1:
        # The event loop's thread comes to its next callback.
        cdef run_t run
        self.note("loop", None, NULL, 0)
        self.enter(&run, None, NULL)
        self.in_loop = True
        self.in_user = True
        try:
            set_loop_engine(<void*>self.engine)
            self.loop.turn()
        except (KeyboardInterrupt, SystemExit) as error:
            self.fatal.append(error)
        finally:
            self.in_loop = False
            self.leave(&run)
        return 0

    cdef int call(self) except -1:
        # A thread of the loop's executor comes to its next call.
        cdef run_t run
        self.note("call", None, NULL, 0)
        self.enter(&run, None, NULL)
        self.depth += 1
        self.in_user = True
        try:
            self.loop.call()
        finally:
            self.depth -= 1
            self.leave(&run)
        return 0

    cdef int64_t loop_due(self) except? -2:
        return -1 if self.loop is None else self.loop.due()

    cdef int delay(self) except -1:
        return 0

    cdef void enter(self, run_t* run, WorkerCore worker, cell_t* cell) noexcept:
        run.up = self.runs
        run.worker = NULL if worker is None else <void*>worker
        run.cell = cell
        run.act = NULL
        run.frame = current_frame()
        run.pump = pump_engine()
        run.loop = loop_engine()
        run.player = rlx_get_player()
        run.in_user = self.in_user
        self.runs = run
        if worker is not None:
            self.depth += 1
        self.in_user = False
        rlx_set_player(<void*>self)
        set_frame(NULL)
        set_pump_engine(NULL)
        set_loop_engine(NULL)
        # Any number but 0, which would be taken for "has none yet".
        run.number = pose_as(PLAYED + <uint64_t>self.depth)

    cdef void leave(self, run_t* run) noexcept:
        self.runs = run.up
        if run.worker != NULL:
            self.depth -= 1
        self.in_user = run.in_user
        rlx_set_player(run.player)
        set_frame(run.frame)
        set_pump_engine(run.pump)
        set_loop_engine(run.loop)
        pose_as(run.number)

    cdef int note(self, str what, WorkerCore worker, cell_t* cell, uint64_t tag) except -1:
        cdef int64_t now = self.clock.now()
        cdef uint64_t number = 0, index = 0
        worker_id = routine_id = None
        if worker is not None:
            number = worker.number
            index = cell.index + 1
            worker_id = worker.ident.worker_id
            routine_id = (<Node>cell.node).routine_id
        self.steps += 1
        self.fingerprint = mix(
            self.fingerprint ^ mix(<uint64_t>now + mix((number << 40) ^ (index << 20) ^ tag))
        )
        self.history.append((self.steps, now, what, worker_id, routine_id, tag))
        return 0

    cdef bint is_inline(self) noexcept:
        return True

    cdef int spawn(self, Activation activation) except -1:
        if self.loop is None:
            self.loop = self.new_loop(self)
        self.coroutines[activation] = None
        try:
            self.loop.spawn(activation.coroutine, activation, CoroutineEnd(self, activation))
        except BaseException:
            del self.coroutines[activation]
            raise
        return 0

    cdef int cancel(self, Activation activation) except -1:
        if self.loop is not None:
            self.loop.cancel(activation)
        return 0

    def time_ns(self):
        """Return the virtual time, in ns."""
        return self.clock.now()


cdef class CoroutineEnd:
    # What the virtual loop calls when a coroutine ended.
    cdef Player player
    cdef Activation activation

    def __cinit__(self, Player player, Activation activation):
        self.player = player
        self.activation = activation

    def __call__(self, error):
        cdef Activation activation = self.activation
        if activation is not None:
            self.activation = None
            del self.player.coroutines[activation]
            self.player.in_user = False
            finish_async(activation, error)
