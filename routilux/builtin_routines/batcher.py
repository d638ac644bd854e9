"""Batcher: gathers items until there are enough of them, or long enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from routilux.activation_policies import ask_again, batch_size_policy
from routilux.builtin_routines.arrivals import Arrivals
from routilux.builtin_routines.configured import ConfiguredRoutine, PerWorker
from routilux.builtin_routines.payload import payload_of
from routilux.builtin_routines.settings import (
    Setting,
    Settings,
    flag,
    integer,
    number,
    optional,
)
from routilux.context import get_current_routine_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from routilux.routine import Slot
    from routilux.worker import WorkerState

__all__ = ["Batcher", "UnflushedBatches"]


class UnflushedBatches:
    """Batches like those of `batch_size_policy`, but a shutdown leaves the rest.

    What is left then ends its jobs `cancelled`.
    """

    def __init__(self, size: int, max_wait: float | None) -> None:
        self.size = size
        self.max_wait = max_wait
        self._arrivals = PerWorker(Arrivals)

    def __call__(
        self, slots: Mapping[str, Slot], worker_state: WorkerState
    ) -> tuple[bool, dict[str, list[Any]], Any]:
        """Take a full batch, or one whose time is over."""
        slot, oldest = slots["input"], None
        if self.max_wait is not None:
            now = worker_state.monotonic()
            oldest = self._arrivals.of(worker_state).note(slot, now)
        if slot.get_unconsumed_count() >= self.size:
            return self._take(slots, {"reason": "batch_ready"})
        if self.max_wait is None or oldest is None:
            return False, {}, None
        left = oldest + self.max_wait - now
        if left > 0:
            return False, {}, ask_again(left)
        return self._take(slots, {"reason": "batch_flush", "cause": "max_wait"})

    def flush(
        self, slots: Mapping[str, Slot], worker_state: WorkerState, reason: str
    ) -> tuple[bool, dict[str, list[Any]], Any]:
        """Take what there is, but not for a shutdown."""
        if reason == "shutdown":
            return False, {}, None
        return self._take(slots, {"reason": "batch_flush", "cause": reason})

    def _take(
        self, slots: Mapping[str, Slot], message: dict[str, Any]
    ) -> tuple[bool, dict[str, list[Any]], Any]:
        return True, {"input": slots["input"].take(self.size)}, message


class Batcher(ConfiguredRoutine):
    """Gather items and emit them together.

    Slot `input`. Events `batch` (items, count, batch_number) for every batch, `timeout`
    (items, count) in addition when it was time that made it, `error` (error).

    A batch that is not full is emitted when `batch_timeout` is over, on `flush()`, when
    a wait finds nothing else to do, and at a shutdown. A job is finished when the batch
    that its item went into is.

    Configuration:
        batch_size: Items of a full batch.
        batch_timeout: Seconds that the first item of a batch waits at most; None for
            no limit.
        flush_on_shutdown: Whether a shutdown emits the rest; else its jobs end
            `cancelled`.
        max_batches: Full batches that may wait in the slot before senders have to.
        emit_empty: Whether `flush()` inside logic emits a batch of no items when
            nothing waits. Outside of logic there is no job that it could belong to.
        max_batch_size: Upper bound of `batch_size`.

    Example:
        >>> batcher = Batcher()
        >>> batcher.set_config(batch_size=500, batch_timeout=1.0)
    """

    settings: ClassVar[Settings] = {
        "batch_size": Setting(100, integer()),
        "batch_timeout": Setting(5.0, optional(number(above=True))),
        "flush_on_shutdown": Setting(True, flag),
        "max_batches": Setting(10, integer()),
        "emit_empty": Setting(False, flag),
        "max_batch_size": Setting(10_000, integer()),
    }

    def _build_ports(self) -> None:
        self.add_slot("input")
        self.add_event("batch", ["items", "count", "batch_number"])
        self.add_event("timeout", ["items", "count"])
        self.add_event("error", ["error"])

    def _apply(self, config: dict[str, Any], derived: None) -> None:
        size = min(config["batch_size"], config["max_batch_size"])
        self._slots["input"].resize(size * config["max_batches"])
        if config["flush_on_shutdown"]:
            self._bring_policy(batch_size_policy(size, config["batch_timeout"]))
        else:
            self._bring_policy(UnflushedBatches(size, config["batch_timeout"]))

    def logic(
        self,
        slot_data: dict[str, list[Any]],
        policy_message: Any,
        worker_state: WorkerState,
    ) -> None:
        """Emit the items of an activation as a batch."""
        key = self._config["input_key"]
        try:
            items = [payload_of(item, key) for item in slot_data["input"]]
        except Exception as error:
            self._fail(error, worker_state, "error")
            return
        self._emit_batch(items, worker_state, get_current_routine_id() or "")
        message = policy_message if isinstance(policy_message, dict) else {}
        if message.get("cause") == "max_wait":
            self.emit("timeout", items=items, count=len(items))

    def _emit_batch(
        self, items: list[Any], worker_state: WorkerState, routine_id: str
    ) -> None:
        state = worker_state.update_routine_state_with(
            routine_id,
            lambda state: {**state, "batch_number": state.get("batch_number", 0) + 1},
        )
        number = state["batch_number"]
        self.emit("batch", items=items, count=len(items), batch_number=number)

    def flush(self, worker_state: WorkerState | None = None) -> int:
        """Emit what waits, as a batch that need not be full.

        Args:
            worker_state: The worker; None for the one whose logic is calling, else for
                all that run the routine.

        Returns:
            How many items were waiting.
        """
        total = 0
        for worker, routine_id in self._targets(worker_state):
            count: int = worker.get_slot(routine_id, "input").get_unconsumed_count()
            total += count
            if count:
                worker.flush(routine_id)
            elif self._config["emit_empty"] and self._here() is worker:
                self._emit_batch([], worker, routine_id)
        return total

    def get_pending_count(self, worker_state: WorkerState | None = None) -> int:
        """Return how many items wait; the worker is chosen as by `flush`."""
        return sum(
            worker.get_slot(routine_id, "input").get_unconsumed_count()
            for worker, routine_id in self._targets(worker_state)
        )

    def get_batch_number(self, worker_state: WorkerState | None = None) -> int:
        """Return how many batches were emitted; the worker as by `flush`."""
        return sum(
            (worker.get_routine_state(routine_id) or {}).get("batch_number", 0)
            for worker, routine_id in self._targets(worker_state)
        )
