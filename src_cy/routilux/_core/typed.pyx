"""Arrays of a typed slot: what fits, how it enters, and as what it comes out.

Called by entry and event before they take a lock, to make a block of what was posted
or emitted, and by invoke after it gave its lock back, to make the array that logic gets.
A block refers to the sender's array unless that has gaps or a copy was asked for. What
comes out is a read-only array of its own, a view wherever the items lie side by side;
else they are copied together, without the GIL if it is worth it.
"""

cimport cython
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject, PyTypeObject
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cimport numpy as cnp

from routilux._core.platform cimport rlx_incref
from routilux._core.block cimport Block, part_t
from routilux._core.segment cimport SMALL

from reprlib import repr as short
from weakref import WeakValueDictionary

import numpy as np

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyArray_Descr:
        pass
    ctypedef struct PyArrayObject:
        pass
    object PyArray_NewFromDescr(
        PyTypeObject* subtype,
        PyArray_Descr* descr,    # stolen
        int nd,
        cnp.npy_intp* dims,
        cnp.npy_intp* strides,
        void* data,
        int flags,
        PyObject* obj,
    )
    int PyArray_SetBaseObject(cnp.ndarray array, PyObject* base) except -1    # stolen
    void PyArray_CLEARFLAGS(cnp.ndarray array, int flags) nogil
    bint PyArray_CHKFLAGS(cnp.ndarray array, int flags) nogil
    char* PyArray_BYTES(cnp.ndarray array) nogil
    PyObject* PyArray_BASE(PyArrayObject* array) nogil
    bint PyArray_CheckExact(PyObject* array) nogil
    PyTypeObject PyArray_Type

cdef enum:
    WHOLE = cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED
    MAX_DIMS = 64            # numpy's own limit is 32, or 64 from 2.0 on
    NOGIL_BYTES = 65536      # copying less is over before another thread could begin

cdef object LAYOUTS = WeakValueDictionary()


def layout_of(dtype, shape, name):
    """Return the layout of a typed slot's items; slots of one kind share it.

    Args:
        dtype: what numpy.dtype() takes, of a fixed size.
        shape: of one item: None, an int or a tuple of ints.
        name: of the slot, for messages.
    """
    if dtype is None:
        raise TypeError(f"the shape of slot {name!r} needs a dtype")
    try:
        descr = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"dtype of slot {name!r}: {error}, from {dtype!r}") from None
    sizes = () if shape is None else (shape,) if is_length(shape) else shape
    if not isinstance(sizes, (tuple, list)) or not all(map(is_length, sizes)):
        raise TypeError(
            f"shape of slot {name!r} must be a tuple of ints of at least 1, not {shape!r}"
        )
    sizes = tuple(map(int, sizes))
    if descr.subdtype is not None:
        descr, inner = descr.subdtype
        sizes += inner
    if descr.hasobject or descr.itemsize == 0 or 0 in sizes:
        raise TypeError(
            f"dtype of slot {name!r} must be of a fixed size, not {descr!r}: items that"
            " are Python objects go into a slot without a dtype"
        )
    return LAYOUTS.setdefault((descr, sizes), ArrayLayout(descr, sizes))


cdef bint is_length(value) except -1:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return False
    return value > 0


