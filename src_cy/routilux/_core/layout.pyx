"""Laying out a worker: the cells, queues and routes that a plan asks for.

Called by control once for each worker, before anybody else knows it, so there is no lock.
All memory of a worker is got here but what its queues grow by; when some can't be had,
MemoryError leaves a worker that was never started, which frees what it has.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc

from routilux._core.status cimport (
    POLICY_BATCH,
    POLICY_CALLABLE,
    POLICY_CUSTOM,
    POLICY_IMMEDIATE,
    POLICY_KEYED,
    POLICY_NONE,
    STAMP_CLOCK,
    STAMP_WALL,
    WORKER_RUNNING,
)
from routilux._core.platform cimport rlx_lock, rlx_unlock
from routilux._core.meter cimport new_meter
from routilux._core.job cimport Ident, wall_ns
from routilux._core.segment cimport new_typed
from routilux._core.ring cimport slot_t
from routilux._core.slot cimport Slot
from routilux._core.lane cimport lanes_new
from routilux._core.routine cimport Node, cell_t, event_t
from routilux._core.timer cimport watches_t

from routilux._core.slot import OVERFLOW_RULES


cdef int lay_out(
    WorkerCore worker,
    object engine,
    Ledger ledger,
    Clock clock,
    Plan plan,
    str worker_id,
    int pool_size,
    Recorder recorder,
) except -1:
    if worker.plan is not None:
        raise ValueError(f"{worker!r} was started before; make or load another WorkerState")
    worker.engine = engine
    worker.ledger = ledger
    worker.clock = clock
    worker.plan = plan
    worker.ident = Ident(worker_id, plan.flow_id, ledger.prefix, worker, engine)
    if clock.is_virtual:
        worker.ident.virtual_wall = &clock.virtual_wall_ns
    worker.cells = <cell_t*>calloc(len(plan.nodes) + 1, sizeof(cell_t))
    worker.slots = <slot_t*>calloc(plan.n_slots + 1, sizeof(slot_t))
    worker.events = <event_t*>calloc(plan.n_events + 1, sizeof(event_t))
    worker.targets = <slot_t**>calloc(len(plan.edges) + 1, sizeof(slot_t*))
    if not (worker.cells and worker.slots and worker.events and worker.targets) or (
        clock.reserve(len(plan.nodes) + n_timed(plan)) < 0
    ):
        raise MemoryError("no memory for the queues of a worker")
    worker.n_cells = len(plan.nodes)
    worker.n_slots = plan.n_slots
    build_cells(worker, pool_size)
    build_routes(worker)
    if recorder is not None:
        start_meters(worker, recorder)
    worker.started = wall_ns(worker.ident.virtual_wall)
    if clock.is_virtual:
        worker.created = worker.started
    worker.phase = WORKER_RUNNING
    return 0


cdef Py_ssize_t n_timed(Plan plan) except -1:
    return sum([(<Node>node).timeout is not None for node in plan.nodes])


cdef int build_cells(WorkerCore worker, int pool_size) except -1:
    cdef cell_t* cell
    cdef slot_t* slot = worker.slots
    cdef event_t* event = worker.events
    cdef Node node
    cdef Slot definition
    for node in worker.plan.nodes:
        cell = &worker.cells[node.index]
        cell.node = <PyObject*>node
        cell.index = node.index
        cell.rank = node.rank
        cell.policy = node.template
        cell.limit = pool_size if node.concurrency is None else node.concurrency
        cell.slots = slot
        cell.events = event
        cell.n_slots = len(node.slots)
        cell.n_events = len(node.event_index)
        if cell.policy.kind == POLICY_KEYED:
            cell.lanes = lanes_new(cell.n_slots)
            if cell.lanes == NULL:
                raise MemoryError("no memory for the lanes of a routine")
        if node.timeout is not None:
            cell.watches = calloc(1, sizeof(watches_t))
            if cell.watches == NULL:
                raise MemoryError("no memory for the timeout of a routine")
            (<watches_t*>cell.watches).timeout_ns = <int64_t>(node.timeout * 1e9)
        for definition in node.slots:
            slot.bound = definition.max_queue_length
            slot.overflow = OVERFLOW_RULES.index(definition.overflow)
            slot.inert = cell.policy.kind == POLICY_NONE
            slot.keeps_sources = (
                definition.timestamps
                or slot.inert
                or POLICY_CUSTOM <= cell.policy.kind <= POLICY_CALLABLE
            )
            if slot.keeps_sources:
                cell.stamping = STAMP_WALL
            slot.index = <int>(slot - cell.slots)
            slot.cell = cell
            if definition.layout is not None:
                slot.typed = new_typed(definition.layout)
                slot.cap = -1
                cell.n_typed += 1
            slot += 1
        if cell.policy.kind == POLICY_BATCH and cell.policy.wait_ns:
            cell.stamping = STAMP_CLOCK
        cell.straight = cell.plain = (
            cell.policy.kind == POLICY_IMMEDIATE
            and len(node.slots) == 1
            and cell.limit == 1
            and not node.is_async
            and not cell.stamping
            and cell.n_typed == 0
            and cell.watches == NULL
        )
        event += cell.n_events
    return 0


cdef int start_meters(WorkerCore worker, Recorder recorder) except -1:
    cdef cell_t* cell
    cdef Py_ssize_t i
    cdef int track
    if worker.clock.is_virtual:
        recorder.follow(&worker.clock.virtual_ns)
    if worker.n_cells and worker.cells[worker.n_cells - 1].own_meter == NULL:
        track = recorder.add_track(worker.ident, worker.plan)
        for i in range(worker.n_cells):
            cell = &worker.cells[i]
            if cell.own_meter == NULL:      # else of a try that ran out of memory
                cell.own_meter = new_meter(&recorder.c, track, cell.n_slots)
            if cell.own_meter == NULL:
                raise MemoryError("no memory for the meters of a worker")
    rlx_lock(&worker.lock)
    for i in range(worker.n_cells):
        worker.cells[i].meter = worker.cells[i].own_meter
    rlx_unlock(&worker.lock)
    return 0


cdef void stop_meters(WorkerCore worker) noexcept:
    cdef Py_ssize_t i
    rlx_lock(&worker.lock)
    for i in range(worker.n_cells):
        worker.cells[i].meter = NULL
    rlx_unlock(&worker.lock)


cdef int build_routes(WorkerCore worker) except -1:
    # Counting sort by event: targets of one event lie side by side, in the order
    # of connecting.
    cdef event_t* events
    cdef event_t* end = worker.events + worker.plan.n_events
    cdef slot_t** place = worker.targets
    for source, event, _, _ in worker.plan.edges:
        worker.cells[<int>source].events[<int>event].n_targets += 1
    events = worker.events
    while events < end:
        events.targets = place
        place += events.n_targets
        events.n_targets = 0
        events += 1
    for source, event, target, index in worker.plan.edges:
        events = &worker.cells[<int>source].events[<int>event]
        events.targets[events.n_targets] = worker.slot_of(target, index)
        events.n_typed += events.targets[events.n_targets].typed != NULL
        events.n_targets += 1
    return 0
