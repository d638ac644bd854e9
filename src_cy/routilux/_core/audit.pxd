# The invariants of a core, checked by counting everything again. See audit.pyx.

from routilux._core.control cimport Control
from routilux._core.routine cimport cell_t
from routilux._core.slot cimport slot_t
from routilux._core.timer cimport Clock
from routilux._core.job cimport owner_t
from routilux._core.worker cimport WorkerCore, activation_t

cdef class Audit:
    cdef Control core
    cdef list found                  # texts: what does not hold
    cdef dict open                   # address of an owner -> what it should count
    cdef dict parked                 # address of an owner -> how much of that is parked
    cdef dict running                # address of a cell -> activations that are known
    cdef dict checks                 # address of a cell -> TIMER_CHECKs in the heap
    cdef dict timers                 # worker -> timers in the heap
    cdef set acts                    # addresses of activations that were counted

    cdef int count_act(self, activation_t* act) except -1
    cdef int count_owner(self, owner_t* owner, Py_ssize_t n) except -1
    cdef int count_stack(self) except -1
    cdef int count_timers(self, Clock clock) except -1
    cdef int count_groups(self) except -1
    cdef int check_worker(self, WorkerCore worker) except -1
    cdef int check_cell(self, WorkerCore worker, cell_t* cell) except -1
    cdef int check_slot(self, WorkerCore worker, slot_t* slot) except -1
    cdef bint is_starved(self) except -1
    cdef int check_lanes(self, WorkerCore worker, slot_t* slot, label) except -1
    cdef int check_ready(self, WorkerCore worker) except -1
    cdef int check_owner(self, owner_t* owner, str name) except -1
    cdef int check_jobs(self) except -1
    cdef int check_queue(self) except -1
    cdef bint knows_all(self, WorkerCore worker) except -1
