"""RetryHandler: runs operations that may fail, again and again."""

from __future__ import annotations

import functools
import inspect
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from routilux.builtin_routines.configured import ConfiguredRoutine, describe
from routilux.builtin_routines.payload import payload_of
from routilux.builtin_routines.retries import (
    BACKOFFS,
    Backoff,
    Retries,
    Retryable,
    RetryLater,
    check_classes,
    check_codes,
)
from routilux.builtin_routines.settings import (
    Setting,
    Settings,
    callable_value,
    choice,
    integer,
    number,
    optional,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.error_handler import ErrorHandler
    from routilux.routine import Key
    from routilux.worker import WorkerState

__all__ = ["RetryHandler"]

T = TypeVar("T")
PROGRESS = ""  # no slot has that name


class Progress:
    """How far an activation is: it is run again from here."""

    def __init__(self, kept: int) -> None:
        self.done = 0  # items
        self.attempt = 0  # of the item at hand
        self.errors: deque[str] = deque(maxlen=kept)

    def next_item(self) -> None:
        """Go on to the next item."""
        self.done += 1
        self.attempt = 0
        self.errors.clear()


class RetryHandler(ConfiguredRoutine):
    """Run an operation for each item, and run it again when it fails.

    Slot `input`. An item is `{"operation": function, "data": argument}`; `args` and
    `kwargs` may stand for `data`. Any other item is the argument of the operation in
    the configuration, or passes as it is when there is none. An operation may be
    `async`.

    Events `success` (data, attempts) with what the operation returned, `retry` (data,
    attempt, error, delay), `exhausted` (data, attempts, errors) after the last attempt,
    and `error` (error, data) for an exception that is not to be retried. When nobody
    listens to one of the last two, its exception fails the job.

    The delay between two attempts is a timer of the runtime and holds no thread. Up to
    `max_items` items are tried or wait at once, so one may pass another;
    `set_concurrency(1)` keeps their order.

    Configuration:
        operation: A callable, or "module:name" of one, for items that bring none.
        max_attempts: Attempts in all.
        backoff: "exponential", "fixed", "linear" or "exponential_jitter".
        base_delay: Seconds before the second attempt.
        max_delay: Longest delay, seconds.
        retryable_exceptions: Classes or their names; None for every `Exception`.
        retryable_error_codes: Values of the exception's `code`, `status_code`, `status`
            or `errno`, its own or its response's; an exception with one is retried too.
        on_retry: Called with (data, attempt, error, delay).
        on_exhausted: Called with (data, attempts, errors).
        max_items: See above.
        max_errors_kept: How many of the last errors `exhausted` has.

    Example:
        >>> fetch = RetryHandler()
        >>> fetch.set_config(operation=download, retryable_exceptions=[OSError])
    """

    settings: ClassVar[Settings] = {
        "operation": Setting(None, optional(callable_value)),
        "max_attempts": Setting(3, integer()),
        "backoff": Setting("exponential", choice(*BACKOFFS)),
        "base_delay": Setting(1.0, number()),
        "max_delay": Setting(60.0, number()),
        "retryable_exceptions": Setting(None, optional(check_classes)),
        "retryable_error_codes": Setting(None, optional(check_codes)),
        "on_retry": Setting(None, optional(callable_value)),
        "on_exhausted": Setting(None, optional(callable_value)),
        "max_items": Setting(100, integer()),
        "max_errors_kept": Setting(10, integer()),
    }

    _backoff: Backoff
    _retryable: Retryable
    _order_chosen = False

    def _build_ports(self) -> None:
        self.add_slot("input")
        self.add_event("success", ["data", "attempts"])
        self.add_event("retry", ["data", "attempt", "error", "delay"])
        self.add_event("exhausted", ["data", "attempts", "errors"])
        self.add_event("error", ["error", "data"])
        self._bring_immediate()
        self._retries = Retries(self._workers)
        super().set_error_handler(self._retries)

    def _apply(self, config: dict[str, Any], derived: None) -> None:
        self._backoff = Backoff(
            config["backoff"], config["base_delay"], config["max_delay"]
        )
        self._retryable = Retryable(
            config["retryable_exceptions"], config["retryable_error_codes"]
        )
        if not self._order_chosen:
            super().set_concurrency(config["max_items"])

    def set_concurrency(self, n: int | None, *, key: Key | None = None) -> Self:
        """Let so many items be tried or wait at once, instead of `max_items`."""
        self._order_chosen = True
        return super().set_concurrency(n, key=key)

    def set_error_handler(self, handler: ErrorHandler | None) -> Any:
        """Set what becomes of exceptions that are not retried here, or no more."""
        super().set_error_handler(handler)  # checks it
        self._retries.fallback = handler
        return super().set_error_handler(self._retries)

    def _given_handler(self) -> ErrorHandler | None:
        return self._retries.fallback

    def logic(
        self,
        slot_data: dict[str, list[Any]],
        policy_message: Any,
        worker_state: WorkerState,
    ) -> Any:
        """Make one attempt; a coroutine if the operation is async."""
        # The same dict comes again with each attempt, so it can tell how far we are.
        data: dict[str, Any] = slot_data
        progress = data.setdefault(PROGRESS, Progress(self._config["max_errors_kept"]))
        items = [item for name, part in data.items() if name for item in part]
        return self._run(items, progress, worker_state)

    def _run(
        self, items: list[Any], progress: Progress, worker_state: WorkerState
    ) -> Coroutine[Any, Any, None] | None:
        while progress.done < len(items):
            payload = payload_of(items[progress.done], self._config["input_key"])
            try:
                call, data = self._call_of(payload)
            except TypeError as error:
                progress.next_item()
                self._fail(error, worker_state, "error", data=payload)
                continue
            progress.attempt += 1
            try:
                value = call()
            except Exception as error:
                self._failed(error, data, progress, worker_state)
                continue
            if inspect.isawaitable(value):
                return self._finish(value, data, items, progress, worker_state)
            self._succeeded(value, progress)
        return None

    async def _finish(
        self,
        pending: Any,
        data: Any,
        items: list[Any],
        progress: Progress,
        worker_state: WorkerState,
    ) -> None:
        try:
            value = await pending
        except Exception as error:
            self._failed(error, data, progress, worker_state)
        else:
            self._succeeded(value, progress)
        rest = self._run(items, progress, worker_state)
        if rest is not None:
            await rest

    def _call_of(self, payload: Any) -> tuple[Callable[[], Any], Any]:
        if isinstance(payload, Mapping) and callable(payload.get("operation")):
            first = [payload["data"]] if "data" in payload else []
            args, kwargs = payload.get("args", ()), payload.get("kwargs", {})
            try:
                call = functools.partial(payload["operation"], *first, *args, **kwargs)
            except TypeError as error:
                raise TypeError(
                    "an operation needs args that are a list, and kwargs that are a"
                    f" dict with names as keys, not {args!r} and {kwargs!r}"
                ) from error
            return call, payload.get("data")
        operation = self._config["operation"]
        if operation is None:
            return lambda: payload, payload
        return functools.partial(operation, payload), payload

    def _succeeded(self, value: Any, progress: Progress) -> None:
        attempts = progress.attempt
        progress.next_item()
        self.emit("success", data=value, attempts=attempts)

    def _failed(
        self, error: Exception, data: Any, progress: Progress, worker: WorkerState
    ) -> None:
        attempt = progress.attempt
        progress.errors.append(describe(error))
        if not self._retryable.is_(error):
            progress.next_item()
            self._fail(error, worker, "error", data=data)
        elif attempt >= self._config["max_attempts"]:
            errors = list(progress.errors)
            progress.next_item()
            self._exhausted(error, data, attempt, errors, worker)
        else:
            self._try_later(error, data, attempt)

    def _try_later(self, error: Exception, data: Any, attempt: int) -> NoReturn:
        delay = self._backoff.delay(attempt)
        self.emit(
            "retry", data=data, attempt=attempt, error=describe(error), delay=delay
        )
        if self._config["on_retry"] is not None:
            self._config["on_retry"](data, attempt, error, delay)
        raise RetryLater(delay) from error

    def _exhausted(
        self,
        error: Exception,
        data: Any,
        attempts: int,
        errors: list[str],
        worker: WorkerState,
    ) -> None:
        if self._config["on_exhausted"] is not None:
            self._config["on_exhausted"](data, attempts, errors)
        if not worker.flow.get_connections_for_event(self._events["exhausted"]):
            raise error
        self.emit("exhausted", data=data, attempts=attempts, errors=errors)

    def execute_with_retry(
        self, operation: Callable[..., T], /, *args: Any, **kwargs: Any
    ) -> T:
        """Call an operation here and now, with the attempts of the configuration.

        Needs no runtime. It sleeps between two attempts: inside of logic, send the
        operation to a RetryHandler as an item instead.

        Args:
            operation: The callable.
            *args: Its arguments.
            **kwargs: Its keywords.

        Returns:
            What it returns.

        Raises:
            Exception: What the last attempt raised.
        """
        attempt, errors = 0, Progress(self._config["max_errors_kept"]).errors
        while True:
            attempt += 1
            try:
                return operation(*args, **kwargs)
            except Exception as error:
                errors.append(describe(error))
                if not self._retryable.is_(error):
                    raise
                if attempt >= self._config["max_attempts"]:
                    if self._config["on_exhausted"] is not None:
                        self._config["on_exhausted"](args, attempt, list(errors))
                    raise
                delay = self._backoff.delay(attempt)
                if self._config["on_retry"] is not None:
                    self._config["on_retry"](args, attempt, error, delay)
            time.sleep(delay)

    def wrap_operation(self, operation: Callable[..., T]) -> Callable[..., T]:
        """Return a function that calls an operation through `execute_with_retry`.

        Raises:
            TypeError: The operation is not callable.
        """
        if not callable(operation):
            raise TypeError(f"operation must be callable, not {operation!r}")

        @functools.wraps(operation)
        def call(*args: Any, **kwargs: Any) -> T:
            return self.execute_with_retry(operation, *args, **kwargs)

        return call
