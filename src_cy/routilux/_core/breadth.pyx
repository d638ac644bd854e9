"""Whether short tasks are worth more than one pump.

With a GIL a second pump pays only if logic gives the GIL back, and only if it does so
for longer than it takes to wake a thread: two that want it back sooner end up in a
convoy, in which each task costs a wake. Nothing says which logic gives it back, so the
keeper looks: when it gets the GIL at once while a pump is in the middle of logic, that
logic has given it back. Some such looks in a row, and activations that last long enough,
let new work wake all pumps, for as long as the keeper finds it again.
Called by the keeper and by pumps, under the engine's lock but for `linger_busily`.
"""

from libc.string cimport memset

from routilux._core.platform cimport rlx_load, rlx_monotonic_ns, rlx_store

cdef int64_t AT_ONCE_NS = 100000     # to get a GIL that is given back all the time
cdef int64_t SHORT_NS = 12000        # below that, two pumps may be slower than one
cdef int64_t LOOK_NS = 8000000       # between two looks, when wide or after one in vain
cdef int64_t RARE_NS = 256000000     # after many in vain: a look costs a pump a wake
cdef int64_t WIDE_NS = 50000000      # until it lapses
cdef int64_t SPIN_NS = 5000          # shorter than to sleep and be woken
cdef int NEEDED = 4                  # looks in a row; the first has nothing to compare


cdef void breadth_init(breadth_t* breadth) noexcept nogil:
    memset(breadth, 0, sizeof(breadth_t))
    breadth.wide = 1
    breadth.pause_ns = LOOK_NS


cdef bint weigh(
    breadth_t* breadth, int64_t beats, bint in_logic, int64_t awake, int pool_size
) noexcept nogil:
    cdef int64_t now = rlx_monotonic_ns()
    cdef int64_t spent = (now - breadth.since_ns) * awake
    cdef bint gives_back = in_logic and now - breadth.asked_ns < AT_ONCE_NS
    cdef bint pays = gives_back and spent >= (beats - breadth.beats) * SHORT_NS
    breadth.since_ns = now
    breadth.beats = beats
    if not pays:
        breadth.found = 0
        breadth.next_ns = now + breadth.pause_ns
        breadth.pause_ns = min(2 * breadth.pause_ns, RARE_NS)
        return False
    breadth.pause_ns = LOOK_NS
    breadth.next_ns = now
    breadth.found += 1
    if breadth.found < NEEDED:
        return False
    breadth.next_ns = now + LOOK_NS
    breadth.until_ns = now + WIDE_NS
    rlx_store(&breadth.wide, pool_size)
    return True


cdef void linger_busily(breadth_t* breadth, int64_t* runq_len) noexcept nogil:
    cdef int64_t now = rlx_monotonic_ns(), end = now + SPIN_NS
    if now > breadth.until_ns:
        rlx_store(&breadth.wide, 1)
        return
    while rlx_load(runq_len) == 0 and rlx_monotonic_ns() < end:
        pass
