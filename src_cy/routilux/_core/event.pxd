# Emit: from an activation's logic to the slots that its event is connected to.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.job cimport owner_t
from routilux._core.routine cimport Node, cell_t
from routilux._core.slot cimport slot_t
from routilux._core.worker cimport WorkerCore
from routilux._core.frame cimport frame_t

# What a routine declares.
cdef class Event:
    cdef readonly str name
    cdef readonly object routine
    cdef readonly list output_params
    cdef public list connected_slots     # drop-in surface: filled by Flow.connect

# The compiled half of routilux.Routine.
cdef class RoutineCore:
    cdef object __weakref__

# Where an emit comes from, when the thread-local frame does not say it.
ctypedef struct origin_t:
    PyObject* worker         # WorkerCore; the caller keeps it alive
    cell_t* cell
    owner_t* owner
    bint on_loop             # async logic: it must not block

cdef int emit_c(
    WorkerCore worker,
    cell_t* cell,
    int event,
    object item,
    owner_t* owner,
    frame_t* frame,
    bint on_loop,
) except -1
