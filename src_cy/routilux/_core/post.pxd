# Post: from the names that a caller gives to a worker and a slot.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.job cimport JobContext
from routilux._core.slot cimport slot_t
from routilux._core.worker cimport WorkerCore
from routilux._core.control cimport Control

# The compiled half of routilux.Runtime. The pumps know the core, never this: dropping
# the runtime ends it.
cdef class RuntimeCore:
    cdef object __weakref__
    cdef readonly Control core       # set once, before the first post
    # The way of the last post: valid while the three names are the same objects and the
    # engine's epoch is. Only with a GIL.
    cdef object way_flow
    cdef object way_routine
    cdef object way_slot
    cdef PyObject* way_worker        # borrowed: `newest` has it as long as the epoch lasts
    cdef slot_t* way_where
    cdef int64_t way_epoch
    cdef object spare                # the last result: used again when nobody kept it

    cdef WorkerCore worker_for(self, object flow, object worker_id)
    cdef slot_t* slot_for(self, WorkerCore worker, routine_id, slot) except NULL
    cdef int remember_way(
        self, flow, routine, slot, WorkerCore worker, slot_t* where
    ) except -1
    cdef JobContext named_job(self, WorkerCore worker, job_id, metadata)
