"""Aggregator: joins items of several slots into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from routilux.activation_policies import all_slots_ready_policy, ask_again
from routilux.builtin_routines.arrivals import Arrivals
from routilux.builtin_routines.configured import ConfiguredRoutine, PerWorker
from routilux.builtin_routines.payload import payload_of
from routilux.builtin_routines.settings import (
    Setting,
    Settings,
    callable_value,
    choice,
    integer,
    names,
    number,
    optional,
    wrong,
)
from routilux.errors import ConfigurationError
from routilux.references import is_reference

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.routine import ActivationPolicy, Slot
    from routilux.worker import WorkerState

    Answer: TypeAlias = tuple[bool, dict[str, list[Any]], Any]

__all__ = ["Aggregator", "Ready"]

STRATEGIES = ("dict", "list", "flatten")
MODES = ("all", "any", "n_of_m")
REASONS = {"all": "all_ready", "any": "any_ready", "n_of_m": "threshold_reached"}


class Ready:
    """The policy of an Aggregator: enough slots have an item, or the time is over.

    It takes the oldest item of each slot that has one.
    """

    def __init__(self, needed: int | None, reason: str, timeout: float | None) -> None:
        self.needed = needed  # slots with an item; None: all of them
        self.reason = reason
        self.timeout = timeout
        self._arrivals: PerWorker[dict[str, Arrivals]] = PerWorker(dict)

    def __call__(self, slots: Mapping[str, Slot], worker_state: WorkerState) -> Answer:
        """Decide on what has come so far."""
        filled = [name for name, slot in slots.items() if slot.get_unconsumed_count()]
        wanted = len(slots) if self.needed is None else self.needed
        oldest = None
        if self.timeout is not None:
            oldest = self._note(slots, worker_state)
        if filled and len(filled) >= wanted:
            return self._take(slots, self.reason)
        if oldest is None or self.timeout is None:
            return False, {}, "waiting"
        left = oldest + self.timeout - worker_state.monotonic()
        if left > 0:
            return False, {}, ask_again(left)
        return self._take(slots, "timeout")

    def flush(
        self, slots: Mapping[str, Slot], worker_state: WorkerState, reason: str
    ) -> Answer:
        """Give up waiting, unless somebody just waits: the timer will do."""
        if reason == "wait" or self.timeout is None:
            return self(slots, worker_state)
        return self._take(slots, "timeout")

    def _note(
        self, slots: Mapping[str, Slot], worker_state: WorkerState
    ) -> float | None:
        arrivals = self._arrivals.of(worker_state)
        now = worker_state.monotonic()
        firsts = [
            arrivals.setdefault(name, Arrivals()).note(slot, now)
            for name, slot in slots.items()
        ]
        return min((when for when in firsts if when is not None), default=None)

    def _take(self, slots: Mapping[str, Slot], message: str) -> Answer:
        return True, {name: slot.take(1) for name, slot in slots.items()}, message


def check_strategy(label: str, value: Any) -> Any:
    """Accept the name of a strategy, a callable, or "module:name" of one."""
    if callable(value) or is_reference(value):
        return callable_value(label, value)
    if value not in STRATEGIES:
        words = ", ".join(map(repr, STRATEGIES))
        raise wrong(label, f"one of {words} or a callable", value)
    return value


class Aggregator(ConfiguredRoutine):
    """Join items of several slots.

    The slots are declared with `setup_slots`. Events `aggregated` (data, sources),
    `timeout` (partial_data, missing_slots) and `error` (error, slot); an error that no
    routine listens to fails the job.

    Items are paired in the order of arrival, each slot's oldest with the others'. The
    jobs of all of them go on together.

    Configuration:
        slots: Names of the slots; the same as `setup_slots`.
        mode: "all" (an item in each slot), "any" (in one of them), or "n_of_m" (in
            `threshold` of them).
        threshold: See `mode`.
        timeout: Seconds after which an item that waits goes without the missing ones,
            through `timeout`, as {slot: data}; None for no limit. At a shutdown it
            does so at once; without a timeout the jobs end `cancelled` then.
        merge_strategy: What `data` is: "dict" ({slot: data}), "list" (in the order of
            the slots), "flatten" (dicts merged into one, lists into one), or a callable
            that gets {slot: data}.
        max_pending_items: Items that may wait in each slot before senders have to.

    Example:
        >>> join = Aggregator().setup_slots(["left", "right"])
        >>> join.set_config(merge_strategy="flatten", timeout=5.0)
    """

    settings: ClassVar[Settings] = {
        "slots": Setting([], names),
        "mode": Setting("all", choice(*MODES)),
        "threshold": Setting(None, optional(integer())),
        "timeout": Setting(30.0, optional(number(above=True))),
        "merge_strategy": Setting("dict", check_strategy),
        "max_pending_items": Setting(1000, integer()),
    }

    _merge: Callable[[dict[str, Any]], Any]

    def _build_ports(self) -> None:
        self.add_event("aggregated", ["data", "sources"])
        self.add_event("timeout", ["partial_data", "missing_slots"])
        self.add_event("error", ["error", "slot"])

    def _derive(self, config: dict[str, Any]) -> ActivationPolicy:
        for name in self._slots:
            if name not in config["slots"]:
                raise ConfigurationError(
                    f"Aggregator: config 'slots' must go on to have {name!r}, which is"
                    " declared; slots can be added, not taken away"
                )
        mode, threshold = config["mode"], config["threshold"]
        if mode == "n_of_m":
            if threshold is None:
                raise ConfigurationError(
                    "Aggregator: config 'mode' \"n_of_m\" needs 'threshold', the"
                    " number of slots that must have an item"
                )
            if config["slots"] and threshold > len(config["slots"]):
                raise ConfigurationError(
                    f"Aggregator: config 'threshold' ({threshold}) must not be more"
                    f" than there are slots ({len(config['slots'])})"
                )
        if mode == "all" and config["timeout"] is None:
            return all_slots_ready_policy()
        needed = {"all": None, "any": 1, "n_of_m": threshold}[mode]
        return Ready(needed, REASONS[mode], config["timeout"])

    def _apply(self, config: dict[str, Any], derived: ActivationPolicy) -> None:
        for name in config["slots"]:
            if name in self._slots:
                self._slots[name].resize(config["max_pending_items"])
            else:
                self.add_slot(name, config["max_pending_items"])
        strategy = config["merge_strategy"]
        self._merge = MERGES[strategy] if isinstance(strategy, str) else strategy
        self._bring_policy(derived)

    def _find_fault(self) -> str | None:
        return None if self._slots else "it has no slots; call setup_slots([...])"

    def setup_slots(self, slots: list[str]) -> Self:
        """Declare slots, besides those that are there; returns the routine.

        Raises:
            ConfigurationError: It is not a list of different names.
        """
        fresh = names("Aggregator: slots", slots)
        known = self._config["slots"]
        self.set_config(slots=[*known, *(name for name in fresh if name not in known)])
        return self

    def logic(
        self,
        slot_data: dict[str, list[Any]],
        policy_message: Any,
        worker_state: WorkerState,
    ) -> None:
        """Merge the items of an activation and emit the result."""
        slot = None
        parts: dict[str, Any] = {}
        try:
            for slot, items in slot_data.items():
                for item in items:
                    parts[slot] = payload_of(item, self._config["input_key"])
            slot = None
            data = parts if policy_message == "timeout" else self._merge(parts)
        except Exception as error:
            self._fail(error, worker_state, "error", slot=slot)
            return
        if policy_message == "timeout":
            missing = [name for name in self._slots if name not in parts]
            self.emit("timeout", partial_data=data, missing_slots=missing)
        else:
            self.emit("aggregated", data=data, sources=list(parts))


def flatten(parts: Mapping[str, Any]) -> Any:
    """Merge dicts into one dict; everything else goes into one list."""
    values = list(parts.values())
    if all(isinstance(value, Mapping) for value in values):
        merged: dict[Any, Any] = {}
        for value in values:
            merged.update(value)
        return merged
    flat: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)):
            flat.extend(value)
        else:
            flat.append(value)
    return flat


MERGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "dict": lambda parts: parts,
    "list": lambda parts: list(parts.values()),
    "flatten": flatten,
}
