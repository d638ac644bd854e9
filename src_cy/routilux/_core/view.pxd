# The window that policies and users get on a queue of a running worker.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.routine cimport Node, cell_t
from routilux._core.slot cimport Slot
from routilux._core.worker cimport WorkerCore, activation_t

cdef class QueueView(Slot):
    cdef WorkerCore worker           # keeps the queue alive; set once
    cdef activation_t* claim         # while a policy is asked: takes what it consumes;
                                     # guarded by worker.lock
    cdef int64_t offset              # wall clock minus the worker's clock; 0: not known

cdef QueueView view_of(WorkerCore worker, Node node, int index)
