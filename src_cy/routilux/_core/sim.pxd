# The simulation: a core, its clock and its threads on one thread, by the seed.
#
# Nothing here decides what the core decides. Steps (choose.pxd) are taken while somebody
# waits (`block`, `pause`), and at *points*, on top of what goes on there: before and after
# the effects of each critical section (SimControl.apply), so after a post too, and inside
# logic where it emits or reads shared state, as far as `level` allows.

from libc.stdint cimport int64_t, uint64_t

from routilux._core.platform cimport rlx_lock_t, waiter_t
from routilux._core.control cimport Control
from routilux._core.choose cimport Chooser

cdef enum Level:             # where activations may run
    LEVEL_WAITS              # while somebody waits or sleeps
    LEVEL_POSTS              # inside calls of the runtime, too
    LEVEL_LOGIC              # and inside of logic, where it calls the runtime

# Guarded by the baton: `owner` is the one thread that steps. Others that post do so as
# everywhere; others that wait nap until the baton is free.
cdef class SimDriver(Chooser):
    cdef SimControl core             # the engine; set once
    cdef readonly int level          # Level; set once
    cdef int post_odds               # steps happen at one in so many points outside of
    cdef int run_odds                # activations, and in or around them; 0: at none
    cdef int pending                 # effects that wait on the stack to be carried out
    cdef rlx_lock_t lock             # protects the baton
    cdef unsigned long owner         # thread that has it; 0: none
    cdef int holds                   # how often it took it
    cdef unsigned long first         # thread that took it first
    cdef bint foreign                # some other thread took part: waits may be real

    cdef bint claim(self) noexcept       # to step; False: another thread has the baton
    cdef bint hold(self) noexcept        # the same, and takes no part by that
    cdef void unclaim(self) noexcept
    cdef bint is_inside(self) noexcept
    cdef void point(self) noexcept
    cdef int pause(self, int64_t ns) except -1
    cdef bint nap(self, waiter_t* waiter, int64_t until) except -1
    cdef int raise_trouble(self) except -1   # who has the baton
    cdef int tell_trouble(self) except -1
    cdef int tidy(self) except -1

cdef class SimControl(Control):
    cdef SimDriver sim               # set once
    cdef uint64_t n_workers          # ever started
    cdef object at_end               # called when no job lives any more, or None