@cython.final
cdef class ArrayLayout(Layout):
    """The dtype of a typed slot, and the shape of one item."""

    def __init__(self, cnp.dtype descr not None, tuple shape not None):
        cdef int i
        np.empty((1, *shape), descr)         # numpy says so if it can't have such arrays
        self.dtype = self.descr = descr
        self.shape = shape
        self.ndim = 1 + <int>len(shape)
        self.itemsize = descr.itemsize
        for i in range(self.ndim - 1):
            self.dims[i + 1] = shape[i]
            self.itemsize *= self.dims[i + 1]
        if not shape and descr == np.dtype(np.float64):
            self.plain = PLAIN_DOUBLE
        elif not shape and descr == np.dtype(np.int64):
            self.plain = PLAIN_LONG

    cdef Block block_of(self, object items, bint copy, object label, object flow_id):
        cdef cnp.ndarray array
        if type(items) is cnp.ndarray:
            array = items
        elif isinstance(items, (np.ndarray, np.generic)):
            array = self.unmasked(items, label, flow_id)
        else:
            array = self.converted(items, self.ndim, label, flow_id)
        if not self.fits(array, self.ndim):
            raise self.misfit("arrays of items", describe(array), label, flow_id)
        return self.new_block(array, cnp.PyArray_DIM(array, 0), copy)

    cdef Block block_of_item(self, object item, object label, object flow_id):
        cdef Block block
        cdef cnp.ndarray array
        if self.plain:
            block = self.plain_block(item)
            if block is not None:
                return block
        if is_numpy(item):
            array = self.unmasked(item, label, flow_id)
        else:
            array = self.converted(item, self.ndim - 1, label, flow_id)
        if not self.fits(array, self.ndim - 1):
            raise self.misfit("items", describe(array), label, flow_id)
        return self.new_block(array, 1, False)

    cdef Block plain_block(self, object item):
        # A Python number of the very kind; None: numpy has to look at it.
        cdef Block block
        cdef long long number
        cdef int overflow = 0
        if self.plain == PLAIN_DOUBLE and PyFloat_CheckExact(item):
            block = Block.__new__(Block)
            block.room[0] = PyFloat_AS_DOUBLE(item)
        elif self.plain == PLAIN_LONG and PyLong_CheckExact(item):
            number = PyLong_AsLongLongAndOverflow(item, &overflow)
            if overflow:
                return None
            block = Block.__new__(Block)
            memcpy(block.room, &number, sizeof(number))
        else:
            return None
        block.layout = self
        block.data = <char*>block.room
        block.n = 1
        return block

    cdef Block new_block(self, cnp.ndarray array, Py_ssize_t n, bint copy):
        # Refers to the array that owns the bytes, so that slices of one array that are
        # queued one after the other still lie side by side.
        cdef Block block
        cdef cnp.ndarray fresh
        cdef PyObject* owner
        cdef PyObject* under
        if not PyArray_CHKFLAGS(array, WHOLE):
            array = np.array(array, order="C", copy=True, subok=False)
        elif copy:
            fresh = self.new_array(n)
            copy_bytes(PyArray_BYTES(fresh), PyArray_BYTES(array), n * self.itemsize)
            array = fresh
        block = Block.__new__(Block)
        block.layout = self
        block.data = PyArray_BYTES(array)
        block.n = n
        block.keep = n * self.itemsize > SMALL
        owner = <PyObject*>array
        under = PyArray_BASE(<PyArrayObject*>owner)
        while under != NULL and PyArray_CheckExact(under):
            owner = under
            under = PyArray_BASE(<PyArrayObject*>owner)
        block.base = <object>owner
        return block

    cdef bint fits(self, cnp.ndarray array, int ndim) except -1:
        # Whether it has the dtype, and the shape of an item in its last dimensions.
        cdef int i, first = ndim - self.ndim + 1
        if cnp.PyArray_NDIM(array) != ndim:
            return False
        for i in range(1, self.ndim):
            if cnp.PyArray_DIM(array, first + i - 1) != self.dims[i]:
                return False
        return <PyObject*>cnp.PyArray_DESCR(array) == <PyObject*>self.descr or (
            array.dtype == self.descr
        )

    cdef object view(self, PyObject* base, char* data, Py_ssize_t n):
        # Made without the flag WRITEABLE.
        cdef cnp.npy_intp dims[MAX_DIMS]
        cdef cnp.ndarray array
        memcpy(dims, self.dims, self.ndim * sizeof(cnp.npy_intp))
        dims[0] = n
        rlx_incref(<PyObject*>self.descr)
        array = PyArray_NewFromDescr(
            &PyArray_Type, <PyArray_Descr*>self.descr, self.ndim, dims, NULL, data, WHOLE, NULL
        )
        rlx_incref(base)
        PyArray_SetBaseObject(array, base)
        return array

    cdef cnp.ndarray new_array(self, Py_ssize_t n):
        cdef cnp.npy_intp dims[MAX_DIMS]
        memcpy(dims, self.dims, self.ndim * sizeof(cnp.npy_intp))
        dims[0] = n
        rlx_incref(<PyObject*>self.descr)
        return PyArray_NewFromDescr(
            &PyArray_Type, <PyArray_Descr*>self.descr, self.ndim, dims, NULL, NULL, 0, NULL
        )

    cdef object join(self, part_t* parts, Py_ssize_t count):
        cdef cnp.ndarray whole
        cdef Py_ssize_t i, n = 0
        cdef bint together = count > 0
        for i in range(count):
            together = together and (
                parts[i].base == parts[0].base
                and parts[i].data == parts[0].data + n * self.itemsize
            )
            n += parts[i].n
        if together:
            return self.view(parts[0].base, parts[0].data, n)
        whole = self.new_array(n)
        if n * self.itemsize < NOGIL_BYTES:
            gather(PyArray_BYTES(whole), parts, count, self.itemsize)
        else:
            with nogil:
                gather(PyArray_BYTES(whole), parts, count, self.itemsize)
        PyArray_CLEARFLAGS(whole, cnp.NPY_ARRAY_WRITEABLE)
        return whole

    cdef cnp.ndarray unmasked(self, object value, object label, object flow_id):
        if isinstance(value, np.ma.MaskedArray):
            raise self.misfit("items", "a masked array", label, flow_id)
        return np.asarray(value)

    cdef cnp.ndarray converted(self, object value, int ndim, object label, object flow_id):
        if ndim == self.ndim and hasattr(value, "__next__"):
            value = list(value)
        if ndim == self.ndim and hasattr(value, "__len__") and len(value) == 0:
            return self.new_array(0)
        try:
            return convert(value, self.descr, ndim)
        except (TypeError, ValueError, OverflowError) as error:
            what = "items" if ndim < self.ndim else "arrays of items"
            raise self.misfit(what, f"{short(value)} ({error})", label, flow_id) from None

    cdef object misfit(self, what, found, label, flow_id):
        where = label if flow_id is None else f"{label} of flow {flow_id!r}"
        return TypeError(
            f"{where} takes {what} of dtype {self.dtype} and shape {self.shape},"
            f" not {found}"
        )


