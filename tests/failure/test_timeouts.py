"""Activations that last longer than `set_timeout` allows."""

import asyncio
import sys
import threading
import time

import pytest

from routilux import (
    ActivationTimeout,
    ErrorHandler,
    JobFailedError,
    RoutiluxError,
    batch_size_policy,
)

WAIT = 20.0
SHORT, LONG = 0.05, 0.4  # seconds: the timeout, and what is too long
HAS_GIL = getattr(sys, "_is_gil_enabled", bool)() or sys.version_info < (3, 13)


def slow(linger, calls):
    """Return logic that takes long over the item "slow", and notes what it did."""

    def logic(slot_data, policy_message, worker_state):
        [item] = slot_data["input"]
        calls.append(item)
        if item == "slow":
            linger(LONG)
            calls.append("late")

    return logic


def limited(flow, seconds=SHORT, routine_id="work"):
    flow.routines[routine_id].set_timeout(seconds)
    return flow


def post_all(runtime, flow, *items, routine_id="work"):
    runtime.exec(flow)
    return [runtime.post(flow.flow_id, routine_id, "input", x)[1] for x in items]


def test_activation_that_takes_too_long_fails_its_job(
    runtime, solo, finish, linger, calls
):
    flow = limited(solo(slow(linger, calls)))
    quick, late, after = post_all(runtime, flow, "quick", "slow", "after")
    finish(runtime)
    assert [quick.status, late.status, after.status] == [
        "completed",
        "failed",
        "completed",
    ]
    assert late.error.type == "ActivationTimeout"
    assert late.error.routine_id == "work"
    assert "'work' took longer than 0.05 s" in late.error.message


def test_result_of_the_job_raises_with_the_timeout_as_its_cause(
    runtime, solo, linger, calls
):
    flow = limited(solo(slow(linger, calls)))
    [late] = post_all(runtime, flow, "slow")
    with pytest.raises(JobFailedError) as caught:
        late.result(WAIT)
    assert isinstance(caught.value.__cause__, ActivationTimeout)
    assert issubclass(ActivationTimeout, (RoutiluxError, TimeoutError))


def test_activation_in_time_is_left_alone(runtime, solo, finish, record, calls):
    flow = limited(solo(record), 60)
    jobs = post_all(runtime, flow, *range(300))
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}
    assert [data["input"] for data, _ in calls] == [[n] for n in range(300)]


def test_late_emit_is_ignored(runtime, stage, make_flow, finish, linger, calls):
    def body(emit, item):
        linger(LONG)
        emit("output", n=1)

    routines = {"work": stage(body), "next": stage(lambda emit, item: calls.append(1))}
    flow = make_flow(routines, ("work", "output", "next", "input"))
    [late] = post_all(runtime, limited(flow), "slow")
    finish(runtime)
    runtime.shutdown()
    assert (late.status, calls) == ("failed", [])


def test_late_result_is_ignored(runtime, solo, finish, linger):
    ended = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        linger(LONG)
        from routilux import get_current_job

        get_current_job().set_result("late")
        ended.set()

    [late] = post_all(runtime, limited(solo(logic)), "slow")
    finish(runtime)
    assert ended.wait(WAIT)
    assert late.status == "failed"
    with pytest.raises(JobFailedError):
        late.result()


def test_job_ends_while_its_logic_still_runs(threaded, solo, gate, finish):
    flow = limited(solo(lambda slot_data, policy_message, worker_state: gate.wait()))
    runtime = threaded(thread_pool_size=1)
    [late] = post_all(runtime, flow, "stuck")
    assert late.wait(WAIT)
    assert late.status == "failed"
    if HAS_GIL:  # else nobody can look at what another thread runs
        assert "gate.wait()" in late.error.traceback


def test_pool_makes_up_for_the_thread_that_is_stuck(threaded, solo, gate, finish):
    threads = set()

    def logic(slot_data, policy_message, worker_state):
        threads.add(threading.current_thread().name)
        if slot_data["input"] == ["stuck"]:
            gate.wait()

    runtime = threaded(thread_pool_size=1)
    jobs = post_all(runtime, limited(solo(logic)), "stuck", *range(50), "stuck", 1)
    finish(runtime)
    assert [job.status for job in jobs].count("failed") == 2
    assert [job.status for job in jobs].count("completed") == 51
    assert len(threads) >= 2


