# The counts of an owner: what keeps a job open. All but sweep under the worker's lock.

from cpython.object cimport PyObject

from routilux._core.job cimport owner_t
from routilux._core.ledger cimport Ledger, effects_t

cdef inline void hold(Ledger ledger, owner_t* owner, effects_t* fx) noexcept nogil:
    owner.open += 1
    if owner.parked:
        balance(ledger, owner, fx)

cdef inline void release(
    Ledger ledger, owner_t* owner, Py_ssize_t n, effects_t* fx
) noexcept nogil:
    if owner.open > n and owner.parked == 0:
        owner.open -= n
    else:
        release_last(ledger, owner, n, fx)

cdef void balance(Ledger ledger, owner_t* owner, effects_t* fx) noexcept nogil
cdef void release_last(
    Ledger ledger, owner_t* owner, Py_ssize_t n, effects_t* fx
) noexcept nogil
cdef void park(Ledger ledger, owner_t* owner, effects_t* fx) noexcept nogil
cdef void unpark(Ledger ledger, owner_t* owner, effects_t* fx) noexcept nogil

# Keeps a reference to be dropped after the lock was given back, and drops them all.
cdef void litter(effects_t* fx, PyObject* obj) noexcept nogil
cdef void sweep(effects_t* fx) noexcept
