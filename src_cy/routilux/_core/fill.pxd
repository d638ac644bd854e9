# Fill: how many items enter a slot by one call.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.job cimport JobContext
from routilux._core.slot cimport slot_t
from routilux._core.worker cimport WorkerCore
from routilux._core.frame cimport frame_t
from routilux._core.control cimport Control

cdef enum:
    CHUNK = 256              # items that enter under one hold of the lock at most

# Where a bulk post puts its items, and how long it may wait; on the caller's stack.
ctypedef struct target_t:
    slot_t* slot
    frame_t* frame           # of logic that posts to its own runtime, else NULL
    int64_t deadline         # monotonic ns; 0: never wait, -1: no limit
    PyObject* lifetime       # seconds for each job, or None; borrowed from the caller
    Py_ssize_t limited       # jobs of this chunk that have their deadline

cdef int enter_each(
    Control core, WorkerCore worker, target_t* target, list items, list jobs
) except -1
# All of them in one critical section, or none.
cdef int enter_all(
    Control core, WorkerCore worker, target_t* target, list items, list jobs
) except -1
cdef int enter_one(
    Control core, WorkerCore worker, target_t* target, object items, JobContext job
) except -1
# Gives the first `n` of the jobs their deadline, unless they have it.
cdef int limit(Control core, target_t* target, list jobs, Py_ssize_t n) except -1