def test_threads_are_as_many_as_before_when_the_logic_returned(
    threaded, solo, finish, peak
):
    hold = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"] == ["stuck"]:
            hold.wait(WAIT)
        else:
            with peak:
                time.sleep(0.001)

    flow = limited(solo(logic), 1.0)
    flow.routines["work"].set_concurrency(8)
    runtime = threaded(thread_pool_size=2)
    post_all(runtime, flow, "stuck", "stuck")
    finish(runtime)
    hold.set()
    while runtime.core.n_given_up():
        time.sleep(0.001)
    for n in range(100):
        runtime.post(flow.flow_id, "work", "input", n)
    finish(runtime)
    assert peak.most <= 2


def test_shutdown_does_not_wait_for_a_stuck_thread(threaded, solo, gate, warned):
    flow = limited(solo(lambda slot_data, policy_message, worker_state: gate.wait()))
    runtime = threaded(thread_pool_size=1)
    [late] = post_all(runtime, flow, "stuck")
    assert late.wait(WAIT)
    runtime.shutdown()
    assert warned("1 threads are left behind")


def test_timeout_fails_the_job_whatever_the_error_handler_says(
    runtime, solo, finish, linger, calls
):
    flow = limited(solo(slow(linger, calls)))
    flow.set_error_handler(ErrorHandler("retry", max_retries=3, retry_delay=0.0))
    [late] = post_all(runtime, flow, "slow")
    finish(runtime)
    assert (late.status, calls.count("slow")) == ("failed", 1)


def test_each_retry_has_the_whole_time(runtime, solo, finish, linger, calls):
    def logic(slot_data, policy_message, worker_state):
        calls.append(1)
        linger(0.8)
        if len(calls) < 4:
            raise ValueError("again")

    flow = limited(solo(logic), 3.0)
    flow.set_error_handler(ErrorHandler("retry", max_retries=5, retry_delay=0.0))
    [job] = post_all(runtime, flow, 1)
    finish(runtime)
    assert (job.status, len(calls)) == ("completed", 4)


def test_batch_that_takes_too_long_fails_all_its_jobs(runtime, solo, finish, linger):
    def logic(slot_data, policy_message, worker_state):
        if "slow" in slot_data["input"]:
            linger(LONG)

    flow = limited(solo(logic, policy=batch_size_policy(3)))
    jobs = post_all(runtime, flow, 1, "slow", 2, 3, 4, 5)
    finish(runtime)
    assert [job.status for job in jobs] == ["failed"] * 3 + ["completed"] * 3


def test_plain_function_and_generator_have_timeouts_too(
    runtime, make_flow, finish, linger, calls
):
    from routilux import FunctionRoutine

    def numbers(item):
        for n in range(2):
            yield n
            linger(LONG)

    flow = make_flow({"work": FunctionRoutine(numbers)})
    flow.add_routine(FunctionRoutine(calls.append), "next")
    flow.connect("work", "output", "next", "input")
    [late] = post_all(runtime, limited(flow), 1)
    finish(runtime)
    assert late.error.type == "ActivationTimeout"


def test_item_of_a_key_gives_its_lane_back(runtime, keyed, finish, linger, calls):
    def logic(slot_data, policy_message, worker_state):
        [item] = slot_data["input"]
        if item["n"] == 0:
            linger(LONG)
        calls.append(item["n"])

    items = [{"key": "a", "n": n} for n in range(4)]
    jobs = post_all(runtime, limited(keyed(logic)), *items)
    finish(runtime)
    assert [job.status for job in jobs] == ["failed"] + ["completed"] * 3
    assert [n for n in calls if n] == [1, 2, 3]


def test_async_logic_is_cancelled(runtime, solo, finish, calls):
    async def logic(slot_data, policy_message, worker_state):
        try:
            await asyncio.sleep(WAIT * 10)
        except asyncio.CancelledError:
            calls.append("cancelled")
            raise

    [late] = post_all(runtime, limited(solo(logic), 1.0), 1)
    finish(runtime)
    runtime.shutdown()
    assert (late.error.type, calls) == ("ActivationTimeout", ["cancelled"])


def test_async_logic_that_emits_as_it_is_cancelled_is_ignored(
    runtime, make_routine, make_flow, finish, record, calls
):
    async def logic(slot_data, policy_message, worker_state):
        try:
            await asyncio.sleep(WAIT * 10)
        finally:
            routine.emit("output", n=1)

    routine = make_routine(logic, events=("output",))
    flow = make_flow(
        {"work": routine, "next": make_routine(record)},
        ("work", "output", "next", "input"),
    )
    [late] = post_all(runtime, limited(flow, 1.0), 1)
    finish(runtime)
    runtime.shutdown()
    assert (late.status, calls) == ("failed", [])


