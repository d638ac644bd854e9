"""What a Runtime shows of itself: the methods, each of which loads its module.

The half of `Runtime` for those who look on. Nothing here runs once per item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO, cast

from routilux._core import BulkCore, edges, rows, tally

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from routilux.machine import Machine
    from routilux.observability.progress import Form, Progress
    from routilux.observability.recorder import TraceEvent
    from routilux.observability.snapshot import RuntimeMetrics
    from routilux.observability.trace import Tracing
    from routilux.runtime import Runtime

__all__ = ["ObservedRuntime"]


class ObservedRuntime(BulkCore):
    """The half of `Runtime` that shows what it does.

    Thread-safety: every method may be called from any thread.
    """

    _machine: Machine
    _made_at: float
    enable_monitoring: bool
    _progress: Progress | None = None  # the one that is on the screen
    _tracing: Tracing | None = None

    def metrics(self) -> RuntimeMetrics:
        """Return a snapshot of all counters; printing it gives a table.

        Without `enable_monitoring=True` it has only what is counted anyway: jobs,
        items in slots and over connections, drops, waits.

        Example:
            >>> runtime.metrics().routine("parser").logic.p99
            0.000262144
        """
        from routilux.observability.snapshot import collect

        workers = self._machine.workers()
        counts = tally(self.core)
        totals = {
            "taken_at": counts["wall"],
            "uptime": counts["clock"] - self._made_at,
            "enabled": self.enable_monitoring,
            **{name: counts[name] for name in ("jobs", "pumps_busy", "pool_size")},
            "waits_for_room": counts["waits_for_room"],
        }
        return collect(
            totals,
            [row for worker in workers for row in rows(worker)],
            [edge for worker in workers for edge in edges(worker)],
        )

    def progress(
        self,
        total: int | None = None,
        *,
        file: TextIO | None = None,
        form: Form = "auto",
    ) -> Progress:
        """Show how far the jobs are, for as long as a `with` block lasts.

        A bar for each routine with what it has done, what is queued, its rate and its
        failures, and one for all jobs. It works without `enable_monitoring`, but then
        counts items instead of activations, and the failures of jobs only.

        Args:
            total: Jobs that will be posted, for the time that is left; None: unknown.
            file: Where to write; None for `sys.stderr`.
            form: "bars" in a terminal (the extra `progress`), "lines" of plain text,
                "notebook"; "auto" chooses.

        Raises:
            TypeError: `total` is no int.
            ValueError: `total` is negative, or there is no such form.
            ConfigurationError: At `with`: form="bars", and rich is not installed.

        Example:
            >>> with runtime.progress(total=len(items)):
            ...     runtime.post_many("my_flow", "routine", "input", items)
            ...     runtime.wait_until_all_jobs_finished()
        """
        from routilux.observability.progress import Progress

        return Progress(cast("Runtime", self), total, file, form)

    def report(self, path: str | PathLike[str], *, title: str | None = None) -> Path:
        """Write a page about the run so far: one HTML file that loads nothing.

        It has the picture of each flow, the routines with their times, who ran when,
        the failures with their tracebacks, and the slowest jobs. It can be asked for at
        any time, also after `shutdown()`, and tells most with `enable_monitoring`.

        Args:
            path: The file; one that is there is replaced.
            title: The heading; None for the ids of the flows.

        Returns:
            The path.

        Example:
            >>> runtime.report("run.html")
            PosixPath('run.html')
        """
        from routilux.observability.report import write_report

        return write_report(cast("Runtime", self), path, title)

    def recent(self, n: int | None = None) -> list[TraceEvent]:
        """Return what happened last, oldest first.

        The flight recorder runs with `enable_monitoring=True` and while a trace is
        written; it holds the last 8192 records.

        Args:
            n: How many events at most; None: all that are there.

        Raises:
            ValueError: If n is negative.

        Example:
            >>> print(*runtime.recent(5), sep="\n")
        """
        from routilux.observability.recorder import recent

        return recent(self.core, n)

    def trace(self, path: str | PathLike[str]) -> Tracing:
        """Write all that happens to a file that Perfetto and chrome://tracing open.

        It begins at once and ends with the `with` block, or with the runtime. If the
        process is killed, the file has what happened up to about 0.1 s before; at most
        its closing bracket is missing.

        Args:
            path: Of the file; it is replaced.

        Raises:
            OSError: The file can't be written.
            RuntimeError: A trace of this runtime is being written already.

        Example:
            >>> with runtime.trace("run.json"):
            ...     runtime.post("my_flow", "routine", "input", 1).wait()
        """
        from routilux.observability.trace import Tracing

        self._tracing = Tracing(self.core, path)
        return self._tracing

    def _end_trace(self) -> None:
        if self._tracing is not None:
            self._tracing.end()
