"""Handover: what observers make current for an activation goes with its coroutine.

An observer that makes something current when logic starts, a span for example, has it
in the context of the calling thread. A coroutine leaves that thread, which goes on with
other work, and it runs and ends elsewhere. So the observer says in `CARRIED` what is to
go along, and whoever takes a coroutine over, on the thread that started it, moves that.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import Protocol

__all__ = ["CARRIED", "Carried", "ending_of"]


class Carried(Protocol):
    """What is current for an activation."""

    def enter(self) -> None:
        """Become current in the calling context, too."""

    def leave(self) -> None:
        """Be current no more in the calling context, which is that of the start."""


CARRIED: ContextVar[Carried | None] = ContextVar("routilux_carried", default=None)


def ending_of(context: Context) -> Context:
    """Return a context to tell of an end in: empty but for what is carried."""
    ending = Context()
    ending.run(CARRIED.set, context.get(CARRIED))
    return ending
