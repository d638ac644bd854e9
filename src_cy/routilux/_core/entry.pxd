# Post: how a job enters.

from routilux._core.control cimport Control
from routilux._core.worker cimport WorkerCore
from routilux._core.slot cimport slot_t

# The compiled half of routilux.Runtime. The pumps know the core, never this: dropping
# the runtime ends it.
cdef class RuntimeCore:
    cdef object __weakref__
    cdef readonly Control core       # set once, before the first post

    cdef WorkerCore worker_for(self, object flow, object worker_id)
