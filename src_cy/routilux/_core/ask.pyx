"""Asking a Python policy: the activation check of custom and user-written policies.

Called by invoke on the pump's thread, with no lock held, since policies are user code.
A cell is asked by one thread at a time; the views that the policy gets hand what it
consumes to the activation that asks. A policy that said no is asked again when
something arrived, one that said yes and consumed, when its activation ended. A "no"
may carry a time to ask again at, and a policy with a method `flush` is asked that way
when somebody wants what it holds back.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.status cimport (
    FLUSH_NONE,
    POLICY_CALLABLE,
    POLICY_CUSTOM,
    POLICY_KEYED,
    TIMER_CHECK,
)
from routilux._core.platform cimport alloc, rlx_add, rlx_incref, rlx_lock, rlx_unlock
from routilux._core.job cimport owner_t
from routilux._core.group cimport JobGroup, new_group
from routilux._core.count cimport hold
from routilux._core.slot cimport Slot, oldest_owner_of
from routilux._core.activation cimport AskAgain
from routilux._core.routine cimport cell_t
from routilux._core.portion cimport entries_for, take_portions
from routilux._core.drain cimport (
    claim_owner,
    claim_room,
    has_begun,
    made_room,
    recheck,
    take_entry,
)
from routilux._core.frame cimport set_context
from routilux._core.engine cimport Engine, zero
from routilux._core.view cimport QueueView
from routilux._core.key cimport ask__key


# Why there is a flush, by FlushKind: what a policy's `flush` and a partial batch are told.
cdef tuple CAUSES = (None, "max_wait", "wait", "flush", "shutdown")


cdef str cause_of(int flush):
    return CAUSES[flush]


cdef int give(PyObject** place, object value) except -1:
    rlx_incref(<PyObject*>value)
    place[0] = <PyObject*>value
    return 0


cdef int form_group(activation_t* act) except -1:
    # Items of several jobs: the activation works for a group that holds one count of
    # each item's owner until nothing is left of what the batch emits.
    cdef owner_t** members
    cdef JobGroup group
    cdef Py_ssize_t i, newest = 0
    if act.owner != NULL or act.n_entries == 0:
        return 0
    members = <owner_t**>alloc(act.n_entries * sizeof(owner_t*))
    if members == NULL:
        raise MemoryError("no memory for the jobs of a batch")
    for i in range(act.n_entries):
        members[i] = act.entries[i].owner
        if act.entries[i].stamp >= act.entries[newest].stamp:
            newest = i
    group = new_group(members, act.n_entries, members[newest])
    group.own.open = 1
    rlx_incref(<PyObject*>group)        # given back when its last item is settled
    act.owner = &group.own
    act.held = 1
    return 0


cdef bint ask(WorkerCore worker, activation_t* act, Node node) except -1:
    # Asks a Python policy. It consumes through views; what it takes is claimed by this
    # activation, whatever it answers.
    cdef dict views
    cdef effects_t fx
    cdef bint yes
    cdef int flush = FLUSH_NONE
    cdef int64_t wait_ns = 0
    if act.cell.policy.kind == POLICY_KEYED:
        return ask__key(worker, act, node)
    views = worker.views(node)
    data = message = None
    set_context(NULL)
    if act.cell.policy.kind == POLICY_CUSTOM:
        yes = bool(node.policy.check(views, worker))
    else:
        given = list(views.values())        # the policy may change its dict
        point_views(worker, given, act)
        if node.flusher is not None:
            rlx_lock(&worker.lock)
            flush = act.cell.flush
            rlx_unlock(&worker.lock)
        try:
            if flush == FLUSH_NONE:
                answer = node.policy(views, worker)
            else:
                answer = node.flusher(views, worker, cause_of(flush))
        finally:
            point_views(worker, given, NULL)
        yes, data, message = read_answer(node, answer)
        if type(message) is AskAgain and not yes:
            wait_ns = (<AskAgain>message).wait_ns
    zero(&fx)
    rlx_lock(&worker.lock)
    if yes and act.cell.policy.kind == POLICY_CUSTOM:
        yes = claim_all(worker, act, &fx) == 0
    act.cell.flush_asked = FLUSH_NONE
    if flush != FLUSH_NONE and act.n_entries == 0:
        act.cell.flush_asked = flush        # said no: once is enough
        if act.cell.flush == flush:
            act.cell.flush = FLUSH_NONE
    if wait_ns:
        ask_later(worker, act, wait_ns, &fx)
    if act.n_entries:
        claim_owner(act)
    elif yes and act.cell.total:
        adopt_oldest(worker, act, &fx)
    act.asks = act.cell.asking = False
    act.cell.stale = act.cell.stale and act.n_entries == 0
    if act.cell.limit > 1:
        recheck(worker, act.cell, worker.ready_tail, &fx)
    rlx_unlock(&worker.lock)
    (<Engine>worker.engine).apply(worker, &fx)
    if not yes:
        return False
    if act.cell.policy.kind == POLICY_CALLABLE:
        form_group(act)
        give(&act.slot_data, {slot.name: slice_of(slot, data) for slot in node.slots})
        give(&act.message, message)
    return act.owner != NULL or act.n_entries > 0


cdef void ask_later(
    WorkerCore worker, activation_t* act, int64_t wait_ns, effects_t* fx
) noexcept nogil:
    # Under the lock. Nothing to arm when it is asked again anyhow: something arrived
    # meanwhile, it took something, or a timer is due that early already.
    cdef cell_t* cell = act.cell
    cdef int64_t when = worker.clock.now() + wait_ns
    cdef int first
    if act.n_entries or not cell.stale or cell.total == 0:
        return
    if cell.timed and cell.policy.last_ns <= when:
        return
    first = worker.clock.arm(when, TIMER_CHECK, <PyObject*>worker, cell, NULL)
    if first < 0:
        return                      # no memory: the next arrival asks
    rlx_incref(<PyObject*>worker)
    cell.timed = True
    cell.policy.last_ns = when
    rlx_add(&worker.timers, 1)
    if first:
        fx.nudge = True


cdef object slice_of(Slot slot, data):
    # What a policy gave for a slot; nothing is an empty list, or array.
    given = data.get(slot.name)
    if given is None:
        return [] if slot.layout is None else slot.layout.join(NULL, 0)
    return given


cdef object read_answer(Node node, answer):
    try:
        yes, data, message = answer
    except (TypeError, ValueError):
        raise TypeError(
            f"the activation policy of routine {node.routine_id!r} must return"
            f" (should_activate, data_slice, policy_message), not {answer!r}"
        ) from None
    if yes and not isinstance(data, dict):
        raise TypeError(
            f"the data_slice of routine {node.routine_id!r}'s policy must be a dict of"
            f" slot name to list, not {data!r}"
        )
    return bool(yes), data, message


cdef int point_views(WorkerCore worker, list views, activation_t* act) except -1:
    cdef QueueView view
    for view in views:
        rlx_lock(&worker.lock)
        view.claim = act
        rlx_unlock(&worker.lock)
    return 0


cdef int claim_all(WorkerCore worker, activation_t* act, effects_t* fx) noexcept nogil:
    cdef int s
    cdef Py_ssize_t i, count
    count = entries_for(act.cell, -1) if act.cell.n_typed else act.cell.total
    if claim_room(act, count, act.cell.n_slots) < 0:
        act.cell.stale = False          # no memory: it is asked again
        return -1
    for s in range(act.cell.n_slots):
        count = act.cell.slots[s].size
        act.counts[s] = count
        if act.cell.slots[s].typed != NULL:
            act.counts[s] = take_portions(worker, &act.cell.slots[s], count, act, fx)
            made_room(worker, &act.cell.slots[s], fx)
            continue
        for i in range(count):
            take_entry(worker, &act.cell.slots[s], &act.entries[act.n_entries], fx)
            act.n_entries += 1
    return 0


cdef void adopt_oldest(WorkerCore worker, activation_t* act, effects_t* fx) noexcept nogil:
    # A policy that activates and consumes nothing: it works for the oldest item's job.
    cdef int s
    for s in range(act.cell.n_slots):
        if act.cell.slots[s].size:
            act.owner = oldest_owner_of(&act.cell.slots[s])
            act.held = 1
            hold(worker.ledger, act.owner, fx)
            has_begun(act.owner)
            return
