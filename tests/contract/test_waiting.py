"""Chapter 5: wait_until_all_jobs_finished."""

import logging
import sys
import threading

import pytest

from routilux import all_slots_ready_policy, batch_size_policy

WAIT = 20.0
SHORT = 0.05  # long enough to see that something does not end


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


@pytest.fixture
def pair(solo, record):
    """Build a flow whose routine waits for one item in each of two slots."""
    return solo(record, policy=all_slots_ready_policy(), slots=("left", "right"))


@pytest.fixture
def blocked(threaded, solo, gate):
    """Give a runtime whose only job runs until the gate opens."""
    entered = threading.Event()

    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    runtime = threaded()
    poster(runtime, solo(block))()
    assert entered.wait(WAIT)
    return runtime


def test_wait_answers_true_when_all_jobs_are_finished(runtime, solo, record):
    post = poster(runtime, solo(record))
    jobs = [post() for _ in range(20)]
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT) is True
    assert {job.status for job in jobs} == {"completed"}


def test_wait_without_any_job_answers_true_at_once(runtime, solo, record):
    assert runtime.wait_until_all_jobs_finished(timeout=0) is True
    runtime.exec(solo(record))
    assert runtime.wait_until_all_jobs_finished(timeout=0) is True


def test_wait_again_answers_true_at_once(runtime, solo, record, finish):
    poster(runtime, solo(record))()
    finish(runtime)
    assert runtime.wait_until_all_jobs_finished(timeout=0) is True


def test_wait_answers_true_when_jobs_failed_or_were_cancelled(runtime, solo, pair):
    def fail(slot_data, policy_message, worker_state):
        raise ValueError

    bad = poster(runtime, solo(fail))()
    dropped = poster(runtime, pair)(slot="left")
    dropped.cancel()
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT) is True
    assert (bad.status, dropped.status) == ("failed", "cancelled")


def test_wait_covers_every_worker_of_every_flow(runtime, solo, calls, record):
    posts = [poster(runtime, solo(record)) for _ in range(5)]
    for post in posts:
        post()
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT) is True
    assert len(calls) == 5


def test_wait_covers_what_the_jobs_emit(runtime, stage, make_flow, calls, record):
    def descend(emit, item):
        if item["n"]:
            emit("output", n=item["n"] - 1)
        else:
            calls.append("end")

    flow = make_flow({"work": stage(descend)}, ("work", "output", "work", "input"))
    poster(runtime, flow)({"n": 500})
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT) is True
    assert calls == ["end"]


def test_wait_covers_what_logic_posts(runtime, solo, calls):
    def post_more(slot_data, policy_message, worker_state):
        (depth,) = slot_data["input"]
        calls.append(depth)
        if depth:
            post(depth - 1)

    post = poster(runtime, solo(post_more))
    post(10)
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT) is True
    assert calls == list(range(10, -1, -1))


@pytest.mark.parametrize("timeout", [0, SHORT])
def test_wait_answers_false_at_the_timeout(runtime, pair, timeout, now):
    poster(runtime, pair)(slot="left")
    start = now(runtime)
    assert runtime.wait_until_all_jobs_finished(timeout=timeout) is False
    assert now(runtime) - start >= timeout


def test_wait_that_times_out_logs_which_routine_and_slot_hold_the_rest(
    runtime, make_routine, make_flow, record, caplog
):
    join = make_routine(
        record, policy=all_slots_ready_policy(), slots=("left_side", "right_side")
    )
    post = poster(runtime, make_flow({"joiner": join}), "joiner")
    with caplog.at_level(logging.INFO, logger="routilux"):
        post(slot="left_side")
        assert not runtime.wait_until_all_jobs_finished(timeout=SHORT)
    lines = [entry.getMessage() for entry in caplog.records]
    assert [line for line in lines if "joiner" in line and "left_side" in line]


def test_wait_that_times_out_logs_the_routine_that_still_runs(blocked, caplog):
    with caplog.at_level(logging.INFO, logger="routilux"):
        assert not blocked.wait_until_all_jobs_finished(timeout=SHORT)
    assert [entry for entry in caplog.records if "work" in entry.getMessage()]


def test_wait_that_succeeds_logs_nothing(runtime, solo, record, finish, caplog):
    post = poster(runtime, solo(record))
    with caplog.at_level(logging.INFO, logger="routilux"):
        post()
        finish(runtime)
    assert caplog.records == []


def test_wait_without_a_timeout_waits_for_the_end(blocked, spawn, gate):
    waiter = spawn(blocked.wait_until_all_jobs_finished)
    assert not blocked.wait_until_all_jobs_finished(SHORT)
    assert not waiter.done()
    gate.set()
    assert waiter.result(WAIT) is True


def test_wait_works_from_any_number_of_threads(blocked, spawn, gate):
    waiters = [spawn(blocked.wait_until_all_jobs_finished, WAIT) for _ in range(30)]
    gate.set()
    assert [waiter.result(WAIT) for waiter in waiters] == [True] * 30


