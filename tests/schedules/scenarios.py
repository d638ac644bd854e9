"""The riskiest meetings of a runtime, each as small as it can be.

A scenario runs as the first thread of a schedule and says what must hold however the
turns fall: every accepted job ends once, every wait comes back, nothing is left behind.
"""

import gc
from collections.abc import Callable

from parts import (
    BROKEN,
    FOREVER,
    Jobs,
    beside,
    finish,
    join,
    line,
    nothing,
    pass_on,
    stage,
)
from turns import point, wait

import routilux
from routilux import ErrorHandler, ErrorStrategy, Runtime

SCENARIOS: dict[str, Callable[[], None]] = {}


def scenario(run: Callable[[], None]) -> Callable[[], None]:
    """Register a scenario under its name."""
    SCENARIOS[run.__name__] = run
    return run


@scenario
def post_meets_shutdown():
    runtime = Runtime(2)
    runtime.exec(line(stage(pass_on), stage(nothing)))
    jobs = Jobs(runtime)
    others = beside(lambda: jobs.post(2), lambda: jobs.post(1))
    point()
    runtime.shutdown()
    join(*others)
    jobs.check({"completed"})
    assert len(jobs.jobs) + jobs.refused == 3


@scenario
def wait_meets_last_settle():
    runtime = Runtime(2)
    runtime.exec(line(stage(pass_on), stage(nothing)))
    jobs = Jobs(runtime)
    jobs.post(2)
    first = jobs.jobs[0]

    def wait_for_one():
        assert first.wait(FOREVER) and first.status == "completed"

    def wait_for_all():
        assert runtime.wait_until_all_jobs_finished(FOREVER)
        assert all(job.status == "completed" for job in jobs.jobs)

    join(*beside(wait_for_one, wait_for_all))
    finish(runtime, jobs, {"completed"})


@scenario
def pump_that_retires_meets_new_work():
    runtime = Runtime(2)
    runtime.exec(line(stage(nothing)))
    jobs = Jobs(runtime)
    jobs.post()
    assert runtime.wait_until_all_jobs_finished(FOREVER)
    wait(jobs, 0.9999)  # the pump ends after a second without work
    others = beside(jobs.post)
    jobs.post()
    join(*others)
    finish(runtime, jobs, {"completed"})


@scenario
def emit_meets_a_full_cycle():
    turns = []

    def again(routine, items):
        turns.append(1)
        if len(turns) < 9:
            routine.emit("output", n=1)
            routine.emit("output", n=2)

    flow = line(stage(again, length=1), stage(pass_on, length=1))
    flow.connect("b", "output", "a", "input")
    runtime = Runtime(2)
    runtime.exec(flow)
    jobs = Jobs(runtime)
    others = beside(jobs.post)
    jobs.post()
    join(*others)
    finish(runtime, jobs, {"completed", "failed"})


@scenario
def emit_meets_a_full_slot():
    got = []

    def many(routine, items):
        for n in range(4):
            routine.emit("output", n=n)

    def take(routine, items):
        got.append(items[0]["n"])

    runtime = Runtime(2)
    runtime.exec(line(stage(many), stage(take, length=1)))
    jobs = Jobs(runtime)
    jobs.post(2)
    finish(runtime, jobs, {"completed"})
    assert got == [0, 1, 2, 3] * 2, got


@scenario
def cancel_meets_activation():
    runtime = Runtime(2)
    runtime.exec(line(stage(pass_on), stage(nothing)))
    jobs = Jobs(runtime)
    jobs.post(3)
    said = []
    others = beside(lambda: said.append(jobs.jobs[1].cancel()))
    jobs.jobs[2].cancel()
    join(*others)
    finish(runtime, jobs, {"completed", "cancelled"})
    assert said[0] == (jobs.jobs[1].status == "cancelled")
    assert jobs.jobs[0].status == "completed"


@scenario
def timer_meets_flush():
    sizes = []
    policy = routilux.batch_size_policy(2, max_wait=0.001)
    runtime = Runtime(2)
    runtime.exec(line(stage(lambda _, items: sizes.append(len(items)), policy=policy)))
    jobs = Jobs(runtime)

    def post_and_flush():
        jobs.post(2)
        runtime.flush("flow")

    others = beside(post_and_flush)
    jobs.post()
    wait(jobs, 0.001)
    runtime.flush()
    join(*others)
    finish(runtime, jobs, {"completed"})
    assert sum(sizes) == 3 and max(sizes) <= 2, sizes


@scenario
def exec_meets_exec():
    runtime = Runtime(2)
    flow = line(stage(nothing))
    jobs = Jobs(runtime)
    won = []

    def start():
        try:
            won.append(runtime.exec(flow, worker_id="one"))
        except ValueError as error:
            assert "is taken" in str(error)
        jobs.post()

    join(*beside(start, start))
    assert len(won) == 1
    finish(runtime, jobs, {"completed"})


