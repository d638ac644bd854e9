"""Recall: the records of the flight recorder as tuples, with names for numbers.

Called from Python at any time, by `Runtime.recent()`, by a wait that timed out, by the
first failure of a routine and by `job.trace_log`. Copies records out while others write.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from routilux._core.recorder cimport (
    RECORD_ACTIVATION,
    RECORD_DROP,
    RECORD_EMIT,
    RECORD_END,
    RECORD_POST,
    RECORD_RETRY,
    RECORD_TAKE,
    RECORD_WAIT,
    read_record,
    record_t,
    ring_t,
    rlx_exact_wall_ns,
    rlx_see,
    ticks,
)
from routilux._core.failure cimport moment
from routilux._core.job cimport Ident, JobContext
from routilux._core.routine cimport Node, Plan
from routilux._core.control cimport Control

from routilux._core.failure import set_tell
from routilux._core.job import JobStatus

cdef tuple STATUS = tuple([str(status) for status in JobStatus])    # as the enum JobState
cdef tuple KINDS = (                                                # as RecordKind
    "activation", "take", "emit", "post", "job_end", "failure", "retry", "wait", "drop"
)


cdef void drop_anchor(Recorder recorder, int64_t* virtual_wall, anchor_t* anchor) noexcept:
    anchor.ticks = ticks(&recorder.c)
    anchor.tick_ns = recorder.c.tick_ns
    anchor.wall_ns = rlx_exact_wall_ns() if virtual_wall == NULL else virtual_wall[0]


def recall_records(Control core, Py_ssize_t most=-1, JobContext job=None):
    """Return what was recorded last, oldest end first.

    Args:
        core: of the runtime.
        most: how many records at most, the last ones; negative: all that are there.
        job: only the activations of this job, its retries and its failure.

    Returns:
        A list of (seconds since the epoch, kind, duration in seconds or None, thread,
        flow id, worker id, routine id, job id, slot, detail); None where there is none.
    """
    cdef Recorder recorder = core.recorder
    cdef record_t* found
    cdef uint64_t wanted = 0 if job is None else job.seq
    cdef Py_ssize_t n = 0, i
    cdef anchor_t anchor
    cdef int64_t* virtual_wall = NULL
    if recorder is None or most == 0 or (job is not None and job.seq == 0):
        return []
    if core.clock.is_virtual:
        virtual_wall = &core.clock.virtual_wall_ns
    found = <record_t*>malloc(2 * RECALLED * sizeof(record_t))
    if found == NULL:
        raise MemoryError()
    try:
        drop_anchor(recorder, virtual_wall, &anchor)
        n = collect(recorder.small, found, 0, wanted)
        if recorder.big != NULL:
            n = collect(recorder.big, found, n, wanted)
        order = sorted([(end_of(&found[i]), i) for i in range(n)])
        if most > 0:
            order = order[-most:]
        names = {(<JobContext>named).seq: id for id, named in dict(core.ledger.named).items()}
        return [
            told(core, recorder, &found[<Py_ssize_t>i], &anchor, names) for _, i in order
        ]
    finally:
        free(found)


cdef Py_ssize_t collect(
    ring_t* ring, record_t* found, Py_ssize_t n, uint64_t job
) noexcept nogil:
    cdef uint64_t newest = rlx_see(&ring.next), number = 1
    cdef Py_ssize_t start = n
    if newest > RECALLED:
        number = newest - RECALLED + 1
    while number <= newest and n - start < RECALLED:
        if read_record(ring, number, &found[n]) and (
            job == 0 or (found[n].job == job and is_of_job(&found[n]))
        ):
            n += 1
        number += 1
    return n


cdef bint is_of_job(record_t* record) noexcept nogil:
    return record.kind != RECORD_EMIT and record.kind != RECORD_TAKE


cdef object end_of(record_t* record):
    if record.kind in (RECORD_ACTIVATION, RECORD_RETRY, RECORD_WAIT):
        return record.at + record.more
    return record.at


cdef tuple told(
    Control core, Recorder recorder, record_t* record, anchor_t* anchor, dict names
):
    cdef Ident ident
    cdef Plan plan
    cdef Node node
    cdef object duration = None, detail = None, slot = None, routine_id = None
    cdef object job_id = None
    cdef int cell = record.cell
    ident, plan = recorder.tracks.get(record.track, (None, None))
    if record.kind in (RECORD_ACTIVATION, RECORD_RETRY, RECORD_WAIT):
        duration = max(0, record.more) * anchor.tick_ns / 1e9
    if record.kind == RECORD_POST:
        cell = <int>record.more
    if plan is not None and cell >= 0:
        node = plan.nodes[cell]
        routine_id = node.routine_id
        if record.kind == RECORD_EMIT:
            node = plan.nodes[<int>record.more]
            detail = f"to {node.routine_id}"
        if record.slot >= 0 and record.slot < len(node.slot_names):
            slot = node.slot_names[record.slot]
    if record.kind == RECORD_END:
        detail = STATUS[record.extra]
    elif record.kind == RECORD_RETRY:
        detail = f"attempt {record.extra} failed"
    elif record.kind == RECORD_DROP:
        detail = f"{record.extra} items"
    if record.job:
        job_id = names.get(record.job) or f"job_{core.ledger.prefix}{record.job:06x}"
    return (
        (anchor.wall_ns - (anchor.ticks - record.at) * anchor.tick_ns) / 1e9,
        KINDS[record.kind],
        duration,
        record.thread,
        None if ident is None else ident.flow_id,
        None if ident is None else ident.worker_id,
        routine_id,
        job_id,
        slot,
        detail,
    )


def log_of(JobContext job, list log):
    """Return what a job wrote into its log, with its activations if they are recorded.

    A list of its own then; without a recorder it is the log itself.
    """
    engine = job.ident.engine
    if not isinstance(engine, Control) or (<Control>engine).recorder is None:
        return log
    found = []
    for at, kind, duration, thread, _, _, routine_id, _, slot, detail in recall_records(engine, -1, job):
        if kind not in ("activation", "retry", "failure"):
            continue
        details = {"thread": thread}
        for name, value in (("duration", duration), ("slot", slot), ("detail", detail)):
            if value is not None:
                details[name] = value
        found.append(
            {
                "timestamp": moment(int(at * 1e9)).isoformat(),
                "routine_id": routine_id,
                "action": kind,
                "details": details,
            }
        )
    return sorted(log + found, key=time_of)


def time_of(entry):
    return str(entry.get("timestamp", "")) if isinstance(entry, dict) else ""


set_tell(log_of)
