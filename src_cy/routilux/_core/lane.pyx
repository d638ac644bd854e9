"""Lanes: of a routine with a key, what waits for each key, and the table that finds it.

Filled by key once it knows an item's key, emptied by drain when an activation takes an
item and by settle when a job ends; always under the worker's lock. Nothing here calls
Python: the table compares hashes and addresses, and whoever needs to know whether two
keys are equal asks them outside. It promises that the items of a lane come out in the
order of arrival, and that a key which has neither items nor an activation takes no
memory.
"""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from routilux._core.platform cimport alloc, rlx_incref, rlx_xdecref
from routilux._core.mutant cimport mutant
from routilux._core.count cimport litter
from routilux._core.slot cimport slot_take

cdef enum:
    BUCKETS = 64             # of a new table


cdef lanes_t* lanes_new(int n_slots) noexcept nogil:
    cdef lanes_t* lanes = <lanes_t*>calloc(1, sizeof(lanes_t))
    if lanes == NULL:
        return NULL
    lanes.columns = <column_t*>calloc(n_slots, sizeof(column_t))
    lanes.buckets = <lane_t**>calloc(BUCKETS, sizeof(lane_t*))
    lanes.n_buckets = BUCKETS
    if lanes.columns == NULL or lanes.buckets == NULL:
        free(lanes.columns)
        free(lanes.buckets)
        free(lanes)
        return NULL
    return lanes


cdef void lanes_free(lanes_t* lanes, int n_slots) noexcept:
    # At the end of the worker. Dropping a reference may run user code, which finds
    # nothing any more.
    cdef laned_t* laned
    cdef lane_t* lane
    cdef Py_ssize_t i
    for i in range(n_slots):
        while lanes.columns[i].oldest != NULL:
            laned = lanes.columns[i].oldest
            lanes.columns[i].oldest = laned.younger
            rlx_xdecref(laned.entry.item)
            free(laned)
    for i in range(lanes.n_buckets):
        while lanes.buckets[i] != NULL:
            lane = lanes.buckets[i]
            lanes.buckets[i] = lane.chain
            rlx_xdecref(lane.key)
            free(lane)
    free(lanes.columns)
    free(lanes.buckets)
    free(lanes)


cdef inline lane_t** bucket_of(lanes_t* lanes, Py_hash_t hash) noexcept nogil:
    # Small ints are their own hash, often in steps: the multiplication spreads them.
    cdef uint64_t mixed = <uint64_t>hash * <uint64_t>0x9E3779B97F4A7C15
    return &lanes.buckets[(mixed >> 32) & <uint64_t>(lanes.n_buckets - 1)]


cdef lane_t* lane_like(lanes_t* lanes, PyObject* key, Py_hash_t hash) noexcept nogil:
    cdef lane_t* lane = bucket_of(lanes, hash)[0]
    cdef lane_t* like = NULL
    while lane != NULL:
        if lane.key == key:
            return lane
        if like == NULL and lane.hash == hash and lane.look != lanes.looks:
            like = lane
        lane = lane.chain
    if like != NULL:
        like.look = lanes.looks
    return like


cdef lane_t* lane_new(lanes_t* lanes, PyObject* key, Py_hash_t hash) noexcept nogil:
    cdef lane_t* lane
    cdef lane_t** bucket
    if lanes.n_lanes >= lanes.n_buckets:
        grow(lanes)
    lane = <lane_t*>alloc(sizeof(lane_t))
    if lane == NULL:
        return NULL
    memset(lane, 0, sizeof(lane_t))
    rlx_incref(key)
    lane.key = key
    lane.hash = hash
    bucket = bucket_of(lanes, hash)
    lane.chain = bucket[0]
    bucket[0] = lane
    lanes.n_lanes += 1
    return lane


cdef void grow(lanes_t* lanes) noexcept nogil:
    # Without memory the chains get longer, no more than that.
    cdef Py_ssize_t i, n = lanes.n_buckets
    cdef lane_t** old = lanes.buckets
    cdef lane_t** bigger = <lane_t**>alloc(2 * n * sizeof(lane_t*))
    cdef lane_t** bucket
    cdef lane_t* lane
    if bigger == NULL:
        return
    memset(bigger, 0, 2 * n * sizeof(lane_t*))
    lanes.buckets = bigger
    lanes.n_buckets = 2 * n
    for i in range(n):
        while old[i] != NULL:
            lane = old[i]
            old[i] = lane.chain
            bucket = bucket_of(lanes, lane.hash)
            lane.chain = bucket[0]
            bucket[0] = lane
    free(old)


