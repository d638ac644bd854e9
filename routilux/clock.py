"""The clock of logic: `time.sleep` and its like, virtual where a simulation runs it.

Logic that sleeps or looks at the time through this module behaves as with `time` on
every engine but `"sim"`. There, sleeping costs nothing: other activations run in the
meantime, and time passes when nothing is left to do. The functions have the names of
those in `time`; `from routilux import clock as time` is all that changes in a module.

Any thread may call them; there is no state and no lock here.
"""

from __future__ import annotations

import time as _time

from routilux._core import clock_in_logic, sleep_in_logic

__all__ = ["monotonic", "monotonic_ns", "perf_counter", "sleep", "time", "time_ns"]


def sleep(seconds: float) -> None:
    """Let the calling logic sleep.

    In async logic use `asyncio.sleep`, which is virtual there as well. In a simulation
    other activations run on the same thread meanwhile: hold no lock that they take.

    Args:
        seconds: How long, at least.

    Example:
        >>> def logic(slot_data, policy_message, worker_state):
        ...     clock.sleep(0.5)
    """
    if not sleep_in_logic(seconds):
        _time.sleep(seconds)


def monotonic_ns() -> int:
    """Return `time.monotonic_ns()`, or the virtual time since the simulation began."""
    now = clock_in_logic()
    return _time.monotonic_ns() if now is None else now[0]


def monotonic() -> float:
    """Return `monotonic_ns` in seconds."""
    return monotonic_ns() / 1e9


def perf_counter() -> float:
    """Return `time.perf_counter()`, or the same as `monotonic` in a simulation."""
    now = clock_in_logic()
    return _time.perf_counter() if now is None else now[0] / 1e9


def time_ns() -> int:
    """Return `time.time_ns()`; a simulation begins on 1 January 2000, UTC."""
    now = clock_in_logic()
    return _time.time_ns() if now is None else now[1]


def time() -> float:
    """Return `time_ns` in seconds."""
    return time_ns() / 1e9
