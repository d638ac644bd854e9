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
    for i in range(n):
        rlx_incref(members[i].obj)
    return group


cdef bint is_dead(owner_t* owner) noexcept nogil:
    # A group is dead when all its members are. Members never come back to life, so
    # the hint makes the scan O(1) a call over the group's whole life.
    if owner.kind == OWNER_JOB:
        return owner.dead
    if owner.dead:
        return True
    while group_alive_at(owner):
        if not is_dead(group_member(owner)):
            return False
        group_advance(owner)
    owner.dead = True
    return True


cdef inline bint group_alive_at(owner_t* owner) noexcept nogil:
    return (<JobGroup>owner.obj).hint < (<JobGroup>owner.obj).n_members


cdef inline owner_t* group_member(owner_t* owner) noexcept nogil:
    return (<JobGroup>owner.obj).members[(<JobGroup>owner.obj).hint]


cdef inline void group_advance(owner_t* owner) noexcept nogil:
    (<JobGroup>owner.obj).hint = (<JobGroup>owner.obj).hint + 1


cdef JobContext newest_job(owner_t* owner):
    while owner.kind == OWNER_GROUP:
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
