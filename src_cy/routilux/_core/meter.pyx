"""Meters: made with a worker that monitors, or when a trace begins; freed with it.

What fills them is in `measure`. Off, a routine has none, and the hot path asks for a
null pointer where it would count.
"""

from libc.stdlib cimport calloc


cdef meter_t* new_meter(recorder_t* recorder, int32_t track, int n_slots) noexcept nogil:
    cdef meter_t* meter = <meter_t*>calloc(1, sizeof(meter_t) + n_slots * sizeof(wait_t))
    if meter != NULL:
        meter.recorder = recorder
        meter.track = track
        meter.waits = <wait_t*>(meter + 1)
    return meter
