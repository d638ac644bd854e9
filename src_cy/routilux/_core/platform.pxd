# The platform as the core sees it: lock, clocks, atomics, and a sleep that a wake ends.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

cdef extern from "rlx_platform.h" nogil:
    ctypedef struct rlx_lock_t:
        pass
    void rlx_lock(rlx_lock_t* lock)
    void rlx_unlock(rlx_lock_t* lock)
    int64_t rlx_load(int64_t* field)
    void rlx_store(int64_t* field, int64_t value)
    void rlx_add(int64_t* field, int64_t n)      # under the lock of the field
    int rlx_look(int* field)         # sees all that was written before the value was shown
    void rlx_show(int* field, int value)
    void* rlx_load_ptr(void* field)              # of the address of a pointer
    void rlx_store_ptr(void* field, void* value)
    uint64_t rlx_next(uint64_t* field)       # counts up by one, atomically
    void rlx_fence()                 # what was stored before is seen before what is loaded after
    int64_t rlx_monotonic_ns()
    int64_t rlx_wall_ns()
    int rlx_log2(int64_t n)
    const int RLX_FREE_THREADED
    void rlx_incref(PyObject* o)     # only with the GIL, like the functions that call it

cdef extern from "rlx_platform.h":
    void rlx_xdecref(PyObject* o)
    void rlx_gc_hide(PyObject* o)
    void rlx_gc_show(PyObject* o)
    int rlx_add_method(object type, bytes name, void* function, bytes doc) except -1

cdef extern from "pythread.h" nogil:
    ctypedef void* PyThread_type_lock
    PyThread_type_lock PyThread_allocate_lock()
    void PyThread_free_lock(PyThread_type_lock lock)
    int PyThread_acquire_lock_timed(PyThread_type_lock lock, long long us, int intr)
    void PyThread_release_lock(PyThread_type_lock lock)
    unsigned long PyThread_get_thread_ident()

# Memory for what grows at run time. A simulation may have it refused; what they return
# is given back with free().
cdef void* alloc(size_t size) noexcept nogil
cdef void* alloc_again(void* block, size_t size) noexcept nogil
cdef void set_alloc_fails(bint (*fails)() noexcept nogil) noexcept

# How a waiter is woken that is no thread (see room.pyx); no lock held.
ctypedef struct waiter_t
ctypedef void (*ring_t)(waiter_t* waiter) noexcept nogil

# One sleeping thread. Made by the sleeper, linked into a list under the lock of what
# it waits for; whoever unlinks it sets `woken` and, once the lock is given back,
# wakes it. Memory belongs to the sleeper, which never leaves before that wake came.
ctypedef struct waiter_t:
    PyThread_type_lock bell   # a binary semaphore, taken while nobody rang
    waiter_t* next            # list link; after unlinking: chain of those to wake
    waiter_t* prev            # list link
    void* target              # what it waits for: a job, a slot; or NULL
    int kind                  # WaitKind of the list that it is in
    int rank                  # WAIT_HELP: the lowest rank of a cell that it may run
    bint suspends             # WAIT_HELP: an activation of the worker sleeps in it
    int64_t* pulse            # counts what moves meanwhile; NULL: sleep at once
    bint linked               # in the list
    bint woken                # unlinked by a waker, which will ring
    ring_t ring               # NULL: the bell; else called instead, it may free the waiter
    void* listener            # for ring; of WAIT_HELP: the activation_t that sleeps, or NULL

cdef enum WaitKind:
    WAIT_ALL                  # until no job lives
    WAIT_JOB                  # until `target` ended
    WAIT_ROOM                 # until a job may be posted
    WAIT_SLOT                 # post(): until the slot `target` has room
    WAIT_HELP                 # logic: the same, or until there is something to help with
    WAIT_IDLE                 # until no activation of a paused worker executes

ctypedef struct waiters_t:
    waiter_t* head            # also read without the lock
    waiter_t* tail

# Whether waiting threads spin a little first: not on a single core.
cdef bint SPINS
# Waits for a bell without the GIL, spinning first; 1: it rang (ACQUIRED).
cdef int bell_wait(
    PyThread_type_lock bell, int64_t* pulse, long long us, int interruptible
) noexcept nogil

cdef int waiter_init(waiter_t* waiter, int kind, void* target) except -1
cdef void waiter_free(waiter_t* waiter) noexcept
cdef void waiter_link(waiters_t* waiters, waiter_t* waiter) noexcept nogil
cdef void waiter_unlink(waiters_t* waiters, waiter_t* waiter) noexcept nogil
# Moves a waiter from its list to the chain of those to be woken.
cdef void waiter_pick(waiters_t* waiters, waiter_t* waiter, waiter_t** chain) noexcept nogil
cdef void wake_chain(waiter_t* chain) noexcept nogil
# Sleeps until woken (True) or until `deadline` (monotonic ns, negative: none).
cdef bint waiter_sleep(
    waiters_t* waiters, waiter_t* waiter, rlx_lock_t* lock, int64_t deadline
) except -1
# The parts of waiter_sleep, for a driver that serves between them.
cdef bint waiter_nap(waiter_t* waiter, int64_t deadline) except -1
cdef bint waiter_leave(waiters_t* waiters, waiter_t* waiter, rlx_lock_t* lock) noexcept
cdef int64_t deadline_of(object timeout, int64_t now) except? -2
