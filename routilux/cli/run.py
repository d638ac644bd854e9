"""`routilux run`: items into a flow, and what leaves it, as JSON lines.

Input may be endless: at most `in_flight` items are ahead of the results. What leaves
the flow is written as it comes: the results of jobs in the order of their items, by
this thread; items of open events by an `Outlet`, in the flow.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import IO, Any

import click

from routilux._core import JobContext, Policy
from routilux.checks import find_routine, find_slot
from routilux.cli.feed import finished_jobs
from routilux.cli.lines import Lines, item_of, read_items
from routilux.cli.outlet import add_outlets
from routilux.cli.progress import Progress
from routilux.cli.session import Session, flow_argument, pass_session, session_options
from routilux.errors import (
    ConfigurationError,
    JobCancelledError,
    JobFailedError,
    name_hint,
)
from routilux.flow import Flow
from routilux.mapping import find_entry
from routilux.runtime import Runtime
from routilux.worker import WorkerState

__all__ = ["entry_of", "run", "tell_failure"]

IN_FLIGHT = 1000


@click.command()
@flow_argument
@click.option(
    *("-p", "--param", "params"),
    multiple=True,
    metavar="KEY=VALUE",
    help="A field of the item; with --input, of each that lacks it. May be repeated.",
)
@click.option(
    *("-i", "--input", "source"),
    type=click.Path(),
    metavar="FILE",
    help="Items, one JSON value a line; '-' for stdin.",
)
@click.option(
    *("-o", "--output", "target"),
    type=click.Path(),
    metavar="FILE",
    help="Where the JSON lines go; stdout by default.",
)
@click.option(
    *("-e", "--event", "events"),
    multiple=True,
    metavar="ROUTINE.EVENT",
    help="Write only what is emitted by this event. May be repeated.",
)
@click.option(
    *("--set", "settings"),
    multiple=True,
    metavar="ROUTINE.KEY=VALUE",
    help="Configuration of a routine. May be repeated.",
)
@click.option("-r", "--routine", "routine_id", help="The routine that items enter by.")
@click.option("-s", "--slot", help="The slot that items enter by.")
@click.option("--threads", type=click.IntRange(1), help="By default one for each CPU.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    help="Seconds for the whole run; by default there is no limit.",
)
@click.option("-k", "--keep-going", is_flag=True, help="Go on after a failed item.")
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Count on stderr; by default if that is a terminal.",
)
@session_options
@pass_session
def run(
    session: Session,
    flow: str,
    params: tuple[str, ...],
    source: str | None,
    target: str | None,
    events: tuple[str, ...],
    settings: tuple[str, ...],
    routine_id: str | None,
    slot: str | None,
    threads: int | None,
    timeout: float | None,
    keep_going: bool,
    progress: bool | None,
) -> None:
    """Run a flow on one item, or on each line of a file.

    Without --input there is one item, made of the parameters. Values are JSON, or else
    text.
    """
    found = session.flow(flow)
    configure(found, settings)
    entry = entry_of(found, routine_id, slot)
    in_flight = in_flight_of(found)
    given = item_of(params)
    if progress is None:
        progress = sys.stderr.isatty() and not session.quiet
    with ExitStack() as stack:
        items: Iterator[Any] = iter([given])
        if source is not None:
            stream = stack.enter_context(opened(source, "r"))
            check_apart(stream, target)
            items = read_items(stream, source, given)
        answers = add_outlets(found, events, lambda value: lines.write(value))
        counter = stack.enter_context(Progress(progress))
        runtime = Runtime(threads, max_queue_size=in_flight)
        failed = number = 0
        try:
            worker = runtime.exec(found)
            # Not earlier: opening it empties the file, and the run might not begin.
            lines = Lines(stack.enter_context(opened(target, "w")))
            post = partial(post_item, runtime, worker, *entry)
            jobs = closing(finished_jobs(post, items, in_flight, timeout))
            for number, job in enumerate(stack.enter_context(jobs), 1):
                counter.count(number)
                try:
                    value = job.result()
                except (JobFailedError, JobCancelledError) as error:
                    failed += 1
                    tell_failure(session, error, f"item {number}: ", keep_going)
                else:
                    if answers is True or (answers is None and value is not None):
                        lines.write(value)
        except BaseException as error:
            hangs = isinstance(error, (TimeoutError, KeyboardInterrupt))
            runtime.shutdown(wait=not hangs, cancel_pending=True)
            if isinstance(error, TimeoutError):
                raise click.ClickException(f"not done within {timeout:g} s") from None
            raise
        runtime.shutdown()
    if failed:
        raise click.ClickException(f"{failed} of {number} items failed")


def entry_of(flow: Flow, routine_id: str | None, slot: str | None) -> tuple[str, str]:
    """Return the routine and the slot that items enter by; see `find_entry`."""
    if routine_id is not None:
        routine = find_routine("Target", flow.flow_id, flow.routines, routine_id)
        if slot is not None:
            find_slot(routine, routine_id, slot)
    return find_entry(flow, routine_id, slot)


def post_item(
    runtime: Runtime, worker: WorkerState, routine_id: str, slot: str, item: Any
) -> JobContext:
    """Post an item to the worker."""
    return runtime.post(
        worker.flow, routine_id, slot, item, worker_id=worker.worker_id
    ).job


def opened(path: str | None, mode: str) -> IO[str]:
    """Open a file, or stdin or stdout for "-" and None; these stay open."""
    encoding = None
    if path:  # a file may begin with the mark that some editors write
        encoding = "utf-8-sig" if mode == "r" else "utf-8"
    return click.open_file(path or "-", mode, encoding=encoding)


def check_apart(stream: IO[str], target: str | None) -> None:
    """Raise if the output would empty the very file that the input is read from."""
    if target in (None, "-"):
        return
    try:
        read, written = os.fstat(stream.fileno()), os.stat(target)
    except OSError:  # there is no such file yet, or the input is none
        return
    if stat.S_ISREG(written.st_mode) and os.path.samestat(read, written):
        raise ConfigurationError(
            f"input and output are one file, {target!r}: write to another one"
        )


def in_flight_of(flow: Flow) -> int:
    """Return how many items may be on their way: room for two batches at least."""
    sizes = [
        policy.batch_size or 0
        for routine in flow.routines.values()
        if isinstance(policy := routine._activation_policy, Policy)
    ]
    return max([IN_FLIGHT, *(2 * size for size in sizes)])


def configure(flow: Flow, settings: tuple[str, ...]) -> None:
    """Set configuration that the command line gives."""
    for key, value in item_of(settings).items():
        routine_id, _, name = key.rpartition(".")
        if not routine_id or not name:
            raise ConfigurationError(f"--set needs ROUTINE.KEY=VALUE, not {key!r}")
        routine = flow.routines.get(routine_id)
        if routine is None:
            hint = name_hint(routine_id, flow.routines, "routines")
            raise ConfigurationError(f"there is no routine {routine_id!r}. {hint}")
        routine.set_config(**{name: value})


def tell_failure(
    session: Session,
    error: JobFailedError | JobCancelledError,
    where: str,
    keep_going: bool,
) -> None:
    """Say why a job failed; raise unless the others shall go on."""
    reason = getattr(error, "error", None)
    if reason is None:
        text = f"{where}{error}"
    elif reason.type == "BrokenPipeError":  # the outlet's: nobody reads any more
        raise BrokenPipeError
    else:
        text = f"{where}routine {reason.routine_id!r}: {reason}"
        if session.verbose:
            click.echo(reason.traceback.rstrip(), err=True)
    if not keep_going:
        raise click.ClickException(text)
    click.echo(f"Error: {' '.join(text.split())}", err=True)
