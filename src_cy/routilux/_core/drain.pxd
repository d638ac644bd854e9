# Activation check and drain: which cell may run, and what it takes out of its slots.
# Every function is called under the lock of the worker.

from libc.stdint cimport uint64_t

from routilux._core.status cimport JOB_PENDING, JOB_RUNNING, OWNER_JOB
from routilux._core.platform cimport rlx_show
from routilux._core.job cimport JobContext, owner_t, stamp_start
from routilux._core.ledger cimport effects_t
from routilux._core.lane cimport laned_t
from routilux._core.routine cimport cell_t
from routilux._core.slot cimport entry_t, slot_t
from routilux._core.worker cimport WorkerCore, activation_t

# The ready list, under the lock. A cell goes behind `after`, or to the head if NULL.
cdef inline void push_ready(WorkerCore worker, cell_t* cell, cell_t* after) noexcept nogil:
    cdef cell_t* before = worker.ready_head if after == NULL else after.next
    cell.ready = True
    cell.prev = after
    cell.next = before
    if after != NULL:
        after.next = cell
    else:
        worker.ready_head = cell
    if before != NULL:
        before.prev = cell
    else:
        worker.ready_tail = cell
    worker.n_ready += 1

cdef inline void unlink_ready(WorkerCore worker, cell_t* cell) noexcept nogil:
    if cell.prev != NULL:
        cell.prev.next = cell.next
    else:
        worker.ready_head = cell.next
    if cell.next != NULL:
        cell.next.prev = cell.prev
    else:
        worker.ready_tail = cell.prev
    cell.next = cell.prev = NULL
    cell.ready = False
    worker.n_ready -= 1

# Where what an activation made ready goes: behind what it made ready before, if that has
# not been taken meanwhile, else to the head.
cdef inline cell_t* place_behind(cell_t* anchor, uint64_t tag) noexcept nogil:
    return anchor if anchor != NULL and anchor.ready and anchor.tag == tag else NULL

# An item of it is taken: if it is the first of a job, the job runs from now on.
cdef inline void has_begun(owner_t* owner) noexcept nogil:
    if owner.kind == OWNER_JOB and (<JobContext>owner.obj).state == JOB_PENDING:
        rlx_show(&(<JobContext>owner.obj).state, JOB_RUNNING)
        stamp_start(<JobContext>owner.obj)

# After an arrival or the end of an activation: puts the cell on the ready list, or
# parks what is queued and arms the policy's clock. `after`: see push_ready.
cdef void recheck(WorkerCore worker, cell_t* cell, cell_t* after, effects_t* fx) noexcept nogil

# Takes an activation from the head of the ready list (or its tail). False: none.
cdef bint take(
    WorkerCore worker, activation_t* act, bint from_tail, effects_t* fx
) noexcept nogil

# The same for one cell of the ready list. False: what made it ready is gone.
cdef bint take_ready(
    WorkerCore worker, cell_t* cell, activation_t* act, effects_t* fx
) noexcept nogil

# Takes the oldest item out of a slot; its reference and count move to `entry`.
cdef void take_entry(WorkerCore worker, slot_t* slot, entry_t* entry, effects_t* fx) noexcept nogil

# The same for an item in a lane, and for the oldest one wherever it lies.
cdef void take_laned(
    WorkerCore worker, laned_t* laned, entry_t* entry, effects_t* fx
) noexcept nogil
cdef void take_oldest(
    WorkerCore worker, slot_t* slot, entry_t* entry, effects_t* fx
) noexcept nogil

# A routine with a key: an item of the lane that has been ready longest becomes the
# activation's, or the oldest one of a slot that no key could be had for.
cdef void take_lane(WorkerCore worker, activation_t* act, effects_t* fx) noexcept nogil
cdef void take_unkeyed(
    WorkerCore worker, activation_t* act, slot_t* slot, effects_t* fx
) noexcept nogil

# What follows when portions of a slot were taken.
cdef void made_room(WorkerCore worker, slot_t* slot, effects_t* fx) noexcept nogil
# Makes room in act.entries for `n` more; -1: no memory.
cdef int claim_room(activation_t* act, Py_ssize_t n, int n_slots) noexcept nogil

# Sets act.owner and act.held from act.entries and marks the jobs as running.
cdef void claim_owner(activation_t* act) noexcept nogil

cdef bint may_move(cell_t* cell) noexcept nogil      # a routine with a key

# Looks again at async routines that are held because a slot that they feed was full.
cdef void recheck_held(WorkerCore worker, effects_t* fx) noexcept nogil
