# Lanes: what waits for each key of a routine that has one. Items of equal keys run one
# after the other; docs/architecture.md draws the states. All under the worker's lock,
# but lanes_new and lanes_free.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from routilux._core.ledger cimport effects_t
from routilux._core.slot cimport entry_t, slot_t

# An item that waits in a lane.
ctypedef struct laned_t:
    entry_t entry            # owned reference, counted in owner.open
    slot_t* slot             # where it arrived, which still counts it; set once
    PyObject* source         # as in slot.sources; set once
    lane_t* lane             # set once
    laned_t* next            # list of the lane, in the order of arrival
    laned_t* prev
    laned_t* younger         # list of the slot, in the order of arrival
    laned_t* older
    bint parked              # told "not yet": its cell is held

# A key that has items waiting, or an activation.
ctypedef struct lane_t:
    PyObject* key            # owned reference; set once
    Py_hash_t hash           # what its __hash__ said; set once
    lane_t* chain            # next in the bucket
    laned_t* head            # next to run
    laned_t* tail
    lane_t* next             # list of those that are ready
    lane_t* prev
    uint64_t look            # the last look-up that passed it
    bint busy                # an activation has an item of it
    bint ready               # in that list

# What of one slot waits in lanes; slot.laned is their number.
ctypedef struct column_t:
    laned_t* oldest
    laned_t* youngest

# All lanes of a cell.
ctypedef struct lanes_t:
    lane_t** buckets         # table by hash; grows to the most lanes at a time
    Py_ssize_t n_buckets     # a power of two
    Py_ssize_t n_lanes
    lane_t* ready_head       # lanes that may run, the longest ready first
    lane_t* ready_tail
    column_t* columns        # one a slot of the routine; set once
    uint64_t looks           # look-ups so far
    bint asking              # some thread asks for keys

cdef lanes_t* lanes_new(int n_slots) noexcept nogil
cdef void lanes_free(lanes_t* lanes, int n_slots) noexcept

# Of the lanes with that hash the one of that very object, else the next that the look-up
# (lanes.looks) has not passed; NULL: no more.
cdef lane_t* lane_like(lanes_t* lanes, PyObject* key, Py_hash_t hash) noexcept nogil

# Moves the oldest item of a slot's ring to the end of a lane, or of a new one when it is
# NULL, with a reference to the key. -1: no memory, nothing changed.
cdef int lane_put(
    lanes_t* lanes, lane_t* lane, PyObject* key, Py_hash_t hash, slot_t* slot
) noexcept nogil

# Takes an item out of its lane; its reference and count move to `entry`.
cdef void lane_take(
    lanes_t* lanes, laned_t* laned, entry_t* entry, effects_t* fx
) noexcept nogil

# The lane that has been ready longest gets an activation, and that one ended.
cdef lane_t* lane_begin(lanes_t* lanes) noexcept nogil
cdef void lane_end(lanes_t* lanes, lane_t* lane, effects_t* fx) noexcept nogil
