# The meters of a routine in a worker: how often, how long, how long its items waited.
# Guarded by the lock of the worker.

from libc.stdint cimport int32_t, int64_t, uint64_t

from routilux._core.platform cimport rlx_log2
from routilux._core.recorder cimport recorder_t

ctypedef struct times_t:
    int64_t count
    int64_t ns
    int64_t histogram[64]    # bucket i: 2**i <= ns < 2**(i+1)

# Of a slot. Of items in a ring the arrival number tells whether it is a time. Of a typed
# slot, where arrival numbers count on within a block, one item is followed at a time.
ctypedef struct wait_t:
    times_t times
    uint64_t followed        # slot.n_put when it was put; 0: none
    int64_t since            # ticks: when

ctypedef struct meter_t:
    recorder_t* recorder     # lives as long as the engine; set once
    int32_t track            # of the worker, in the recorder; set once
    int64_t failures, retries
    int64_t items_in
    times_t logic            # activations that ended
    wait_t* waits            # one a slot, in the same block of memory; set once

cdef enum:
    FIRST_ITEMS = 64         # of each slot are measured one by one,
    EVERY = 16               # and later ones each sixteenth: a clock costs a tenth of a hop

cdef inline void add_time(times_t* times, int64_t ns) noexcept nogil:
    if ns < 0:
        ns = 0               # clocks of two processors may differ a little
    times.count += 1
    times.ns += ns
    times.histogram[rlx_log2(ns)] += 1

cdef meter_t* new_meter(recorder_t* recorder, int32_t track, int n_slots) noexcept nogil
