"""A running instance of a flow: its queues, its ready list, its state.

Made by Runtime.exec() through the engine, entered by every post and emit, drained by
the pumps. Any number of threads may be in here; `lock` is held for the few
instructions that move an item or a count and never while Python code runs. It promises
that the cells of one worker share nothing with those of another, of the same flow too.
"""

cimport cython
from libc.stdint cimport uint64_t
from libc.stdlib cimport free

from enum import Enum

from routilux._core.platform cimport rlx_load, rlx_lock, rlx_monotonic_ns, rlx_unlock
from routilux._core.mutant cimport mutant
from routilux._core.platform cimport rlx_wall_ns, rlx_xdecref
from routilux._core.failure cimport moment
from routilux._core.lane cimport lanes_free
from routilux._core.slot cimport slot_free
from routilux._core.routine cimport Node

from routilux.errors import name_hint


class WorkerStatus(str, Enum):
    """What a worker does; compares equal to its plain string."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"

    __str__ = str.__str__
    __format__ = str.__format__


cdef extern from *:
    """
    #include "rlx_platform.h"
    /* Numbers of threads that are never used again, as the system's are. */
    static uint64_t rlx_last_thread = 0;
    static RLX_THREAD_LOCAL uint64_t rlx_this_thread = 0;
    static inline uint64_t rlx_thread_number(void) {
        if (rlx_this_thread == 0) rlx_this_thread = rlx_next(&rlx_last_thread);
        return rlx_this_thread;
    }
    static inline uint64_t rlx_pose_as(uint64_t number) {
        uint64_t before = rlx_this_thread;
        rlx_this_thread = number;
        return before;
    }
    """
    uint64_t rlx_thread_number()
    uint64_t rlx_pose_as(uint64_t number) nogil

cdef enum:
    MAX_POSTERS = 256        # threads whose last post is remembered

cdef list STATUS = list(WorkerStatus)    # in the order of the enum WorkerPhase


cdef uint64_t pose_as(uint64_t number) noexcept nogil:
    return rlx_pose_as(number)


cdef WorkerCore worker_of(Ident ident):
    # Control.close() may be clearing it right now, and with it the last reference.
    with cython.critical_section(ident):
        return <WorkerCore>ident.worker if ident.worker is not None else None


cdef class WorkerCore:
    """The compiled half of :class:`routilux.WorkerState`.

    Thread-safety: every method may be called from any thread.
    """

    def __cinit__(self, *args, **kwargs):
        self.states = {}
        self.posters = {}
        self.ident = Ident("", "", "", None, None)      # until the engine builds it
        self.created = rlx_wall_ns()

    def _introduce(self, str worker_id not None, str flow_id not None):
        """Name a worker that was made by hand, until a runtime starts it."""
        self.ident = Ident(worker_id, flow_id, "", None, None)

    def __dealloc__(self):
        # Not through self.plan: the collector may have cleared it.
        cdef Py_ssize_t i
        if self.slots != NULL:
            for i in range(self.n_slots):
                slot_free(&self.slots[i])
        if self.cells != NULL:
            for i in range(self.n_cells):
                rlx_xdecref(self.cells[i].shell)
                rlx_xdecref(self.cells[i].message)
                if self.cells[i].lanes != NULL:
                    lanes_free(self.cells[i].lanes, self.cells[i].n_slots)
                free(self.cells[i].own_meter)
                free(self.cells[i].watches)
        free(self.cells)
        free(self.slots)
        free(self.events)
        free(self.targets)

    cdef slot_t* slot_of(self, int cell, int slot) noexcept nogil:
        return &self.cells[cell].slots[slot]

    cdef void remember_post(self, uint64_t seq, object named):
        # The document asks a WorkerState for the job that the calling thread posted.
        cdef uint64_t me = rlx_thread_number()
        with cython.critical_section(self):
            if self.poster != me:
                if self.poster_seq:
                    self.posters[self.poster] = self.posted_id()
                    if len(self.posters) > MAX_POSTERS:
                        del self.posters[next(iter(self.posters))]
                self.posters.pop(me, None)      # the next note of it is the youngest
                self.poster = me
            self.poster_seq = seq
            self.last_job_id = named

    cdef object posted_id(self):
        if self.last_job_id is not None:
            return self.last_job_id
        return f"job_{self.ident.prefix}{self.poster_seq:06x}"

    @property
    def job_id(self):
        """Id of the job that the calling thread posted last to this worker, or None."""
        cdef uint64_t me = rlx_thread_number()
        with cython.critical_section(self):
            if self.poster == me and self.poster_seq:
                return self.posted_id()
            return self.posters.get(me)

    @property
    def worker_id(self):
        return self.ident.worker_id

    @property
    def flow_id(self):
        return self.ident.flow_id

    @property
    def status(self):
        return WorkerStatus.PAUSED if self.paused else STATUS[self.phase]

    @property
    def times(self):
        """When it was made, started and stopped; None before that."""
        return moment(self.created), moment(self.started), moment(self.stopped)

    @property
    def job_counts(self):
        """How many of its jobs ended: (completed, failed)."""
        return rlx_load(&self.ident.n_completed), rlx_load(&self.ident.n_failed)

    @property
    def is_idle(self):
        """Whether nothing of it is queued, runs, or waits for a retry."""
        return self.queued == 0 and self.running == 0

    @property
    def routine_states(self):
        """A snapshot of all routine states: routine id to state."""
        with cython.critical_section(self):
            return dict(self.states)

    def get_routine_state(self, routine_id, default=None):
        """Return a shallow copy of a routine's state.

        Args:
            routine_id: the routine.
            default: what to return when it has no state.
        """
        with cython.critical_section(self):
            state = self.states.get(routine_id)
        if self.is_simulated():
            self.engine.preempt()       # what was read may be old when it is used
        return default if state is None else dict(state)

    cdef bint is_simulated(self) noexcept:
        return self.ident.virtual_wall != NULL

    def now(self):
        """Return the wall clock as the runtime has it: in a simulation, virtual time.

        Returns:
            A datetime in UTC.
        """
        return moment(self.ident.now())

    def update_routine_state(self, routine_id, state):
        """Replace a routine's state.

        Args:
            routine_id: the routine.
            state: a dict; its values may be anything.

        Raises:
            TypeError: ``state`` is not a dict.
        """
        if not isinstance(state, dict):
            raise TypeError(
                f"the state of routine {routine_id!r} must be a dict, not {state!r}"
            )
        fresh = dict(state)
        with cython.critical_section(self):
            old = self.states.get(routine_id)
            self.states[routine_id] = fresh
        del old

    def update_routine_state_with(self, routine_id, update):
        """Replace a routine's state by ``update(state)``, atomically.

        ``update`` gets a copy (``{}`` when there is no state) and returns the new dict.
        It runs without a lock, and again when another thread was faster: it should do
        nothing but compute.

        Returns:
            A copy of the new state.

        Raises:
            TypeError: ``update`` can't be called, or returns something else.

        Example:
            >>> worker_state.update_routine_state_with(
            ...     "counter", lambda state: {"n": state.get("n", 0) + 1})
            {'n': 1}
        """
        if not callable(update):
            raise TypeError(f"update must be callable, not {update!r}")
        while True:
            with cython.critical_section(self):
                old = self.states.get(routine_id)
            fresh = update({} if old is None else dict(old))
            if self.is_simulated():
                self.engine.preempt()
            if not isinstance(fresh, dict):
                raise TypeError(
                    f"the state of routine {routine_id!r} must be a dict, not {fresh!r}"
                )
            fresh = dict(fresh)
            with cython.critical_section(self):
                won = self.states.get(routine_id) is old or mutant(49)
                if won:
                    self.states[routine_id] = fresh
            if won:
                return dict(fresh)

    def get_slot(self, routine_id, slot):
        """Return the view of one of this worker's queues.

        Raises:
            ValueError: the flow has no such routine or slot; the message lists them.
        """
        cdef Node node = self.node_of(routine_id)
        if slot not in node.slot_index:
            raise ValueError(
                f"Slot {slot!r} not found in routine {routine_id!r} of flow"
                f" {self.flow_id!r}. {name_hint(str(slot), node.slot_index, 'slots')}"
            )
        return self.views(node)[slot]

    def get_event_count(self, routine_id, event_name):
        """Return how often a routine emitted an event, connected or not.

        Raises:
            ValueError: the flow has no such routine or event; the message lists them.
        """
        cdef Node node = self.node_of(routine_id)
        cdef int64_t count
        if event_name not in node.event_index:
            hint = name_hint(str(event_name), node.event_index, "events")
            raise ValueError(
                f"Event {event_name!r} not found in routine {routine_id!r} of flow"
                f" {self.flow_id!r}. {hint}"
            )
        rlx_lock(&self.lock)
        count = self.cells[node.index].events[<int>node.event_index[event_name]].n_emitted
        rlx_unlock(&self.lock)
        return count

    def monotonic(self):
        """Return the seconds that the clock of this worker's runtime shows.

        Like ``time.monotonic()``; in a simulation, where time is virtual, it is that
        time. A policy with a clock of its own asks this one.
        """
        if self.clock is None:
            return rlx_monotonic_ns() / 1e9
        return self.clock.now() / 1e9

    def flush(self, routine_id):
        """Run what the policy of a routine holds back: a partial batch, or the like.

        Raises:
            ValueError: the flow has no such routine; the message lists them.
        """
        self.engine.flush_routine(self, self.node_of(routine_id))

    def node_of(self, routine_id):
        if self.plan is None:
            raise RuntimeError("a worker is started by Runtime.exec(), which this was not")
        if routine_id not in self.plan.index:
            hint = name_hint(str(routine_id), self.plan.index, "routines")
            raise ValueError(
                f"Routine {routine_id!r} not found in flow {self.flow_id!r}. {hint}"
            )
        return self.plan.nodes[self.plan.index[routine_id]]

    def views(self, Node node not None):
        """Return fresh views of all slots of a routine: name to view."""
        if self.plan is None or node not in self.plan.nodes:
            raise ValueError(f"node {node.routine_id!r} is not of {self!r}: see node_of()")
        return {slot.name: self.engine.view(self, node, i) for i, slot in enumerate(node.slots)}

    def __reduce__(self):
        raise TypeError(f"{self!r} can't be pickled or copied: it runs")

    def __repr__(self):
        return f"<{type(self).__name__} {self.worker_id} of {self.flow_id!r}: {self.status}>"
