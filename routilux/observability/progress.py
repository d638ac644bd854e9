"""Progress: bars in a terminal and a notebook, lines elsewhere.

A thread of its own looks at the counters of the runtime a few times a second. It
measures what a look costs, and pauses a hundred times as long: it never takes more
than one percent of one processor, however many routines there are. Nobody waits for it
but the end of the `with` block, and nothing that goes wrong in it harms the run.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, TextIO

from routilux.errors import ConfigurationError
from routilux.extras import load_extra
from routilux.observability.figures import count_text, rate_text, share_text, time_text
from routilux.observability.picture import clean
from routilux.observability.readings import Meter, Reading

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.runtime import Runtime

__all__ = ["Form", "Lines", "Progress", "View", "summary"]

logger = logging.getLogger("routilux")

Form = Literal["auto", "bars", "lines", "notebook"]
INTERVAL = 0.25  # seconds between two looks, at least
PATIENCE = 100  # times as long as a look takes
LINE_FIRST, LINE_LAST = 1.0, 30.0  # seconds between two lines, at first and at most


class View(Protocol):
    """What shows a reading in some way."""

    def show(self, reading: Reading, *, last: bool) -> None:
        """Show it; nothing comes after the last."""

    def close(self) -> None:
        """Leave the screen as it is."""


class Lines:
    """A line from time to time, each time a little later, and one at the end."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._pause = LINE_FIRST
        self._next = LINE_FIRST

    def show(self, reading: Reading, *, last: bool) -> None:
        """Write a line if it is time for one."""
        if not last and reading.elapsed < self._next:
            return
        self._pause = min(self._pause * 1.5, LINE_LAST)
        self._next = reading.elapsed + self._pause
        text = f"{time_text(reading.elapsed)}: {summary(reading)}"
        fullest = max(reading.routines, key=lambda item: item.queued, default=None)
        if fullest is not None and fullest.queued and not last:
            name = clean(fullest.name)
            text = f"{text}; most queued: {name} {count_text(fullest.queued)}"
        print(text, file=self._file, flush=True)

    def close(self) -> None:
        """Do nothing: lines stay."""


def summary(reading: Reading) -> str:
    """Say in a line how far the jobs are."""
    if reading.total is None:
        parts = [f"{count_text(reading.done)} jobs done"]
        parts.append(f"{count_text(reading.live)} to do")
    else:
        share = reading.done / reading.total if reading.total else 1.0
        jobs = f"{count_text(reading.done)} of {count_text(reading.total)} jobs"
        parts = [f"{jobs} ({share_text(share)})"]
    parts.append(rate_text(reading.rate))
    if reading.eta:
        parts.append(f"{time_text(reading.eta)} left")
    if reading.failed:
        parts.append(f"{count_text(reading.failed)} failed")
    return ", ".join(parts)


class Progress:
    """Shows how far the jobs of a runtime are; made by `Runtime.progress`.

    Thread-safety: `__enter__` and `__exit__` are for one thread.
    """

    def __init__(
        self,
        runtime: Runtime,
        total: int | None = None,
        file: TextIO | None = None,
        form: Form = "auto",
    ) -> None:
        if total is not None and (
            isinstance(total, bool) or not isinstance(total, int)
        ):
            raise TypeError(f"total must be an int or None, not {total!r}")
        if total is not None and total < 0:
            raise ValueError(f"total must not be negative, not {total!r}")
        if form not in ("auto", "bars", "lines", "notebook"):
            raise ValueError(
                f"form must be 'auto', 'bars', 'lines' or 'notebook', not {form!r}"
            )
        self._runtime = runtime
        self._total = total
        self._file = sys.stderr if file is None else file
        self._form = form
        self._over = threading.Event()
        self._meter: Meter | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("this progress was shown already: ask for a new one")
        self._meter = Meter(self._runtime, self._total)
        make = choose_view(self._form, self._file)
        self._thread = threading.Thread(
            target=self._watch,
            args=(self._meter, make),
            name="routilux-progress",
            daemon=True,
        )
        self._thread.start()
        self._runtime._progress = self
        return self

    def expect_no_more(self) -> None:
        """Say that no job comes to those that were posted."""
        if self._meter is not None:
            self._meter.expect_no_more()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._runtime._progress = None
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    # What it takes to show anything is loaded when there is something to show: a run
    # that is shorter than that ends without having paid for it.
    def _watch(self, meter: Meter, make: Callable[[], View]) -> None:
        view = None
        try:
            pause = INTERVAL
            while not self._over.wait(pause):
                began = time.thread_time()
                view = make() if view is None else view
                view.show(meter.read(), last=False)
                pause = max(INTERVAL, PATIENCE * (time.thread_time() - began))
            reading = meter.read(last=True)
            view = make() if view is None else view
            view.show(reading, last=True)
        except Exception:
            logger.warning("progress is not shown any more", exc_info=True)
        finally:
            if view is not None:
                view.close()


def choose_view(form: Form, file: TextIO) -> Callable[[], View]:
    """Choose how to show it: what a notebook, a terminal, or a file can do.

    Raises:
        ConfigurationError: Bars were asked for by name, and rich is not installed.
    """
    if form == "notebook" or (form == "auto" and in_notebook()):
        from routilux.observability.notebook import NotebookView

        return NotebookView
    if form == "bars" or (form == "auto" and file.isatty()):
        try:
            load_extra("rich", "progress with bars")  # a small part of it
        except ConfigurationError:
            if form == "bars":
                raise
            print("progress without bars: pip install 'routilux[progress]'", file=file)
        else:
            from routilux.observability.bars import Bars

            return partial(Bars, file)
    return partial(Lines, file)


def in_notebook() -> bool:
    """Tell whether a notebook shows what this program displays."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return hasattr(shell, "kernel")
