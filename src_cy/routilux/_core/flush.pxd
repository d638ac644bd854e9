# What moves a worker's parked items: a flush, the policy's own clock, a due retry, and
# what a shutdown finds that nothing will ever move. All under the worker's lock, except
# parked_in, which takes it.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.ledger cimport effects_t
from routilux._core.routine cimport cell_t
from routilux._core.worker cimport WorkerCore

# Flushes the partial batches nearest to the sources, and asks the policies there that
# can flush. True: some, or something moves. `kind` is a FlushKind.
cdef bint flush_lowest(WorkerCore worker, int kind, effects_t* fx) noexcept nogil

cdef bint is_flushable(cell_t* cell, int kind) noexcept nogil

# All of one rank; of any when it is negative.
cdef void flush_cells(
    WorkerCore worker, int rank, int kind, effects_t* fx
) noexcept nogil
cdef void flush_cell(
    WorkerCore worker, cell_t* cell, int kind, effects_t* fx
) noexcept nogil
cdef void check_time(WorkerCore worker, cell_t* cell, int64_t now, effects_t* fx) noexcept nogil
cdef void resume(
    WorkerCore worker, cell_t* cell, PyObject* activation, effects_t* fx
) noexcept nogil
cdef tuple parked_in(WorkerCore worker)
