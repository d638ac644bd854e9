"""Chapter 2: max_queue_size bounds the jobs that are posted and not yet finished."""

import concurrent.futures
import threading
import time

import pytest

from routilux import (
    ConfigurationError,
    QueueFullError,
    RoutiluxError,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
)

WAIT = 20.0


@pytest.fixture
def gated(solo, gate):
    """A flow whose jobs stay open until the gate opens."""
    return solo(lambda slot_data, policy_message, worker_state: gate.wait(WAIT))


def fill(runtime, flow, count):
    runtime.exec(flow)
    return [
        runtime.post(flow.flow_id, "work", "input", number, block=False)
        for number in range(count)
    ]


def test_posts_up_to_the_bound_are_taken(make_runtime, gated, gate, finish):
    runtime = make_runtime(max_queue_size=3)
    jobs = fill(runtime, gated, 3)
    gate.set()
    finish(runtime)
    assert {str(job.status) for job in jobs} == {"completed"}


def test_post_at_the_bound_with_block_false_raises(make_runtime, gated):
    runtime = make_runtime(max_queue_size=3)
    fill(runtime, gated, 3)
    with pytest.raises(QueueFullError, match=r"(?s)max_queue_size.*3"):
        runtime.post(gated.flow_id, "work", "input", 1, block=False)


def test_queue_full_error_is_a_routilux_error():
    assert issubclass(QueueFullError, RoutiluxError)


@pytest.mark.parametrize("options", [{"block": False}, {"timeout": 0.05}])
def test_post_refused_at_the_bound_posted_nothing(
    threaded, solo, gate, finish, options
):
    got = []

    def logic(slot_data, policy_message, worker_state):
        gate.wait(WAIT)
        got.extend(slot_data["input"])

    flow = solo(logic)
    runtime = threaded(max_queue_size=2)
    jobs = fill(runtime, flow, 2)
    worker = jobs[0][0]
    with pytest.raises(QueueFullError):
        runtime.post(flow.flow_id, "work", "input", "no", job_id="x", **options)
    assert runtime.get_job("x") is None
    assert len(runtime.list_jobs()) == 2
    assert worker.job_id == jobs[-1].job_id
    gate.set()
    finish(runtime)
    assert got == [0, 1]


@pytest.mark.parametrize("options", [{"block": False}, {"timeout": 0.05}])
def test_post_refused_at_the_bound_leaves_its_job_id_free(
    threaded, gated, gate, finish, options
):
    runtime = threaded(max_queue_size=1)
    fill(runtime, gated, 1)
    with pytest.raises(QueueFullError):
        runtime.post(gated.flow_id, "work", "input", 1, job_id="x", **options)
    gate.set()
    finish(runtime)
    job = runtime.post(gated.flow_id, "work", "input", 1, job_id="x")
    finish(runtime)
    assert job.status == "completed"


def test_post_at_the_bound_waits_its_whole_timeout(threaded, gated):
    runtime = threaded(max_queue_size=1)
    fill(runtime, gated, 1)
    start = time.monotonic()
    with pytest.raises(QueueFullError):
        runtime.post(gated.flow_id, "work", "input", 1, timeout=0.3)
    assert 0.3 <= time.monotonic() - start < WAIT


def test_timeout_of_zero_does_not_wait(threaded, gated):
    runtime = threaded(max_queue_size=1)
    fill(runtime, gated, 1)
    with pytest.raises(QueueFullError):
        runtime.post(gated.flow_id, "work", "input", 1, timeout=0)


def test_post_at_the_bound_waits_until_a_job_finishes(
    threaded, gated, gate, spawn, finish
):
    runtime = threaded(max_queue_size=1)
    fill(runtime, gated, 1)
    blocked = spawn(runtime.post, gated.flow_id, "work", "input", 1)
    with pytest.raises(concurrent.futures.TimeoutError):
        blocked.result(0.2)
    gate.set()
    job = blocked.result(WAIT)
    finish(runtime)
    assert job.status == "completed"