@scenario
def two_waits_with_timeouts():
    runtime = Runtime(1)
    runtime.exec(line(stage(lambda *_: wait(runtime, 0.002))))
    jobs = Jobs(runtime)
    jobs.post()
    said = []

    def wait_a_while():
        ended = runtime.wait_until_all_jobs_finished(0.002)
        said.append((ended, jobs.jobs[0].status == "completed"))
        assert jobs.jobs[0].wait(0.001) in (True, False)

    join(*beside(wait_a_while, wait_a_while))
    assert (True, False) not in said
    finish(runtime, jobs, {"completed"})


@scenario
def exception_meets_shutdown():
    def fail(routine, items):
        routine.emit("output", n=1)
        raise ValueError("no")

    runtime = Runtime(2)
    runtime.exec(line(stage(fail), stage(nothing)))
    jobs = Jobs(runtime)
    jobs.post(2)
    others = beside(lambda: runtime.shutdown(cancel_pending=True))
    runtime.shutdown(wait=False)
    join(*others)
    runtime.shutdown()
    jobs.check({"failed", "cancelled"})


@scenario
def busy_runtime_is_collected():
    runtime = Runtime(2)
    runtime.exec(line(stage(pass_on), stage(nothing)))
    jobs = Jobs(runtime)
    jobs.post(2)
    jobs.runtime = None
    del runtime
    gc.collect()
    for job in jobs.jobs:
        assert job.wait(FOREVER)
    wait(jobs, 2.0)
    jobs.check({"completed", "cancelled"})


@scenario
def posts_meet_the_bound():
    def count(routine, items):
        live = runtime._machine.core.debug()["live"]
        if live > 1:
            BROKEN.append(f"{live} jobs live, and 1 may")

    runtime = Runtime(2, max_queue_size=1)
    runtime.exec(line(stage(pass_on), stage(count)))
    jobs = Jobs(runtime)
    others = beside(lambda: jobs.post(2), lambda: jobs.post(timeout=0.001))
    jobs.post()
    join(*others)
    finish(runtime, jobs, {"completed"})
    assert len(jobs.jobs) >= 3


@scenario
def posts_meet_a_full_slot():
    def look(routine, items):
        if len(worker.get_slot("a", "input")) > 1:
            BROKEN.append("a slot of one item holds more")

    runtime = Runtime(2)
    worker = runtime.exec(line(stage(look, length=1)))
    jobs = Jobs(runtime)
    others = beside(lambda: jobs.post(2), lambda: jobs.post(2))
    jobs.post()
    join(*others)
    finish(runtime, jobs, {"completed"})


@scenario
def posts_to_two_flows_meet_one_bound():
    def look(routine, items):
        admitted = runtime._machine.core.debug()["admitted"]
        if admitted > 1:
            BROKEN.append(f"{admitted} jobs count for a bound of 1")

    runtime = Runtime(2, max_queue_size=1)
    jobs = [Jobs(runtime, name) for name in ("one", "two")]
    for name in ("one", "two"):
        runtime.exec(line(stage(look), flow_id=name))
    join(*beside(lambda: jobs[0].post(2), lambda: jobs[1].post(2)))
    finish(runtime, jobs[0], {"completed"})
    jobs[1].check({"completed"})


@scenario
def pause_meets_post_and_wait():
    runtime = Runtime(2)
    worker = runtime.exec(line(stage(pass_on), stage(nothing, length=1)))
    jobs = Jobs(runtime)

    def hold():
        worker.pause()
        worker.resume()

    others = beside(lambda: jobs.post(2), hold)
    jobs.post()
    join(*others)
    finish(runtime, jobs, {"completed"})


@scenario
def retry_meets_cancel():
    calls = []

    def fail(routine, items):
        calls.append(1)
        raise ValueError("no")

    handler = ErrorHandler(ErrorStrategy.RETRY, max_retries=2, retry_delay=0.001)
    runtime = Runtime(2)
    runtime.exec(line(stage(fail, handler=handler)))
    jobs = Jobs(runtime)
    jobs.post(2)
    others = beside(jobs.jobs[0].cancel)
    wait(jobs, 0.001)
    jobs.jobs[1].cancel()
    join(*others)
    finish(runtime, jobs, {"failed", "cancelled"})
    assert len(calls) <= 6


@scenario
def keys_meet_each_other():
    inside, got = set(), []

    def take(routine, items):
        key = items[0]["n"]
        assert key not in inside, "two of a key overlap"
        inside.add(key)
        point()
        inside.discard(key)
        got.append(key)

    runtime = Runtime(2)
    runtime.exec(line(stage(take, limit=2, key="n", length=3)))
    jobs = Jobs(runtime)
    others = beside(lambda: jobs.post(2))
    jobs.post(2)
    join(*others)
    finish(runtime, jobs, {"completed"})
    assert sorted(got) == [0, 0, 1, 1]
