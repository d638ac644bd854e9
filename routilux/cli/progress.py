"""The counter that `routilux run --progress` shows on stderr."""

from __future__ import annotations

import sys
import time

import click

__all__ = ["Progress"]

EVERY = {True: 0.1, False: 5.0}  # seconds between two lines; to a terminal or not


class Progress:
    """Counts items on one line of a terminal, or on a line every few seconds.

    Args:
        shown: Whether to show anything.
    """

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._terminal = sys.stderr.isatty()
        self._start = self._last = time.monotonic()
        self._done = 0

    def count(self, done: int) -> None:
        """Note that so many are done; show it if the last time was a while ago."""
        self._done = done
        now = time.monotonic()
        if self._shown and now - self._last >= EVERY[self._terminal]:
            self._last = now
            self._show(now, end=False)

    def _show(self, now: float, end: bool) -> None:
        rate = self._done / max(now - self._start, 1e-9)
        text = f"{self._done} items, {rate:,.0f}/s"
        if self._terminal:
            click.echo(f"\r{text:<40}", err=True, nl=end)
        else:
            click.echo(text, err=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._show(time.monotonic(), end=True)
