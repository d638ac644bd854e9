# Measuring: what arrivals, activations and ends of jobs tell the meters and the flight
# recorder. Under the worker's lock, and only where the cell has a meter, unless said
# otherwise.

from libc.stdint cimport int64_t, uint64_t

from routilux._core.job cimport owner_t
from routilux._core.recorder cimport Recorder
from routilux._core.meter cimport EVERY, FIRST_ITEMS, meter_t
from routilux._core.slot cimport slot_t
from routilux._core.routine cimport cell_t
from routilux._core.worker cimport WorkerCore, activation_t

# The newest entry of a slot came with an emit of `source`; NULL: with a post. Its arrival
# number may become a time. `stamp`: of a typed slot, that of the block.
cdef void arrived(
    WorkerCore worker, slot_t* slot, owner_t* owner, cell_t* source, uint64_t stamp
) noexcept nogil
# Whether that matters: of an item that logic emits, else it does.
cdef inline bint is_measured(meter_t* meter, int64_t number) noexcept nogil:
    return number & (EVERY - 1) == 0 or number <= FIRST_ITEMS or meter.recorder.detailed

# Portions of a typed slot were taken.
cdef void left(slot_t* slot) noexcept nogil

# The activation, which began at act.began, is over; returns when, in ticks.
cdef int64_t measure(WorkerCore worker, activation_t* act) noexcept nogil
# How long its items waited: at the first end of an activation, which may run again.
cdef void note_waits(WorkerCore worker, activation_t* act, int64_t now) noexcept nogil

# Ticks of the cell's meter; 0 without one. No lock needed.
cdef int64_t ticks_for(cell_t* cell) noexcept nogil
# Other records of a cell, meter or not. No lock needed.
cdef void record(
    cell_t* cell, int kind, owner_t* owner, int64_t at, int64_t more, int slot, int64_t extra
) noexcept nogil
# Jobs ended: a chain through `link`. No lock needed.
cdef void record_ends(Recorder recorder, WorkerCore worker, owner_t* done) noexcept nogil
