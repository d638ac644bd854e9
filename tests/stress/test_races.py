"""Two things at once, again and again: what a build without a GIL may get wrong.

Each test lets threads collide for a while on one spot of the surface and checks what
has to hold whoever is first. ROUTILUX_STRESS_SECONDS lengthens them (a tenth of it
each). They are what `make tsan-test` runs under ThreadSanitizer.
"""

import contextlib
import gc
import logging
import os
import random
import threading
import time

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    QueueFullError,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    get_current_job,
    immediate_policy,
    time_interval_policy,
)
from routilux.core import Slot
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)

SECONDS = float(os.environ.get("ROUTILUX_STRESS_SECONDS", "5")) / 10
WAIT = 60.0
ENDS = {"completed", "failed", "cancelled"}

pytestmark = pytest.mark.timeout(2 * WAIT + 20 * SECONDS)


@pytest.fixture(autouse=True)
def quiet_log(caplog):
    """Keep the failures that are provoked out of the report."""
    caplog.set_level(logging.CRITICAL, logger="routilux")


@pytest.fixture
def collide():
    """Give a function that calls others at once, over and over, for SECONDS."""
    failures = []

    def call(*bodies, seconds=SECONDS):
        end = time.monotonic() + seconds
        start = threading.Barrier(len(bodies))

        def loop(body):
            start.wait(WAIT)
            try:
                while time.monotonic() < end and not failures:
                    body()
            except BaseException as error:
                failures.append(error)
                raise

        threads = [
            threading.Thread(target=loop, args=(body,), daemon=True) for body in bodies
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
            assert not thread.is_alive(), "it hangs"
        assert not failures, failures[0]

    return call


def routine_of(logic, policy=None, slots=("input",), **slot):
    routine = Routine()
    for name in slots:
        routine.add_slot(name, **slot)
    routine.add_event("output")
    routine.set_logic(logic)
    routine.set_activation_policy(policy or immediate_policy())
    return routine


def chain(*routines):
    flow = Flow()
    for number, routine in enumerate(routines):
        flow.add_routine(routine, f"r{number}")
        if number:
            flow.connect(f"r{number - 1}", "output", f"r{number}", "input")
    return flow


def passing(policy=None, **slot):
    """Make a routine that emits what it gets."""

    def logic(slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            routine.emit("output", item=item)

    routine = routine_of(logic, policy, **slot)
    return routine


@pytest.fixture
def busy():
    """A runtime with a flow of everything; `post` and the jobs so far."""

    def sometimes(slot_data, policy_message, worker_state):
        get_current_job().trace("r3", "seen")
        if random.random() < 0.05:
            raise ValueError("now and then")

    last = routine_of(sometimes)
    last.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.0))
    wide = passing(max_queue_length=3)
    wide.set_concurrency(2)
    flow = chain(passing(), wide, passing(batch_size_policy(3, max_wait=0.005)), last)
    with Runtime(3, max_queue_size=20) as runtime:
        runtime.exec(flow, "w0")
        jobs = []

        def post(**options):
            job = runtime.post(flow.flow_id, "r0", "input", 1, timeout=WAIT, **options)
            jobs.append(job.job)
            return job.job

        yield runtime, flow, post, jobs
        runtime.shutdown(timeout=WAIT)
    assert {str(job.status) for job in jobs} <= ENDS


def test_hooks_are_replaced_while_flows_run(busy, collide):
    _, _, post, _ = busy
    seen = []

    class Hooks(ExecutionHooksInterface):
        def on_routine_end(self, *args, **kwargs):
            seen.append(1)

    try:
        collide(post, lambda: set_execution_hooks(Hooks()), reset_execution_hooks)
    finally:
        reset_execution_hooks()


def test_free_standing_slots_keep_one_order_of_arrival(collide):
    slots = {name: Slot(name, max_queue_length=10**7) for name in ("a", "b")}
    policy = immediate_policy()

    def put(name):
        count = iter(range(10**9))
        return lambda: slots[name].enqueue((name, threading.get_ident(), next(count)))

    collide(put("a"), put("a"), put("b"))
    taken = []
    while (answer := policy(slots, None))[0]:
        taken += [item for items in answer[1].values() for item in items]
    for source in {item[:2] for item in taken}:
        numbers = [item[2] for item in taken if item[:2] == source]
        assert numbers == sorted(numbers)


def test_unknown_worker_is_named_while_others_start(collide):
    flow = chain(passing())
    with Runtime(2) as runtime:
        runtime.exec(flow)

        def ask():
            with pytest.raises(ValueError, match="nobody"):
                runtime.post(flow.flow_id, "r0", "input", 1, worker_id="nobody")

        collide(ask, ask, lambda: runtime.exec(flow), seconds=min(SECONDS, 2))


