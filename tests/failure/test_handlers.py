"""Error handlers at work: their delays, their choice of exceptions, their place."""

import threading
import time
from itertools import pairwise

import pytest

from routilux import ErrorHandler

WAIT = 20.0


class Down(ConnectionError):
    """One of the exceptions that are worth a retry."""


@pytest.fixture
def times():
    return []


@pytest.fixture
def always_down(solo, times, now):
    """A flow whose logic notes the time and raises."""

    def build(runtime, handler):
        def logic(slot_data, policy_message, worker_state):
            times.append(now(runtime))
            raise Down("the line is dead")

        flow = solo(logic)
        flow.set_error_handler(handler)
        return flow

    return build


def run_one(runtime, flow):
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1).job
    assert job.wait(WAIT)
    return job


def test_backoff_and_longest_delay_hold_between_the_runs(runtime, always_down, times):
    handler = ErrorHandler(
        "retry", max_retries=4, retry_delay=0.02, retry_backoff=4.0, max_delay=0.1
    )
    assert run_one(runtime, always_down(runtime, handler)).status == "failed"
    waited = [later - sooner for sooner, later in pairwise(times)]
    assert len(waited) == 4
    for had, wanted in zip(waited, (0.02, 0.08, 0.1, 0.1), strict=True):
        assert had >= wanted * 0.99


def test_jitter_spreads_what_failed_together(make_runtime, solo, engine, now):
    if engine != "sim":
        pytest.skip("virtual time alone is exact")
    runtime = make_runtime()
    starts = {}

    def logic(slot_data, policy_message, worker_state):
        [n] = slot_data["input"]
        starts.setdefault(n, []).append(now(runtime))
        if len(starts[n]) == 1:
            raise Down

    flow = solo(logic)
    flow.routines["work"].set_concurrency(50)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=10.0, retry_jitter=0.5))
    runtime.exec(flow)
    runtime.post_many(flow.flow_id, "work", "input", range(50))
    assert runtime.wait_until_all_jobs_finished(None)
    waited = [second - first for first, second in starts.values()]
    assert all(4.99 <= seconds <= 15.01 for seconds in waited)
    assert max(waited) - min(waited) > 2.0


def test_delay_with_jitter_holds_no_thread(threaded, solo, finish):
    began = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"] == ["retried"] and not began.is_set():
            began.set()
            raise Down

    flow = solo(logic)
    flow.routines["work"].set_concurrency(2)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=30.0, retry_jitter=0.5))
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    retried = runtime.post(flow.flow_id, "work", "input", "retried").job
    assert began.wait(WAIT)
    others = [runtime.post(flow.flow_id, "work", "input", n).job for n in range(20)]
    since = time.monotonic()
    assert all(job.wait(WAIT) for job in others)
    assert time.monotonic() - since < 10
    assert retried.cancel()
    finish(runtime)


@pytest.mark.parametrize(
    ("classes", "runs"),
    [
        ((ConnectionError,), 3),
        (OSError, 3),
        ([ValueError, Down], 3),
        (None, 3),
        ((), 3),
        ((ValueError, KeyError), 1),
    ],
)
def test_retryable_exceptions_decide_with_their_subclasses(
    runtime, always_down, times, classes, runs
):
    handler = ErrorHandler(
        "retry", max_retries=2, retry_delay=0.0, retryable_exceptions=classes
    )
    job = run_one(runtime, always_down(runtime, handler))
    assert (job.status, job.error.type, len(times)) == ("failed", "Down", runs)


def test_handler_of_a_routine_is_asked_in_the_place_of_the_flows(
    runtime, make_routine, make_flow, finish
):
    def logic(slot_data, policy_message, worker_state):
        raise Down

    flow = make_flow({name: make_routine(logic) for name in ("own", "flows")})
    flow.set_error_handler(ErrorHandler("continue"))
    flow.routines["own"].set_error_handler(ErrorHandler("stop"))
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, x, "input", 1).job for x in ("own", "flows")]
    finish(runtime)
    assert [job.status for job in jobs] == ["failed", "completed"]


def test_handler_that_raises_fails_the_job(runtime, solo, caplog):
    class Broken(ErrorHandler):
        def decide(self, error, failures, **options):
            raise RuntimeError("undecided")

    def logic(slot_data, policy_message, worker_state):
        raise Down

    flow = solo(logic)
    flow.set_error_handler(Broken())
    job = run_one(runtime, flow)
    assert (job.status, job.error.type) == ("failed", "Down")
    assert "the error handler of routine 'work'" in caplog.text
