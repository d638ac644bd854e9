# What logic gets of typed slots: a dict with windows on their queues.

from routilux._core.status cimport FORM_LOGIC
from routilux._core.routine cimport Node
from routilux._core.worker cimport activation_t

# Whether the one slot of the routine is a typed slot, and its batch lies side by side.
cdef inline bint is_whole(activation_t* act) noexcept:
    return (
        act.cell.n_typed == 1
        and act.cell.n_slots == 1
        and act.item != NULL
        and act.n > 0
        and not act.partial
        and (<Node>act.cell.node).form == FORM_LOGIC
        and act.slot_data == NULL
    )

# Sets act.slot_data, and makes a group for items of several jobs.
cdef int assemble__typed(activation_t* act, Node node) except -1
# The same for a whole batch, out of the containers that recycle__typed kept. False: no.
cdef bint refill__typed(activation_t* act, Node node) noexcept
# Keeps the containers that logic got and nobody else has, for the next activation.
cdef void recycle__typed(activation_t* act, Node node) noexcept
