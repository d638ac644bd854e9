"""`routilux job`: one job, run here, and a record of it that stays.

`submit` starts a runtime, posts one item, waits, and writes what became of the job to a
file in `.routilux/jobs`, which `status` and `list` read. The record is there from the
beginning, as "running"; if the process that wrote it is gone, the job is "lost". Items
of events that nobody hears are in it, as `output`.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import click

from routilux.cli.lines import json_of
from routilux.cli.listing import format_option, show_rows
from routilux.cli.outlet import add_outlets
from routilux.cli.run import entry_of, tell_failure
from routilux.cli.session import Session, pass_session, session_options
from routilux.errors import (
    ConfigurationError,
    JobCancelledError,
    JobFailedError,
    name_hint,
)
from routilux.runtime import Runtime
from routilux.serialization.files import read_document, write_document

__all__ = ["job"]

FOLDER = Path(".routilux", "jobs")
# What each record has at least.
FACTS = {"job_id": str, "flow_id": str, "status": str, "created_at": str, "pid": int}


@click.group()
def job() -> None:
    """Run one job and keep a record of it."""


@job.command()
@click.option("-f", "--flow", required=True, help="The flow: a file, or module:name.")
@click.option("-r", "--routine", "routine_id", help="The routine that it enters by.")
@click.option("-s", "--slot", help="The slot that it enters by.")
@click.option("-d", "--data", default="{}", help="The item, as JSON.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds.")
@session_options
@pass_session
def submit(
    session: Session,
    flow: str,
    routine_id: str | None,
    slot: str | None,
    data: str,
    timeout: float | None,
) -> None:
    """Run a flow on one item, and print the record of the job."""
    item = json_of(data)
    found = session.flow(flow)
    routine_id, slot = entry_of(found, routine_id, slot)
    output: list[Any] = []
    add_outlets(found, (), output.append)
    runtime = Runtime()
    try:
        worker = runtime.exec(found)
        job_id = f"job_{uuid.uuid4().hex[:12]}"
        _, made = runtime.post(
            *(found, routine_id, slot, item), worker.worker_id, job_id
        )
        keep({**made.to_dict(), "status": "running"})
        failure: JobFailedError | JobCancelledError | None = None
        result = None
        try:
            result = made.result(timeout)
        except TimeoutError:
            made.cancel()
        except (JobFailedError, JobCancelledError) as error:
            failure = error
        record = keep({**made.to_dict(), "result": result, "output": output})
    except BaseException:
        runtime.shutdown(wait=False, cancel_pending=True)
        raise
    runtime.shutdown(wait=made.status != "cancelled", cancel_pending=True)
    click.echo(json.dumps(record, indent=2, ensure_ascii=False))
    if failure is not None:
        tell_failure(session, failure, f"job {job_id}: ", False)
    if made.status == "cancelled":
        raise click.ClickException(f"job {job_id} did not end within {timeout:g} s")


@job.command()
@click.argument("job_id")
@session_options
@pass_session
def status(session: Session, job_id: str) -> None:
    """Print the record of a job."""
    known = {record["job_id"]: record for record in records(session)}
    if job_id not in known:
        hint = name_hint(job_id, known, "jobs")
        raise ConfigurationError(f"there is no job {job_id!r} in {FOLDER}. {hint}")
    click.echo(json.dumps(known[job_id], indent=2, ensure_ascii=False))


@job.command(name="list")
@click.option("--flow", help="Only those of a flow, by its id.")
@format_option
@session_options
@pass_session
def list_jobs(session: Session, flow: str | None, form: str) -> None:
    """List the jobs that were run here, the oldest first."""
    rows = [record for record in records(session) if flow in (None, record["flow_id"])]
    show_rows(rows, ["job_id", "flow_id", "status", "created_at"], form)


def keep(record: dict[str, Any]) -> dict[str, Any]:
    """Write the record of a job, and return it as it was written."""
    text = json.dumps({**record, "pid": os.getpid()}, default=str)
    plain: dict[str, Any] = json.loads(text, parse_constant=str)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_document(FOLDER / f"{record['job_id']}.json", plain)
    return plain


def records(session: Session) -> list[dict[str, Any]]:
    """Return all records, by the time when the jobs were made."""
    found = []
    for path in sorted(FOLDER.glob("job_*.json")):
        try:
            record = record_of(path)
        except (OSError, ValueError) as error:  # must not hide the others
            session.say(f"Warning: left out: {' '.join(str(error).split())}")
            continue
        if record["status"] == "running" and not is_alive(record["pid"]):
            record["status"] = "lost"
        found.append(record)
    return sorted(found, key=lambda record: str(record["created_at"]))


def record_of(path: Path) -> dict[str, Any]:
    """Return the record of a file, or raise if it holds something else."""
    record = read_document(path)
    facts = record if isinstance(record, dict) else {}
    for key, kind in FACTS.items():
        if not isinstance(facts.get(key), kind):
            raise ConfigurationError(
                f"{str(path)!r} is no record of a job: its {key!r} must be"
                f" {kind.__name__}, not {facts.get(key)!r}"
            )
    return facts


def is_alive(pid: int) -> bool:
    """Whether there is such a process; True where that can't be asked for."""
    if os.name == "nt":  # os.kill would end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
