# Asking a Python policy, and what its answer makes of the items that it took.

from cpython.object cimport PyObject

from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport Node
from routilux._core.worker cimport WorkerCore, activation_t

# True: the routine runs, on act.slot_data (a user's policy) or act.entries (a custom
# one). What the policy consumed is claimed by the activation whatever it answers.
cdef bint ask(WorkerCore worker, activation_t* act, Node node) except -1

# Items of several jobs: makes the group that the activation works for.
cdef int form_group(activation_t* act) except -1

# Takes all that is queued; under the worker's lock.
cdef int claim_all(WorkerCore worker, activation_t* act, effects_t* fx) noexcept nogil

# Why something is flushed, in a word; by FlushKind.
cdef str cause_of(int flush)

# Stores a new reference.
cdef int give(PyObject** place, object value) except -1
