# What happens to jobs and queues when an activation ended, well or not. Every function
# is called under the lock of the worker.

from routilux._core.job cimport owner_t
from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport cell_t
from routilux._core.worker cimport WorkerCore, activation_t

# The activation is over: gives its counts back and checks its cell again. `anchor` is
# the last cell that it made ready, or NULL.
cdef void settle(
    WorkerCore worker, activation_t* act, cell_t* anchor, effects_t* fx
) noexcept nogil

# Ends jobs early: marks every job of the owner and drops what is queued of them.
cdef void fail(
    WorkerCore worker, owner_t* owner, Py_ssize_t held, object error, effects_t* fx
) noexcept
cdef bint end_early(
    WorkerCore worker, owner_t* owner, int state, object reason, effects_t* fx
) noexcept
# Ends one job early, without looking at the queues; False when it had ended.
cdef bint mark(owner_t* owner, int state, object error) noexcept
cdef void purge(WorkerCore worker, effects_t* fx) noexcept nogil

# Whether every running activation sleeps for room, or waits below one that does. `more`
# are about to. One that was woken, or has just helped, does not count: it looks again.
cdef bint all_blocked(WorkerCore worker, Py_ssize_t more) noexcept nogil

# The same with nothing ready and no timer: nothing moves without help from outside.
cdef bint is_stuck(WorkerCore worker, Py_ssize_t more) noexcept nogil

# No activation executes any more: whoever paused the worker need not wait longer.
cdef void wake_idle(WorkerCore worker, effects_t* fx) noexcept nogil

# After a thread took what it wants: if all the others are blocked now, they must look.
cdef void wake_if_blocked(WorkerCore worker, effects_t* fx) noexcept nogil

# Frees what an activation still holds; its counts were settled. No lock held.
cdef void clear(activation_t* act) noexcept
