# Playing threads on one thread: what a simulation runs, and how it keeps its threads
# apart. sim.pyx decides what is played when.

from libc.stdint cimport int64_t, uint64_t

from routilux._core.routine cimport cell_t
from routilux._core.timer cimport Clock
from routilux._core.worker cimport WorkerCore, activation_t
from routilux._core.frame cimport frame_t
from routilux._core.engine cimport Driver, Engine

# An activation, a turn of the event loop or a call of its executor on the stack. What
# lies below it is a thread that the system has suspended.
ctypedef struct run_t:
    run_t* up
    void* worker             # WorkerCore, kept alive by its player; NULL: not a pump's
    cell_t* cell             # NULL likewise
    activation_t* act        # act.cell is NULL once it was set aside
    frame_t* frame           # what the thread below had: its frame,
    void* pump               # the engine whose pump and
    void* loop               # whose loop it is,
    void* player             # who plays it,
    uint64_t number          # which thread remember_post took it for
    bint in_user

# One thread at a time plays (see sim.pxd), so nothing here has a lock.
cdef class Player(Driver):
    cdef Engine engine               # set once
    cdef Clock clock                 # the engine's; set once
    cdef int depth                   # pumps on the stack
    cdef run_t* runs                 # what is on the stack, newest first
    cdef bint in_user                # user code is on top of it, not the core
    cdef bint in_loop                # the event loop is somewhere in it
    cdef object new_loop             # makes `loop`; set once
    cdef object loop                 # the virtual event loop; None before a coroutine
    cdef dict coroutines             # Activation -> None: those that run
    cdef bint straight               # take the straight way where pumps do; drawn once
    cdef list fatal                  # KeyboardInterrupt and SystemExit, for who waits
    cdef readonly uint64_t steps
    cdef readonly uint64_t fingerprint   # of all steps: when, what, worker, routine, tag
    cdef readonly object history     # deque of the last ones, for people to read

    cdef int run(self, WorkerCore worker, cell_t* cell) except -1
    cdef int turn(self) except -1        # one callback of the event loop
    cdef int call(self) except -1        # one function given to its executor
    cdef int64_t loop_due(self) except? -2   # when its next timer is due, ns; -1: none
    cdef void enter(self, run_t* run, WorkerCore worker, cell_t* cell) noexcept
    cdef void leave(self, run_t* run) noexcept
    cdef int note(self, str what, WorkerCore worker, cell_t* cell, uint64_t tag) except -1
    cdef int delay(self) except -1       # before logic begins; a simulation lets it be late

# Who plays the calling thread, or None.
cdef Player player()
