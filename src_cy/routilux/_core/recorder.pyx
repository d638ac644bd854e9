"""The flight recorder: the last moments of a runtime, in a ring of fixed memory.

Written by whoever runs an activation, ends a job, waits or drops something, while a
runtime monitors or is traced: a number, a few stores, and the number again once all is
there, about 5 ns. Read at any time, by copying: a record that is overwritten meanwhile
shows another number and is left out. A trace takes a larger ring, and who writes waits
for the trace to keep up, but for no longer than a tenth of a second: then records are
lost, and the trace counts them.
"""

cimport cython
from libc.stdlib cimport calloc, free

from routilux._core.platform cimport rlx_load_ptr, rlx_monotonic_ns, rlx_store_ptr

cdef enum:
    SMALL = 8192             # records, 512 kB
    TRACKS = 1024            # workers that are remembered
    PATIENCE_NS = 100000000
    CALIBRATION_NS = 5000000

cdef extern from *:
    """
    #if defined(_WIN32)
    #define rlx_yield() SwitchToThread()
    #else
    #include <sched.h>
    #define rlx_yield() sched_yield()
    #endif
    """
    void rlx_yield() nogil

# When the module was loaded, on both clocks: how they relate is known to 10 parts in a
# million by the time that a runtime is made.
cdef int64_t LOADED_TICKS = rlx_tsc()
cdef int64_t LOADED_NS = rlx_monotonic_ns()


cdef double measure_tick() noexcept nogil:
    cdef int64_t at, now, tick
    while True:
        at = rlx_monotonic_ns()
        tick = rlx_tsc()
        now = rlx_monotonic_ns()
        if now - LOADED_NS > CALIBRATION_NS and now - at < 1000:
            return ((at + now) / 2 - LOADED_NS) / <double>(tick - LOADED_TICKS)
        if now - LOADED_NS > 100 * CALIBRATION_NS:
            return (now - LOADED_NS) / <double>(tick - LOADED_TICKS)


def is_steady():
    """Whether the system itself has not given up the processor's counter as a clock."""
    try:
        with open(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource"
        ) as file:
            return file.read().strip() not in ("hpet", "acpi_pm", "jiffies")
    except OSError:
        return True


cdef bint has_place(ring_t* ring, uint64_t number) noexcept nogil:
    cdef int64_t until = 0
    while True:
        ring.limit = rlx_see(&ring.taken) + ring.mask + 1
        if number <= ring.limit:
            return True
        if until == 0:
            until = rlx_monotonic_ns() + PATIENCE_NS
        elif rlx_monotonic_ns() > until:
            return False            # the trace finds the gap, and counts it
        rlx_yield()


cdef bint read_record(ring_t* ring, uint64_t number, record_t* record) noexcept nogil:
    cdef record_t* source = &ring.records[(number - 1) & ring.mask]
    if rlx_see(&source.number) != number:
        return False
    record[0] = source[0]
    rlx_fence_loads()
    return rlx_see(&source.number) == number


cdef ring_t* new_ring(Py_ssize_t size, bint bounded) noexcept nogil:
    cdef ring_t* ring = <ring_t*>calloc(1, sizeof(ring_t))
    if ring == NULL:
        return NULL
    ring.records = <record_t*>calloc(size, sizeof(record_t))
    ring.mask = <uint64_t>size - 1
    ring.limit = <uint64_t>size if bounded else <uint64_t>-1
    if ring.records == NULL:
        free(ring)
        return NULL
    return ring


cdef void free_ring(ring_t* ring) noexcept nogil:
    if ring != NULL:
        free(ring.records)
        free(ring)


@cython.final
cdef class Recorder:
    """The flight recorder of one runtime.

    Thread-safety: every method may be called from any thread.
    """

    def __cinit__(self):
        self.tracks = {}
        self.c.tsc = rlx_has_tsc() and is_steady()
        self.c.tick_ns = measure_tick() if self.c.tsc else 1.0
        self.c.since = ticks(&self.c)
        self.small = new_ring(SMALL, False)
        if self.small == NULL:
            raise MemoryError("no memory for the flight recorder of a runtime")
        rlx_store_ptr(&self.c.ring, self.small)

    def __dealloc__(self):
        free_ring(self.small)
        free_ring(self.big)

    cdef int32_t add_track(self, object ident, object plan) except -1:
        with cython.critical_section(self):
            self.n_tracks += 1
            self.tracks[self.n_tracks] = (ident, plan)
            if len(self.tracks) > TRACKS:
                del self.tracks[next(iter(self.tracks))]
            return self.n_tracks

    cdef void follow(self, int64_t* virtual_ns) noexcept:
        # Before the first worker: the clock of a simulation.
        if self.c.virtual_ns == NULL:
            self.c.virtual_ns = virtual_ns
            self.c.tsc = False
            self.c.tick_ns = 1.0 / 1024
            self.c.since = ticks(&self.c)
