"""When a RetryHandler tries again: which exceptions, after which delay, by whose hand.

Waiting is the runtime's: logic raises `RetryLater`, and the routine's error handler,
`Retries`, answers the core that the same activation is to run again after that delay.
"""

from __future__ import annotations

import builtins
import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from routilux.builtin_routines.settings import wrong
from routilux.context import get_current_worker_state
from routilux.error_handler import ErrorHandler
from routilux.errors import ConfigurationError, RoutiluxError
from routilux.references import load_reference

if TYPE_CHECKING:
    from routilux.worker import WorkerState

__all__ = [
    "BACKOFFS",
    "Backoff",
    "Retries",
    "RetryLater",
    "Retryable",
    "check_classes",
    "check_codes",
]

BACKOFFS = ("exponential", "fixed", "linear", "exponential_jitter")
CODE_NAMES = ("code", "status_code", "status", "errno")


class RetryLater(RoutiluxError):
    """Raised by the logic of a RetryHandler: run this activation again later."""

    def __init__(self, delay: float) -> None:
        super().__init__(f"again in {delay} s")
        self.delay = delay


class Retries(ErrorHandler):
    """The error handler of a RetryHandler; what is no retry goes to another one."""

    __slots__ = ("fallback", "workers")

    def __init__(self, workers: Iterable[WorkerState]) -> None:
        super().__init__()
        self.fallback: ErrorHandler | None = None
        self.workers = workers  # all that run the routine

    def decide(
        self,
        error: BaseException,
        failures: int,
        *,
        draw: Callable[[], float] = random.random,
    ) -> tuple[str, float]:
        """Answer what to do about one failed activation; see `ErrorHandler`."""
        if isinstance(error, RetryLater):
            return "retry", error.delay
        handler = self.fallback
        if handler is None:
            # An event loop reports the end of a coroutine outside of its context.
            here = get_current_worker_state()
            workers = [here] if here is not None else list(self.workers)
            found = [worker.flow.error_handler for worker in workers]
            handler = next((one for one in found if one is not None), None)
        if handler is None:
            return "stop", 0.0
        return handler.decide(error, failures, draw=draw)


class Backoff:
    """How long to wait after which attempt."""

    def __init__(self, kind: str, base: float, longest: float) -> None:
        self.kind = kind
        self.base = base
        self.longest = longest

    def delay(self, attempt: int) -> float:
        """Return the seconds after an attempt, 1 for the first."""
        if self.kind == "fixed":
            delay = self.base
        elif self.kind == "linear":
            delay = self.base * attempt
        else:
            delay = self.base * 2.0 ** min(attempt - 1, 100)
        delay = min(delay, self.longest)
        if self.kind == "exponential_jitter":
            delay *= random.uniform(0.5, 1.0)
        return delay


class Retryable:
    """Which exceptions are tried again."""

    def __init__(
        self,
        classes: tuple[type[BaseException], ...] | None,
        codes: frozenset[Any] | None,
    ) -> None:
        self.classes = classes
        self.codes = codes

    def is_(self, error: Exception) -> bool:
        """Whether an exception is."""
        if self.classes is None and self.codes is None:
            return True
        if self.classes is not None and isinstance(error, self.classes):
            return True
        return self.codes is not None and not self.codes.isdisjoint(codes_of(error))


def codes_of(error: Exception) -> set[Any]:
    """Return the error codes that an exception carries, or its response does."""
    found = set()
    for owner in (error, getattr(error, "response", None)):
        for name in CODE_NAMES:
            code = getattr(owner, name, None)
            if isinstance(code, (int, str)):
                found.add(code)
    return found


def check_classes(label: str, value: Any) -> tuple[type[BaseException], ...]:
    """Accept an exception class or several, themselves or by their names."""
    several = isinstance(value, Iterable) and not isinstance(value, (str, type))
    return tuple(as_class(label, item) for item in (value if several else [value]))


def as_class(label: str, value: Any) -> type[BaseException]:
    """Return the exception class that a value is or names."""
    found = value
    if isinstance(value, str) and ":" in value:
        try:
            found = load_reference(value)
        except ValueError as error:
            raise ConfigurationError(f"{label}: {error}") from error
    elif isinstance(value, str):
        found = getattr(builtins, value, None)
    if not isinstance(found, type) or not issubclass(found, BaseException):
        wanted = 'exception classes, their names, or "module:name" of them'
        raise wrong(label, wanted, value)
    return found


def check_codes(label: str, value: Any) -> frozenset[Any]:
    """Accept an int or str, or several."""
    several = isinstance(value, Iterable) and not isinstance(value, str)
    codes = list(value) if several else [value]
    for code in codes:
        if isinstance(code, bool) or not isinstance(code, (int, str)):
            raise wrong(label, "error codes, ints or strs", value)
    return frozenset(codes)
