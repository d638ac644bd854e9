"""The activation check: may a routine run, and on which items?

Called under the worker's lock, after an item arrived and after an activation ended.
The built-in policies are decided here from the counts of the slots without touching
Python; a custom predicate and a user's own policy answer "maybe", and the pump asks
them with no lock held. Both forms of a built-in policy give the same result: calling
the object is the documented callable form, and tests compare the two.
"""

import time
from collections.abc import Mapping

cimport cython

from routilux._core.status cimport (
    POLICY_ALL_READY,
    POLICY_BATCH,
    POLICY_CALLABLE,
    POLICY_CUSTOM,
    POLICY_IMMEDIATE,
    POLICY_INTERVAL,
    POLICY_NONE,
)
from routilux._core.mutant cimport mutant

from routilux._core.slot cimport Slot

from routilux.arguments import check_length

cdef dict KINDS = {
    POLICY_IMMEDIATE: "immediate",
    POLICY_ALL_READY: "all_slots_ready",
    POLICY_BATCH: "batch_size",
    POLICY_INTERVAL: "time_interval",
    POLICY_CUSTOM: "custom",
}
cdef dict DESCRIPTIONS = {
    POLICY_IMMEDIATE: "runs on each item, in the order of arrival",
    POLICY_ALL_READY: "runs on one item of every slot, paired in the order of arrival",
    POLICY_BATCH: "runs on so many items of every slot",
    POLICY_INTERVAL: "runs on all that arrived, at most once in so many seconds",
    POLICY_CUSTOM: "runs on all that arrived, when a function of yours says so",
}


cdef bint policy_fires(
    policy_t* policy, slot_t* slots, int n_slots, int64_t now
) noexcept nogil:
    # Whether a compiled policy does; there is at least one item.
    cdef int i
    if policy.kind == POLICY_IMMEDIATE:
        return True
    if policy.kind == POLICY_ALL_READY:
        for i in range(n_slots):
            if slots[i].size == 0:
                return False
        return True
    if policy.kind == POLICY_BATCH:
        for i in range(n_slots):
            if slots[i].size < policy.batch:
                return False
        return True
    return policy.kind == POLICY_INTERVAL and (
        policy.last_ns == 0 or now - policy.last_ns >= policy.wait_ns or mutant(11)
    )


cdef int policy_template(object policy, policy_t* out) except -1:
    if policy is None:
        out.kind = POLICY_NONE
    elif isinstance(policy, Policy):
        out[0] = (<Policy>policy).c
    elif callable(policy):
        out.kind = POLICY_CALLABLE
    else:
        raise TypeError(f"an activation policy must be callable, not {policy!r}")
    return 0


def arrival_of(Slot slot):
    return slot.head_stamp()


@cython.final
cdef class AskAgain:
    """The message of a policy that says "not yet": when to ask it again."""

    def __init__(self, seconds):
        self.wait_ns = seconds_to_ns("seconds", seconds)
        self.seconds = seconds

    def __repr__(self):
        return f"ask_again({self.seconds!r})"


def ask_again(seconds):
    """Tell the runtime when to ask a policy of your own again.

    Return it as the message of a "no". A timer asks the policy after that time even if
    nothing arrives; what arrives earlier asks it earlier.

    Args:
        seconds: more than 0.

    Raises:
        TypeError: ``seconds`` is not a number.
        ValueError: ``seconds`` is out of range.

    Example:
        >>> return False, {}, ask_again(0.5)
    """
    return AskAgain(seconds)


