"""The kinds of random flows, and how a run of each is held against the model."""

import random
from collections import Counter

from alone import run_alone, unfold
from balance import Books
from draw import draw_determined, draw_independent, draw_load, draw_program
from drive import Run, first_item
from follow import Follower
from parts import CANCELLED, COMPLETED, FAILED, Illegal
from program import *  # noqa: F403  the repr of a program uses these names

DRAW = {
    "inline": draw_program,
    "determined": draw_determined,
    "independent": draw_independent,
    "load": draw_load,
}


def check(kind, program, seed=0):
    """Run a program, and raise Illegal where the run leaves the contract."""
    CHECK[kind](program, random.Random(seed))


def check_inline(program, rng):
    """One thread: every event is held against the model."""
    Follower(program, Run(program).run()).follow()


def check_load(program, rng):
    """Threads, and anything at all: the books have to balance."""
    run = Run(program, "threads")
    run.run_threads(rng.randint(1, 3))
    Books(program, run).check()


def check_determined(program, rng):
    """Threads, and a flow that leaves them no choice: the same for every routine."""
    run = Run(program, "threads")
    run.run_threads(1)
    books = Books(program, run)
    books.check()
    model = run_alone(program, rng)
    if [cell.seen for cell in run_alone(program, rng).cells()] != [
        cell.seen for cell in model.cells()
    ]:
        raise AssertionError("the model itself is not determined")
    found = {}
    for event in run.trace:
        if event[0] == "begin":
            _, worker, routine, keys, reason, _, _, attempt = event
            found.setdefault((worker, routine), []).append((reason, keys, attempt))
    for cell in model.cells():
        got = found.get((cell.worker, cell.index), [])
        require(got == cell.seen, "sequence", cell.worker, cell.index, got, cell.seen)
    status = {str(job.status) for _, job in books.jobs()}
    require(status <= {COMPLETED, CANCELLED}, "status", status)
    expected = Counter(job.status for job in model.jobs)
    got = Counter(str(job.status) for _, job in books.jobs())
    require(got == expected, "ends of jobs", got, expected)


def check_independent(program, rng):
    """Threads, and jobs that do not meet: each causes what it would cause alone."""
    run = Run(program, "threads")
    require(run.run_threads(rng.randint(1, 3)), "a wait gave up")
    books = Books(program, run)
    books.check()
    found = {}
    for seen in books.activations:
        (label,) = seen.jobs
        (key,) = (key for keys in seen.keys for key in keys)
        found.setdefault(label, Counter())[seen.routine, key, seen.attempt] += 1
    for number, step in enumerate(program.steps):
        if step[0] != "post":
            continue
        item = first_item(program, number, step[4])
        expected, fails = unfold(program, step[2], step[3], item)
        status, got = str(run.jobs[item.key].status), found.get(item.key, Counter())
        if status == COMPLETED:
            require(got == expected and not fails, "activations", got, expected, fails)
            continue
        require(got <= expected, "activations from nowhere", got - expected)
        cancelled = status == CANCELLED and item.key in books.cancelled
        require(cancelled or (status == FAILED and fails), "status", status, fails)


def require(holds, *details):
    if not holds:
        raise Illegal(*details)


CHECK = {
    "inline": check_inline,
    "determined": check_determined,
    "independent": check_independent,
    "load": check_load,
}
