# Asking for the keys of what arrived at a routine that has one.

from routilux._core.routine cimport Node
from routilux._core.worker cimport WorkerCore, activation_t

# Gives the oldest items their lanes until one may run: True, it is the activation's.
# Raises what the key of an item raised, which is the activation's then. No lock held.
cdef bint ask__key(WorkerCore worker, activation_t* act, Node node) except -1
