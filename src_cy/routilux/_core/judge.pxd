# What the end of a logic, or an error around it, means for its jobs. No lock held.

from routilux._core.job cimport owner_t
from routilux._core.routine cimport Node
from routilux._core.worker cimport Activation, WorkerCore, activation_t
from routilux._core.overtime cimport Watch

# Each returns an Outcome; OUTCOME_ASIDE: `act` was moved to the heap.
# An exception of logic; the same for sync and async logic.
cdef int judge(WorkerCore worker, activation_t* act, BaseException error) except -1
# An exception of a policy: it can't be asked again about the same items.
cdef int judge__policy(WorkerCore worker, activation_t* act, BaseException error) except -1
# Logic returned a coroutine. `watch`: of its timeout, or None.
cdef int run_coroutine(
    WorkerCore worker, activation_t* act, object coroutine, Watch watch
) except -1
# Something went wrong in the runtime itself: the jobs fail, whatever it takes. `error`:
# None if there was not even memory to catch it.
cdef int rescue(WorkerCore worker, activation_t* act, BaseException error) noexcept

# Whether the jobs of an owner ended; takes the worker's lock.
cdef bint is_over(WorkerCore worker, owner_t* owner) noexcept
cdef int end__hooked(
    WorkerCore worker, activation_t* act, Node node, str status, object error
) except -1
