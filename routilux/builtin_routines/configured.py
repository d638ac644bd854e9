"""What the built-in routines share: configuration that is checked, and errors.

A subclass lists its keys in `settings` and builds what it needs from them in `_derive`;
`set_config` checks all of it before anything changes. Logic runs in `handle`, once for
each item, on the threads of the runtime; what it needs to remember belongs to the
worker, in `worker_state`, or in a `PerWorker`. A subclass that was made wrong is
reported when a worker starts, by `_find_fault`.
"""

from __future__ import annotations

import difflib
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from routilux.activation_policies import immediate_policy
from routilux.builtin_routines.lambdas import expression_of
from routilux.builtin_routines.payload import AUTO, check_input_key, payload_of
from routilux.builtin_routines.settings import Setting, Settings
from routilux.context import get_current_worker_state
from routilux.errors import ConfigurationError
from routilux.routine import Routine

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.routine import ActivationPolicy
    from routilux.worker import WorkerState

__all__ = ["ConfiguredRoutine", "PerWorker"]

T = TypeVar("T")


class PerWorker(Generic[T]):
    """One value for each worker, gone with it.

    Thread-safety: a lock protects the table; a value is its worker's own business.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._values: weakref.WeakKeyDictionary[WorkerState, T]
        self._values = weakref.WeakKeyDictionary()

    def of(self, worker_state: WorkerState) -> T:
        """Return the value of a worker, a new one the first time."""
        fresh = self._make()
        with self._lock:
            return self._values.setdefault(worker_state, fresh)

    def reset(self, worker_state: WorkerState) -> None:
        """Forget the value of a worker."""
        with self._lock:
            self._values.pop(worker_state, None)


class ConfiguredRoutine(Routine):
    """A routine whose behaviour is configuration: `set_config(key=value, ...)`.

    Every key has a default, so `get_config` answers for all of them. Beside its own
    keys each such routine has `input_key`, which says what part of an item it works
    on: "auto" (what another built-in routine emitted as its data, else the whole
    item), None (the whole item), or the name of a key.

    Thread-safety: configure on one thread, before a worker runs it.
    """

    settings: ClassVar[Settings] = {}
    # Keys in which an expression may stand for a callable.
    expression_keys: ClassVar[tuple[str, ...]] = ()
    # Whether other keys are allowed: constants for its expressions.
    takes_constants: ClassVar[bool] = False

    def _set_up(self) -> None:
        super()._set_up()
        self._config.update({key: self._copy(s.default) for key, s in self._keys()})
        self._own_policy = False
        self._workers: weakref.WeakSet[WorkerState] = weakref.WeakSet()

    @classmethod
    def _keys(cls) -> list[tuple[str, Setting]]:
        return [("input_key", Setting(AUTO, check_input_key)), *cls.settings.items()]

    @staticmethod
    def _copy(value: Any) -> Any:
        return value.copy() if isinstance(value, (dict, list)) else value

    def __init__(self) -> None:
        super().__init__()
        self._build_ports()
        self._apply(self._config, self._derive(self._config))

    # --- for subclasses

    def _build_ports(self) -> None:
        """Declare slots and events."""

    def _derive(self, config: dict[str, Any]) -> Any:
        """Build from a configuration what logic needs; raise if it makes no sense."""

    def _apply(self, config: dict[str, Any], derived: Any) -> None:
        """Take over what `_derive` made; can't fail any more."""

    def handle(self, data: Any, worker_state: WorkerState) -> None:
        """Do the work for one item.

        Args:
            data: The payload of the item.
            worker_state: The worker that runs it.
        """
        raise NotImplementedError

    # --- configuration

    def set_config(self, **config: Any) -> None:
        """Set configuration values; all of them, or none if one is wrong.

        Raises:
            ConfigurationError: A key is unknown or its value wrong; the message names
                the key and what is valid.
            RuntimeError: Inside logic, and while a worker runs the routine.
        """
        known = dict(self._keys())
        checked = {}
        for key, value in config.items():
            setting = known.get(key)
            if setting is None:
                self._check_constant(key, known)
            label = f"{type(self).__name__}: config {key!r}"
            checked[key] = setting.check(label, value) if setting else value
        merged = {**self._config, **checked}
        derived = self._derive(merged)
        super().set_config(**checked)
        self._apply(merged, derived)

    def _check_constant(self, key: str, known: Mapping[str, Setting]) -> None:
        near = difflib.get_close_matches(key, known, 1, 0.75)
        if self.takes_constants and not near:
            return
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigurationError(
            f"{type(self).__name__} has no config {key!r}; {hint}"
            f"valid are {', '.join(map(repr, known))}"
        )

    def set_activation_policy(self, policy: ActivationPolicy) -> Self:
        """Set when the routine runs, instead of the policy that it brings along."""
        super().set_activation_policy(policy)
        self._own_policy = True
        return self

    def _bring_policy(self, policy: ActivationPolicy) -> None:
        if not self._own_policy:
            super().set_activation_policy(policy)

    def _bring_immediate(self) -> None:
        self._bring_policy(immediate_policy())

    def _given_config(self) -> dict[str, Any]:
        keys = self.expression_keys
        return {
            key: with_expressions(value) if key in keys else value
            for key, value in self._config.items()
        }

    def _given_policy(self) -> ActivationPolicy | None:
        return self._activation_policy if self._own_policy else None

    def _take_config(self, config: dict[str, Any]) -> None:
        default = {key: self._copy(setting.default) for key, setting in self._keys()}
        self._config.clear()
        self._config.update(default)
        self.set_config(**config)

    # --- running

    def logic(
        self,
        slot_data: dict[str, list[Any]],
        policy_message: Any,
        worker_state: WorkerState,
    ) -> None:
        """Hand each item to `handle`."""
        for data in self._payloads(slot_data):
            self.handle(data, worker_state)

    def _payloads(self, slot_data: dict[str, list[Any]]) -> Iterator[Any]:
        key = self._config["input_key"]
        for items in slot_data.values():
            for item in items:
                yield payload_of(item, key)

    def _fail(
        self, error: Exception, worker_state: WorkerState, event: str, **payload: Any
    ) -> None:
        # What nobody listens to must not go unseen: then the job fails.
        declared = self._events[event]
        if not worker_state.flow.get_connections_for_event(declared):
            raise error
        self.emit(event, error=describe(error), **payload)

    def _join_worker(self, worker_state: WorkerState) -> None:
        with self._lock:
            self._workers.add(worker_state)

    def _targets(
        self, worker_state: WorkerState | None
    ) -> list[tuple[WorkerState, str]]:
        # (worker, routine id) that a helper method is about: the given worker, that of
        # the calling logic, else all that run this routine.
        chosen = worker_state if worker_state is not None else self._here()
        with self._lock:
            workers = [chosen] if chosen is not None else list(self._workers)
        return [
            (worker, routine_id)
            for worker in workers
            for routine_id, routine in worker.flow.routines.items()
            if routine is self and str(worker.status) != "stopped"
        ]

    def _here(self) -> WorkerState | None:
        worker = get_current_worker_state()
        if worker is not None and self in worker.flow.routines.values():
            return worker
        return None


def with_expressions(value: Any) -> Any:
    """Return a rule in which lambdas that have one are their expressions."""
    if isinstance(value, (list, tuple)):
        return type(value)(with_expressions(part) for part in value)
    return expression_of(value) or value if callable(value) else value


def describe(error: BaseException) -> str:
    """Return an exception as a line: "Type: message"."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