def test_post_meets_shutdown(collide):
    def once():
        flow = chain(passing(), passing(batch_size_policy(4)))
        runtime = Runtime(2, max_queue_size=3)
        runtime.exec(flow)
        jobs, refused = [], threading.Event()

        def poster():
            while not refused.is_set():
                try:
                    jobs.append(runtime.post(flow.flow_id, "r0", "input", 1).job)
                except RuntimeError:
                    refused.set()

        posters = [threading.Thread(target=poster, daemon=True) for _ in range(2)]
        for thread in posters:
            thread.start()
        if random.random() < 0.5:
            runtime.exec(flow)  # a worker that the shutdown may not know of yet
        runtime.shutdown(timeout=WAIT, cancel_pending=random.random() < 0.3)
        for thread in posters:
            thread.join(WAIT)
            assert not thread.is_alive()
        assert {str(job.status) for job in jobs} <= {"completed", "cancelled"}
        assert all(job.completed_at for job in jobs)

    collide(once)


def test_cancel_meets_activations_flushes_and_waits(busy, collide):
    runtime, flow, post, jobs = busy

    def cancel():
        if jobs:
            random.choice(jobs[-20:]).cancel()

    def wait():
        runtime.wait_until_all_jobs_finished(timeout=random.choice((0, 0.001, 0.01)))
        if jobs:
            jobs[-1].wait(timeout=0.001)

    collide(post, post, cancel, wait, wait, lambda: runtime.flush(flow.flow_id))


def test_everything_may_be_asked_while_it_changes(busy, collide):
    runtime, flow, post, jobs = busy
    worker = runtime.exec(flow, "w1")

    def ask():
        for job in [*jobs[-5:], *runtime.list_jobs()[-5:]]:
            assert str(job.status) in ENDS | {"pending", "running"}
            assert runtime.get_job(job.job_id) in (job, None)
            job.to_dict()
            repr(job)
        for routine_id in flow.routines:
            view = worker.get_slot(routine_id, "input")
            view.get_queue_status()
            view.peek_all_new()
        repr(runtime)
        worker.get_event_count("r0", "output")
        worker.update_routine_state_with("x", lambda old: {"n": old.get("n", 0) + 1})
        assert worker.get_routine_state("x")["n"] > 0
        assert worker.routine_states
        assert worker.job_id is None or isinstance(worker.job_id, str)

    collide(post, ask, ask)


def test_posts_that_join_a_job_meet_its_end(busy, collide):
    _, _, post, jobs = busy

    def join():
        # It may be finished, or be posted by another thread right now.
        with contextlib.suppress(ValueError, QueueFullError):
            post(job_id=f"job-{random.randrange(3)}-{len(jobs) // 50}")

    collide(join, join, join)


def test_timers_meet_posts_and_shutdown(collide):
    def once():
        seen = []
        record = lambda slot_data, *rest: seen.extend(slot_data["input"])  # noqa: E731
        flow = chain(
            passing(time_interval_policy(0.001)),
            passing(batch_size_policy(3, max_wait=0.001)),
            routine_of(record),
        )
        with Runtime(2) as runtime:
            runtime.exec(flow)
            for _ in range(20):
                runtime.post(flow.flow_id, "r0", "input", 1, timeout=WAIT)
        assert len(seen) == 20

    collide(once, once)


def test_joins_of_two_workers_share_a_runtime(collide):
    pairs = []

    def pair(slot_data, policy_message, worker_state):
        pairs.append((slot_data["left"][0], slot_data["right"][0]))

    flow = Flow()
    routine = routine_of(
        pair, all_slots_ready_policy(), ("left", "right"), max_queue_length=10**7
    )
    flow.add_routine(routine, "pair")
    with Runtime(3, max_queue_size=50) as runtime:
        workers = [runtime.exec(flow).worker_id for _ in range(2)]
        counts = [[0, 0], [0, 0]]

        def post(worker, side):
            def body():
                number = counts[worker][side]
                slot = ("left", "right")[side]
                runtime.post(
                    flow.flow_id,
                    *("pair", slot, (worker, number), workers[worker]),
                    timeout=WAIT,
                )
                counts[worker][side] += 1

            return body

        collide(*[post(worker, side) for worker in (0, 1) for side in (0, 1)])
    assert all(left == right for left, right in pairs)


def test_busy_runtimes_are_dropped(collide):
    def once():
        flow = chain(passing(), passing(max_queue_length=1))
        runtime = Runtime(2)
        runtime.exec(flow)
        jobs = [runtime.post(flow.flow_id, "r0", "input", n).job for n in range(5)]
        del runtime
        gc.collect()
        assert all(job.wait(WAIT) for job in jobs)

    collide(once, once)
