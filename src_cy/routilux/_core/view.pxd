# The window that policies and users get on a queue of a running worker.

from cpython.object cimport PyObject

from routilux._core.routine cimport Node, cell_t
from routilux._core.slot cimport Slot
from routilux._core.worker cimport WorkerCore, activation_t

cdef class QueueView(Slot):
    cdef WorkerCore worker           # keeps the queue alive; set once
    cdef activation_t* claim         # while a policy is asked: takes what it consumes;
                                     # guarded by worker.lock

cdef QueueView view_of(WorkerCore worker, Node node, int index)