def test_emit_that_waits_for_room_is_given_up(
    threaded, make_routine, stage, make_flow, gate, finish
):
    def body(emit, item):
        for n in range(10):
            emit("output", n=n)

    def block(slot_data, policy_message, worker_state):
        gate.wait()

    flow = make_flow(
        {"work": stage(body), "next": make_routine(block, max_queue_length=1)},
        ("work", "output", "next", "input"),
    )
    runtime = threaded(thread_pool_size=2)
    [late] = post_all(runtime, limited(flow, 0.2), 1)
    deadline = time.monotonic() + WAIT
    while late.status != "failed" and time.monotonic() < deadline:
        time.sleep(0.001)
    assert late.error.type == "ActivationTimeout"
    gate.set()
    finish(runtime)


def test_activation_below_a_helper_is_given_up(
    one_by_one, engine, stage, make_flow, finish, linger
):
    # "work" helps: it runs "next" itself, which is what takes so long.
    def body(emit, item):
        for n in range(3):
            emit("output", n=n)

    flow = make_flow(
        {
            "work": stage(body),
            "next": stage(lambda emit, item: linger(LONG), max_queue_length=1),
        },
        ("work", "output", "next", "input"),
    )
    runtime = one_by_one(engine)
    [late] = post_all(runtime, limited(flow, 0.1), 1)
    after = runtime.post(flow.flow_id, "next", "input", {"n": 0}).job
    finish(runtime)
    assert (late.error.type, after.status) == ("ActivationTimeout", "completed")


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(0, ValueError), (-1, ValueError), (float("inf"), ValueError), ("1", TypeError)],
)
def test_timeout_that_is_no_time_is_refused(make_routine, seconds, error):
    with pytest.raises(error, match="timeout of <Routine"):
        make_routine().set_timeout(seconds)


def test_timeout_of_a_running_flow_is_frozen(runtime, solo, record):
    flow = solo(record)
    runtime.exec(flow)
    with pytest.raises(RuntimeError, match="set_timeout"):
        flow.routines["work"].set_timeout(1)


def test_worker_can_be_paused_while_a_given_up_logic_runs(threaded, solo, gate, finish):
    flow = limited(solo(lambda slot_data, policy_message, worker_state: gate.wait()))
    runtime = threaded(thread_pool_size=2)
    worker = runtime.exec(flow)
    assert runtime.post(flow.flow_id, "work", "input", 1)[1].wait(WAIT)
    assert worker.pause(WAIT)
    worker.resume()


def test_many_timeouts_at_once_lose_no_job(threaded, solo, finish):
    def logic(slot_data, policy_message, worker_state):
        time.sleep(slot_data["input"][0])

    flow = limited(solo(logic), 0.01)
    flow.routines["work"].set_concurrency(8)
    runtime = threaded(thread_pool_size=4)
    times = [(n % 5) * 0.004 for n in range(300)]
    jobs = post_all(runtime, flow, *times)
    finish(runtime)
    assert {job.status for job in jobs} <= {"completed", "failed"}
    counts = runtime.core.counts()
    assert counts["jobs_completed"] + counts["jobs_failed"] == 300
    assert counts["jobs_failed"] >= 60


def test_plain_logic_whose_coroutine_comes_too_late_never_begins_it(
    runtime, solo, finish, linger, calls
):
    async def later():
        calls.append("began")

    def logic(slot_data, policy_message, worker_state):
        linger(LONG)
        return later()

    [late] = post_all(runtime, limited(solo(logic)), 1)
    finish(runtime)
    runtime.shutdown()
    assert (late.error.type, calls) == ("ActivationTimeout", [])


def test_retries_of_a_job_that_a_timeout_failed_are_not_waited_for(
    runtime, make_routine, make_flow, finish, linger
):
    failed = threading.Event()

    def flaky(slot_data, policy_message, worker_state):
        failed.set()
        raise OSError("not yet")

    def logic(slot_data, policy_message, worker_state):
        linger(LONG)

    retry = ErrorHandler("retry", max_retries=1, retry_delay=3600.0)
    flaky = make_routine(flaky).set_error_handler(retry)
    flow = limited(make_flow({"work": make_routine(logic), "flaky": flaky}))
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "flaky", "input", 1).job
    while not failed.is_set():
        assert job.wait(0.001) is False
    runtime.post(flow.flow_id, "work", "input", 2, job_id=job.job_id)
    finish(runtime)
    assert (job.status, job.error.type) == ("failed", "ActivationTimeout")
