"""Routine: slots in, events out, a logic, and a policy that says when it runs.

Users subclass it, declare slots and events in the constructor, and give a logic and a
policy. Nothing in this file runs while items flow: a worker's start reads what was
declared, and `emit` is compiled. While a worker runs the routine its declarations are
frozen; the lock protects the count of flows that froze it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from routilux._core import (
    Event,
    Slot,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    get_current_routine_id,
    immediate_policy,
    logic_style,
    time_interval_policy,
)
from routilux.arguments import check_seconds
from routilux.error_handler import ErrorHandler
from routilux.limits import check_key
from routilux.origin import is_constructing
from routilux.routine_context import RoutineContext
from routilux.serialization.serializable import Serializable
from routilux.worker import WorkerState

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
    from typing_extensions import Self

__all__ = ["Event", "Routine", "Slot"]

FACTORIES: tuple[Callable[..., Any], ...] = (
    immediate_policy,
    all_slots_ready_policy,
    batch_size_policy,
    time_interval_policy,
    custom_policy,
)

ActivationPolicy: TypeAlias = Callable[
    [dict[str, Slot], WorkerState], tuple[bool, dict[str, Any] | None, Any]
]
Overflow: TypeAlias = Literal["block", "error", "drop_oldest", "drop_newest"]
Key: TypeAlias = str | Callable[[Any], Hashable]


class Routine(RoutineContext, Serializable):
    """A unit of work: named slots in, named events out, one logic, one policy.

    1. Declare slots and events in `__init__`.
    2. Give a logic, with `set_logic` or as a method named `logic`.
    3. Give a policy with `set_activation_policy`; without one it never runs.

    Logic is called as `logic(slot_data, policy_message, worker_state)`; when its first
    parameter is not named `slot_data`, with one positional list per slot, then the
    keywords `policy_message` and `worker_state`. It may be `async def`.

    Thread-safety: declare on one thread; `emit` and the getters on any.

    Example:
        >>> class Doubler(Routine):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.add_slot("input")
        ...         self.add_event("output", ["result"])
        ...         self.set_activation_policy(immediate_policy())
        ...
        ...     def logic(self, slot_data, policy_message, worker_state):
        ...         self.emit("output", result=2 * slot_data["input"][0]["value"])
    """

    _is_function = False  # the logic takes one item, and what it returns is emitted
    _order_chosen = True  # False while the configuration decides on the concurrency

    # Not in __init__, so that a subclass that forgets super().__init__() works.
    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        self._set_up()
        return self

    def __init__(self) -> None:
        """Take no arguments; subclasses may."""

    def _set_up(self) -> None:
        self._id = hex(id(self))
        self._slots: dict[str, Slot] = {}
        self._events: dict[str, Event] = {}
        self._config: dict[str, Any] = {}
        self._logic: Callable[..., Any] | None = None
        self._logic_style: tuple[bool, tuple[str, ...]] | None = None
        self._activation_policy: ActivationPolicy | None = None
        self._error_handler: ErrorHandler | None = None
        self._concurrency: int | None = 1
        self._concurrency_key: Key | None = None
        self._constructed: dict[str, bool] = {}  # what the constructor set by itself
        self._timeout: float | None = None
        self._factory_name: str | None = None  # that it was made by
        self._frozen_by: list[str] = []
        self._lock = threading.Lock()

    @property
    def slots(self) -> Mapping[str, Slot]:
        """The declared slots by name, in order."""
        return MappingProxyType(self._slots)

    @property
    def events(self) -> Mapping[str, Event]:
        """The declared events by name, in order."""
        return MappingProxyType(self._events)

    def get_slot(self, name: str) -> Slot | None:
        """Return a declared slot, None if there is none of that name."""
        return self._slots.get(name)

    def get_event(self, name: str) -> Event | None:
        """Return a declared event, None if there is none of that name."""
        return self._events.get(name)

    def add_slot(
        self,
        name: str,
        max_queue_length: int = 1000,
        watermark: float = 0.8,
        *,
        overflow: Overflow = "block",
        timestamps: bool = False,
        dtype: DTypeLike | None = None,
        shape: int | tuple[int, ...] | None = None,
    ) -> Slot:
        """Declare an input.

        Args:
            name: Name of the slot, unique in the routine.
            max_queue_length: Items that may wait in it, per worker.
            watermark: Share of that above which its pressure counts as high.
            overflow: What happens to an item that finds it full: "block" (the sender
                helps or waits), "error" (`SlotQueueFullError` for the sender),
                "drop_oldest" or "drop_newest" (counted, logged once).
            timestamps: Keep when each item came and from whom, for
                `Slot.peek_points`; with a policy of your own they are always kept.
            dtype: Makes it a typed slot: its items are values of this numpy dtype, and
                logic gets a read-only array of them instead of a list.
            shape: Shape of one item of a typed slot; None: a scalar.

        Raises:
            ValueError: If the name is taken or an argument out of range.
            TypeError: If numpy has no such dtype, or its size is not fixed.
            RuntimeError: While a worker runs the routine.
        """
        self._check_free("add_slot")
        if name in self._slots:
            raise ValueError(f"Slot {name!r} already exists in {self!r}")
        slot = Slot(
            name,
            self,
            max_queue_length,
            watermark,
            overflow=overflow,
            timestamps=timestamps,
            dtype=dtype,
            shape=shape,
        )
        self._slots[slot.name] = slot
        return slot

    def define_slot(
        self,
        name: str,
        handler: Callable[..., Any] | None = None,
        max_queue_length: int = 1000,
        watermark: float = 0.8,
    ) -> Slot:
        """Do what `add_slot` does; the handler is not called, see `set_logic`."""
        return self.add_slot(name, max_queue_length, watermark)

    def define_event(self, name: str, output_params: list[str] | None = None) -> Event:
        """Do what `add_event` does."""
        return self.add_event(name, output_params)

    def add_event(self, name: str, output_params: list[str] | None = None) -> Event:
        """Declare an output.

        Args:
            name: Name of the event, unique in the routine.
            output_params: Names of the values that it carries, for readers.

        Raises:
            ValueError: If the name is taken.
            RuntimeError: While a worker runs the routine.
        """
        self._check_free("add_event")
        if name in self._events:
            raise ValueError(f"Event {name!r} already exists in {self!r}")
        event = Event(name, self, output_params)
        self._events[event.name] = event
        return event

    def set_logic(self, logic: Callable[..., Any]) -> Self:
        """Set what an activation calls; returns the routine.

        Args:
            logic: `logic(slot_data, policy_message, worker_state)`, or one positional
                list per slot and keywords; a function or a coroutine function.

        Raises:
            TypeError: If it is not callable.
            RuntimeError: While a worker runs the routine.
        """
        self._check_free("set_logic")
        if not callable(logic):
            raise TypeError(f"logic of {self!r} must be callable, not {logic!r}")
        self._logic = logic
        self._constructed["logic"] = is_constructing(self)
        self._logic_style = logic_style(logic)
        return self

    def set_activation_policy(self, policy: ActivationPolicy) -> Self:
        """Set when the routine runs; returns the routine.

        Args:
            policy: One of `routilux.activation_policies`, or a callable `(slots,
                worker_state) -> (should_activate, data_slice, policy_message)`.

        Raises:
            TypeError: If it is not callable.
            RuntimeError: While a worker runs the routine.
        """
        self._check_free("set_activation_policy")
        if any(policy is factory for factory in FACTORIES):
            raise TypeError(
                f"activation policy of {self!r}: {policy.__name__} makes policies, so"
                f" call it: {policy.__name__}(...)"
            )
        if not callable(policy):
            raise TypeError(
                f"activation policy of {self!r} must be callable, not {policy!r}"
            )
        self._activation_policy = policy
        self._constructed["policy"] = is_constructing(self)
        return self

    def set_error_handler(self, handler: ErrorHandler | None) -> Self:
        """Set what becomes of a job when logic raises; None: the flow's handler.

        Raises:
            TypeError: If it is not an `ErrorHandler`.
            RuntimeError: While a worker runs the routine.
        """
        self._check_free("set_error_handler")
        if handler is not None and not callable(getattr(handler, "decide", None)):
            raise TypeError(
                f"error handler of {self!r} must be an ErrorHandler, not {handler!r}"
            )
        self._error_handler = handler
        return self

    def get_error_handler(self) -> ErrorHandler | None:
        """Return the handler of the routine itself, None for the flow's."""
        return self._error_handler

    def set_concurrency(self, n: int | None, *, key: Key | None = None) -> Self:
        """Let activations of the routine overlap; returns the routine.

        By default there is one at a time, in order, so that its state needs no lock.
        With a key, items of equal keys still run one after the other, in the order of
        arrival, while up to `n` different keys run at the same time. It needs
        `immediate_policy()`. An item whose key can't be had (no such field, the
        function raises, the key has no hash) fails its job, unless the error handler
        says to go on; it is not retried.

        Args:
            n: Activations at a time and worker; None: as many as the pool has threads.
            key: Name of a field of the items (of a mapping by that name, of any other
                object as an attribute), or a function of an item; the keys may be
                anything that has a hash.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If `n` is less than 1, or `key` empty.
            RuntimeError: While a worker runs the routine.

        Example:
            >>> routine.set_concurrency(8, key="user_id")
        """
        self._check_free("set_concurrency")
        if n is not None:
            if isinstance(n, bool) or not isinstance(n, int):
                raise TypeError(f"n must be an int or None, not {n!r}")
            if n < 1:
                raise ValueError(f"n must be at least 1, not {n!r}")
        if key is not None:
            check_key(self, key)
        self._concurrency = n
        self._concurrency_key = key
        self._constructed["key"] = is_constructing(self)
        return self

    def set_timeout(self, seconds: float | None) -> Self:
        """Limit how long an activation may take; returns the routine.

        After that the activation is given up: its jobs fail with `ActivationTimeout`,
        whatever the error handler says, what it still emits is ignored, and the next
        one may begin. Async logic is cancelled. Other logic can't be stopped: it goes
        on in the background, and another thread takes the place of its own meanwhile.

        Args:
            seconds: For one run of logic, each retry anew; None: no limit.

        Raises:
            TypeError: If it is no number.
            ValueError: If it is not more than 0.
            RuntimeError: While a worker runs the routine.
        """
        self._check_free("set_timeout")
        if seconds is not None:
            seconds = check_seconds(f"timeout of {self!r}", seconds, positive=True)
        self._timeout = seconds
        return self

    def set_config(self, **config: Any) -> None:
        """Set configuration values.

        Raises:
            RuntimeError: Inside logic, and while a worker runs the routine.
        """
        if get_current_routine_id() is not None:
            raise RuntimeError(
                f"set_config() of {self!r} inside logic: configuration is read-only"
                " there; keep what changes in the routine state"
            )
        self._check_free("set_config")
        self._config.update(config)

    def get_config(self, key: str, default: Any = None) -> Any:
        """Return one configuration value."""
        return self._config.get(key, default)

    def config(self) -> dict[str, Any]:
        """Return a copy of the configuration."""
        return dict(self._config)

    get_all_config = config

    def _freeze(self, flow_id: str) -> None:
        # Called by Flow when its first worker starts; once per running flow.
        with self._lock:
            self._frozen_by.append(flow_id)

    def _prepare(self) -> None:
        # Older programs declare slots and events in a method `setup`.
        setup = getattr(self, "setup", None)
        if callable(setup) and not self._slots and not self._events:
            setup()

    # What documents and clones take of a routine; one that is configuration answers
    # with what its user gave it, not with what it made of that.
    def _given_config(self) -> dict[str, Any]:
        return self._config

    def _given_policy(self) -> ActivationPolicy | None:
        return self._activation_policy

    def _given_handler(self) -> ErrorHandler | None:
        return self._error_handler

    def _take_config(self, config: dict[str, Any]) -> None:
        self._config.clear()
        self._config.update(config)

    def _find_fault(self) -> str | None:
        """Say what keeps the routine from working; asked when a worker starts."""
        return None

    def _join_worker(self, worker_state: WorkerState) -> None:
        """Hear of a worker that starts; for subclasses that look into its queues."""

    def _thaw(self) -> None:
        with self._lock:
            self._frozen_by.pop()

    def _check_free(self, what: str) -> None:
        frozen = list(self._frozen_by)
        if frozen:
            raise RuntimeError(
                f"{what}() of {self!r}: flow {frozen[-1]!r} is running, and what a"
                " worker runs can't change; shut the runtime down first"
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, '_id', '')}>"
