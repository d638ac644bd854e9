"""Stall: says once who holds things up: all of the runtime, or a routine's own queue.

Called by the keeper with the looks that it takes anyhow while pumps are at work, so that
it costs nothing while things move. It takes the engine's lock to see what pumps run, and
a worker's to see what waits, each for a moment; the text is made without.
"""

import logging
import sys
import threading

from routilux._core.platform cimport (
    RLX_FREE_THREADED,
    rlx_load,
    rlx_load_ptr,
    rlx_lock,
    rlx_monotonic_ns,
    rlx_unlock,
)
from routilux._core.routine cimport Node, cell_t
from routilux._core.worker cimport WorkerCore
from routilux._core.engine cimport pump_t
from routilux._core.hooks cimport log_safely

logger = logging.getLogger("routilux")

cdef int64_t STARVED_NS = 1000000000

cdef enum:
    LISTED = 16              # pumps and slots that are named at most


cdef class Stall:
    """Looks whether anything moves.

    Args:
        patience: seconds until a stall is told; 0: it never is.
    """

    def __cinit__(self, double patience):
        self.patience_ns = self.wanted_ns = <int64_t>(patience * 1e9)
        self.idled = True

    cdef int look(self, Engine engine) except -1:
        cdef int64_t now = rlx_monotonic_ns(), beats = rlx_load(&engine.beats)
        if beats != self.beats or self.idled:
            # A new one: what is idle does not stall. Where logic is always slow, only
            # what is much slower counts.
            if self.told and 2 * (self.seen_ns - self.since_ns) > self.wanted_ns:
                self.wanted_ns = 2 * (self.seen_ns - self.since_ns)
            self.told = self.idled = False
            self.beats = beats
            self.since_ns = now
        self.seen_ns = now
        if self.told or self.patience_ns == 0 or now - self.since_ns < self.wanted_ns:
            return 0
        waiting = waiting_in(engine)
        if waiting:
            self.told = True
            log_safely(
                logger.warning,
                (
                    "routilux: nothing has begun for %.0f s; what waits: %s; what runs: %s",
                    (now - self.since_ns) / 1e9,
                    "; ".join(waiting),
                    "; ".join(running_in(engine)) or "nothing",
                ),
            )
        return 0

    cdef int look_for_starved(self, Engine engine, int64_t waited_ns) except -1:
        # A routine that blocks one item after the other while threads idle: told once.
        cdef WorkerCore worker
        cdef cell_t* starved
        for worker in list(engine.workers.values()):
            rlx_lock(&worker.lock)
            starved = starved_cell(engine, worker, waited_ns)
            rlx_unlock(&worker.lock)
            if starved == NULL:
                continue
            awake = rlx_load(&engine.n_pumps) - rlx_load(&engine.n_parked)
            log_safely(
                logger.warning,
                (
                    "routine %r blocks, one item after the other, while %d of %d threads"
                    " idle: set_concurrency(n) lets its activations overlap",
                    (<Node>starved.node).routine_id,
                    engine.pool_size - awake,
                    engine.pool_size,
                ),
            )
        return 0


cdef cell_t* starved_cell(Engine engine, WorkerCore worker, int64_t waited_ns) noexcept nogil:
    # Under the worker's lock: one of its cells that a pump runs, and for how long by now.
    cdef cell_t* starved = NULL
    cdef cell_t* cell
    cdef pump_t* pump
    cdef int64_t stuck
    rlx_lock(&engine.lock)
    pump = engine.pumps
    while pump != NULL:
        cell = <cell_t*>rlx_load_ptr(&pump.cell)
        stuck = rlx_load(&pump.stuck)
        pump = pump.next
        if stuck or cell < worker.cells or cell >= worker.cells + worker.n_cells:
            continue
        if cell.limit == 1 and cell.total > 0 and not cell.warned:
            cell.n_blocked_ns += waited_ns
            if cell.n_blocked_ns > STARVED_NS:
                cell.warned = True
                starved = cell
    rlx_unlock(&engine.lock)
    return starved


cdef list waiting_in(Engine engine):
    # Slots with items of workers that are not paused, those of ready routines first.
    cdef WorkerCore worker
    cdef cell_t* cell
    cdef Py_ssize_t size
    cdef Node node
    cdef bint ready
    cdef int i
    found = []
    for worker in list(engine.workers.values()):
        for node in worker.plan.nodes:
            cell = &worker.cells[node.index]
            for i in range(cell.n_slots):
                rlx_lock(&worker.lock)
                # What a policy said "not yet" to waits for something else.
                size = cell.slots[i].size + cell.slots[i].laned - cell.slots[i].parked
                ready = cell.ready
                if worker.paused or cell.slots[i].inert or not (ready or cell.running):
                    size = 0
                rlx_unlock(&worker.lock)
                if size > 0:
                    text = f"{node.labels[i]} of flow {worker.ident.flow_id!r} ({size} items)"
                    found.append((not ready, len(found), text))
    return [text for _, _, text in sorted(found)[:LISTED]]


cdef list running_in(Engine engine):
    cdef cell_t* cells[LISTED]
    cdef unsigned long threads[LISTED]
    cdef WorkerCore worker
    cdef pump_t* pump
    cdef Py_ssize_t i, n = 0
    rlx_lock(&engine.lock)
    pump = engine.pumps
    while pump != NULL and n < LISTED:
        cells[n] = <cell_t*>rlx_load_ptr(&pump.cell)
        threads[n] = pump.thread
        n += cells[n] != NULL
        pump = pump.next
    rlx_unlock(&engine.lock)
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    # Without a GIL those threads go on meanwhile, and their frames with them.
    frames = {} if RLX_FREE_THREADED else sys._current_frames()
    found = []
    for i in range(n):
        what = "logic of a worker that was stopped"
        for worker in list(engine.workers.values()):
            if worker.cells <= cells[i] < worker.cells + worker.n_cells:
                node = <Node>cells[i].node
                what = f"routine {node.routine_id!r} of flow {worker.ident.flow_id!r}"
        where = ""
        frame = frames.get(threads[i])
        if frame is not None:
            where = f", at {frame.f_code.co_filename}:{frame.f_lineno}"
        found.append(f"{what} on thread {names.get(threads[i], threads[i])!r}{where}")
    return found
