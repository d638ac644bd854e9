# The owner of what a batch of several jobs emits.

from routilux._core.job cimport JobContext, owner_t

# The jobs of one batch activation. What the batch emits belongs to the group, and the
# group holds one count of each member until nothing of that is left.
cdef class JobGroup:
    cdef owner_t own
    cdef owner_t** members           # one per item of the batch; set once, keeps them alive
    cdef Py_ssize_t n_members
    cdef Py_ssize_t hint             # the members before it are dead
    cdef owner_t* alive              # a job of the group, alive when last looked at
    cdef owner_t* newest             # the job that owns the newest item

# Takes the memory of `members` over, and a reference of each.
cdef JobGroup new_group(owner_t** members, Py_ssize_t n, owner_t* newest)

# The same for jobs and groups.
cdef bint is_dead(owner_t* owner) noexcept nogil
cdef JobContext newest_job(owner_t* owner)
cdef list jobs_of(owner_t* owner)
