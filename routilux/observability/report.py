"""`Runtime.report`: one page that tells a run, complete in itself.

It is made of what the runtime still knows when it is asked: its counters, the jobs in
its history, and the flight recorder. What was not measured is left out, and the page
says so. Every text of the user goes through `page.el`, which escapes it.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from datetime import datetime, timezone
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from routilux._core import JobContext, JobStatus
from routilux.arguments import check_path, check_type
from routilux.observability.charts import (
    Bar,
    bounds_text,
    histogram,
    timeline,
    used_range,
)
from routilux.observability.figures import count_text, rate_text, share_text, time_text
from routilux.observability.numbers import numbers_of
from routilux.observability.page import Child, Raw, document, el, table
from routilux.observability.picture import picture_of
from routilux.observability.svg import svg

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.observability.snapshot import RoutineMetrics, RuntimeMetrics
    from routilux.runtime import Runtime

__all__ = ["write_report"]

MOST_BARS = 4000  # of the timeline; the newest are shown
MOST_ROWS = 40  # of a table before the rest is folded away
MOST_FAILURES = 50  # kinds of failure
SLOWEST = 20
NOT_MEASURED = (
    "Times, activations and failures of routines were not measured: make the runtime"
    " with Runtime(enable_monitoring=True)."
)


def write_report(
    runtime: Runtime, path: str | PathLike[str], title: str | None = None
) -> Path:
    """Write the page; see `Runtime.report`."""
    file = check_path("path", path)
    if title is not None:
        check_type("title", title, str)
    metrics = runtime.metrics()
    flows = dict.fromkeys(worker.flow for worker in runtime._machine.workers())
    jobs = runtime.list_jobs()
    ended = [
        job
        for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
        for job in runtime.list_jobs(status=status)
    ]
    heading = (
        title or f"Run of {', '.join(flow.flow_id for flow in flows) or 'nothing'}"
    )
    parts: list[Child] = [
        el("h1", heading),
        el("p", describe(metrics), class_="note"),
        cards(metrics),
        None if metrics.enabled else el("p", NOT_MEASURED, class_="note"),
        [flow_part(flow, metrics, number) for number, flow in enumerate(flows)],
        routines_part(metrics),
        timeline_part(runtime, [*ended, *jobs], metrics.taken_at),
        failures_part(ended),
        slowest_part(ended),
    ]
    file.write_text(document(heading, *parts), encoding="utf-8")
    return file


def describe(metrics: RuntimeMetrics) -> str:
    """Say when it was, and on what."""
    taken = datetime.fromtimestamp(metrics.taken_at, timezone.utc)
    return (
        f"{taken:%Y-%m-%d %H:%M:%S} UTC, {time_text(metrics.uptime)} after the runtime"
        f" was made; a pool of {metrics.pool_size} threads"
    )


def cards(metrics: RuntimeMetrics) -> Raw:
    """Return the numbers that come first."""
    jobs = metrics.jobs
    live = metrics.jobs_live
    finished = sum(jobs.values()) - live
    shown = [
        (count_text(jobs["completed"]), "jobs completed", False),
        (count_text(jobs["failed"]), "failed", jobs["failed"] > 0),
        (count_text(jobs["cancelled"]), "cancelled", False),
        (count_text(live), "not finished", False),
        (rate_text(finished / max(metrics.uptime, 1e-9)), "jobs finished", False),
        (count_text(metrics.waits_for_room), "waits for room", False),
    ]
    return el(
        "div",
        [
            el("div", el("b", number), words, class_="card bad" if bad else "card")
            for number, words, bad in shown
        ],
        class_="cards",
    )


def flow_part(flow: Flow, metrics: RuntimeMetrics, number: int) -> Raw:
    """Return the picture of a flow, fitted to the page, or whole on a click."""
    numbers = numbers_of(flow, metrics)
    drawing = Raw(svg(picture_of(flow, numbers, fold=True)))
    box = f"whole-{number}"
    return el(
        "section",
        el("h2", f"Flow {flow.flow_id}"),
        el(
            "div",
            el("input", type="checkbox", id=box),
            el("label", "full size / fit to the page", for_=box),
            el("div", drawing, class_="picture fit"),
            class_="whole",
        ),
        el(
            "p",
            "Color: share of the time in logic, from white to red. Arrows: items, and"
            " items per second since the runtime was made. Red edge: failures.",
            class_="note",
        )
        if metrics.enabled
        else None,
    )


def routines_part(metrics: RuntimeMetrics) -> Raw | None:
    """Return the table of routines, those with the most time first."""
    if not metrics.routines:
        return None
    rows = sorted(
        metrics.routines, key=lambda row: (row.logic.sum, row.items_out), reverse=True
    )
    several = len({row.worker_id for row in rows}) > 1
    logic = used_range(row.logic for row in rows)
    waits = [slot.wait for row in rows for slot in row.slots.values()]
    waited = used_range(waits) if any(wait.count for wait in waits) else None
    head = [
        *("routine", "runs", "failed", "retried", "share", "in logic", "mean", "p50"),
        *("p95", "p99", bounds_text(rows[0].logic, logic)),
        *("queued", "peak", "dropped"),
    ]
    if waited:
        head += ["wait p95", bounds_text(waits[0], waited)]
    cells = [
        (routine_cells(row, several, logic, waited), row.failures > 0) for row in rows
    ]
    rest = cells[MOST_ROWS:]
    return el(
        "section",
        el("h2", "Routines"),
        table(head, cells[:MOST_ROWS]),
        folded(f"{len(rest)} more", table(head, rest)) if rest else None,
    )


def routine_cells(
    row: RoutineMetrics,
    several: bool,
    logic: tuple[int, int],
    waited: tuple[int, int] | None,
) -> list[Child]:
    """Return the cells of one routine."""
    slots = list(row.slots.values())
    name: list[Child] = [el("b", row.routine_id)]
    if several:
        name.append(el("span", f" {row.worker_id}", class_="soft"))
    times = row.logic
    cells: list[Child] = [
        name,
        *map(count_text, (row.activations, row.failures, row.retries)),
        share_text(row.share),
        *map(time_text, (times.sum, times.mean, times.p50, times.p95, times.p99)),
        histogram(times, logic) if times.count else "",
        count_text(sum(slot.depth for slot in slots)),
        count_text(max((slot.peak for slot in slots), default=0)),
        count_text(sum(slot.dropped for slot in slots)),
    ]
    if waited:
        longest = max(slots, key=lambda slot: slot.wait.p95, default=None)
        told = longest is not None and longest.wait.count > 0
        cells.append(time_text(longest.wait.p95) if longest and told else "")
        cells.append(histogram(longest.wait, waited) if longest and told else "")
    return cells


def timeline_part(runtime: Runtime, jobs: Iterable[JobContext], now: float) -> Raw:
    """Return who ran when: activations by thread, or else jobs by routine."""
    bars = activation_bars(runtime)
    words = "Activations by thread, from the flight recorder"
    if not bars:
        bars = job_bars(jobs, now)
        words = "Jobs, from first activation to last"
    if not bars:
        return el(
            "section", el("h2", "Timeline"), el("p", "Nothing ran.", class_="note")
        )
    newest = sorted(bars, key=lambda bar: bar.start)[-MOST_BARS:]
    if len(newest) < len(bars):
        words += f": the last {len(newest)} of {len(bars)}"
    note = el("p", f"{words}. Red edge: failed.", class_="note")
    return el("section", el("h2", "Timeline"), note, timeline(newest))


def activation_bars(runtime: Runtime) -> list[Bar]:
    """Return a bar for each activation that the flight recorder still has."""
    events = sorted(runtime.recent(), key=lambda event: event.at)
    failures: dict[tuple[int, str | None], list[float]] = {}
    for event in events:
        if event.kind in ("failure", "retry"):
            failures.setdefault((event.thread, event.routine_id), []).append(event.at)
    bars = []
    threads: dict[int, str] = {}
    for event in events:
        if event.kind != "activation" or event.duration is None:
            continue
        lane = threads.setdefault(event.thread, f"thread {len(threads) + 1:02}")
        name, end = event.routine_id or "?", event.at + event.duration
        times = failures.get((event.thread, event.routine_id), [])
        later = bisect.bisect_left(times, event.at)
        failed = later < len(times) and times[later] <= end
        title = f"{name}: {time_text(event.duration)}"
        title += f", job {event.job_id}" if event.job_id else ""
        title += ", failed" if failed else ""
        bars.append(Bar(lane, name, event.at, end, title, failed))
    return bars


def job_bars(jobs: Iterable[JobContext], now: float) -> list[Bar]:
    """Return a bar for each job that began, in as few lanes as hold them."""
    begun = [
        (job.started_at.timestamp(), end_of(job, now), job)
        for job in jobs
        if job.started_at is not None
    ]
    begun.sort(key=lambda item: item[0])
    free: list[float] = []  # when each lane is free again
    bars = []
    for start, end, job in begun:
        lane = next((n for n, until in enumerate(free) if until <= start), len(free))
        free[lane : lane + 1] = [end]
        bars.append(
            Bar(
                lane=f"jobs {lane + 1:02}",
                name=job.flow_id or "?",
                start=start,
                end=end,
                title=f"job {job.job_id}: {job.status}, {time_text(end - start)}",
                failed=job.status == JobStatus.FAILED,
            )
        )
    return bars


def end_of(job: JobContext, now: float) -> float:
    """Return when a job ended, or now, by the clock of its runtime."""
    return now if job.completed_at is None else job.completed_at.timestamp()


def failures_part(jobs: Iterable[JobContext]) -> Raw | None:
    """Return the failures, those that are alike together, with a traceback each."""
    alike: dict[tuple[str, ...], list[JobContext]] = {}
    for job in jobs:
        error = job.error
        if job.status == JobStatus.FAILED and error is not None:
            where = (error.traceback or "").strip().splitlines()[-3:-1]
            key = (error.routine_id or "", error.type, *where)
            alike.setdefault(key, []).append(job)
    if not alike:
        return None
    groups = sorted(alike.values(), key=len, reverse=True)
    parts = [failure(members) for members in groups[:MOST_FAILURES]]
    left_out = len(groups) - MOST_FAILURES
    rest = f"and {left_out} kinds more" if left_out > 0 else None
    return el("section", el("h2", "Failures"), parts, el("p", rest, class_="note"))


def failure(jobs: list[JobContext]) -> Raw:
    """Return one kind of failure."""
    newest = jobs[-1]
    error = newest.error
    assert error is not None
    times = "once" if len(jobs) == 1 else f"{len(jobs)} times"
    ids = ", ".join(job.job_id for job in jobs[-5:])
    ids += f" and {len(jobs) - 5} before" if len(jobs) > 5 else ""
    summary = el(
        "summary",
        el("b", error.routine_id or "?"),
        f" {times}: ",
        el("code", f"{error.type}: {error.message}"[:300]),
    )
    return el(
        "details",
        summary,
        el("pre", error.traceback or str(error)),
        el("p", f"jobs {ids}", class_="note"),
        class_="failure",
        open=len(jobs) > 1,
    )


def slowest_part(jobs: Iterable[JobContext]) -> Raw | None:
    """Return the jobs that took the longest, and how long each waited first."""
    timed = [
        ((job.completed_at - job.created_at).total_seconds(), job)
        for job in jobs
        if job.completed_at is not None
    ]
    if not timed:
        return None
    timed.sort(key=lambda item: item[0], reverse=True)
    rows: list[tuple[list[Child], bool]] = []
    for took, job in timed[:SLOWEST]:
        waited = None
        if job.started_at is not None:
            waited = (job.started_at - job.created_at).total_seconds()
        cells: list[Child] = [
            el("code", job.job_id),
            str(job.flow_id or ""),
            str(job.status),
            f"{job.created_at:%H:%M:%S.%f}"[:-3],
            time_text(took),
            "" if waited is None else time_text(waited),
            "" if waited is None else time_text(took - waited),
        ]
        rows.append((cells, job.status == JobStatus.FAILED))
    head = ["job", "flow", "status", "posted (UTC)", "took", "waited first", "then ran"]
    return el("section", el("h2", "Slowest jobs"), table(head, rows, texts=[1]))


def folded(words: str, child: Raw) -> Raw:
    """Return something that is shown on a click."""
    return el("details", el("summary", words), child)
