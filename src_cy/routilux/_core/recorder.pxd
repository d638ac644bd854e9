# The flight recorder: what happened last, as records of one cache line in a ring of
# fixed memory. Any thread may write, with or without a lock of the core; who reads sees
# whole records only.

from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint64_t

from routilux._core.platform cimport rlx_load_ptr, rlx_monotonic_ns, rlx_store

cdef extern from "rlx_ticks.h" nogil:
    int64_t rlx_tsc()
    int rlx_has_tsc()
    int64_t rlx_exact_wall_ns()
    uint64_t rlx_count(uint64_t* field)
    void rlx_publish(uint64_t* field, uint64_t value)
    uint64_t rlx_see(uint64_t* field)
    void rlx_fence_stores()
    void rlx_fence_loads()

cdef enum RecordKind:
    RECORD_ACTIVATION        # more: ticks in logic; link: of its item; extra: still queued
    RECORD_TAKE              # link: of one more item of an activation that begins
    RECORD_EMIT              # more: routine that slot and link belong to; extra: queued there
    RECORD_POST              # the same, from outside of logic
    RECORD_END               # of a job; extra: JobState
    RECORD_FAILURE           # an activation failed its jobs
    RECORD_RETRY             # more: ticks of the attempt; link: of its item
    RECORD_WAIT              # more: ticks until there was room in the slot, or for a job
    RECORD_DROP              # by the rule of the slot; extra: how many items

ctypedef struct record_t:
    uint64_t number          # in its ring, from 1; written last; 0: being written
    int64_t at               # ticks: when it began
    int64_t more             # what RecordKind says
    uint64_t job             # seq; 0: none
    uint64_t thread          # as threading.get_ident() has it
    uint64_t link            # arrival number of an item in its routine; 0: none
    int32_t track            # number of the worker in the recorder
    int32_t cell             # index of the routine; -1: none
    int32_t extra
    int16_t slot             # index; -1: none
    uint16_t kind            # RecordKind

ctypedef struct ring_t:
    uint64_t next            # number of the newest record
    uint64_t limit           # the last that may be written without a look at `taken`
    uint64_t taken           # the last that a trace is done with; atomic
    uint64_t mask            # records that it holds, less 1; set once
    record_t* records        # set once

ctypedef struct recorder_t:
    ring_t* ring             # in use; atomic
    int64_t detailed         # a trace is written: each emit is recorded; atomic
    double tick_ns           # set once
    bint tsc                 # ticks are the processor's; set once
    int64_t* virtual_ns      # of a simulation's clock, else NULL; set once
    int64_t since            # ticks: arrival numbers before it are no times

cdef inline int64_t ticks(recorder_t* recorder) noexcept nogil:
    if recorder.tsc:
        return rlx_tsc()
    if recorder.virtual_ns != NULL:
        return recorder.virtual_ns[0] << 10      # so that arrivals at one moment differ
    return rlx_monotonic_ns()

# A record to be filled in, then published with its number.
cdef inline record_t* begin_record(recorder_t* recorder, uint64_t* number) noexcept nogil:
    cdef ring_t* ring = <ring_t*>rlx_load_ptr(&recorder.ring)
    cdef record_t* record
    number[0] = rlx_count(&ring.next)
    if number[0] > ring.limit and not has_place(ring, number[0]):
        return NULL
    record = &ring.records[(number[0] - 1) & ring.mask]
    rlx_store(<int64_t*>&record.number, 0)
    rlx_fence_stores()
    return record

# Whether a trace is done with what lies there; waits for it a while.
cdef bint has_place(ring_t* ring, uint64_t number) noexcept nogil
# Copies one record out; False: it is not there yet, or not any more.
cdef bint read_record(ring_t* ring, uint64_t number, record_t* record) noexcept nogil
cdef ring_t* new_ring(Py_ssize_t size, bint bounded) noexcept nogil
cdef void free_ring(ring_t* ring) noexcept nogil

# Thread-safety: `tracks` is guarded by a critical section.
cdef class Recorder:
    cdef recorder_t c
    cdef ring_t* small               # the recorder's own; set once
    cdef ring_t* big                 # a trace's, kept for the next; NULL: none yet
    cdef dict tracks                 # number -> (Ident, Plan) of a worker
    cdef int32_t n_tracks
    cdef bint active                 # workers that start are measured

    cdef int32_t add_track(self, object ident, object plan) except -1
    cdef void follow(self, int64_t* virtual_ns) noexcept
