# The process-wide observers (routilux.monitoring.hooks), and logging that can't harm.

from libc.stdint cimport int64_t

from routilux._core.job cimport owner_t

# Calls a method of the hooks; what it raises is logged, and the answer is None.
cdef object call_hook(str name, tuple args)
# The same for a hook that may veto: False only if it said so.
cdef bint ask_hook(str name, tuple args) except -1
# Calls log(*args) and swallows what it raises.
cdef int log_safely(object log, tuple args) except -1
cdef int64_t HOOKED                  # whether hooks are installed; read by rlx_load
# The jobs that ended, of a chain of owners.
cdef list jobs_in(owner_t* done)