@cython.final
cdef class Policy:
    """An activation policy with a compiled form.

    Made by the factories of :mod:`routilux.activation_policies`. Calling it with
    ``(slots, worker_state)`` decides like the compiled form: it returns
    ``(should_activate, data_slice, policy_message)`` and consumes what it returns.

    Attributes:
        kind: "immediate", "all_slots_ready", "batch_size", "time_interval", "custom".
        batch_size: items of each slot, for "batch_size", else None.
        max_wait: seconds after which a partial batch runs, or None.
        interval: seconds between activations, for "time_interval", else None.
    """

    def __cinit__(self):
        self.intervals = {}

    @property
    def kind(self):
        return KINDS[self.c.kind]

    @property
    def batch_size(self):
        return self.c.batch if self.c.kind == POLICY_BATCH else None

    @property
    def max_wait(self):
        if self.c.kind == POLICY_BATCH and self.c.wait_ns:
            return self.c.wait_ns / 1e9
        return None

    @property
    def interval(self):
        return self.c.wait_ns / 1e9 if self.c.kind == POLICY_INTERVAL else None

    @property
    def _policy_type(self):
        return self.kind

    @property
    def _policy_config(self):
        if self.c.kind == POLICY_BATCH:
            config = {"min_batch_size": self.c.batch}
            return config if self.max_wait is None else config | {"max_wait": self.max_wait}
        if self.c.kind == POLICY_INTERVAL:
            return {"min_interval_seconds": self.interval}
        return {} if self.check is None else {"check": self.check}

    @property
    def _policy_description(self):
        return DESCRIPTIONS[self.c.kind]

    cdef dict message(self, bint partial):
        if self.c.kind == POLICY_IMMEDIATE:
            return {"reason": "immediate"}
        if self.c.kind == POLICY_ALL_READY:
            return {"reason": "all_slots_ready"}
        if self.c.kind == POLICY_BATCH:
            reason = "batch_flush" if partial else "batch_ready"
            return {"reason": reason, "batch_size": self.c.batch}
        if self.c.kind == POLICY_INTERVAL:
            return {"reason": "time_interval_met", "interval": self.c.wait_ns / 1e9}
        return {"reason": "custom_policy_met"}

    def __call__(self, slots, worker_state):
        take = self.decide(slots, worker_state)
        if take is None:
            return False, {}, None
        data = {name: slot.take(take[name]) for name, slot in slots.items()}
        return True, data, self.message(False)

    def decide(self, slots, worker_state):
        # Items to take of each slot, or None.
        if not isinstance(slots, Mapping) or not all(map(is_queue, slots.values())):
            raise TypeError(f"slots must be a mapping of name to Slot, not {slots!r}")
        counts = {name: slot.get_unconsumed_count() for name, slot in slots.items()}
        if self.c.kind == POLICY_CUSTOM:
            return counts if self.check(slots, worker_state) else None
        if not any(counts.values()):
            return None
        if self.c.kind == POLICY_IMMEDIATE:
            first = min(
                (name for name, count in counts.items() if count),
                key=lambda name: arrival_of(slots[name]),
            )
            return {name: int(name == first) for name in counts}
        if self.c.kind == POLICY_ALL_READY:
            return dict.fromkeys(counts, 1) if all(counts.values()) else None
        if self.c.kind == POLICY_BATCH:
            if min(counts.values()) < self.c.batch:
                return None
            return dict.fromkeys(counts, self.c.batch)
        routine = next(iter(slots.values())).routine
        key = (getattr(worker_state, "worker_id", None), id(routine))
        now = int(1e9 * getattr(worker_state, "monotonic", time.monotonic)())
        if now - self.intervals.get(key, -self.c.wait_ns) < self.c.wait_ns:
            return None
        self.intervals[key] = now
        return counts

    def __reduce__(self):
        return remake, (self.c.kind, self.c.batch, self.c.wait_ns, self.check)

    def __repr__(self):
        return f"<activation policy {self.kind}>"


def remake(kind, batch, wait_ns, check):
    """Rebuild a policy from what its pickle holds."""
    cdef Policy policy = Policy()
    policy.c.kind = kind
    policy.c.batch = batch
    policy.c.wait_ns = wait_ns
    policy.check = check
    return policy


cdef bint is_queue(slot) except -1:
    return isinstance(slot, Slot) or hasattr(slot, "get_unconsumed_count")


def seconds_to_ns(name, value):
    """Return ``value`` seconds in ns, or say which parameter is wrong."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not 0 < value < 1e9:
        raise ValueError(f"{name} must be more than 0 seconds, not {value!r}")
    return max(1, int(value * 1e9))


def immediate_policy():
    """Run once for each item, in the order of arrival.

    Returns:
        A policy; the activation's ``slot_data`` holds one item in one slot's list.
    """
    return remake(POLICY_IMMEDIATE, 0, 0, None)


def all_slots_ready_policy():
    """Run when every slot has an item, on one of each, paired by arrival."""
    return remake(POLICY_ALL_READY, 0, 0, None)


def batch_size_policy(min_batch_size, max_wait=None):
    """Run on exactly ``min_batch_size`` items of each slot.

    Args:
        min_batch_size: items per activation and slot, at least 1.
        max_wait: seconds after which what is left over runs as a partial batch. With
            None, partial batches run when a wait, a shutdown or ``runtime.flush()``
            finds them.

    Raises:
        TypeError: a parameter has the wrong type; it is named with its value.
        ValueError: a parameter is out of range; it is named with its value.

    Example:
        >>> routine.set_activation_policy(batch_size_policy(100, max_wait=0.5))
    """
    check_length("min_batch_size", min_batch_size)
    wait = 0 if max_wait is None else seconds_to_ns("max_wait", max_wait)
    return remake(POLICY_BATCH, min_batch_size, wait, None)


def time_interval_policy(min_interval_seconds):
    """Run at most once in so many seconds, on all that arrived meanwhile.

    A timer fires it: items that arrived within the interval do not wait for the next.

    Args:
        min_interval_seconds: seconds between two activations, more than 0.
    """
    wait = seconds_to_ns("min_interval_seconds", min_interval_seconds)
    return remake(POLICY_INTERVAL, 0, wait, None)


def custom_policy(check):
    """Run on all queued items when ``check(slots, worker_state)`` is true.

    Args:
        check: predicate, asked after each arrival and each activation with items left.
    """
    if not callable(check):
        raise TypeError(f"check must be callable, not {check!r}")
    return remake(POLICY_CUSTOM, 0, 0, check)
