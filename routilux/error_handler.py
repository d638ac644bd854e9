"""What happens after logic raised: the strategies and their numbers.

An `ErrorHandler` holds rules, so one handler can serve any number of routines, flows
and jobs at once. The core calls `decide` once for each activation
that raised, on the thread that ran the logic and with no lock held, and then does
what it answers: the handler itself never sleeps, never re-runs and never records.
The count of failures comes from the caller, who keeps it with the activation.

It promises that `decide` answers for any exception and any count without raising,
and that a `BaseException` that is no `Exception` always stops.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from routilux.serialization.serializable import Serializable

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.routine import Routine
    from routilux.worker import WorkerState

__all__ = ["ErrorHandler", "ErrorStrategy"]

# A backoff that overflows waits this long (one year), not forever.
LONGEST_DELAY = 365 * 24 * 3600.0


class ErrorStrategy(str, Enum):
    """What to do when the logic of a routine raised.

    `STOP` fails the job. `CONTINUE` and `SKIP` record the error in the worker's
    `execution_history` ("error_continued", "skipped") and let the job go on.
    `RETRY` runs the same activation again after a delay, then stops.

    Members are strings: `ErrorStrategy.RETRY == "retry"`, and `print` shows the
    bare word.
    """

    STOP = "stop"
    CONTINUE = "continue"
    RETRY = "retry"
    SKIP = "skip"

    def __str__(self) -> str:
        return str(self.value)


class ErrorHandler(Serializable):
    """Rules for the errors of a routine or of a whole flow.

    A subclass may decide for itself: in `decide`, or in `handle_error`, which the
    runtime asks instead if it is overridden.

    A handler of a routine goes before the handler of its flow. The numbers only
    matter to the `RETRY` strategy: attempt k (1 = first retry) starts after
    `retry_delay * retry_backoff ** (k - 1)` seconds.

    Thread-safety: the runtime keeps no state in it between calls, so it may be
    shared freely. Give the routine or flow a new handler instead of changing the
    fields of one.

    Args:
        strategy: An `ErrorStrategy` or its value, for example "retry".
        max_retries: Retries after the first failure, 0 for none.
        retry_delay: Seconds before the first retry.
        retry_backoff: Factor by which the delay grows with each retry.
        retryable_exceptions: Exception class, or classes, that are retried;
            None (or an empty tuple) for every `Exception`.
        is_critical: Mark for your own use; it changes no decision.
        retry_jitter: Fraction, 0 to 1, by which each delay is moved at random,
            so that many failures of one moment do not return together.
        max_delay: Longest delay in seconds, jitter included; None for no limit.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a strategy is unknown or a number is out of range.

    Example:
        >>> handler = ErrorHandler(
        ...     "retry", max_retries=5, retryable_exceptions=(OSError,)
        ... )
        >>> flow.set_error_handler(handler)
    """

    __slots__ = (
        "__dict__",
        "is_critical",
        "max_delay",
        "max_retries",
        "retry_backoff",
        "retry_count",
        "retry_delay",
        "retry_jitter",
        "retryable_exceptions",
        "strategy",
    )

    def __init__(
        self,
        strategy: ErrorStrategy
        | Literal["stop", "continue", "retry", "skip"] = ErrorStrategy.STOP,
        max_retries: int = 3,
        retry_delay: float = 1.0,
        retry_backoff: float = 2.0,
        retryable_exceptions: type[BaseException]
        | Iterable[type[BaseException]]
        | None = None,
        is_critical: bool = False,
        *,
        retry_jitter: float = 0.0,
        max_delay: float | None = None,
    ) -> None:
        self.retry_count = 0
        self.strategy = _strategy(strategy)
        self.max_retries = _count("max_retries", max_retries)
        self.retry_delay = _number("retry_delay", retry_delay)
        self.retry_backoff = _number("retry_backoff", retry_backoff)
        if self.retry_backoff == 0:
            raise ValueError("retry_backoff must be more than 0, not 0")
        self.retryable_exceptions = _exceptions(retryable_exceptions)
        if not isinstance(is_critical, bool):
            raise TypeError(_expected("is_critical", "a bool", is_critical))
        self.is_critical = is_critical
        self.retry_jitter = _number("retry_jitter", retry_jitter)
        if self.retry_jitter > 1:
            raise ValueError(f"retry_jitter must be 0 to 1, not {retry_jitter!r}")
        self.max_delay = None if max_delay is None else _number("max_delay", max_delay)

    def decide(
        self,
        error: BaseException,
        failures: int,
        *,
        draw: Callable[[], float] = random.random,
    ) -> tuple[str, float]:
        """Answer what to do about one failed activation.

        Args:
            error: What the logic raised.
            failures: How often this activation has failed so far, 1 for the
                first time.
            draw: Source of the jitter, numbers from 0 up to 1; a simulation
                gives its seeded one.

        Returns:
            `("stop", 0.0)`, `("continue", 0.0)`, `("skip", 0.0)`, or
            `("retry", seconds)`.

        Example:
            >>> ErrorHandler("retry", retry_delay=0.5).decide(OSError(), 2)
            ('retry', 1.0)
        """
        if not isinstance(error, Exception):
            return "stop", 0.0
        if self.strategy is not ErrorStrategy.RETRY:
            return self.strategy.value, 0.0
        wanted = self.retryable_exceptions or Exception
        if failures > self.max_retries or not isinstance(error, wanted):
            return "stop", 0.0
        return "retry", self._delay(failures, draw)

    def handle_error(
        self,
        error: Exception,
        routine: Routine | None,
        routine_id: str,
        flow: Flow | None,
        worker_state: WorkerState | None = None,
        context: Any = None,
    ) -> bool:
        """Deal with an error by hand, outside of a runtime.

        RETRY sleeps for the delay; `retry_count` counts over all calls until `reset`.
        CONTINUE and SKIP are recorded in the worker's history, if one is given.

        Args:
            error: What was raised.
            routine: The routine that raised it.
            routine_id: Its id.
            flow: Its flow.
            worker_state: The worker that it ran in, or None.
            context: Anything; not looked at.

        Returns:
            True to go on, with RETRY to try again; False to stop.

        Example:
            >>> ErrorHandler("continue").handle_error(OSError(), None, "reader", None)
            True
        """
        if not isinstance(error, BaseException):
            raise TypeError(_expected("error", "an exception", error))
        if worker_state is not None and not hasattr(worker_state, "record_execution"):
            raise TypeError(_expected("worker_state", "a WorkerState", worker_state))
        with _COUNT_LOCK:
            self.retry_count += self.strategy is ErrorStrategy.RETRY
            count = self.retry_count
        verdict, delay = ErrorHandler.decide(self, error, count)
        if verdict == "stop":
            return False
        if verdict == "retry":
            time.sleep(delay)
        elif worker_state is not None:
            name = "skipped" if verdict == "skip" else "error_continued"
            text = f"{type(error).__name__}: {error}"
            worker_state.record_execution(routine_id, name, {"error": text})
        return True

    def reset(self) -> None:
        """Set `retry_count`, which only `handle_error` uses, to 0."""
        with _COUNT_LOCK:
            self.retry_count = 0

    def _delay(self, failures: int, draw: Callable[[], float]) -> float:
        longest = LONGEST_DELAY if self.max_delay is None else self.max_delay
        try:
            delay = self.retry_delay * self.retry_backoff ** (failures - 1)
        except OverflowError:
            delay = longest if self.retry_delay else 0.0
        delay = min(delay, longest)
        if not self.retry_jitter:
            return delay
        # Drawn from what is left of the range below `longest`: cutting the
        # result instead would put half of all capped retries on one instant.
        low = delay * (1 - self.retry_jitter)
        high = min(delay * (1 + self.retry_jitter), longest)
        return low + (high - low) * draw()

    def __repr__(self) -> str:
        fields = [repr(self.strategy.value)]
        if self.strategy is ErrorStrategy.RETRY:
            fields += [
                f"max_retries={self.max_retries}",
                f"retry_delay={self.retry_delay}",
                f"retry_backoff={self.retry_backoff}",
            ]
        return f"ErrorHandler({', '.join(fields)})"


_COUNT_LOCK = threading.Lock()


def _expected(name: str, wanted: str, value: object) -> str:
    return f"{name} must be {wanted}, not {type(value).__name__} ({value!r})"


def _strategy(value: object) -> ErrorStrategy:
    if not isinstance(value, str):
        raise TypeError(_expected("strategy", "an ErrorStrategy or str", value))
    try:
        return ErrorStrategy(value)
    except ValueError:
        words = ", ".join(repr(item.value) for item in ErrorStrategy)
        raise ValueError(f"strategy must be one of {words}, not {value!r}") from None


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(_expected(name, "an int", value))
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value!r}")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(_expected(name, "a number", value))
    # An int is compared as it is: float() of a huge one would overflow.
    if not 0 <= value <= LONGEST_DELAY or math.isnan(value):
        raise ValueError(f"{name} must be 0 to {LONGEST_DELAY:g}, not {value!r}")
    return float(value)


def _exceptions(value: object) -> tuple[type[BaseException], ...] | None:
    if value is None:
        return None
    if isinstance(value, type) and issubclass(value, BaseException):
        return (value,)
    if isinstance(value, (str, type)) or not isinstance(value, Iterable):
        raise TypeError(_expected("retryable_exceptions", "exception classes", value))
    classes = tuple(value)
    for item in classes:
        if not (isinstance(item, type) and issubclass(item, BaseException)):
            raise TypeError(
                _expected("retryable_exceptions", "exception classes only", item)
            )
    return classes
