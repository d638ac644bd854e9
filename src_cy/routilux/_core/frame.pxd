# Who runs on this thread: a C thread-local for the hot path, a context variable for
# everything that a context can be carried to.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from routilux._core.job cimport owner_t
from routilux._core.routine cimport cell_t
from routilux._core.worker cimport WorkerCore, activation_t

# An activation that runs on this thread. Frames nest when a thread that would block in
# emit() helps; each lives on the stack of the pump that made it.
ctypedef struct frame_t:
    PyObject* worker         # WorkerCore; borrowed from the pump
    activation_t* act
    cell_t* anchor           # the last cell that it made ready: keeps fan-out in order
    frame_t* up              # what this thread was doing when it began to help
    cell_t** place           # where the pump says what it runs, or NULL
    int left                 # of the pump's quantum, this one counted; 0: it only helps
    int until_tail           # then the oldest ready cell goes first; this one counted
    bint nests               # counted in worker.nested: `up` is suspended below it
    bint gone                # its activation was given up: nothing of it counts any more
    frame_t* over            # what nests on it, or NULL; these three under the worker's lock

# What a thread knows of itself; thread-local, so nobody else reads or writes it.
ctypedef struct here_t:
    frame_t* frame           # the innermost activation; NULL: none
    uint64_t thread          # thread state and context version for which `value` was
    uint64_t version         # read or set last: while they are the same, it holds
    PyObject* value          # of the context variable; borrowed from the context

cdef extern from "rlx_platform.h":
    bint rlx_context_is(uint64_t thread, uint64_t version)

cdef here_t* here() noexcept nogil
cdef frame_t* current_frame() noexcept nogil
cdef void set_frame(frame_t* frame) noexcept nogil
# The engine whose pump this thread is, NULL on all other threads.
cdef void* pump_engine() noexcept nogil
cdef void set_pump_engine(void* engine) noexcept nogil
# The same for the thread of its event loop, which must never block.
cdef void* loop_engine() noexcept nogil
cdef void set_loop_engine(void* engine) noexcept nogil
cdef int depth_of(frame_t* frame) noexcept nogil
# The logic is over: what is suspended below does not wait for it any more.
cdef void unnest(frame_t* frame) noexcept nogil

# The context variable holds a JobContext, a JobGroup, an Activation (async logic), or
# None. It is set when the owner changes, which depth-first order makes seldom.
cdef PyObject* context_value() noexcept              # borrowed; NULL: none
cdef int set_context(PyObject* value) except -1      # NULL: none
cdef owner_t* owner_of(PyObject* value) noexcept     # NULL: none
# Whether the context says `value`, judged without reading the variable: False if unsure.
cdef inline bint holds(here_t* h, PyObject* value) noexcept:
    return h.value == value and rlx_context_is(h.thread, h.version)
cdef WorkerCore worker_in_context()
