# A running instance of a flow: its cells, its ready list, and what users see of it.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from routilux._core.platform cimport rlx_lock_t, waiters_t
from routilux._core.job cimport Ident, owner_t
from routilux._core.lane cimport lane_t
from routilux._core.ledger cimport Ledger, effects_t
from routilux._core.block cimport part_t
from routilux._core.slot cimport entry_t, slot_t
from routilux._core.routine cimport Plan, cell_t, event_t
from routilux._core.timer cimport Clock

# One call of a routine's logic with a slice of its slots' data. Lives on the stack of
# the pump that runs it; an Activation object (invoke.pxd) carries it when it waits.
ctypedef struct activation_t:
    cell_t* cell
    owner_t* owner           # job or group that it works for and emits for
    Py_ssize_t held          # counts of the owner that end with it
    uint64_t tag, arrived    # its number in its worker; arrival number of its first item
    int partial              # FlushKind of a flushed batch, else FLUSH_NONE
    bint asks                # a Python policy, or key function, has yet to answer
    int slot_index           # immediate: the slot of the item
    lane_t* lane             # of the item; NULL: it has no key
    PyObject* item           # immediate: the item; or the base of all items; owned
    entry_t* entries         # else: what was taken, slot by slot; owned memory
    Py_ssize_t* counts       # else: items of each slot; in the same block
    Py_ssize_t n_entries, cap_entries
    part_t* parts            # beside entries of typed slots: what of the base; owned memory
    char* data               # of a typed slot, if act.item has all: where in it
    Py_ssize_t n             # and how many items
    PyObject* slot_data      # dict that logic gets; owned
    PyObject* message        # policy message; owned
    int failures             # times that it raised so far
    int64_t began            # ticks of the recorder; 0: nobody monitors

# Thread-safety: `lock` protects the cells, slots, ready list, counts of owners and the
# activation counters. `states` is guarded by a critical section. Lock order: a worker's
# lock, then the engine's or the ledger's; never two workers' at once.
cdef class WorkerCore:
    cdef object __weakref__
    cdef rlx_lock_t lock
    cdef Plan plan                   # set once
    cdef Ledger ledger               # set once
    cdef Clock clock                 # set once
    cdef Ident ident                 # set once
    cdef readonly object engine      # Engine, None before exec(); set once
    cdef cell_t* cells               # one per node; set once
    cdef Py_ssize_t n_cells, n_slots # set once
    cdef slot_t* slots               # of all cells; set once
    cdef event_t* events             # of all cells; set once
    cdef slot_t** targets            # of all events; set once
    cdef cell_t* ready_head          # next to run
    cdef cell_t* ready_tail
    cdef Py_ssize_t n_ready, queued  # cells on that list; items in all slots
    cdef uint64_t n_taken            # activations started: the tag of the newest
    cdef Py_ssize_t running          # activations going on
    cdef Py_ssize_t n_resumed        # those of them whose retry is due and not yet taken
    cdef Py_ssize_t nested           # those of them whose thread helps, so runs another
    cdef Py_ssize_t blocked_outside  # those that wait for a slot of another worker
    cdef int64_t timers              # pending, that will move something; atomic
    cdef Py_ssize_t n_waiting        # activations of `running` whose retry is not begun yet
    cdef bint paused                 # no activation begins: the limit of each cell is negated
    cdef waiters_t idle_waiters, slot_waiters    # WAIT_IDLE; WAIT_SLOT and WAIT_HELP
    cdef Py_ssize_t n_held           # cells that are held
    cdef int64_t n_crowded           # slots that hold more than their bound; atomic
    cdef readonly object flow        # set once
    cdef uint64_t number             # in the order of exec(), for a simulation; set once
    cdef int64_t n_dropped           # items dropped with their jobs
    cdef int64_t in_runq             # guarded by the engine's lock; also read without
    cdef PyObject* run_next          # guarded by the engine's lock: link of its run queue
    cdef int phase                   # WorkerPhase
    cdef int64_t created, started, stopped   # wall clock ns; 0: it did not happen yet
    cdef dict states                 # routine_id -> state; the user's alone
    cdef uint64_t poster             # number of the thread that posted last
    cdef uint64_t poster_seq         # and the job that it posted; 0: none
    cdef dict posters                # other threads -> their last job's id
    cdef object last_job_id          # of poster, when it was named by the user

    cdef bint is_simulated(self) noexcept
    cdef object posted_id(self)
    cdef slot_t* slot_of(self, int cell, int slot) noexcept nogil
    cdef void remember_post(self, uint64_t seq, object named)

# Makes the calling thread another one for remember_post; returns which it was. For a
# simulation, whose pumps share a thread.
cdef uint64_t pose_as(uint64_t number) noexcept nogil

# The worker of a job; None when its runtime is gone.
cdef WorkerCore worker_of(Ident ident)

# An activation that left its pump's stack: a coroutine runs, or a retry waits. Owned by
# the coroutine's callback, the timer, or the cell's `resumed` chain: one at a time.
cdef class Activation:
    cdef activation_t c              # moved here from the stack
    cdef WorkerCore worker           # set once
    cdef PyObject* resumed           # link of the cell's chain; guarded by worker.lock
    cdef readonly object coroutine   # what logic returned, for the event loop; or None
    cdef object watch                # Watch of a coroutine with a timeout, or None
