# Activations with a timeout.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.routine cimport cell_t
from routilux._core.timer cimport timer_t
from routilux._core.worker cimport Activation, WorkerCore, activation_t
from routilux._core.frame cimport frame_t
from routilux._core.quiet cimport Quiet

# One activation with a timeout, while its logic runs. Guarded by the worker's lock; held
# by who runs the logic.
cdef class Watch:
    cdef WorkerCore worker           # set once
    cdef activation_t* act           # where it lies, while `runs`
    cdef frame_t* frame              # of the thread that runs it; NULL: a coroutine
    cdef Activation activation       # of a coroutine, or None
    cdef object keeps                # its owner: the logic outlives the job; set once
    cdef list letters                # what becomes a dead letter, or None; set once
    cdef unsigned long thread        # that began it; set once
    cdef int64_t due                 # set once
    cdef bint runs                   # neither over nor given up
    cdef PyObject* next              # list of its cell, which owns it
    cdef PyObject* prev

# No lock held by the callers. `act` must stay where it is until `watch_end`.
cdef Watch watch_begin(WorkerCore worker, activation_t* act, frame_t* frame)
# Logic is over. False: too late, the activation is settled and must only be cleared.
cdef bint watch_end(Watch watch) except -1
# Logic returned a coroutine: moves the activation off the stack. None: too late.
cdef Activation watch_coroutine(Watch watch)

cdef class Overtime(Quiet):
    cdef bint expire(self, Watch watch, bint over) except -1
    cdef int expire_due(self, WorkerCore worker, cell_t* cell) except -1
    cdef int make_up(self, frame_t* frame) except -1
