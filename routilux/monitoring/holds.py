"""Who holds which worker still, and whether it may go on.

Breakpoints of runtimes and debug sessions pause a worker for each item that they hold.
Several may hold one worker, of both kinds: it goes on with the last of them, and not at
all if the user had paused it. Called by both, on any thread; the lock here is held for
single steps of bookkeeping, never while a worker is paused or resumed.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from routilux._core import Control, WorkerStatus, core_of

if TYPE_CHECKING:
    from routilux._core import JobContext
    from routilux.worker import WorkerState

__all__ = ["hold", "let_go", "worker_of"]

# Weak on both sides: what holds a worker knows it, and would keep it alive.
_holders: weakref.WeakKeyDictionary[WorkerState, weakref.WeakSet[object]] = (
    weakref.WeakKeyDictionary()
)
# The note in `pause_points` of each pause that is ours.
_pauses: weakref.WeakKeyDictionary[WorkerState, dict[str, Any]] = (
    weakref.WeakKeyDictionary()
)
_lock = threading.Lock()


def hold(worker: WorkerState, holder: object, reason: str) -> bool:
    """Pause a worker until its holder, and all others, let it go.

    Returns:
        False when its runtime shuts down: then nothing is held any more.
    """
    # First: who lets go meanwhile must see that it is not the last.
    with _lock:
        _holders.setdefault(worker, weakref.WeakSet()).add(holder)
    _pause(worker, reason)
    if worker.status == WorkerStatus.PAUSED:
        return True
    with _lock:
        _holders.get(worker, weakref.WeakSet()).discard(holder)
    return False


def let_go(worker: WorkerState, holder: object) -> None:
    """Hold a worker no longer; it goes on if nobody else does, and we paused it."""
    with _lock:
        _holders.get(worker, weakref.WeakSet()).discard(holder)
        note = None if _holders.get(worker) else _pauses.pop(worker, None)
    if note is None or _paused_since(worker, note) or not worker.resume():
        return
    with _lock:
        held_again = bool(_holders.get(worker))
    if held_again:  # by somebody who found it still paused
        _pause(worker, note["reason"])


def worker_of(job: JobContext) -> WorkerState | None:
    """Return the running worker of a job; ids are unique within a runtime only."""
    core = core_of(job)
    for worker in core.all_workers() if isinstance(core, Control) else ():
        if worker.worker_id == job.worker_id:
            return worker
    return None


def _pause(worker: WorkerState, reason: str) -> None:
    core = worker.engine
    if core is None or not core.pause(worker):
        return
    note = {
        "timestamp": worker.now().isoformat(),
        "reason": reason,
        "checkpoint": None,
    }
    worker.pause_points.append(note)
    with _lock:
        _pauses[worker] = note


def _paused_since(worker: WorkerState, note: dict[str, Any]) -> bool:
    # The user resumed it by hand and paused it again: that pause is not ours.
    last = worker.pause_points[-1:]
    return last != [] and last[0] is not note
