"""Snapshot: what a paused worker holds, as Python objects, and the way back.

Called by the Python half of a checkpoint while no activation of the worker executes.
One hold of its lock copies every queued item with its owner, so a post that comes
meanwhile is in the picture whole or not at all. A retry that waits counts as queued, in
front of its slot. Going back delivers the items to the slots of a paused worker one by
one, for jobs and groups that hold them as before.
"""

from cpython.object cimport PyObject
from libc.stdlib cimport free, malloc

from routilux._core.status cimport (
    JOB_PENDING,
    JOB_RUNNING,
    PUT_NO_MEMORY,
    TIMER_RETRY,
)
from routilux._core.platform cimport rlx_incref, rlx_lock, rlx_unlock, rlx_xdecref
from routilux._core.failure cimport instant
from routilux._core.job cimport JobContext, new_job
from routilux._core.group cimport JobGroup, new_group
from routilux._core.ledger cimport Ledger, effects_t, reserve
from routilux._core.count cimport hold, release
from routilux._core.block cimport Block, Layout
from routilux._core.segment cimport segment_at, segment_t
from routilux._core.slot cimport entry_t, slot_at
from routilux._core.lane cimport laned_t
from routilux._core.routine cimport Node, cell_t
from routilux._core.worker cimport Activation, WorkerCore, activation_t
from routilux._core.portion cimport blocks_for
from routilux._core.engine cimport zero
from routilux._core.letter cimport left_in
from routilux._core.route cimport deliver
from routilux._core.control cimport Control

cdef enum:
    TRIES = 100              # pictures that a post or a cancel spoiled


cdef class Kept:
    """One queued item: where, for whom, and whence."""

    cdef readonly str routine_id
    cdef readonly str slot
    cdef readonly object item
    cdef readonly object owner       # JobContext, JobGroup or None
    cdef readonly str source
    cdef int failures

    def __init__(self, routine_id, slot, item, owner, source, failures=0):
        self.routine_id = routine_id
        self.slot = slot
        self.item = item
        self.owner = owner
        self.source = source
        self.failures = failures


def capture(WorkerCore worker):
    """Return what a paused worker holds as a list of `Kept`, routine by routine.

    Raises:
        RuntimeError: The worker is not paused, or an activation executes.
    """
    cdef copy_t copy
    cdef bint whole = False, still = True
    cdef int tries = 0
    cdef Py_ssize_t more = 4096         # for retries, which hold what is not queued
    while not whole and still and tries < TRIES:
        tries += 1
        copy.n = 0
        copy.short = False
        copy.cap = worker.queued + more
        copy.kept = <kept_t*>malloc(copy.cap * sizeof(kept_t))
        if copy.kept == NULL:
            raise MemoryError("no memory for a picture of a worker")
        rlx_lock(&worker.lock)
        still = worker.paused and worker.running <= worker.n_waiting
        if still:
            # False: a retry is on its way between two places right now.
            whole = copy_waiting(worker, &copy) == worker.n_waiting
            copy_queued(worker, &copy)
            whole = whole and not copy.short
        rlx_unlock(&worker.lock)
        more *= 1 + copy.short
        found = to_python(&copy)
    if not still:
        raise RuntimeError(f"{worker!r} is not paused, or logic of it runs")
    if not whole:
        raise RuntimeError(f"{worker!r} holds something else each time one looks")
    return found


cdef void keep(
    copy_t* copy, slot_t* slot, entry_t* entry, PyObject* source, int failures
) noexcept nogil:
    cdef kept_t* kept
    if copy.n == copy.cap:
        copy.short = True
        return
    kept = &copy.kept[copy.n]
    copy.n += 1
    kept.item = entry.item
    kept.owner = NULL if entry.owner == NULL else entry.owner.obj
    kept.source = source
    kept.slot = slot
    kept.stamp = entry.stamp
    kept.failures = failures
    kept.claimed = False
    kept.n = 0
    rlx_incref(kept.item)
    if kept.owner != NULL:
        rlx_incref(kept.owner)


cdef void keep_block(copy_t* copy, char* data, Py_ssize_t n) noexcept nogil:
    # What was kept last is a part of a typed slot.
    if not copy.short:
        copy.kept[copy.n - 1].data = data
        copy.kept[copy.n - 1].n = n


cdef void copy_typed(slot_t* slot, copy_t* copy) noexcept nogil:
    cdef segment_t* segment
    cdef entry_t entry
    cdef Py_ssize_t i
    for i in range(slot.typed.count):
        segment = segment_at(slot.typed, i)
        entry.item = segment.base
        entry.owner = segment.owner
        entry.stamp = segment.stamp
        keep(copy, slot, &entry, segment.source, 0)
        keep_block(copy, segment.data, segment.n)