def test_many_posts_past_the_bound_all_finish(make_runtime, solo, finish):
    got = []
    flow = solo(lambda slot_data, *rest: got.extend(slot_data["input"]))
    runtime = make_runtime(max_queue_size=2)
    runtime.exec(flow)
    for number in range(100):
        runtime.post(flow.flow_id, "work", "input", number, timeout=WAIT)
    finish(runtime)
    assert got == list(range(100))


def test_posters_from_many_threads_never_pass_the_bound(threaded, solo, spawn, finish):
    live = []
    runtime = threaded(max_queue_size=3)
    flow = solo(lambda slot_data, *rest: live.append(len(runtime.list_jobs())))
    runtime.exec(flow)

    def post_many():
        for number in range(50):
            runtime.post(flow.flow_id, "work", "input", number, timeout=WAIT)

    for future in [spawn(post_many) for _ in range(4)]:
        future.result(WAIT)
    finish(runtime)
    assert len(live) == 200
    assert max(live) <= 3


def test_job_counts_until_its_last_item_is_done(threaded, stage, make_flow, gate):
    flow = make_flow(
        {
            "work": stage(lambda emit, item: emit("output", n=item)),
            "slow": stage(lambda emit, item: gate.wait(WAIT)),
        },
        ("work", "output", "slow", "input"),
    )
    runtime = threaded(max_queue_size=1)
    fill(runtime, flow, 1)
    with pytest.raises(QueueFullError):
        runtime.post(flow.flow_id, "work", "input", 1, timeout=0.2)


def test_bound_is_of_the_runtime_not_of_a_flow(make_runtime, solo, gate, gated):
    runtime = make_runtime(max_queue_size=2)
    fill(runtime, gated, 2)
    other = solo(lambda slot_data, policy_message, worker_state: None)
    runtime.exec(other)
    with pytest.raises(QueueFullError):
        runtime.post(other.flow_id, "work", "input", 1, block=False)


def test_joining_a_live_job_adds_no_job(make_runtime, gated, gate, finish):
    runtime = make_runtime(max_queue_size=1)
    job = fill(runtime, gated, 1)[0]
    runtime.post(gated.flow_id, "work", "input", 2, job_id=job.job_id, block=False)
    gate.set()
    finish(runtime)
    assert job.status == "completed"


PARKING = {
    "unpaired": lambda: all_slots_ready_policy(),
    "part of a batch": lambda: batch_size_policy(50),
    "custom": lambda: custom_policy(lambda slots, worker_state: False),
    "user-written": lambda: lambda slots, worker_state: (False, {}, None),
}


@pytest.mark.parametrize("parking", PARKING)
def test_parked_jobs_do_not_count_for_max_queue_size(
    make_runtime, solo, record, parking
):
    flow = solo(record, slots=("input", "other"), policy=PARKING[parking]())
    runtime = make_runtime(max_queue_size=2)
    runtime.exec(flow)
    jobs = [
        runtime.post(flow.flow_id, "work", "input", number, timeout=WAIT)
        for number in range(20)
    ]
    assert {str(job.status) for job in jobs} == {"pending"}


@pytest.mark.parametrize("parking", ["unpaired", "part of a batch"])
def test_parked_jobs_do_not_count_from_the_moment_of_the_post(
    make_runtime, solo, record, parking
):
    flow = solo(record, slots=("input", "other"), policy=PARKING[parking]())
    jobs = fill(make_runtime(max_queue_size=2), flow, 20)
    assert {str(job.status) for job in jobs} == {"pending"}


def test_parked_jobs_count_again_when_their_policy_fires(
    threaded, solo, gate, spawn, finish
):
    flow = solo(
        lambda slot_data, policy_message, worker_state: gate.wait(WAIT),
        policy=batch_size_policy(3),
    )
    runtime = threaded(max_queue_size=2)
    jobs = fill(runtime, flow, 3)
    with pytest.raises(QueueFullError):
        runtime.post(flow.flow_id, "work", "input", 3, timeout=0.2)
    gate.set()
    finish(runtime)
    assert {str(job.status) for job in jobs} == {"completed"}


