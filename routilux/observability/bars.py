"""Progress in a terminal, by rich: a bar for each routine, and one for all jobs."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from routilux.observability.figures import count_text, rate_text, time_text
from routilux.observability.picture import clean, shorten
from routilux.observability.readings import Reading, RoutineReading

__all__ = ["Bars", "jobs_bar", "most_telling", "routine_bars"]

OTHER_LINES = 5  # of the screen, for jobs, headings and what is left out
NAME = 28  # characters of the name of a routine


def most_telling(routines: list[RoutineReading], room: int) -> list[RoutineReading]:
    """Return the routines that fit, those with the most queued and done first."""
    if len(routines) <= room:
        return routines
    ranked = sorted(routines, key=lambda item: (item.queued, item.done), reverse=True)
    kept = {item.name for item in ranked[:room]}
    return [item for item in routines if item.name in kept]


class Bars:
    """Bars that rich draws, in place; the last ones stay.

    What logic prints to a terminal appears above them.
    """

    def __init__(self, file: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=file)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )
        self._live.start()

    def show(self, reading: Reading, *, last: bool) -> None:
        """Draw the bars anew."""
        from rich.console import Group

        room = max(3, self._console.size.height - OTHER_LINES)
        shown = most_telling(reading.routines, room)
        left_out = len(reading.routines) - len(shown)
        parts: list[Any] = [jobs_bar(reading), routine_bars(shown)]
        if left_out:
            parts.append(f"  and {left_out} routines more, with less queued")
        self._live.update(Group(*parts), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()


def jobs_bar(reading: Reading) -> Any:
    """Return the bar of all jobs."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 2))
    posted = reading.done + reading.live
    total = posted if reading.total is None else reading.total
    counts = f"{count_text(reading.done)} of {count_text(total)}"
    if reading.total is None:
        counts += " so far"
    words = [f"{rate_text(reading.rate)}", f"{time_text(reading.elapsed)} gone"]
    if reading.eta is not None and reading.done < total:
        words.append(f"{time_text(reading.eta)} left")
    if reading.failed:
        words.append(f"[bold red]{count_text(reading.failed)} failed[/]")
    bar = ProgressBar(total=max(1, total), completed=reading.done, width=30)
    line.add_row(Text("jobs", "bold"), bar, counts, *words)
    return line


def routine_bars(routines: list[RoutineReading]) -> Any:
    """Return a table with a bar for each routine: of what it got, what is done."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    lines = Table(box=None, padding=(0, 1), header_style="dim")
    lines.add_column("routine", no_wrap=True)
    lines.add_column("")
    for heading in ("done", "queued", "rate", "failed"):
        lines.add_column(heading, justify="right", no_wrap=True)
    for item in routines:
        got = item.done + item.queued
        lines.add_row(
            Text(shorten(clean(item.name), NAME)),
            ProgressBar(total=max(1, got), completed=item.done, width=20),
            count_text(item.done),
            Text(count_text(item.queued), "yellow" if item.queued > item.done else ""),
            rate_text(item.rate),
            Text(count_text(item.failures), "bold red" if item.failures else "dim"),
        )
    return lines