cdef void copy_queued(WorkerCore worker, copy_t* copy) noexcept nogil:
    cdef slot_t* slot
    cdef laned_t* laned
    cdef PyObject* source
    cdef Py_ssize_t i, k
    for i in range(worker.n_slots):
        slot = &worker.slots[i]
        if (<cell_t*>slot.cell).lanes != NULL:
            laned = (<cell_t*>slot.cell).lanes.columns[slot.index].oldest
            while laned != NULL:
                keep(copy, slot, &laned.entry, laned.source, 0)
                laned = laned.younger
        if slot.typed != NULL:
            copy_typed(slot, copy)
            continue
        for k in range(slot.size):
            source = NULL
            if slot.sources != NULL:
                source = slot.sources[(slot.head + k) & (slot.cap - 1)]
            keep(copy, slot, slot_at(slot, k), source, 0)


cdef Py_ssize_t copy_waiting(WorkerCore worker, copy_t* copy) noexcept nogil:
    # The retries of the worker, due or not; returns how many there are.
    cdef PyObject* activation
    cdef Py_ssize_t i, n = 0
    rlx_lock(&worker.clock.lock)
    for i in range(worker.clock.size):
        if worker.clock.heap[i].kind == TIMER_RETRY and worker.clock.heap[i].worker == <PyObject*>worker:
            copy_activation(copy, &(<Activation>worker.clock.heap[i].activation).c)
            n += 1
    rlx_unlock(&worker.clock.lock)
    for i in range(worker.n_cells):
        activation = worker.cells[i].resumed
        while activation != NULL:
            copy_activation(copy, &(<Activation>activation).c)
            n += 1
            activation = (<Activation>activation).resumed
    return n


cdef void copy_activation(copy_t* copy, activation_t* act) noexcept nogil:
    cdef entry_t entry
    cdef Py_ssize_t i, at = 0, k
    cdef int s
    if act.item != NULL:
        entry.item = act.item
        entry.owner = act.owner
        entry.stamp = 0
        keep(copy, &act.cell.slots[act.slot_index], &entry, NULL, act.failures)
        if act.cell.slots[act.slot_index].typed != NULL:
            keep_block(copy, act.data, act.n)
        return
    if act.n_entries and act.entries[0].item == NULL:
        # A policy in Python took the items and made slot_data of them.
        entry.item = act.slot_data
        entry.owner = act.owner
        entry.stamp = 0
        keep(copy, act.cell.slots, &entry, NULL, act.failures)
        if copy.n:
            copy.kept[copy.n - 1].claimed = True
        return
    for s in range(act.cell.n_slots):
        for i in range(act.counts[s] if act.counts != NULL else 0):
            if at < act.n_entries and act.entries[at].item != NULL:
                keep(copy, &act.cell.slots[s], &act.entries[at], NULL, act.failures)
                if act.cell.slots[s].typed != NULL:
                    keep_block(copy, act.parts[at].data, act.parts[at].n)
            at += 1


cdef object item_of(kept_t* kept):
    if kept.n == 0:
        return <object>kept.item
    return (<Layout>kept.slot.typed.layout).view(kept.item, kept.data, kept.n)


cdef list to_python(copy_t* copy):
    cdef kept_t* kept
    cdef Node node
    cdef Py_ssize_t i
    cdef list found = []
    try:
        for i in range(copy.n):
            kept = &copy.kept[i]
            node = <Node>(<cell_t*>kept.slot.cell).node
            source = "" if kept.source == NULL else <object>kept.source
            owner = None if kept.owner == NULL else <object>kept.owner
            place = (node.index, -kept.failures, kept.stamp, i)
            if kept.claimed:
                items = {
                    name: left_in(<dict>kept.item, node, s)
                    for s, name in enumerate(node.slot_names)
                }
            else:
                items = {node.slot_names[kept.slot.index]: [item_of(kept)]}
            for slot, some in items.items():
                for item in some:
                    found.append(
                        (
                            *place,
                            Kept(
                                node.routine_id, slot, item, owner, source, kept.failures
                            ),
                        )
                    )
    finally:
        for i in range(copy.n):
            rlx_xdecref(copy.kept[i].item)
            rlx_xdecref(copy.kept[i].owner)
        free(copy.kept)
    found.sort(key=place_of)
    return [entry[4] for entry in found]


def place_of(entry):
    return entry[:4]


def members_of(JobGroup group):
    """Return what a batch works for: its members, jobs and groups, and the newest job."""
    cdef Py_ssize_t i
    members = [<object>group.members[i].obj for i in range(group.n_members)]
    return members, <object>group.newest.obj


def is_live(JobContext job):
    """Whether a job has neither ended nor been ended early."""
    return not job.own.dead and not job.ended


