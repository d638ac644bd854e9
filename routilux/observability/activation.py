"""Activations with spans: what is current on a thread, and goes along with a coroutine.

The span of an activation is the current one of the thread that calls its logic, until
the logic returns, or gives back a coroutine, whose context then has it. What ends with
an error of the observer's side, or on another thread, is taken off at the next start.
"""

from __future__ import annotations

import threading
from typing import Any, TypeAlias

from routilux.handover import CARRIED, Carried

__all__ = ["Activation", "Key", "take_off_ended"]

# Runtime, worker, routine and job.
Key: TypeAlias = tuple[int, str, str, str]


class Activation:
    """One activation as one observer sees it.

    Where several observers look on, each has one, in the chain that a context carries.
    It holds no runtime: a thread of the shared pool may keep it for long.

    Args:
        key: What it is of; those that run at the same time may share it.
        observer: Whose it is.
        context: The module `opentelemetry.context`.
        span: Its span; None: it has none.
        scope: The context of OpenTelemetry in which that is the current one.
    """

    def __init__(
        self, key: Key, observer: object, context: Any, span: Any, scope: Any
    ) -> None:
        self.key = key
        self.span = span
        self.ended = False
        self._observer = id(observer)
        self._context = context
        self._scope = scope
        self._thread = threading.get_ident()
        self._token: Any = None
        self.outer: Carried | None = None

    @property
    def is_on_thread(self) -> bool:
        """Whether its span is the current one of the thread that it began on."""
        return self._token is not None

    def start(self) -> None:
        """Be what the calling thread does."""
        self.outer = CARRIED.get()
        if self._scope is not None:
            self._token = self._context.attach(self._scope)
        CARRIED.set(self)

    def enter(self) -> None:
        """Be current in the context of a coroutine; see `Carried`."""
        for one in reversed(self._views()):
            if one._scope is not None:
                one._context.attach(one._scope)
        CARRIED.set(self)

    def leave(self) -> None:
        """Be current no more on the thread that it began on; see `Carried`."""
        views = self._views()
        for one in views:
            one.take_off()
        CARRIED.set(views[-1].outer)

    def take_off(self) -> None:
        """Give the thread back the span of before, if this is the thread."""
        # Another thread has a copy of the context at most, which ends by itself.
        if self._token is not None and self._thread == threading.get_ident():
            token, self._token = self._token, None
            self._context.detach(token)

    def _views(self) -> list[Activation]:
        # The same activation, as each observer sees it; innermost first.
        found, seen, one = [self], {self._observer}, self.outer
        while isinstance(one, Activation) and one.key == self.key:
            if one._observer in seen:
                break
            found.append(one)
            seen.add(one._observer)
            one = one.outer
        return found


def take_off_ended() -> None:
    """Take what has ended from the calling context."""
    one = CARRIED.get()
    while isinstance(one, Activation) and one.ended:
        one.take_off()
        one = one.outer
        CARRIED.set(one)
