"""The activation policies: when a routine runs, and on which of its queued items.

Each factory returns a policy object for `Routine.set_activation_policy`. The object is
callable like a policy of your own, `(slots, worker_state) -> (should_activate,
data_slice, policy_message)`; a running worker decides the same without calling Python.
"""

from routilux._core import (
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    immediate_policy,
    time_interval_policy,
)

__all__ = [
    "all_slots_ready_policy",
    "batch_size_policy",
    "custom_policy",
    "immediate_policy",
    "time_interval_policy",
]
