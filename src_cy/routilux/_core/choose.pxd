# Choosing what a simulation does next. One step is an activation, a callback of the
# event loop, a call of its executor, or the timers that are due; time passes when
# nothing is ready.

from libc.stdint cimport int64_t, uint64_t

from routilux._core.chance cimport chance_t
from routilux._core.routine cimport Node, cell_t
from routilux._core.worker cimport WorkerCore
from routilux._core.play cimport Player

cdef enum Order:             # in which ready routines are taken
    ORDER_RANDOM
    ORDER_NEWEST             # as a lone pump takes them
    ORDER_OLDEST
    ORDER_PRIORITY           # by priorities that change now and then

cdef enum Call:              # who asks for a step
    CALL_WAIT                # who waits outside of all logic
    CALL_SLEEP               # logic that sleeps or is blocked
    CALL_POINT               # nobody: the system suspends the calling thread

cdef class Chooser(Player):
    cdef chance_t chance             # all that is left to chance
    cdef readonly uint64_t seed      # set once
    cdef readonly int threads        # pumps that are played; drawn once
    cdef int order                   # Order; drawn once
    cdef uint64_t epoch              # of the priorities
    cdef int nested                  # steps on the stack
    cdef int sleepers                # activations on the stack that sleep or are blocked
    cdef list awake                  # workers that may have ready cells
    cdef public object watch         # called after each step, or None
    cdef object trouble              # what `watch` raised first, for who waits

    cdef bint step(self, int call) except -1
    cdef int take(self, WorkerCore worker, cell_t* cell, int drawn, int* ways) except -1
    cdef bint has_thread(self, int call) noexcept
    cdef bint advance(self, int64_t limit) except -1
    cdef WorkerCore choose(self, cell_t** cell, int call)
    cdef int gather(self) except -1
    cdef bint may_run(self, WorkerCore worker, cell_t* cell, int call) noexcept
    cdef uint64_t priority(self, WorkerCore worker, cell_t* cell) noexcept nogil
    cdef int mishap(self) except -1  # before each step; FaultDriver has some

# Whether logic names something "sleep". One that sleeps elsewhere shows when it does.
cdef bint may_sleep(Node node) except -1
