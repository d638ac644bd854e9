# What Python asks of a running core: see control.pyx.

from routilux._core.engine cimport Engine

cdef class Control(Engine):
    pass
