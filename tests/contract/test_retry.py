"""Chapter 6: the RETRY strategy."""

import threading
import time
from itertools import pairwise

import pytest

from routilux import ErrorHandler, batch_size_policy, get_current_jobs

WAIT = 20.0
SHORT = 0.05  # long enough to see that something does not end


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


def run_until(runtime, condition):
    """Let the runtime work, on any engine, until the condition is true."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        runtime.wait_until_all_jobs_finished(SHORT)


@pytest.fixture
def flaky(solo, calls):
    """Build a flow whose logic fails the first `failures` times for each item."""

    def build(failures, *, error=ValueError, policy=None, **options):
        def logic(slot_data, policy_message, worker_state):
            (item,) = slot_data["input"]
            calls.append(item)
            if calls.count(item) <= failures:
                raise error(f"attempt {calls.count(item)}")

        flow = solo(logic)
        options.setdefault("retry_delay", 0.01)
        flow.set_error_handler(ErrorHandler("retry", **options))
        return flow

    return build


def test_retry_runs_the_activation_again_until_it_succeeds(runtime, flaky, calls):
    job = poster(runtime, flaky(2))("item")
    assert job.wait(WAIT)
    assert (job.status, job.error) == ("completed", None)
    assert calls == ["item"] * 3


@pytest.mark.parametrize("most", [0, 1, 4])
def test_job_fails_after_max_retries(runtime, flaky, calls, most):
    job = poster(runtime, flaky(100, max_retries=most))("item")
    assert job.wait(WAIT)
    assert job.status == "failed"
    assert job.error.message == f"attempt {most + 1}"
    assert len(calls) == most + 1


def test_max_retries_is_three_by_default(runtime, flaky, calls):
    assert poster(runtime, flaky(100))("item").wait(WAIT)
    assert len(calls) == 4


def test_retries_are_counted_per_activation(runtime, flaky, calls, finish):
    post = poster(runtime, flaky(2, max_retries=2))
    jobs = [post(n) for n in range(5)]
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}
    assert len(calls) == 15


@pytest.mark.parametrize(
    ("error", "runs"), [(ConnectionError, 3), (TimeoutError, 3), (ValueError, 1)]
)
def test_only_retryable_exceptions_are_retried(runtime, flaky, calls, error, runs):
    flow = flaky(
        100,
        error=error,
        max_retries=2,
        retryable_exceptions=(ConnectionError, TimeoutError),
    )
    job = poster(runtime, flow)("item")
    assert job.wait(WAIT)
    assert (job.status, job.error.type) == ("failed", error.__name__)
    assert len(calls) == runs


def test_base_exception_is_not_retried(threaded, flaky, calls):
    job = poster(threaded(), flaky(100, error=SystemExit))("item")
    assert job.wait(WAIT)
    assert (job.status, len(calls)) == ("failed", 1)


def test_delay_grows_by_the_backoff(runtime, solo, finish, now):
    times = []

    def fail(slot_data, policy_message, worker_state):
        times.append(now(runtime))
        raise ValueError

    flow = solo(fail)
    flow.set_error_handler(
        ErrorHandler("retry", max_retries=3, retry_delay=0.05, retry_backoff=3.0)
    )
    poster(runtime, flow)()
    finish(runtime)
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert len(gaps) == 3
    for gap, delay in zip(gaps, (0.05, 0.15, 0.45), strict=True):
        assert delay <= gap < delay + 5


def test_delay_holds_no_pool_thread(threaded, solo, calls):
    failing = threading.Event()

    def fail_once(slot_data, policy_message, worker_state):
        calls.append("first")
        if not failing.is_set():
            failing.set()
            raise ValueError

    def note(slot_data, policy_message, worker_state):
        calls.append("other")

    runtime = threaded(thread_pool_size=1)
    flow = solo(fail_once)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=1.0))
    job = poster(runtime, flow)()
    assert failing.wait(WAIT)
    assert poster(runtime, solo(note))().wait(WAIT)
    assert calls == ["first", "other"]
    assert job.wait(WAIT)
    assert calls == ["first", "other", "first"]


def test_many_delays_pass_side_by_side(threaded, solo, finish):
    failed = set()

    def fail_once(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        if item not in failed:
            failed.add(item)
            raise ValueError

    runtime = threaded(thread_pool_size=1)
    start = time.monotonic()
    for n in range(20):
        flow = solo(fail_once)
        flow.set_error_handler(ErrorHandler("retry", retry_delay=0.5))
        poster(runtime, flow)(n)
    finish(runtime)
    assert time.monotonic() - start < 5  # 20 * 0.5 s, one after the other, is 10


def test_order_is_kept_while_a_retry_waits(runtime, flaky, calls, finish):
    post = poster(runtime, flaky(1, retry_delay=0.1))
    for n in range(3):
        post(n)
    finish(runtime)
    assert calls == [0, 0, 1, 1, 2, 2]


def test_emit_into_the_full_slot_of_a_routine_that_waits_to_retry_is_no_hang(
    make_runtime, make_routine, stage, make_flow, calls
):
    def fail_once(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        calls.append(item["n"])
        if calls.count(item["n"]) == 1:
            raise ValueError

    def emit_twenty(emit, item):
        for n in range(20):
            emit("output", n=n)

    routines = {
        "work": stage(emit_twenty),
        "next": make_routine(fail_once, max_queue_length=1),
    }
    flow = make_flow(routines, ("work", "output", "next", "input"))
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.01))
    job = poster(make_runtime(thread_pool_size=1), flow)()
    assert job.wait(WAIT)
    assert (job.status, job.error) == ("completed", None)
    assert calls == [n for n in range(20) for _ in range(2)]


def test_job_is_not_finished_while_a_retry_waits(runtime, flaky, calls):
    job = poster(runtime, flaky(1, retry_delay=0.5))("item")
    run_until(runtime, lambda: calls)
    assert not runtime.wait_until_all_jobs_finished(SHORT)
    assert job.status == "running"
    assert job.wait(WAIT)


def test_retry_sees_the_same_items_of_a_batch_and_its_jobs(runtime, solo, finish):
    seen = []

    def fail_once(slot_data, policy_message, worker_state):
        seen.append((list(slot_data["input"]), list(get_current_jobs())))
        if len(seen) == 1:
            raise ValueError

    flow = solo(fail_once, policy=batch_size_policy(3))
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.01))
    post = poster(runtime, flow)
    jobs = [post(n) for n in range(3)]
    finish(runtime)
    assert seen == [([0, 1, 2], jobs)] * 2
    assert {job.status for job in jobs} == {"completed"}


def test_what_was_emitted_before_the_raise_stays_emitted(
    runtime, make_routine, stage, make_flow, calls, finish
):
    failed = []

    def emit_then_fail_once(slot_data, policy_message, worker_state):
        work.emit("output", attempt=len(failed))
        if not failed:
            failed.append(1)
            raise ValueError

    work = make_routine(emit_then_fail_once, events=["output"])
    after = stage(lambda emit, item: calls.append(item["attempt"]))
    flow = make_flow({"work": work, "next": after}, ("work", "output", "next", "input"))
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.01))
    job = poster(runtime, flow)()
    finish(runtime)
    assert (job.status, calls) == ("completed", [0, 1])


def test_one_handler_may_serve_many_routines_at_once(runtime, flaky, solo, finish):
    shared = ErrorHandler("retry", max_retries=1, retry_delay=0.01)
    jobs = []
    for n in range(10):
        flow = flaky(1)
        flow.set_error_handler(shared)
        jobs.append(poster(runtime, flow)(n))
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}


def test_cancelled_job_is_not_retried(runtime, flaky, calls, finish):
    job = poster(runtime, flaky(100, retry_delay=0.3))("item")
    run_until(runtime, lambda: calls)
    assert job.cancel() is True
    finish(runtime)
    assert (job.status, calls) == ("cancelled", ["item"])


def test_shutdown_without_pending_work_does_not_wait_for_a_retry(runtime, flaky, calls):
    job = poster(runtime, flaky(100, retry_delay=3600))("item")
    run_until(runtime, lambda: calls)
    start = time.monotonic()
    runtime.shutdown(timeout=WAIT, cancel_pending=True)
    assert time.monotonic() - start < 5
    assert (job.status, calls) == ("cancelled", ["item"])
