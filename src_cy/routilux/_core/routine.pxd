# The core's view of a flow: nodes (routines, shared by all workers of the flow), the
# frozen plan of their connections, and the cell that each worker has for each node.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from routilux._core.job cimport owner_t
from routilux._core.slot cimport slot_t
from routilux._core.activation cimport policy_t
from routilux._core.lane cimport lanes_t
from routilux._core.meter cimport meter_t

# One event of one cell: where its items go. Resolved when the worker is made.
ctypedef struct event_t:
    slot_t** targets         # slots of the same worker, in the order of connecting
    Py_ssize_t n_targets, n_typed    # and how many of them are typed slots; set once
    int64_t n_emitted        # emits; without targets they are dropped by design

# One routine in one worker. Guarded by the worker's lock unless said otherwise.
ctypedef struct cell_t:
    slot_t* slots            # n_slots of them; set once
    event_t* events          # n_events of them; set once
    int n_slots, n_events, n_typed   # the last: of its slots, the typed ones; set once
    int index                # in the plan; set once
    int rank                 # distance from the sources of the flow; set once
    bint straight            # one slot, one item, one activation at a time, not paused
    bint plain               # the same, paused or not; set once
    policy_t policy
    lanes_t* lanes           # NULL: a routine without a key; set once
    Py_ssize_t total         # items queued in all slots, in lanes too
    uint64_t stamp           # of the last arrival
    int stamping             # StampKind; set once
    Py_ssize_t limit         # activations at a time; set once
    Py_ssize_t running       # activations going on, coroutines and waiting retries too
    bint ready               # in the worker's ready list
    int flush                # FlushKind: take what there is as one partial batch
    bint asking              # a Python policy is being asked right now
    bint stale               # that policy said no, and nothing has arrived since
    int flush_asked          # FlushKind that it said no to since it was last asked plainly
    bint held                # async logic: not run while a slot that it feeds is full
    bint timed               # a TIMER_CHECK is pending
    bint warned, logged      # the starvation warning was given; a failure was logged
    bint sleepy              # its logic may sleep; for a simulation, see choose.pyx
    cell_t* next             # ready list
    cell_t* prev
    uint64_t tag             # activation that pushed it to the ready list
    PyObject* resumed        # chain of activations whose retry is due; owned references
    owner_t* current         # whom it works for; only compared; atomic
    PyObject* node           # Node; the plan keeps it alive
    PyObject* shell          # a slot_data that nobody kept: used again; owned, or NULL
    PyObject* shell_list     # the list in it; borrowed
    PyObject* message        # a policy message, likewise
    meter_t* meter           # NULL: nobody monitors or traces
    meter_t* own_meter       # the same, in force or not; NULL: there never was one; owned
    void* watches            # watches_t of timer.pxd; NULL: no timeout; set once
    int64_t n_blocked_ns     # keeper only: time seen blocking while threads idled

# A routine as the plan froze it; shared by all workers, read-only.
cdef class Node:
    cdef int index, rank
    cdef str routine_id
    cdef object routine
    cdef object logic           # callable, or None
    cdef PyObject* function              # logic; of a bound method its function
    cdef PyObject* bound                 # and its object, else NULL; both borrowed
    cdef object policy          # Policy, callable, or None
    cdef object flusher                  # the `flush` of a policy in Python, or None
    cdef object handler         # ErrorHandler in force, or None
    cdef tuple slots            # Slot definitions, in order
    cdef tuple slot_names
    cdef PyObject* slot_name             # the first of them, borrowed; NULL: none
    cdef tuple event_names               # in order
    cdef PyObject* event_name            # the first of them, borrowed; NULL: none
    cdef tuple labels           # for messages: "slot 'x' of routine 'r'"
    cdef PyObject** label_at             # the same, borrowed from labels
    cdef bint is_async                   # logic is a coroutine function
    cdef int form                        # LogicForm
    cdef bint gathers                    # a function yields: results of jobs are lists
    cdef dict slot_index, event_index       # name -> index
    cdef object concurrency     # activations at a time; None: the pool's size
    cdef object key             # a field's name or a callable; None: no key
    cdef object timeout         # seconds that an activation may last; None
    cdef bint by_slot                    # logic takes one list a slot, then keywords
    cdef tuple keywords                  # of "policy_message", "worker_state": wanted ones
    cdef policy_t template
    cdef dict message                    # of a full activation
    cdef dict partial_message            # of a flushed batch

cdef class Plan:
    cdef str flow_id
    cdef tuple nodes
    cdef dict index             # routine_id -> index
    cdef dict by_routine                 # id(routine) -> index
    cdef tuple edges            # (source, event index, target, slot index)
    cdef Py_ssize_t n_slots, n_events    # of all nodes
    cdef int letter_cell, letter_slot    # where dead letters go; -1: nowhere
