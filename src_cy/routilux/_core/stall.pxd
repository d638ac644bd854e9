# Who holds things up when nothing moves. Called by the keeper alone.

from libc.stdint cimport int64_t

from routilux._core.engine cimport Engine

cdef class Stall:
    cdef int64_t patience_ns         # without a beginning, until it is told; 0: never
    cdef int64_t wanted_ns           # the same for the next stall
    cdef bint idled                  # no pump was at work since the last look, or ever
    cdef int64_t beats               # of the engine when it was looked at last
    cdef int64_t since_ns            # when they were seen first
    cdef int64_t seen_ns             # and last
    cdef bint told

    # Something waits behind pumps that have begun nothing since the last look.
    cdef int look(self, Engine engine) except -1
    # A routine blocks one item after the other while threads idle: told once.
    cdef int look_for_starved(self, Engine engine, int64_t waited_ns) except -1
