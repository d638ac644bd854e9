"""Debouncer: of many items in a short time, lets the last one pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from routilux.activation_policies import ask_again
from routilux.builtin_routines.configured import ConfiguredRoutine, PerWorker
from routilux.builtin_routines.settings import Setting, Settings, flag, number, optional
from routilux.errors import ConfigurationError

if TYPE_CHECKING:
    from routilux.routine import Slot
    from routilux.worker import WorkerState

    Answer: TypeAlias = tuple[bool, dict[str, list[Any]], Any]

__all__ = ["Debouncer", "Edges"]


class Burst:
    """What one worker remembers of the items that came: times, in seconds."""

    def __init__(self) -> None:
        self.seen = 0  # items that ever came
        self.last: float | None = None  # when the newest was first seen
        self.since: float | None = None  # when the burst that goes on began


class Edges:
    """The policy of a Debouncer: when a burst begins, and when it is over.

    Items that a newer one replaced are taken out at once, so that a burst of any
    length goes through a short queue. Their jobs are finished with that.
    """

    def __init__(
        self, wait: float, leading: bool, trailing: bool, max_wait: float | None
    ) -> None:
        self.wait = wait
        self.leading = leading
        self.trailing = trailing
        self.max_wait = max_wait
        self.bursts = PerWorker(Burst)

    def __call__(self, slots: Mapping[str, Slot], worker_state: WorkerState) -> Answer:
        """Decide on what has come so far."""
        slot = slots["input"]
        count = slot.get_unconsumed_count()
        burst = self.bursts.of(worker_state)
        if count == 0:
            return False, {}, "waiting"
        now = worker_state.monotonic()
        begins = self._note(slot, burst, now)
        if begins and self.leading:
            return True, {"input": [slot.consume_one_new()]}, "leading_edge"
        if not self.trailing:
            slot.consume_all_new()
            return False, {}, "waiting"
        if count > 1:
            slot.take(count - 1)
        assert burst.last is not None and burst.since is not None
        ends = burst.last + self.wait
        if now >= ends:
            burst.since = None
            return self._take(slot, "trailing_edge")
        if self.max_wait is not None:
            if now >= burst.since + self.max_wait:
                burst.since = now
                return self._take(slot, "max_wait_reached")
            ends = min(ends, burst.since + self.max_wait)
        return False, {}, ask_again(ends - now)

    def flush(
        self, slots: Mapping[str, Slot], worker_state: WorkerState, reason: str
    ) -> Answer:
        """Let what waits pass now, unless somebody just waits: the timer will do."""
        if reason == "wait" or not self.trailing:
            return self(slots, worker_state)
        slot = slots["input"]
        burst = self.bursts.of(worker_state)
        if self.leading and self._note(slot, burst, worker_state.monotonic()):
            return True, {"input": [slot.consume_one_new()]}, "leading_edge"
        self.bursts.reset(worker_state)
        slot.take(slot.get_unconsumed_count() - 1)
        return self._take(slot, "trailing_edge")

    def _note(self, slot: Slot, burst: Burst, now: float) -> bool:
        # Takes note of what came since the last look: whether a burst begins with it.
        total = slot.get_total_count()
        came = total - burst.seen
        if came == 0:
            return False
        is_over = burst.last is None or now - burst.last >= self.wait
        begins = burst.since is None or (
            is_over and slot.get_unconsumed_count() <= came
        )
        if begins:
            burst.since = now
        burst.last = now
        burst.seen = total
        return begins

    def _take(self, slot: Slot, message: str) -> Answer:
        return True, {"input": slot.consume_all_new()[-1:]}, message


class Debouncer(ConfiguredRoutine):
    """Emit the last item of a burst when nothing has come for a while.

    Slot `input`. Events `debounced` (data) and `leading` (data).

    A burst is a row of items less than `wait` seconds apart. Each worker has bursts of
    its own. An item that a newer one replaced is dropped, which finishes its job; so
    the items of one burst may well belong to different jobs.

    Configuration:
        wait: Seconds without an item that end a burst.
        leading: Emit `leading` with the first item of a burst, at once.
        trailing: Emit `debounced` with the last item of a burst, when it is over; not
            with one that `leading` has emitted.
        max_wait: Seconds after which `debounced` comes even if the burst goes on; None
            for no limit.

    Example:
        >>> debouncer = Debouncer()
        >>> debouncer.set_config(wait=0.5, max_wait=5.0)
    """

    settings: ClassVar[Settings] = {
        "wait": Setting(0.3, number(above=True)),
        "leading": Setting(False, flag),
        "trailing": Setting(True, flag),
        "max_wait": Setting(None, optional(number(above=True))),
    }

    _edges: Edges

    def _build_ports(self) -> None:
        self.add_slot("input")
        self.add_event("debounced", ["data"])
        self.add_event("leading", ["data"])

    def _derive(self, config: dict[str, Any]) -> Edges:
        if not config["leading"] and not config["trailing"]:
            raise ConfigurationError(
                "Debouncer: with config 'leading' and 'trailing' both False nothing"
                " would ever pass; set one of them"
            )
        if config["max_wait"] is not None and config["max_wait"] < config["wait"]:
            raise ConfigurationError(
                f"Debouncer: config 'max_wait' ({config['max_wait']!r}) must not be"
                f" less than 'wait' ({config['wait']!r})"
            )
        keys = ("wait", "leading", "trailing", "max_wait")
        return Edges(*(config[key] for key in keys))

    def _apply(self, config: dict[str, Any], derived: Edges) -> None:
        self._edges = derived
        self._bring_policy(derived)

    def logic(
        self,
        slot_data: dict[str, list[Any]],
        policy_message: Any,
        worker_state: WorkerState,
    ) -> None:
        """Emit the item that the policy chose."""
        event = "leading" if policy_message == "leading_edge" else "debounced"
        for data in self._payloads(slot_data):
            self.emit(event, data=data)

    def flush(self, worker_state: WorkerState | None = None) -> bool:
        """Let the item that waits pass now.

        Args:
            worker_state: The worker; None for the one whose logic is calling, else for
                all that run the routine.

        Returns:
            Whether there was one.
        """
        pending = False
        for worker, routine_id in self._targets(worker_state):
            if worker.get_slot(routine_id, "input").get_unconsumed_count():
                pending = True
                worker.flush(routine_id)
        return pending

    def cancel(self, worker_state: WorkerState | None = None) -> bool:
        """Drop the item that waits, which finishes its job; see `flush`."""
        dropped = False
        for worker, routine_id in self._targets(worker_state):
            slot = worker.get_slot(routine_id, "input")
            dropped = bool(slot.consume_all_new()) or dropped
            self._edges.bursts.reset(worker)
        return dropped

    def is_pending(self, worker_state: WorkerState | None = None) -> bool:
        """Whether an item waits; the worker is chosen as by `flush`."""
        return any(
            worker.get_slot(routine_id, "input").get_unconsumed_count()
            for worker, routine_id in self._targets(worker_state)
        )
