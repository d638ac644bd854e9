# A trace that is written while a runtime runs: see trace.pyx.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport FILE

from routilux._core.platform cimport PyThread_type_lock
from routilux._core.recorder cimport Recorder, record_t, ring_t
from routilux._core.chance cimport mix
from routilux._core.control cimport Control

# What a record of a worker is written with.
ctypedef struct names_t:
    int n_cells
    char** routines          # JSON strings with their quotes, borrowed from `kept`
    char** slots             # the same, slots of all routines in a row
    int* first_slot          # of each routine; n_cells of them, and the end
    bint* apart              # its activations end on another thread: async logic

# The id of an item or an activation: known by worker, routine and number, as one number.
cdef inline uint64_t item_of(record_t* record, int cell, uint64_t number) noexcept nogil:
    return mix(number + mix((<uint64_t>record.track << 32) | <uint64_t>cell))

cdef class Tracer:
    cdef Control core                # set once
    cdef Recorder recorder           # set once
    cdef ring_t* ring                # set once
    cdef FILE* file
    cdef bint failed                 # the file can't be written: the rest is dropped
    cdef int error                   # errno of that
    cdef int64_t origin              # ticks at the start
    cdef int64_t end                 # where the last page of the file begins, bytes
    cdef char[4096] page             # that page
    cdef size_t used                 # and how much of it events fill
    cdef uint64_t read               # number of the last record that was taken
    cdef readonly uint64_t lost      # records that waited too long for a place
    cdef uint64_t written
    cdef char* text                  # what is not in the file yet
    cdef Py_ssize_t size
    cdef int64_t stuck_ns            # since when the next record is not there; 0: it is
    cdef names_t* names              # by track
    cdef Py_ssize_t n_names, cap_names
    cdef list kept                   # bytes that names point into
    cdef bytes prefix                # of ids of jobs
    cdef char* prefix_text           # the same, borrowed
    cdef bint was_on                 # the runtime monitored before
    cdef uint64_t* threads           # idents, by the number of their track in the file
    cdef Py_ssize_t n_threads, cap_threads, n_told
    cdef PyThread_type_lock bell     # rung to stop
    cdef int64_t stopping            # atomic

    cdef int add(self, bytes line) except -1
    cdef char* name_of(self, str name) except NULL
    cdef int learn(self) except -1
    cdef int tell_threads(self) except -1
    cdef bint drain(self) noexcept nogil
    cdef bint is_behind(self) noexcept nogil
    cdef bint flush(self) noexcept nogil
    cdef void put(self, size_t n) noexcept nogil
    cdef void format(self, record_t* record) noexcept nogil
    cdef int thread_of(self, uint64_t ident) noexcept nogil
