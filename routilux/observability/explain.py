"""Explain: where the jobs are, and why they do not go on, in words.

`Runtime.explain`, a wait that timed out, a simulation that is stuck, the live page and
the dump on a signal all say it with this text. What is true at the moment is asked of
the core (`survey`); here it becomes sentences. Nothing is kept and nothing is changed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from routilux._core import Control, JobContext, JobStatus, survey
from routilux._core.control import FORKED
from routilux.observability.breakpoints import held_items
from routilux.worker import WorkerState

if TYPE_CHECKING:
    from routilux.runtime import Runtime

__all__ = ["Whereabouts", "explain", "holders"]

Facts = dict[str, Any]
LISTED = 20  # lines of a worker at most, before "and n more"


def explain(runtime: Runtime, job_id: object = None) -> str:
    """Say where a job is, or where all are; see `Runtime.explain`."""
    if job_id is None:
        return explain_all(runtime)
    found = getattr(job_id, "job_id", job_id)
    if not isinstance(found, str):
        raise TypeError(f"job_id must be a str or a job, not {job_id!r}")
    if runtime.core.forked:
        return FORKED
    job = runtime.get_job(found)
    if job is None:
        return (
            f"job {found!r} is unknown: it was never posted to this runtime, or ended"
            f" so long ago that the history forgot it"
        )
    if job.status not in (JobStatus.PENDING, JobStatus.RUNNING):
        return ended(job)
    worker = runtime.get_worker(job.worker_id)
    lines = [] if worker is None else Whereabouts(runtime.core, worker, job).lines()
    if job.done() or (worker is None and job.status != JobStatus.RUNNING):
        return ended(job)  # it ended while it was looked for
    age = span((now_of(worker) - job.created_at).total_seconds())
    head = f"{name_of(job)} is {job.status}: posted {age} ago"
    lines = [str(h) for h in held_items(runtime.core) if h.job is job] + lines
    if not lines:
        lines = ["none of its items was found just now: it is on the move"]
    return "\n".join([head, *(f"- {line}" for line in lines)])


def explain_all(runtime: Runtime) -> str:
    """Say it for every job of a runtime, worker by worker."""
    core = runtime.core
    if core.forked:  # what it knows of its jobs is as old as the fork
        return FORKED
    counts = core.counts()
    head = (
        f"{many(counts['jobs_live'], 'job')} unfinished, {counts['pumps']} of"
        f" {many(core.pool_size, 'thread')} busy"
    )
    if core.is_closed:
        head = f"the runtime is shut down; {head}"
    found = [head, *(f"- {held}" for held in held_items(core))]
    for worker in runtime.list_workers():
        lines = Whereabouts(core, worker).lines()
        if lines:
            found.append(f"worker {worker.worker_id!r} of flow {worker.flow_id!r}:")
            found += [f"- {line}" for line in lines[:LISTED]]
            if len(lines) > LISTED:
                found.append(f"- and {len(lines) - LISTED} more")
    return "\n".join(found)


def holders(core: Control) -> list[str]:
    """Say what holds the unfinished jobs, a text for each routine and slot."""
    return [str(held) for held in held_items(core)] + [
        f"flow {worker.flow_id!r}: {line}"
        for worker in core.all_workers()
        for line in Whereabouts(core, worker).lines()
    ]


def ended(job: JobContext) -> str:
    """Say how a job ended."""
    text = f"{name_of(job)} is {job.status}"
    if job.completed_at is not None:
        taken = span((job.completed_at - job.created_at).total_seconds())
        text += f", {taken} after it was posted"
    error = job.error
    if error is None:
        return text
    where = f" in routine {error.routine_id!r}" if error.routine_id else ""
    why = error.message if error.type in ("Cancelled", "Dropped") else error
    return f"{text}{where}: {why}"


class Whereabouts:
    """What a worker holds and does at the moment, for one job or for all.

    Args:
        core: The core of its runtime.
        worker: The worker.
        job: The job that is looked for; None: all of them.

    Attributes:
        facts: What `survey` found.
    """

    def __init__(
        self, core: Control, worker: WorkerState, job: JobContext | None = None
    ) -> None:
        self.core = core
        self.worker = worker
        self.job = job
        self.facts = survey(core, worker, job)
        self.cells = {cell["routine_id"]: cell for cell in self.facts["cells"]}
        self.threads = {t.ident: t.name for t in threading.enumerate()}

    def lines(self) -> list[str]:
        """Return a sentence for each place where something is."""
        lines = [self.activity(found, True) for found in self.mine("executing")]
        lines += [self.activity(found, True) for found in self.mine("retries")]
        for cell in self.facts["cells"]:
            lines += self.unseen(cell)
            for slot in cell["slots"]:
                lines += self.queued(cell, *slot)
        paused = any(cell["paused"] for cell in self.cells.values())
        if paused and lines:
            lines.insert(0, self.pause())
        return list(dict.fromkeys(lines))

    def mine(self, kind: str) -> list[Facts]:
        """Return the activations of a kind that work for the job."""
        return [found for found in self.facts[kind] if found["mine"]]

    def pause(self) -> str:
        """Say that the worker is paused, and why."""
        reason = self.worker.pause_points[-1:]
        why = f" ({reason[0]['reason']})" if reason and reason[0]["reason"] else ""
        return (
            f"worker {self.worker.worker_id!r} is paused{why}: nothing of it begins"
            " before resume()"
        )

    def activity(self, found: Facts, named: bool) -> str:
        """Say what an activation does: it executes, sleeps, or waits for a retry."""
        what = f"{found['routine_id']!r} " if named else ""
        if found in self.facts["retries"]:
            failed = many(found["failures"], "time")
            when = f"due in {span(found['seconds'])}" if found["seconds"] else "due now"
            return f"{what}failed {failed}, its next try is {when}{self.whose(found)}"
        for sleeper in self.facts["sleeping"]:
            same = sleeper["routine_id"] == found["routine_id"]
            # Without a GIL nobody sees from outside whom a thread works for.
            if same and found["owner"] in (None, sleeper["owner"]):
                return f"{what}waits for room in {self.room(sleeper['slot'])}"
        above = self.above(found)
        if above is not None:
            return (
                f"{what}waits for room in a slot, and its thread runs {above!r} first"
            )
        return (
            f"{what}executes{self.how_long(found)}{self.where(found)}"
            f"{self.whose(found)}"
        )

    def above(self, found: Facts) -> str | None:
        """Return the routine that the thread of an activation helps, or None."""
        executing = self.facts["executing"]
        same = [one for one in executing if one["thread"] == found["thread"]]
        at = next(i for i, one in enumerate(same) if one is found)
        return same[at - 1]["routine_id"] if at else None

    def room(self, place: tuple[str, str]) -> str:
        """Say that a slot is full, and what its routine does."""
        routine_id, name = place
        cell = self.cells[routine_id]
        sizes = {slot[0]: slot for slot in cell["slots"]}
        return (
            f"slot {name!r} of {routine_id!r}, which holds {sizes[name][1]} of"
            f" {sizes[name][2]} items: {self.why(cell)}"
        )

    def how_long(self, found: Facts) -> str:
        """Say for how long; without meters its job's start is all that is known."""
        seconds = found["seconds"]
        if seconds is not None:
            return f" for {span(seconds)}"
        owner = self.job if found["owner"] is None and found["mine"] else found["owner"]
        started = owner.started_at if isinstance(owner, JobContext) else None
        if started is None:
            return ""
        age = (now_of(self.worker) - started).total_seconds()
        return f" for at most {span(max(0.0, age))}"

    def where(self, found: Facts) -> str:
        """Say on which thread."""
        thread = found["thread"]
        return f" on thread {self.threads.get(thread, thread)!r}"

    def whose(self, found: Facts) -> str:
        """Say for which job, unless that one is asked about."""
        owner = found["owner"]
        if owner is None or owner is self.job:
            return ""
        if isinstance(owner, JobContext):
            return f", for job {owner.job_id!r}"
        return ", for a batch of several jobs"

    def unseen(self, cell: Facts) -> list[str]:
        """Say what executes where nobody can look: coroutines, threads that wait."""
        kinds = ("executing", "retries")
        seen = sum(
            found["routine_id"] == cell["routine_id"]
            for kind in kinds
            for found in self.facts[kind]
        )
        left = cell["running"] - seen
        if left <= 0 or not (self.job is None or cell["current"]):
            return []
        if self.job is not None and self.has_frame(cell):
            return []
        what = "on the event loop" if cell["is_async"] else "on a thread that waits"
        times = f" {left} times" if left > 1 else ""
        return [f"{cell['routine_id']!r} executes{times} {what}"]

    def has_frame(self, cell: Facts) -> bool:
        """Whether an activation of it was found to work for the job."""
        found = [*self.mine("executing"), *self.mine("retries")]
        return any(one["routine_id"] == cell["routine_id"] for one in found)

    def queued(
        self, cell: Facts, name: str, size: int, bound: int, mine: int, parked: int
    ) -> list[str]:
        """Say how many items lie in a slot, and what they wait for."""
        lines = []
        place = f"slot {name!r} of {cell['routine_id']!r}"
        if parked and not cell["ready"]:
            why = self.parked_for(cell)
            lines.append(f"{many(parked, 'item')} parked in {place}: {why}")
            mine -= parked
        if mine > 0:
            others = size - mine - parked
            among = f", among {others} of other jobs" if self.job and others > 0 else ""
            lines.append(f"{many(mine, 'item')} queued in {place}{among}: ")
            lines[-1] += self.why(cell)
        return lines

    def why(self, cell: Facts) -> str:
        """Say why a routine does not take what lies in its slots right now."""
        name = repr(cell["routine_id"])
        if not cell["runs"]:
            return f"{name} never runs, it has no policy or no logic"
        if cell["paused"]:
            return "its worker is paused"
        if cell["running"] >= cell["limit"]:
            return f"{name} is busy, it {self.busy(cell)}"
        if cell["held"]:
            return f"async logic of {name} does not begin while a slot it feeds is full"
        if cell["ready"]:
            return self.ready(name)
        if cell["policy"] == "key":
            return "items of one key wait for each other"
        return self.parked_for(cell)

    def busy(self, cell: Facts) -> str:
        """Say what the activations of a routine do."""
        found = [
            self.activity(one, False)
            for kind in ("executing", "retries")
            for one in self.facts[kind]
            if one["routine_id"] == cell["routine_id"]
        ]
        if not found:
            return "executes" + (" on the event loop" if cell["is_async"] else "")
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return found[0] + more

    def ready(self, name: str) -> str:
        """Say what keeps a routine that may run from it: threads."""
        if self.core.is_inline():
            return f"{name} runs when somebody waits, as the engine of its runtime does"
        size = self.core.pool_size
        if self.core.counts()["pumps"] >= size:
            return f"{name} waits for a thread, all {size} of the pool are busy"
        return f"{name} is about to run"

    def parked_for(self, cell: Facts) -> str:
        """Say what a policy that said "not yet" waits for."""
        policy, slots = cell["policy"], cell["slots"]
        due = f"in {span(max(0.0, cell['due']))}" if cell["due"] is not None else ""
        if cell["held"]:
            return f"async logic of {cell['routine_id']!r} waits for room downstream"
        if policy == "all_slots_ready":
            empty = [slot[0] for slot in slots if slot[1] == 0]
            return f"all_slots_ready waits for {names(empty)}"
        if policy == "batch_size":
            short = {slot[0]: cell["batch"] - slot[1] for slot in slots}
            wanted = [f"{n} more in {name!r}" for name, n in short.items() if n > 0]
            text = f"batch_size({cell['batch']}) waits for {' and '.join(wanted)}"
            return f"{text}, or runs what there is {due}" if due else text
        if policy == "time_interval":
            return f"time_interval runs it {due or 'soon'}"
        again = f"is asked again {due}" if due else "is asked again when an item comes"
        return f"its policy said not yet and {again}"


def name_of(job: JobContext) -> str:
    """Name a job with its flow and worker."""
    return f"job {job.job_id!r} of flow {job.flow_id!r} (worker {job.worker_id!r})"


def now_of(worker: WorkerState | None) -> datetime:
    """Return the time by the clock of a worker, which may be virtual."""
    return datetime.now(timezone.utc) if worker is None else worker.now()


def names(found: Iterable[str]) -> str:
    """Join names, quoted."""
    return " and ".join(repr(name) for name in found) or "its turn"


def many(n: int, noun: str) -> str:
    """Return "1 item" or "2 items"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def span(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 1.0:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120.0:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
