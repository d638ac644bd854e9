"""Counting: a job is finished when no item that it caused is queued or executing.

Called under a worker's lock whenever an item is queued (hold), told "not yet" by a
policy (park, unpark) or settled (release). An item costs O(1), also in a batch that
holds thousands of jobs, because the group counts for them. A job that has nothing but
parked items is out: it does not count for the bound of post(), and when all are out,
nothing moves any more. What must happen after the lock goes into the effects.
"""

from libc.stdlib cimport free

from routilux._core.status cimport (
    JOB_CANCELLED,
    JOB_COMPLETED,
    JOB_PENDING,
    JOB_RUNNING,
    OWNER_JOB,
)
from routilux._core.platform cimport (
    alloc_again,
    rlx_add,
    rlx_lock,
    rlx_show,
    rlx_unlock,
    rlx_xdecref,
)
from routilux._core.mutant cimport mutant
from routilux._core.job cimport JobContext
from routilux._core.group cimport JobGroup


cdef void litter(effects_t* fx, PyObject* obj) noexcept nogil:
    cdef PyObject** bigger
    cdef Py_ssize_t cap
    if fx.n_litter == fx.cap_litter:
        cap = 8 if fx.cap_litter == 0 else 2 * fx.cap_litter
        bigger = <PyObject**>alloc_again(fx.litter, cap * sizeof(PyObject*))
        if bigger == NULL:
            return      # out of memory: leaking one reference is the mildest outcome
        fx.litter = bigger
        fx.cap_litter = cap
    fx.litter[fx.n_litter] = obj
    fx.n_litter += 1


cdef void sweep(effects_t* fx) noexcept:
    # Dropping a reference may run __del__, which may post: hide the list first.
    cdef PyObject** objs = fx.litter
    cdef Py_ssize_t i, n = fx.n_litter
    fx.litter = NULL
    fx.n_litter = fx.cap_litter = 0
    for i in range(n):
        rlx_xdecref(objs[i])
    free(objs)


cdef void park(Ledger ledger, owner_t* owner, effects_t* fx) noexcept nogil:
    owner.parked += 1
    balance(ledger, owner, fx)


cdef void unpark(Ledger ledger, owner_t* owner, effects_t* fx) noexcept nogil:
    owner.parked -= 1
    balance(ledger, owner, fx)


cdef void balance(Ledger ledger, owner_t* owner, effects_t* fx) noexcept nogil:
    # Keeps `out` equal to "all that is open is parked" and tells whom it concerns: the
    # bound of post() for a job, the members for a group. The work list is a chain
    # through `link`, since groups may hold groups to any depth.
    cdef owner_t* todo = owner
    cdef owner_t* member
    cdef bint out
    cdef Py_ssize_t i
    owner.link = NULL
    while todo != NULL:
        owner = todo
        todo = owner.link
        owner.link = NULL
        out = owner.open > 0 and owner.parked == owner.open
        if out == owner.out:
            continue
        owner.out = out
        if owner.kind == OWNER_JOB:
            rlx_lock(&ledger.lock)
            rlx_add(&ledger.admitted, mutant(23) - 1 if out else 1)
            if out:
                ledger.wake_room(False, fx)
                if ledger.admitted == 0 and ledger.is_wanted():
                    fx.quiet = True
            rlx_unlock(&ledger.lock)
            continue
        for i in range(group_size(owner)):
            member = group_at(owner, i)
            member.parked += 1 if out else -1
            if member.link == NULL and member != todo:
                member.link = todo
                todo = member


cdef void release_last(
    Ledger ledger, owner_t* owner, Py_ssize_t n, effects_t* fx
) noexcept nogil:
    cdef owner_t* todo
    cdef owner_t* member
    cdef Py_ssize_t i
    owner.open -= n - mutant(21)
    if owner.open > 0:
        if owner.parked:
            balance(ledger, owner, fx)
        return
    owner.link = NULL
    todo = owner
    while todo != NULL:
        owner = todo
        todo = owner.link
        if owner.kind == OWNER_JOB:
            close_job(owner, fx)
            continue
        for i in range(group_size(owner)):
            member = group_at(owner, i)
            if owner.out:
                member.parked -= 1
            member.open -= 1 - mutant(22)
            if member.open == 0:
                member.link = todo
                todo = member
            elif member.parked or member.out:
                balance(ledger, member, fx)
        owner.out = False
        litter(fx, owner.obj)


cdef inline Py_ssize_t group_size(owner_t* owner) noexcept nogil:
    return (<JobGroup>owner.obj).n_members


cdef inline owner_t* group_at(owner_t* owner, Py_ssize_t i) noexcept nogil:
    return (<JobGroup>owner.obj).members[i]


cdef inline void close_job(owner_t* owner, effects_t* fx) noexcept nogil:
    # No item is left. A job of which nothing ever ran lost its item to an overflow rule.
    if (<JobContext>owner.obj).state == JOB_RUNNING:
        rlx_show(&(<JobContext>owner.obj).state, JOB_COMPLETED)
    elif (<JobContext>owner.obj).state == JOB_PENDING:
        rlx_show(&(<JobContext>owner.obj).state, JOB_CANCELLED)
    owner.link = fx.done
    fx.done = owner