@pytest.mark.parametrize("options", [{"block": False}, {"timeout": 0.05}])
def test_parked_jobs_are_bounded_by_the_length_of_their_slot(
    make_runtime, solo, record, options
):
    flow = solo(
        record,
        slots=("input", "other"),
        policy=all_slots_ready_policy(),
        max_queue_length=3,
    )
    runtime = make_runtime(max_queue_size=100)
    fill(runtime, flow, 3)
    with pytest.raises(QueueFullError, match="input"):
        runtime.post(flow.flow_id, "work", "input", 3, job_id="x", **options)
    assert runtime.get_job("x") is None
    assert len(runtime.list_jobs()) == 3


def test_batch_size_that_its_slot_can_never_hold_is_refused_by_exec(
    runtime, solo, record
):
    flow = solo(record, policy=batch_size_policy(11), max_queue_length=10)
    with pytest.raises(ConfigurationError, match=r"(?s)work.*input") as caught:
        runtime.exec(flow)
    assert "11" in str(caught.value)
    assert "10" in str(caught.value)


def test_batch_size_that_just_fits_its_slot_runs(runtime, solo, finish, record, calls):
    flow = solo(record, policy=batch_size_policy(10), max_queue_length=10)
    fill(runtime, flow, 10)
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [list(range(10))]


def test_shutdown_wakes_a_post_that_waits(threaded, gated, gate, spawn):
    runtime = threaded(max_queue_size=1)
    fill(runtime, gated, 1)
    blocked = spawn(runtime.post, gated.flow_id, "work", "input", 1)
    with pytest.raises(concurrent.futures.TimeoutError):
        blocked.result(0.2)
    runtime.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shut down"):
        blocked.result(WAIT)


@pytest.mark.parametrize("length", [1, 2])
def test_post_at_a_full_slot_goes_on_when_half_of_it_is_free(
    threaded, solo, gate, spawn, finish, length
):
    """The logic that made the room returns only when the post did."""
    begun, posted = threading.Event(), threading.Event()
    got = []

    def logic(slot_data, policy_message, worker_state):
        begun.set()
        gate.wait(WAIT)
        got.extend(slot_data["input"])
        assert len(got) == 1 or posted.wait(WAIT)

    runtime = threaded()
    flow = solo(logic, max_queue_length=length)
    fill(runtime, flow, 1)
    assert begun.wait(WAIT)
    for number in range(length):
        runtime.post(flow.flow_id, "work", "input", number, block=False)
    blocked = spawn(runtime.post, flow.flow_id, "work", "input", "last")
    with pytest.raises(concurrent.futures.TimeoutError):
        blocked.result(0.2)
    gate.set()
    blocked.result(WAIT / 2)
    posted.set()
    finish(runtime)
    assert got[-1] == "last"


def test_posters_from_many_threads_never_pass_the_length_of_a_slot(
    threaded, solo, gate, spawn, finish
):
    begun, start = threading.Event(), threading.Barrier(8)

    def logic(slot_data, policy_message, worker_state):
        begun.set()
        gate.wait(WAIT)

    def post():
        start.wait(WAIT)
        runtime.post(flow.flow_id, "work", "input", 1, block=False)

    runtime = threaded()
    flow = solo(logic, max_queue_length=1)
    fill(runtime, flow, 1)
    assert begun.wait(WAIT)
    posting = [spawn(post) for _ in range(8)]
    errors = [future.exception(WAIT) for future in posting]
    assert sorted(type(error).__name__ for error in errors) == [
        "NoneType",
        *["SlotQueueFullError"] * 7,
    ]
    gate.set()
    finish(runtime)
