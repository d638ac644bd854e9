"""The activation policies: when a routine runs, and on which of its queued items.

Each factory returns a policy object for `Routine.set_activation_policy`. The object is
callable like a policy of your own, `(slots, worker_state) -> (should_activate,
data_slice, policy_message)`; a running worker decides the same without calling Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from routilux._core import (
    all_slots_ready_policy,
    ask_again,
    batch_size_policy,
    custom_policy,
    immediate_policy,
    time_interval_policy,
)

if TYPE_CHECKING:
    from routilux._core import Slot
    from routilux.worker import WorkerState

__all__ = [
    "all_slots_ready_policy",
    "ask_again",
    "batch_size_policy",
    "breakpoint_policy",
    "custom_policy",
    "immediate_policy",
    "time_interval_policy",
]


def breakpoint_policy(
    routine_id: str,
) -> Callable[
    [Mapping[str, Slot], WorkerState], tuple[bool, dict[str, list[Any]], dict[str, Any]]
]:
    """Return a policy that never runs its routine and keeps what came to look at.

    What comes is consumed, so its jobs go on without it. The newest of it lies in
    `worker_state.debug_data[routine_id]`: "slot_data", "timestamp" and "routine_id".

    Args:
        routine_id: The key in `debug_data`.

    Example:
        >>> routine.set_activation_policy(breakpoint_policy("parser"))
    """

    def breakpoint_here(
        slots: Mapping[str, Slot], worker_state: WorkerState
    ) -> tuple[bool, dict[str, list[Any]], dict[str, Any]]:
        data = {name: slot.consume_all_new() for name, slot in slots.items()}
        now = datetime.now(timezone.utc).isoformat()
        kept = {"slot_data": data, "timestamp": now, "routine_id": routine_id}
        worker_state.debug_data[routine_id] = kept
        return False, {}, {"reason": "breakpoint", "routine_id": routine_id}

    setattr(breakpoint_here, "_policy_type", "breakpoint")  # noqa: B010
    setattr(breakpoint_here, "_policy_config", {"routine_id": routine_id})  # noqa: B010
    text = f"keeps what comes to {routine_id!r} and never runs it"
    setattr(breakpoint_here, "_policy_description", text)  # noqa: B010
    return breakpoint_here
