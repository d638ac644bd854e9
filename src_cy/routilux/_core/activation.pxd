# The activation check in its compiled form: given the counts of a routine's slots,
# may it run, and on how many items of each slot?

from libc.stdint cimport int64_t

from routilux._core.slot cimport slot_t

# A policy as the core reads it; one per routine and worker, since an interval has state.
ctypedef struct policy_t:
    int kind                 # PolicyKind; set once
    Py_ssize_t batch         # POLICY_BATCH: items from each slot; set once
    int64_t wait_ns          # interval, or max_wait of a batch; 0: none; set once
    int64_t last_ns          # POLICY_INTERVAL: when it fired last; 0: never.
                             # POLICY_CALLABLE: when its pending timer is due

# What a policy in Python says with its "no": ask again when so much time has passed.
cdef class AskAgain:
    cdef readonly double seconds
    cdef int64_t wait_ns

# What a user makes with immediate_policy() and its siblings, and its callable form.
cdef class Policy:
    cdef policy_t c                  # kind, batch, wait: the template for policy_t above
    cdef readonly object check       # the predicate of custom_policy(), or None
    cdef dict intervals              # callable form only: worker -> when it fired last

    cdef dict message(self, bint partial)

# Whether the compiled policy fires now; custom and callable ones answer "maybe".
cdef bint policy_fires(
    policy_t* policy, slot_t* slots, int n_slots, int64_t now
) noexcept nogil
cdef int policy_template(object policy, policy_t* out) except -1
