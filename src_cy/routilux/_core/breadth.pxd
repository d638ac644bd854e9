# Whether short tasks are worth more than one pump: what the keeper knows and pumps do.

from libc.stdint cimport int64_t

# An engine's; under its lock, `wide` also read without.
ctypedef struct breadth_t:
    int64_t wide             # pumps that new work may wake while one is awake
    int64_t until_ns         # when that falls back to 1, unless the keeper says so again
    int64_t asked_ns         # when the keeper asked for the GIL; the rest is his
    int64_t next_ns          # when he may ask again
    int64_t pause_ns         # how long he waits after a look in vain
    int64_t since_ns         # his last look, and
    int64_t beats            # the activations that had begun by then
    int found                # looks in a row that were not in vain

cdef void breadth_init(breadth_t* breadth) noexcept nogil
# Called by who has just got the GIL: shall more pumps come?
cdef bint weigh(
    breadth_t* breadth, int64_t beats, bint in_logic, int64_t awake, int pool_size
) noexcept nogil
# A pump without work looks again for some µs before it sleeps; the GIL is not held.
cdef void linger_busily(breadth_t* breadth, int64_t* runq_len) noexcept nogil
