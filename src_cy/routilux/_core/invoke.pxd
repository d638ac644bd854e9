# Logic: what it is called with, the call, and what its end means.

from routilux._core.worker cimport Activation, WorkerCore, activation_t
from routilux._core.frame cimport frame_t, here_t

# Runs one activation on this thread, all but its settlement. `frame` is zeroed memory on
# the caller's stack. Returns an Outcome; OUTCOME_ASIDE: `act` was moved to the heap.
# `fatal` keeps a BaseException that an inline driver passes on to its caller.
cdef int invoke(WorkerCore worker, activation_t* act, frame_t* frame, list fatal) except -1

# The same for a cell on the straight way; `h` is of this thread.
cdef int invoke_straight(
    WorkerCore worker, activation_t* act, frame_t* frame, here_t* h, list fatal
) noexcept

# The same, and whatever goes wrong in here itself (no memory, an answer that raises when
# looked at) fails the activation's jobs instead of coming out: the pump goes on.
cdef int invoke_safely(
    WorkerCore worker, activation_t* act, frame_t* frame, list fatal
) noexcept
