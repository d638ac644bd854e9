# The pump: takes ready activations of one worker after the other, runs, settles.

from routilux._core.engine cimport Engine, pump_t
from routilux._core.worker cimport Activation, WorkerCore

cdef enum:
    QUANTUM = 256            # activations of one worker before others get a turn
    TAIL_EVERY = 61          # every so many, the oldest ready cell goes first

# Serves a worker until it has no ready work or the quantum is used up; returns the
# number of activations. `pump` is NULL on a thread that serves while it waits. With a
# negative quantum the oldest ready cell goes first.
cdef int serve(Engine engine, WorkerCore worker, pump_t* pump, int quantum) except -1

# A pump task, from its start to its end.
cdef int pump_task(Engine engine) except -1

# The end of async logic: called by the event loop's thread. `error` is None when fine.
cdef int finish_async(Activation activation, object error) except -1
