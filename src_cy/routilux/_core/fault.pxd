# Faults: a simulation in which things go wrong that may go wrong.
#
# Which kinds happen in a run, and how often, the seed decides; `calm` ends them all. The
# core has no code for them but `alloc` (platform.pxd): slots and the table of jobs "are
# full" because their bounds are lowered for a while, and what is late is late because
# the clock says so.

from libc.stdint cimport int64_t

from routilux._core.chance cimport chance_t
from routilux._core.slot cimport slot_t
from routilux._core.worker cimport WorkerCore
from routilux._core.sim cimport SimDriver

cdef enum:
    FAULT_LATE               # logic begins late, up to seconds after its turn came
    FAULT_TIMER              # a timer is heard of late
    FAULT_CLOCK              # the clocks jump by hours, the wall clock also back
    FAULT_WAKE               # a sleeper wakes for nothing
    FAULT_FULL               # a queue says for a while that it is full
    FAULT_MEMORY             # an allocation fails
    FAULTS

cdef class FaultDriver(SimDriver):
    cdef chance_t luck               # of the faults: without them the rest is as it was
    cdef int odds[FAULTS]            # one in so many; 0: never
    cdef readonly list names         # of the kinds that happen in this run
    cdef int64_t faults     # that happened
    cdef WorkerCore squeezed         # the worker of `slot`, or None
    cdef slot_t* slot                # whose bound is lowered, or NULL
    cdef Py_ssize_t taken            # by how much (it moves with what waits in lanes)
    cdef int64_t place_bound         # what ledger.bound should be; 0: it is

    cdef bint happens(self, int fault) noexcept nogil
    cdef int64_t delay_ns(self) noexcept
    cdef int wake_one(self) except -1
    cdef int squeeze(self) except -1
    cdef int release(self) except -1
