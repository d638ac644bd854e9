# The state machine of a runtime: which workers have work, which pumps serve it, what is
# due, and how it ends. It decides; a Driver acts.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.platform cimport PyThread_type_lock, rlx_lock_t, waiter_t, waiters_t
from routilux._core.recorder cimport Recorder
from routilux._core.ledger cimport Ledger, effects_t
from routilux._core.routine cimport cell_t
from routilux._core.breadth cimport breadth_t
from routilux._core.timer cimport Clock, timer_t
from routilux._core.worker cimport Activation, WorkerCore

# One pump task, on the stack of the thread that runs it. Guarded by the engine's lock
# unless said otherwise.
ctypedef struct pump_t:
    pump_t* next             # list of all pumps
    pump_t* prev
    pump_t* next_parked      # list of sleeping pumps, the last one first
    PyThread_type_lock bell  # rung by who takes it off that list
    bint parked              # sleeping in that list
    cell_t* cell             # what it runs; atomic: for the keeper, who looks at it
    void* here               # here_t of its thread; set once
    unsigned long thread     # that it runs on; set once
    int64_t stuck            # what it runs was given up: another pump makes up for it; atomic

# What acts for the core. The base class does nothing: all is done by who waits.
cdef class Driver:
    cdef int start_pump(self) except -1  # will call Engine.next_worker. No lock held
    cdef int nudge(self) except -1   # an earlier deadline, or work behind a busy pump
    # Sleeps until the waiter is woken (True; maybe for nothing) or the deadline (False).
    cdef bint block(
        self, waiters_t* waiters, waiter_t* waiter, rlx_lock_t* lock, int64_t deadline
    ) except -1
    # Runs a coroutine; Activation.finish_async is called when it ended.
    cdef int spawn(self, Activation activation) except -1
    cdef int cancel(self, Activation activation) except -1   # what was spawned
    # Work is done while somebody waits, on his thread.
    cdef bint is_inline(self) noexcept

cdef class Engine:
    cdef object __weakref__
    cdef rlx_lock_t lock             # protects all below; inside a worker's lock
    cdef Ledger ledger      # set once
    cdef Clock clock        # set once
    cdef Driver driver               # set once, before the first worker
    cdef readonly int pool_size      # pumps at most; set once
    cdef Recorder recorder           # None: nothing was ever monitored or traced
    cdef int64_t phase, pumpless     # EnginePhase; when no pump could be started, or 0
    cdef int64_t linger_us           # how long an idle pump stays; set once
    cdef PyObject* runq_head         # workers that may have ready work; owned
    cdef PyObject* runq_tail
    cdef int64_t runq_len            # also read without lock
    cdef pump_t* pumps               # all pumps
    cdef pump_t* parked              # those that sleep
    cdef int64_t n_pumps             # started and not yet ended, those to come included
    cdef int64_t n_stuck, n_parked   # not in n_pumps; in it, and read without lock
    cdef int64_t keeper_asleep       # the driver's keeper sleeps without a tick
    cdef int64_t keeper_rung         # its bell rang, and it has not looked yet
    cdef int64_t beats               # activations begun; read without lock
    cdef int64_t n_waits             # posts and emits that found no room; atomic
    cdef breadth_t breadth           # pumps for short tasks
    cdef dict workers                # worker_id -> WorkerCore, in the order of exec()
    cdef dict newest                 # flow_id -> newest running WorkerCore
    cdef int64_t epoch               # counts the changes of `newest`

    cdef Recorder the_recorder(self)
    cdef int apply(self, WorkerCore worker, effects_t* fx) except -1
    cdef int carry_out(self, WorkerCore worker, effects_t* fx) except -1
    cdef int runnable(self, WorkerCore worker) except -1
    cdef WorkerCore pop_runq(self)
    cdef WorkerCore next_worker(self, pump_t* pump)
    cdef int join(self, pump_t* pump) except -1
    cdef bint hand_over(self, pump_t* pump) except -1
    cdef int leave(self, pump_t* pump) except -1
    cdef int hurry(self) except -1           # retries of ended jobs are due now; Quiet
    cdef int fire(self) except -1
    cdef int late(self, timer_t* timer) except -1        # Overtime does it
    cdef pump_t* unpark(self) noexcept nogil
    cdef bint add_pumps(self, int64_t count) except -1
    cdef bint give_up(self, pump_t* pump) noexcept
    cdef void unlink(self, pump_t* pump) noexcept nogil
    cdef int launch(self) except -1
    cdef int offer_room(self) except -1
    cdef int quiet(self) except -1           # nothing moves and somebody waits; Quiet

cdef inline void zero(effects_t* fx) noexcept nogil:
    fx.done = NULL
    fx.wake = NULL
    fx.litter = NULL
    fx.n_litter = fx.cap_litter = fx.n_dropped = 0
    fx.dropped_by = fx.source = NULL
    fx.first_drop = fx.runnable = fx.nudge = fx.quiet = False

# Whether a critical section decided nothing that is left to do.
cdef inline bint is_idle(effects_t* fx) noexcept nogil:
    cdef bint more = fx.runnable | fx.nudge | fx.quiet | fx.first_drop
    return not more and fx.done == NULL and fx.wake == NULL and fx.n_litter == 0