def test_several_threads_may_wait_on_every_engine(runtime, solo, spawn, record, calls):
    post = poster(runtime, solo(record))
    for _ in range(200):
        post()
    waiters = [spawn(runtime.wait_until_all_jobs_finished, WAIT) for _ in range(4)]
    assert [waiter.result(WAIT) for waiter in waiters] == [True] * 4
    assert len(calls) == 200


def test_one_waiter_that_times_out_does_not_end_the_others(blocked, spawn, gate):
    patient = spawn(blocked.wait_until_all_jobs_finished, WAIT)
    hasty = spawn(blocked.wait_until_all_jobs_finished, SHORT)
    assert hasty.result(WAIT) is False
    assert not patient.done()
    gate.set()
    assert patient.result(WAIT) is True


@pytest.mark.skipif(sys.platform != "linux", reason="counts switches of one thread")
@pytest.mark.parametrize("what", ["all jobs", "one job"])
def test_wait_wakes_by_notification_never_by_polling(blocked, spawn, gate, what):
    import resource

    def switches_of_a_wait():
        (job,) = blocked.list_jobs()
        wait = job.wait if what == "one job" else blocked.wait_until_all_jobs_finished
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        assert wait(WAIT) is True
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before

    waiter = spawn(switches_of_a_wait)
    threading.Timer(1.0, gate.set).start()
    assert waiter.result(WAIT) <= 5


def test_wait_inside_logic_is_a_runtime_error(runtime, solo, finish):
    def wait_inside(slot_data, policy_message, worker_state):
        runtime.wait_until_all_jobs_finished(timeout=WAIT)

    job = poster(runtime, solo(wait_inside))()
    finish(runtime)
    assert (job.status, job.error.type) == ("failed", "RuntimeError")


def test_wait_releases_the_gil(blocked, spawn, gate):
    waiter = spawn(blocked.wait_until_all_jobs_finished, WAIT)
    turns = sum(1 for _ in range(100_000))
    assert (turns, waiter.done()) == (100_000, False)
    gate.set()
    assert waiter.result(WAIT) is True


# --- partial batches: a wait that finds nothing else to do flushes them


def test_wait_flushes_a_partial_batch(runtime, solo, record, calls):
    post = poster(runtime, solo(record, policy=batch_size_policy(5)))
    jobs = [post(n) for n in range(7)]
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT) is True
    assert [data["input"] for data, _ in calls] == [[0, 1, 2, 3, 4], [5, 6]]
    assert {job.status for job in jobs} == {"completed"}


def test_wait_flushes_batches_stage_by_stage(runtime, make_routine, make_flow, calls):
    def forward(slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            first.emit("output", item=item)

    def collect(slot_data, policy_message, worker_state):
        calls.append([item["item"] for item in slot_data["input"]])

    first = make_routine(forward, policy=batch_size_policy(4), events=["output"])
    second = make_routine(collect, policy=batch_size_policy(100))
    flow = make_flow(
        {"work": first, "next": second}, ("work", "output", "next", "input")
    )
    post = poster(runtime, flow)
    for n in range(10):
        post(n)
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT) is True
    assert calls == [list(range(10))]


def test_wait_does_not_flush_while_something_else_can_run(
    threaded, make_routine, make_flow, gate, calls, record
):
    entered = threading.Event()

    def block_then_emit(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)
        slow.emit("output", late=True)

    slow = make_routine(block_then_emit, events=["output"])
    batch = make_routine(record, policy=batch_size_policy(2))
    flow = make_flow({"slow": slow, "work": batch}, ("slow", "output", "work", "input"))
    runtime = threaded()
    post = poster(runtime, flow)
    post("early")
    runtime.post(flow.flow_id, "slow", "input", None)
    assert entered.wait(WAIT)
    assert not runtime.wait_until_all_jobs_finished(timeout=SHORT)
    assert calls == []
    gate.set()
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    ((data, message),) = calls
    assert data["input"] == ["early", {"late": True}]
    assert message["reason"] == "batch_ready"


def test_jobs_posted_during_a_wait_are_waited_for(blocked, solo, spawn, gate, record):
    waiter = spawn(blocked.wait_until_all_jobs_finished, WAIT)
    post = poster(blocked, solo(record))
    jobs = [post() for _ in range(10)]
    gate.set()
    assert waiter.result(WAIT) is True
    assert all(job.wait(WAIT) for job in jobs)


def test_timeout_that_is_no_number_is_refused(runtime, solo, record):
    flow = solo(record, policy=all_slots_ready_policy(), slots=("input", "other"))
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", None).job
    for wait in (job.wait, runtime.wait_until_all_jobs_finished):
        with pytest.raises(ValueError, match="must be a number of seconds, not nan"):
            wait(float("nan"))
    assert job.status == "pending"
