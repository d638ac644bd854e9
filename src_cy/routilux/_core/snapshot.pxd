# A picture of what a paused worker holds, and the way back: see snapshot.pyx.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from routilux._core.job cimport owner_t
from routilux._core.slot cimport slot_t

# One queued item, copied under the worker's lock, with references of its own; of a typed
# slot a block of items.
ctypedef struct kept_t:
    PyObject* item
    char* data               # of a typed slot: where in `item`
    Py_ssize_t n             # and how many items; else 0
    PyObject* owner          # JobContext or JobGroup; NULL in a slot that never fires
    PyObject* source         # name of the routine that emitted it; borrowed, or NULL
    slot_t* slot
    uint64_t stamp
    int failures             # of a retry that waits: how often it failed; else 0
    bint claimed             # `item` is the slot_data that a policy in Python made

ctypedef struct copy_t:
    kept_t* kept
    Py_ssize_t n
    Py_ssize_t cap
    bint short               # there was more than room for