cdef str describe(object array):
    return f"dtype {array.dtype} and shape {array.shape}"


cdef void copy_bytes(char* to, char* source, Py_ssize_t size) noexcept:
    if size < NOGIL_BYTES:
        memcpy(to, source, size)
        return
    with nogil:
        memcpy(to, source, size)


cdef void gather(
    char* to, part_t* parts, Py_ssize_t count, Py_ssize_t itemsize
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        memcpy(to, parts[i].data, parts[i].n * itemsize)
        to += parts[i].n * itemsize


cdef bint is_numpy(value) except -1:
    # Of numpy and of one dtype for good; its strings are also those of Python.
    return isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, (bytes, str))


cdef object convert(object value, object descr, int ndim):
    # Python values as an array of `descr`, unless something would get lost.
    if is_numpy(value):
        if value.dtype != descr:
            raise TypeError(f"of dtype {value.dtype}")
        return np.asarray(value)
    if descr.names is not None and ndim == 0:
        return convert_record(value, descr)
    if descr.names is not None:
        rows = [convert(row, descr, ndim - 1) for row in value]
        if len({row.shape for row in rows}) > 1:
            raise TypeError("of rows of different shapes")
        whole = np.empty((len(rows), *(rows[0].shape if rows else ())), descr)
        for i, row in enumerate(rows):
            whole[i] = row
        return whole
    if descr.kind in "mM":
        array = np.array(value, dtype=descr)
    else:
        array = np.asarray(value)
    if array.dtype == descr or array.size == 0 or np.can_cast(array.dtype, descr, "safe"):
        return array.astype(descr)
    if array.dtype.kind in "iu" and descr.kind in "iu":
        made = array.astype(descr)
        if (made == array).all():
            return made
    elif array.dtype.kind in "iufc" and np.can_cast(array.dtype, descr, "same_kind"):
        with np.errstate(over="ignore"):
            made = array.astype(descr)
        if (np.isfinite(made) == np.isfinite(array)).all():
            return made
    raise TypeError(f"of dtype {array.dtype}")


cdef object convert_record(object value, object descr):
    if not isinstance(value, tuple) or len(value) != len(descr.names):
        raise TypeError(f"a record is a tuple of {len(descr.names)} fields")
    record = np.empty((), descr)
    for name, field in zip(descr.names, value):
        inner, shape = descr[name].subdtype or (descr[name], ())
        made = convert(field, inner, len(shape))
        if made.shape != shape:
            raise TypeError(f"{name!r} has shape {made.shape}, not {shape}")
        record[name] = made
    return record
