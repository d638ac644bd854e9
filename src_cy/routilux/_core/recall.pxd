# What the flight recorder holds, as Python reads it.

from libc.stdint cimport int64_t

from routilux._core.recorder cimport Recorder

# Seconds since the epoch of a moment in ticks, judged from one in both.
ctypedef struct anchor_t:
    int64_t ticks, wall_ns
    double tick_ns

cdef enum:
    RECALLED = 8192          # records of a ring that are looked at

cdef void drop_anchor(Recorder recorder, int64_t* virtual_wall, anchor_t* anchor) noexcept
