"""Checkpoints: a paused worker with all that it holds as a document, and back.

The document has the flow, the worker, every unfinished job and every queued item with
the jobs that it belongs to. Taking one changes nothing. Going back reads and checks all
of it first, then starts a worker that is held still until everything lies where it lay;
if that fails, nothing is left behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

from routilux._core import (
    JobContext,
    Kept,
    WorkerStatus,
    capture,
    disown,
    is_live,
    members_of,
    put_back,
    revive_job,
    stand_in,
)
from routilux._core.group import JobGroup
from routilux.checks import find_deferred
from routilux.errors import SerializationError, name_hint
from routilux.flow import Flow
from routilux.history import now
from routilux.serialization.files import read_document, write_document
from routilux.serialization.flows import flow_from, flow_to
from routilux.serialization.values import decode, encode
from routilux.serialization.worker_states import worker_from, worker_to
from routilux.worker import WorkerState

if TYPE_CHECKING:
    from routilux.runtime import Runtime

__all__ = ["resume_checkpoint", "take_checkpoint", "write_checkpoint"]

FORMAT = "routilux.checkpoint"
VERSION = 1
PLAIN = ("data", "metadata", "trace_log", "result")
TIMES = ("created_at", "started_at")


def write_checkpoint(
    worker: WorkerState, path: str | PathLike[str], timeout: float | None
) -> None:
    """Write a checkpoint to a file; see `WorkerState.checkpoint`."""
    write_document(path, take_checkpoint(worker, timeout))


def take_checkpoint(
    worker: WorkerState, timeout: float | None = None
) -> dict[str, Any]:
    """Return a checkpoint as plain values; see `WorkerState.checkpoint`."""
    core = worker._core()
    if worker.status != WorkerStatus.PAUSED:
        raise RuntimeError(f"{worker!r} is not paused: call pause() first")
    if not core.wait_idle(worker, timeout):
        raise TimeoutError(f"logic of {worker!r} still runs after {timeout} s")
    kept = capture(worker)
    owners = _Owners(kept, core.live_jobs())
    return {
        "format": FORMAT,
        "version": VERSION,
        "written_at": now().isoformat(),
        "flow": flow_to(worker.flow),
        "worker": worker_to(worker),
        "jobs": [_job_to(job) for job in owners.jobs],
        "groups": owners.groups,
        "items": [
            _item_to(entry, owners, worker.flow_id)
            for entry in kept
            if entry.owner is None or owners.name(entry.owner) is not None
        ],
    }


class _Owners:
    # Numbers jobs, in the order of posting, and groups; a group comes after the groups
    # that are its members. A job that ended early, perhaps just now, holds nothing any
    # more: it has no name, nor has a group of such jobs.
    def __init__(self, kept: Iterable[Kept], posted: Iterable[JobContext]) -> None:
        self.jobs: list[JobContext] = []
        self.groups: list[dict[str, Any]] = []
        self._names: dict[int, str | None] = {}
        self._kept: list[Any] = []  # keeps ids unique
        owners = {id(e.owner): e.owner for e in kept if e.owner is not None}
        held = _jobs_below(owners.values())
        for job in posted:
            if id(job) in held:
                self._enter(job)
        for owner in owners.values():
            self.name(owner)

    def name(self, owner: Any) -> str | None:
        """Return what a job or group is called in the document."""
        stack = [owner]
        while stack:
            top = stack[-1]
            if id(top) in self._names:
                stack.pop()
                continue
            missing = self._missing(top)
            if missing:
                stack.extend(missing)
                continue
            self._enter(stack.pop())
        return self._names[id(owner)]

    def _missing(self, owner: Any) -> list[Any]:
        if not isinstance(owner, JobGroup):
            return []
        members, _ = members_of(owner)
        return [m for m in members if id(m) not in self._names]

    def _enter(self, owner: Any) -> None:
        self._kept.append(owner)
        self._names[id(owner)] = None
        if isinstance(owner, JobGroup):
            self._enter_group(owner)
        elif is_live(owner):
            self._names[id(owner)] = f"job {len(self.jobs)}"
            self.jobs.append(owner)

    def _enter_group(self, group: Any) -> None:
        members, newest = members_of(group)
        names = [self._names[id(member)] for member in members]
        if not any(names):
            return
        if self._names.get(id(newest)) is None:
            left = _jobs_below([group])
            newest = [job for job in self.jobs if id(job) in left][-1]
        self._names[id(group)] = f"group {len(self.groups)}"
        named = [name for name in names if name is not None]
        self.groups.append({"members": named, "newest": self._names[id(newest)]})


def _jobs_below(owners: Iterable[Any]) -> set[int]:
    # Ids of all jobs that some owner is, or stands for.
    seen: set[int] = set()
    stack = list(owners)
    while stack:
        owner = stack.pop()
        if id(owner) not in seen:
            seen.add(id(owner))
            if isinstance(owner, JobGroup):
                stack += members_of(owner)[0]
    return seen


def _job_to(job: JobContext) -> dict[str, Any]:
    facts = stand_in().facts(job)
    document: dict[str, Any] = {"job_id": job.job_id, "status": str(job.status)}
    if facts["letter"]:
        document["letter"] = True
    for name in TIMES:
        document[name] = None if facts[name] is None else facts[name].isoformat()
    where = f"job {job.job_id!r}"
    return document | {
        name: encode(facts[name], f"{name} of {where}") for name in PLAIN
    }


def _item_to(entry: Kept, owners: _Owners, flow_id: str) -> dict[str, Any]:
    where = (
        f"an item of slot {entry.slot!r} of routine {entry.routine_id!r}"
        f" of flow {flow_id!r}"
    )
    return {
        "routine": entry.routine_id,
        "slot": entry.slot,
        "item": encode(entry.item, where),
        "owner": None if entry.owner is None else owners.name(entry.owner),
        "source": entry.source,
    }


def resume_checkpoint(
    runtime: Runtime,
    path: str | PathLike[str],
    flow: Flow | None,
    worker_id: str | None,
    paused: bool,
) -> WorkerState:
    """Start a worker of a checkpoint; see `Runtime.resume`."""
    document = _checked(read_document(path))
    try:
        flow = flow_from(document["flow"]) if flow is None else flow
        state = worker_from(document["worker"])
        if state.flow_id != flow.flow_id:
            state._introduce(state.worker_id, flow.flow_id)
        jobs = {f"job {i}": _job_from(job) for i, job in enumerate(document["jobs"])}
        groups = document["groups"]
        kept = [_item_from(item, flow) for item in document["items"]]
        _check_names(jobs, groups, kept)
        _check_deferred(flow, state)
    except (KeyError, TypeError, AttributeError) as error:
        text = f"{type(error).__name__}: {error}"
        raise SerializationError(f"the checkpoint is damaged: {text}") from error
    for facts in jobs.values():
        if runtime.core.find_job(facts["job_id"]) is not None:
            raise ValueError(
                f"job {facts['job_id']!r} of the checkpoint is known to this runtime"
            )
    worker = runtime.exec(flow, worker_id, worker_state=state)
    if not runtime.core.pause(worker):
        raise RuntimeError("Runtime was shut down meanwhile: nothing was resumed")
    try:
        _put_back(runtime, worker, jobs, groups, kept)
        if not paused:
            worker.resume()
    except BaseException:
        worker.cancel("its checkpoint could not be resumed")
        raise
    return worker


def _checked(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SerializationError("the file holds no checkpoint of a worker")
    if document.get("version") != VERSION:
        raise SerializationError(
            f"version {document.get('version')!r} of checkpoints is not supported: this"
            f" package reads version {VERSION}"
        )
    return document


def _job_from(document: dict[str, Any]) -> dict[str, Any]:
    where = f"job {document['job_id']!r}"
    facts = {name: document[name] for name in ("job_id", "status", *TIMES)}
    facts["letter"] = bool(document.get("letter"))
    return facts | {
        name: decode(document[name], f"{name} of {where}") for name in PLAIN
    }


def _item_from(document: dict[str, Any], flow: Flow) -> Kept:
    routine_id, slot = document["routine"], document["slot"]
    routine = flow.routines.get(routine_id)
    if routine is None:
        hint = name_hint(routine_id, flow.routines, "routines")
        raise SerializationError(
            f"flow {flow.flow_id!r} has no routine {routine_id!r}, for which the"
            f" checkpoint has items. {hint}"
        )
    if slot not in routine.slots:
        hint = name_hint(slot, routine.slots, "slots")
        raise SerializationError(
            f"routine {routine_id!r} of flow {flow.flow_id!r} has no slot {slot!r}, for"
            f" which the checkpoint has items. {hint}"
        )
    where = f"an item of slot {slot!r} of routine {routine_id!r}"
    item = decode(document["item"], where)
    return Kept(routine_id, slot, item, document["owner"], document["source"] or "")


def _check_names(jobs: dict[str, Any], groups: list[Any], kept: list[Kept]) -> None:
    known = set(jobs)
    ids: set[str] = set()
    for facts in jobs.values():
        if facts["job_id"] in ids:
            text = f"the checkpoint is damaged: two jobs {facts['job_id']!r}"
            raise SerializationError(text)
        ids.add(facts["job_id"])
    for number, group in enumerate(groups):
        wrong = [m for m in (*group["members"], group["newest"]) if m not in known]
        if wrong or not group["members"] or group["newest"] not in jobs:
            raise SerializationError(f"the checkpoint is damaged: group {number}")
        known.add(f"group {number}")
    for entry in kept:
        if entry.owner is not None and entry.owner not in known:
            raise SerializationError(f"the checkpoint is damaged: no {entry.owner!r}")


def _check_deferred(flow: Flow, state: WorkerState) -> None:
    for event in state.deferred_events:
        try:
            find_deferred(flow, **event)
        except ValueError as error:
            raise SerializationError(
                f"a deferred event of the checkpoint can't be emitted: {error}"
            ) from error


def _put_back(
    runtime: Runtime,
    worker: WorkerState,
    jobs: dict[str, dict[str, Any]],
    groups: list[Any],
    kept: list[Kept],
) -> None:
    core = runtime.core
    owners: dict[str, Any] = {}
    made: list[JobContext] = []
    try:
        for name, facts in jobs.items():
            owners[name] = revive_job(core, worker, facts)
            made.append(owners[name])
    except BaseException:
        for job in made:
            disown(core, job)
        raise
    for number in range(len(groups)):
        owners[f"group {number}"] = number
    remade = [
        ([owners[name] for name in group["members"]], owners[group["newest"]])
        for group in groups
    ]
    entries = [
        Kept(
            entry.routine_id,
            entry.slot,
            entry.item,
            None if entry.owner is None else owners[entry.owner],
            entry.source,
        )
        for entry in kept
    ]
    put_back(core, worker, made, remade, entries)
