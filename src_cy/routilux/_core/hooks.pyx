"""Hooks: the process-wide observers, and logging that can't harm the core.

Called by every stage that has something to tell, with no lock held: hooks and logging
handlers are user code. What they raise is logged, or swallowed if logging raises too;
nothing of it comes back to the caller.
"""

import logging

from cpython.object cimport PyObject

from routilux._core.platform cimport (
    rlx_incref,
    rlx_lock,
    rlx_lock_t,
    rlx_store,
    rlx_unlock,
    rlx_xdecref,
)

logger = logging.getLogger("routilux")

cdef rlx_lock_t LOCK             # protects HOOKS; innermost
cdef PyObject* HOOKS = NULL      # ExecutionHooksInterface, owned, or NULL; process-wide


def set_hooks(hooks):
    """Install the process-wide execution hooks; None switches them off."""
    global HOOKS
    cdef PyObject* fresh = NULL if hooks is None else <PyObject*>hooks
    cdef PyObject* old
    if fresh != NULL:
        rlx_incref(fresh)
    rlx_lock(&LOCK)
    old = HOOKS
    HOOKS = fresh
    rlx_store(&HOOKED, fresh != NULL)
    rlx_unlock(&LOCK)
    rlx_xdecref(old)


cdef object hooks_in_force():
    # They may be replaced, and go, while one of them is called: a reference is taken.
    cdef PyObject* found
    rlx_lock(&LOCK)
    found = HOOKS
    if found != NULL:
        rlx_incref(found)
    rlx_unlock(&LOCK)
    if found == NULL:
        return None
    hooks = <object>found
    rlx_xdecref(found)
    return hooks


cdef object call_hook(str name, tuple args):
    # A hook that raises is logged and ignored; what it answers is None then.
    hooks = hooks_in_force()
    if hooks is None:
        return None
    try:
        return getattr(hooks, name)(*args)
    except BaseException:
        log_safely(logger.exception, ("routilux: the execution hook %s raised", name))
        return None


cdef bint ask_hook(str name, tuple args) except -1:
    # A hook that may veto: False only if it said so, alone or before a reason.
    answer = call_hook(name, args)
    try:
        if isinstance(answer, tuple):
            answer, *_ = answer
        return answer is None or bool(answer)
    except BaseException:
        log_safely(
            logger.exception, ("routilux: the answer of the hook %s is no bool", name)
        )
        return True


cdef int log_safely(object log, tuple args) except -1:
    # Logging runs handlers, which are user code and may raise.
    try:
        log(*args)
    except BaseException:
        pass
    return 0


cdef list jobs_in(owner_t* done):
    cdef list jobs = []
    while done != NULL:
        jobs.append(<object>done.obj)
        done = done.link
    return jobs
