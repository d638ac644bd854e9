"""Flows that stand still, and waits for them to do so without a sleep."""

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from routilux import Flow, Routine, immediate_policy

Logic = Callable[[Any, Any, Any], Any]
NEEDS_GIL = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="without a GIL threads do not stand still while others look at them",
)


class Gate:
    """Holds logic until it is opened; counts who has come so far."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.came = threading.Semaphore(0)

    def hold(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        self.came.release()
        assert self.opened.wait(20.0)

    def wait_for(self, n: int = 1) -> None:
        for _ in range(n):
            assert self.came.acquire(timeout=10.0)

    def open(self) -> None:
        self.opened.set()


def routine(
    logic: Logic, *slots: str, policy: Any = None, event: str = "out", **options: Any
) -> Routine:
    """Make a routine of a logic, its slots and a policy (default: immediate)."""
    made = Routine()
    for slot in slots or ("input",):
        made.add_slot(slot, **options)
    made.add_event(event)
    made.set_logic(logic)
    made.set_activation_policy(policy or immediate_policy())
    return made


def flow_of(flow_id: str, **routines: Routine) -> Flow:
    """Make a flow of routines, without connections."""
    made = Flow(flow_id)
    for routine_id, one in routines.items():
        made.add_routine(one, routine_id)
    return made


def nothing(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
    """Do nothing."""


def fail(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
    """Raise."""
    raise ValueError("no such order")
