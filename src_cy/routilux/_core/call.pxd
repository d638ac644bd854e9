# A routine that is one plain function: the call, and where its values go.

from routilux._core.worker cimport WorkerCore, activation_t
from routilux._core.frame cimport frame_t

# Calls the function of `node` on the item of `act` and hands on what comes out. Whatever
# the function or a target slot raises comes out of here, to invoke. Returns None, or a
# coroutine that does the same on the event loop. No lock held.
cdef object call(WorkerCore worker, activation_t* act, frame_t* frame)
