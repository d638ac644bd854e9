"""Dead letters: the items of activations that failed for good, with what went wrong.

Called by judge and overtime when they fail an activation, on whatever thread that is and
with no lock held; entry takes the letters in. A letter is an item of a job of its own,
so the failed job stays what it is. What fails on the way of a letter, or in the routine
that reads letters, makes no other letters.
"""

import logging

from routilux._core.status cimport JOB_CANCELLED
from routilux._core.platform cimport rlx_look
from routilux._core.job cimport JobContext, owner_t
from routilux._core.group cimport newest_job
from routilux._core.block cimport Layout
from routilux._core.slot cimport Slot, slot_t
from routilux._core.hooks cimport log_safely

logger = logging.getLogger("routilux")

cdef enter_letter_t ENTER = NULL


cdef void set_enter_letter(enter_letter_t enter) noexcept:
    global ENTER
    ENTER = enter


cdef list letters_of(WorkerCore worker, activation_t* act):
    cdef Node node = <Node>act.cell.node
    cdef list letters = []
    cdef Py_ssize_t i, at = 0
    cdef int s
    if worker.plan.letter_cell < 0 or worker.plan.letter_cell == node.index:
        return None
    if act.item != NULL:
        add_letter(letters, act, act.slot_index, one_item(act), act.owner)
    elif act.n_entries and act.entries[0].item == NULL:
        # A policy in Python took the items and made slot_data of them.
        if act.slot_data != NULL and act.owner != NULL:
            for s in range(act.cell.n_slots):
                for item in left_in(<dict>act.slot_data, node, s):
                    add_letter(letters, act, s, item, act.owner)
    elif act.counts != NULL:
        for s in range(act.cell.n_slots):
            for i in range(at, at + act.counts[s]):
                add_letter(letters, act, s, entry_item(act, s, i), act.entries[i].owner)
            at += act.counts[s]
    return letters


cdef list left_in(dict data, Node node, int s):
    given = data.get(node.slot_names[s])
    try:
        if (<Slot>node.slots[s]).layout is None:
            return list(given)
        return [given] if len(given) else []
    except BaseException:
        return []               # logic put something else there


cdef object one_item(activation_t* act):
    cdef slot_t* slot = &act.cell.slots[act.slot_index]
    if slot.typed == NULL:
        return <object>act.item
    return (<Layout>slot.typed.layout).view(act.item, act.data, act.n)


cdef object entry_item(activation_t* act, int s, Py_ssize_t i):
    cdef slot_t* slot = &act.cell.slots[s]
    if slot.typed == NULL:
        return <object>act.entries[i].item
    return (<Layout>slot.typed.layout).join(act.parts + i, 1)


cdef int add_letter(
    list letters, activation_t* act, int s, object item, owner_t* owner
) except -1:
    cdef JobContext job = newest_job(owner)
    if not job.letter and rlx_look(&job.state) != JOB_CANCELLED:
        letters.append((item, (<Node>act.cell.node).slot_names[s], job.job_id))
    return 0


cdef int send_letters(WorkerCore worker, Node node, list letters, object error) except -1:
    for item, slot, job_id in letters:
        letter = {
            "item": item,
            "error": error,
            "routine": node.routine_id,
            "slot": slot,
            "job_id": job_id,
        }
        try:
            ENTER(worker, letter)
        except BaseException as lost:
            log_safely(
                logger.error,
                (
                    "a dead letter of routine %r of flow %r, job %s, is lost: %r",
                    node.routine_id,
                    worker.ident.flow_id,
                    job_id,
                    lost,
                ),
            )
    return 0