cdef void drop(lanes_t* lanes, lane_t* lane, effects_t* fx) noexcept nogil:
    # Nothing of the key is left.
    cdef lane_t** place = bucket_of(lanes, lane.hash)
    while place[0] != lane:
        place = &place[0].chain
    place[0] = lane.chain
    lanes.n_lanes -= 1
    if lane.ready:
        unlink_ready(lanes, lane)
    litter(fx, lane.key)
    free(lane)


cdef void push_ready(lanes_t* lanes, lane_t* lane) noexcept nogil:
    lane.ready = True
    lane.next = NULL
    lane.prev = lanes.ready_tail
    if lanes.ready_tail != NULL:
        lanes.ready_tail.next = lane
    else:
        lanes.ready_head = lane
    lanes.ready_tail = lane


cdef void unlink_ready(lanes_t* lanes, lane_t* lane) noexcept nogil:
    if lane.prev != NULL:
        lane.prev.next = lane.next
    else:
        lanes.ready_head = lane.next
    if lane.next != NULL:
        lane.next.prev = lane.prev
    else:
        lanes.ready_tail = lane.prev
    lane.ready = False


cdef int lane_put(
    lanes_t* lanes, lane_t* lane, PyObject* key, Py_hash_t hash, slot_t* slot
) noexcept nogil:
    cdef column_t* column = &lanes.columns[slot.index]
    cdef laned_t* laned = <laned_t*>alloc(sizeof(laned_t))
    if laned == NULL:
        return -1
    if lane == NULL:
        lane = lane_new(lanes, key, hash)
    if lane == NULL:
        free(laned)
        return -1
    laned.source = NULL if slot.sources == NULL else slot.sources[slot.head]
    slot_take(slot, &laned.entry)
    # It still counts for the slot, whose bound and peak are those of the ring alone.
    slot.laned += 1
    slot.bound -= 1
    slot.peak -= 1
    laned.parked = slot.parked > 0
    slot.parked -= laned.parked
    laned.slot = slot
    laned.lane = lane
    laned.next = laned.younger = NULL
    laned.prev = lane.tail
    laned.older = column.youngest
    if lane.tail != NULL:
        lane.tail.next = laned
    else:
        lane.head = laned
    lane.tail = laned
    if column.youngest != NULL:
        column.youngest.younger = laned
    else:
        column.oldest = laned
    column.youngest = laned
    if (not lane.busy or mutant(19)) and not lane.ready:
        push_ready(lanes, lane)
    return 0


cdef void lane_take(
    lanes_t* lanes, laned_t* laned, entry_t* entry, effects_t* fx
) noexcept nogil:
    cdef lane_t* lane = laned.lane
    cdef slot_t* slot = laned.slot
    cdef column_t* column = &lanes.columns[slot.index]
    entry[0] = laned.entry
    slot.laned -= 1
    slot.bound += 1
    slot.peak += 1
    if laned.prev != NULL:
        laned.prev.next = laned.next
    else:
        lane.head = laned.next
    if laned.next != NULL:
        laned.next.prev = laned.prev
    else:
        lane.tail = laned.prev
    if laned.older != NULL:
        laned.older.younger = laned.younger
    else:
        column.oldest = laned.younger
    if laned.younger != NULL:
        laned.younger.older = laned.older
    else:
        column.youngest = laned.older
    free(laned)
    if lane.head == NULL and not lane.busy:
        drop(lanes, lane, fx)


cdef lane_t* lane_begin(lanes_t* lanes) noexcept nogil:
    cdef lane_t* lane = lanes.ready_head
    unlink_ready(lanes, lane)
    lane.busy = True
    return lane


cdef void lane_end(lanes_t* lanes, lane_t* lane, effects_t* fx) noexcept nogil:
    lane.busy = False
    if lane.head != NULL:
        push_ready(lanes, lane)
    else:
        drop(lanes, lane, fx)
