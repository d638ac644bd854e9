"""Hooks: the process-wide observers, and logging that can't harm the core.

Called by every stage that has something to tell, with no lock held: hooks and logging
handlers are user code. What they raise is logged, or swallowed if logging raises too;
nothing of it comes back to the caller.
"""

import logging

logger = logging.getLogger("routilux")

cdef object HOOKS = None         # ExecutionHooksInterface or None; process-wide
HOOKED = False


def set_hooks(hooks):
    """Install the process-wide execution hooks; None switches them off."""
    global HOOKS, HOOKED
    HOOKS = hooks
    HOOKED = hooks is not None


cdef object call_hook(str name, tuple args):
    # A hook that raises is logged and ignored; what it answers is None then.
    if HOOKS is None:
        return None
    try:
        return getattr(HOOKS, name)(*args)
    except BaseException:
        log_safely(logger.exception, ("routilux: the execution hook %s raised", name))
        return None


cdef bint ask_hook(str name, tuple args) except -1:
    # A hook that may veto: False only if it said so, alone or before a reason.
    answer = call_hook(name, args)
    try:
        if isinstance(answer, tuple):
            answer = answer[0]
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