def revive_job(Control core, WorkerCore worker, facts):
    """Make an unfinished job of the answer of `Detached.facts`; it holds nothing yet."""
    cdef JobContext job
    cdef Ledger ledger = core.ledger
    if core.find_job(facts["job_id"]) is not None:
        raise ValueError(f"job_id {facts['job_id']!r} is known to this runtime already")
    job = new_job(worker.ident, str(facts["job_id"]))
    job.show()
    job.created = instant(facts["created_at"])
    job.started = instant(facts["started_at"])
    job.state = JOB_RUNNING if facts["status"] == "running" else JOB_PENDING
    job._data = facts["data"]
    job._metadata = facts["metadata"]
    job._trace = facts["trace_log"]
    job._result = facts["result"]
    job.letter = facts["letter"]
    reserve(ledger)
    if ledger.named.setdefault(job._id, job) is not job:
        raise ValueError(f"job_id {job._id!r} is being posted by another thread")
    return job


def disown(Control core, JobContext job):
    """Give up a job that `revive_job` made, before `put_back`: its id is free again."""
    core.ledger.named.pop(job._id, None)


def put_back(Control core, WorkerCore worker, list jobs, list groups, list kept):
    """Give a paused worker what `capture` found: all of it.

    Args:
        jobs: the jobs, made by `revive_job`.
        groups: for each batch ``(members, newest)``: members are jobs, or numbers of
            groups before it.
        kept: `Kept`, whose owner is a job, the number of a group, or None.
    """
    cdef effects_t fx
    cdef JobContext job
    cdef JobGroup group
    cdef list made = []
    cdef owner_t* owner
    zero(&fx)
    for _ in jobs:
        reserve(core.ledger)
    rlx_lock(&worker.lock)
    for job in jobs:
        job.own.open = 1            # this call's own, until all lies where it belongs
        rlx_lock(&core.ledger.lock)
        core.ledger.admit(job)
        rlx_unlock(&core.ledger.lock)
        rlx_incref(<PyObject*>job)  # the table's
    rlx_unlock(&worker.lock)
    try:
        for members, newest in groups:
            made.append(remake_group(core, worker, made, members, newest))
        for entry in kept:
            put_one(worker, made, entry, &fx)
            core.apply(worker, &fx)
    finally:
        for group in made:
            give_back(core, worker, &group.own)
        for job in jobs:
            give_back(core, worker, &job.own)


cdef JobGroup remake_group(Control core, WorkerCore worker, list made, members, newest):
    # A group holds one count of each member; here it has one of its own until the end.
    cdef owner_t** owners = <owner_t**>malloc((len(members) + 1) * sizeof(owner_t*))
    cdef JobGroup group
    cdef effects_t fx
    cdef Py_ssize_t i
    if owners == NULL:
        raise MemoryError("no memory for the jobs of a batch")
    zero(&fx)
    for i, member in enumerate(members):
        owners[i] = owner_in(made, member)
    group = new_group(owners, len(members), &(<JobContext>newest).own)
    rlx_lock(&worker.lock)
    for i in range(group.n_members):
        owners[i].grouped = True
        hold(core.ledger, owners[i], &fx)
    group.own.open = 1
    rlx_incref(<PyObject*>group)        # given back when its last item is settled
    rlx_unlock(&worker.lock)
    core.apply(worker, &fx)
    return group


cdef owner_t* owner_in(list made, object owner) except NULL:
    if isinstance(owner, JobContext):
        return &(<JobContext>owner).own
    return &(<JobGroup>made[<Py_ssize_t>owner]).own


cdef int put_one(WorkerCore worker, list made, Kept entry, effects_t* fx) except -1:
    cdef Node node = worker.node_of(entry.routine_id)
    cdef slot_t* slot = worker.slot_of(node.index, <int>node.slot_index[entry.slot])
    cdef owner_t* owner = NULL
    cdef int result
    item = entry.item
    if slot.typed != NULL:
        item = blocks_for(worker, slot, item, False)
        if (<Block>item).n == 0:
            return 0
    if entry.owner is not None:
        owner = owner_in(made, entry.owner)
    elif not slot.inert:
        raise ValueError(
            f"an item of slot {entry.slot!r} of routine {entry.routine_id!r} has no job"
        )
    fx.source = NULL
    if entry.source in worker.plan.index:
        fx.source = <PyObject*>worker.plan.nodes[worker.plan.index[entry.source]]
    rlx_lock(&worker.lock)
    result = deliver(worker, slot, <PyObject*>item, owner, NULL, True, fx)
    rlx_unlock(&worker.lock)
    if result == PUT_NO_MEMORY:
        raise MemoryError("no memory for a slot's queue")
    return 0


cdef int give_back(Control core, WorkerCore worker, owner_t* owner) except -1:
    cdef effects_t fx
    zero(&fx)
    rlx_lock(&worker.lock)
    release(core.ledger, owner, 1, &fx)
    rlx_unlock(&worker.lock)
    core.apply(worker, &fx)
    return 0
