"""The group: what a batch of several jobs works for.

Made by invoke when an activation holds items of more than one job. What the batch
emits belongs to the group; the group is one count of every member until nothing of it
is left, so an item costs the same whether it belongs to one job or to ten thousand.
Groups may hold groups: a batch of items that batches emitted. Counts change under the
worker's lock; a group never outlives the references that it has on its members.
"""

cimport cython
from libc.stdlib cimport free

from routilux._core.status cimport OWNER_GROUP, OWNER_JOB
from routilux._core.platform cimport rlx_incref, rlx_xdecref
from cpython.object cimport PyObject


@cython.final
cdef class JobGroup:
    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.n_members):
            rlx_xdecref(self.members[i].obj)
        free(self.members)


cdef JobGroup new_group(owner_t** members, Py_ssize_t n, owner_t* newest):
    cdef JobGroup group = JobGroup.__new__(JobGroup)
    cdef Py_ssize_t i
    group.own.obj = <PyObject*>group
    group.own.kind = OWNER_GROUP
    group.members = members
    group.n_members = n
    group.newest = newest
    if newest.kind == OWNER_GROUP:
        group.newest = (<JobGroup>newest.obj).newest
    for i in range(n):
        rlx_incref(members[i].obj)
    return group


cdef bint is_dead(owner_t* owner) noexcept nogil:
    # A group is dead when all its jobs are. Jobs never come back to life, so one that
    # was seen alive answers for the group. Also called without the worker's lock: two
    # threads that search at a time may find different jobs, never skip one.
    if owner.kind == OWNER_JOB or owner.dead:
        return owner.dead
    if not is_alive(group_alive(owner)):
        set_alive(owner, find_alive(owner))
    return owner.dead


cdef inline bint is_alive(owner_t* owner) noexcept nogil:
    return owner != NULL and not owner.dead


cdef owner_t* find_alive(owner_t* owner) noexcept nogil:
    # Groups hold groups to any depth: goes down again from the top, without recursion,
    # whenever one turns out to be dead.
    cdef owner_t* node
    while not owner.dead:
        node = owner
        while node.kind == OWNER_GROUP and not node.dead:
            node = next_alive(node)
        if not node.dead:
            return node
    return NULL


cdef owner_t* next_alive(owner_t* owner) noexcept nogil:
    # The first member that is not known to be dead; the group itself, now dead, if none.
    cdef Py_ssize_t i = (<JobGroup>owner.obj).hint
    cdef Py_ssize_t n = (<JobGroup>owner.obj).n_members
    while i < n and (<JobGroup>owner.obj).members[i].dead:
        i += 1
    (<JobGroup>owner.obj).hint = i
    if i < n:
        return (<JobGroup>owner.obj).members[i]
    owner.dead = True
    return owner


cdef inline owner_t* group_alive(owner_t* owner) noexcept nogil:
    return (<JobGroup>owner.obj).alive


cdef inline void set_alive(owner_t* owner, owner_t* alive) noexcept nogil:
    (<JobGroup>owner.obj).alive = alive


cdef JobContext newest_job(owner_t* owner):
    if owner.kind == OWNER_GROUP:
        owner = (<JobGroup>owner.obj).newest
    (<JobContext>owner.obj).show()
    return <JobContext>owner.obj


cdef list jobs_of(owner_t* owner):
    # Every job once, oldest first; groups of groups without recursion.
    cdef dict found = {}
    cdef list stack = [<object>owner.obj]
    cdef set seen = set()
    cdef JobGroup group
    cdef Py_ssize_t i
    while stack:
        obj = stack.pop()
        if isinstance(obj, JobGroup):
            if id(obj) in seen:
                continue
            seen.add(id(obj))
            group = <JobGroup>obj
            for i in range(group.n_members - 1, -1, -1):
                stack.append(<object>group.members[i].obj)
        else:
            (<JobContext>obj).show()
            found[(<JobContext>obj).seq] = obj
    return [found[seq] for seq in sorted(found)]
