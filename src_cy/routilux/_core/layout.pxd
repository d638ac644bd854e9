# What a worker is made of, allocated and linked once when a runtime starts it.

from routilux._core.recorder cimport Recorder
from routilux._core.ledger cimport Ledger
from routilux._core.routine cimport Plan
from routilux._core.timer cimport Clock
from routilux._core.worker cimport WorkerCore

# Makes a worker run a plan. ValueError: it does already; MemoryError: start another one.
cdef int lay_out(
    WorkerCore worker,
    object engine,
    Ledger ledger,
    Clock clock,
    Plan plan,
    str worker_id,
    int pool_size,
    Recorder recorder,
) except -1

# Has all that the worker does measured, and stops that; the recorder stays the same.
cdef int start_meters(WorkerCore worker, Recorder recorder) except -1
cdef void stop_meters(WorkerCore worker) noexcept
