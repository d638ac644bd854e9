# Those who act for the core: threads of a pool, and a keeper.

from libc.stdint cimport int64_t

from routilux._core.platform cimport PyThread_type_lock
from routilux._core.engine cimport Driver, Engine
from routilux._core.timer cimport Clock
from routilux._core.worker cimport Activation
from routilux._core.stall cimport Stall

cdef class ThreadDriver(Driver):
    cdef Engine engine               # set once
    cdef Clock clock                 # the engine's; set once
    cdef object submit               # of the executor; None once it must not be used
    cdef object spawner              # callable(coroutine, callback) of the event loop
    cdef object canceller            # callable(activation) of the event loop
    cdef object spare                # callable(pump): a thread beside the pool
    cdef Stall stall                 # set once; the keeper's
    cdef PyThread_type_lock bell     # the keeper's
    cdef int64_t stopping

    cdef int64_t doze(self) noexcept nogil
    cdef int probe(self) except -1
    cdef int look(self, int64_t waited_ns) except -1

# What the event loop calls when a coroutine ended.
cdef class AsyncEnd:
    cdef Activation activation
