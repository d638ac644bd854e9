"""Chapter 3: batch_size(n, max_wait=None)."""

import concurrent.futures
import threading
import time

import pytest

from routilux import all_slots_ready_policy, batch_size_policy

WAIT = 20.0


def sizes(calls, slot="input"):
    return [len(data[slot]) for data, _ in calls]


def reasons(calls):
    return [message["reason"] for _, message in calls]


def post(runtime, flow, count, slot="input", start=0):
    return [
        runtime.post(flow.flow_id, "work", slot, number)[1]
        for number in range(start, start + count)
    ]


@pytest.fixture
def batcher(solo, record):
    """Build a flow whose routine "work" takes batches."""

    def build(size, slots=("input",), **options):
        return solo(record, slots=slots, policy=batch_size_policy(size, **options))

    return build


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (12, 5, [5, 5, 2]),
        (7, 10, [7]),
        (175, 50, [50, 50, 50, 25]),
        (10, 5, [5, 5]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_batches_have_exactly_n_items_and_one_partial_batch_is_last(
    runtime, batcher, finish, calls, count, size, expected
):
    flow = batcher(size)
    runtime.exec(flow)
    jobs = post(runtime, flow, count)
    finish(runtime)
    assert sizes(calls) == expected
    assert {str(job.status) for job in jobs} == {"completed"}


def test_batches_keep_arrival_order(runtime, batcher, finish, calls):
    flow = batcher(7)
    runtime.exec(flow)
    post(runtime, flow, 100)
    finish(runtime)
    assert [n for data, _ in calls for n in data["input"]] == list(range(100))


def test_full_batch_is_batch_ready_and_the_partial_one_batch_flush(
    runtime, batcher, finish, calls
):
    flow = batcher(5)
    runtime.exec(flow)
    post(runtime, flow, 12)
    finish(runtime)
    assert reasons(calls) == ["batch_ready", "batch_ready", "batch_flush"]


def test_full_batch_runs_without_any_wait(threaded, solo):
    done = threading.Event()
    flow = solo(lambda slot_data, *rest: done.set(), policy=batch_size_policy(3))
    runtime = threaded()
    runtime.exec(flow)
    post(runtime, flow, 3)
    assert done.wait(WAIT)


def test_partial_batch_waits_for_more_without_a_wait(threaded, batcher, solo, calls):
    flow = batcher(3)
    later = threading.Event()
    fence = solo(lambda slot_data, *rest: later.set())
    runtime = threaded()
    runtime.exec(flow)
    runtime.exec(fence)
    jobs = post(runtime, flow, 2)
    post(runtime, fence, 1)
    assert later.wait(WAIT)
    assert ([str(job.status) for job in jobs], calls) == (["pending"] * 2, [])


def test_batch_takes_exactly_n_items_from_each_slot(runtime, batcher, finish, calls):
    flow = batcher(2, slots=("a", "b"))
    runtime.exec(flow)
    post(runtime, flow, 4, "a")
    post(runtime, flow, 4, "b", start=10)
    finish(runtime)
    assert [data for data, _ in calls] == [
        {"a": [0, 1], "b": [10, 11]},
        {"a": [2, 3], "b": [12, 13]},
    ]


def test_batch_waits_for_every_slot(runtime, batcher, finish, calls):
    flow = batcher(2, slots=("a", "b"))
    runtime.exec(flow)
    post(runtime, flow, 2, "a")
    post(runtime, flow, 1, "b", start=10)
    finish(runtime)
    assert reasons(calls) == ["batch_flush"]
    assert calls[0][0] == {"a": [0, 1], "b": [10]}


def test_what_is_left_over_in_several_slots_is_one_partial_batch(
    runtime, batcher, finish, calls
):
    flow = batcher(2, slots=("a", "b"))
    runtime.exec(flow)
    post(runtime, flow, 5, "a")
    post(runtime, flow, 3, "b", start=10)
    finish(runtime)
    assert reasons(calls) == ["batch_ready", "batch_flush"]
    assert calls[1][0] == {"a": [2, 3, 4], "b": [12]}


def test_partial_batch_of_one_slot_leaves_the_other_list_empty(
    runtime, batcher, finish, calls
):
    flow = batcher(2, slots=("a", "b"))
    runtime.exec(flow)
    post(runtime, flow, 1, "b")
    finish(runtime)
    assert [data for data, _ in calls] == [{"a": [], "b": [0]}]


def test_batch_never_mixes_workers(runtime, batcher, finish, calls):
    flow = batcher(2)
    workers = [runtime.exec(flow) for _ in range(2)]
    for number in range(3):
        for worker in workers:
            item = (worker.worker_id, number)
            runtime.post(flow.flow_id, "work", "input", item, worker.worker_id)
    finish(runtime)
    assert sorted(sizes(calls)) == [1, 1, 2, 2]
    assert [len({item[0] for item in data["input"]}) for data, _ in calls] == [1] * 4


def test_wait_for_one_job_flushes_its_partial_batch(runtime, batcher, calls):
    flow = batcher(10)
    runtime.exec(flow)
    jobs = post(runtime, flow, 3)
    assert jobs[0].wait(timeout=WAIT) is True
    assert (sizes(calls), reasons(calls)) == ([3], ["batch_flush"])


def test_wait_flushes_beside_an_item_that_can_never_run(
    runtime, batcher, solo, record, calls
):
    stuck = solo(record, slots=("left", "right"), policy=all_slots_ready_policy())
    flow = batcher(10)
    runtime.exec(stuck)
    runtime.exec(flow)
    runtime.post(stuck.flow_id, "work", "left", "unpaired")
    jobs = post(runtime, flow, 3)
    assert runtime.wait_until_all_jobs_finished(timeout=0.5) is False
    assert sizes(calls) == [3]
    assert {str(job.status) for job in jobs} == {"completed"}


@pytest.mark.parametrize("leave", ["shutdown", "with"])
def test_shutdown_flushes_the_partial_batch(make_runtime, batcher, calls, leave):
    flow = batcher(10)
    runtime = make_runtime()
    runtime.exec(flow)
    jobs = post(runtime, flow, 3)
    if leave == "with":
        with runtime:
            pass
    else:
        runtime.shutdown(wait=True, timeout=WAIT)
    assert (sizes(calls), reasons(calls)) == ([3], ["batch_flush"])
    assert {str(job.status) for job in jobs} == {"completed"}


def test_flush_of_a_flow_runs_its_partial_batch(threaded, solo):
    got = []
    done = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        got.append((slot_data["input"], policy_message["reason"]))
        done.set()

    flow = solo(logic, policy=batch_size_policy(10))
    runtime = threaded()
    runtime.exec(flow)
    post(runtime, flow, 3)
    runtime.flush(flow.flow_id)
    assert done.wait(WAIT)
    assert got == [([0, 1, 2], "batch_flush")]


def test_flush_of_a_flow_leaves_other_flows_alone(threaded, solo, record, calls):
    done = threading.Event()
    flow = solo(lambda slot_data, *rest: done.set(), policy=batch_size_policy(10))
    other = solo(record, policy=batch_size_policy(10))
    runtime = threaded()
    runtime.exec(flow)
    runtime.exec(other)
    post(runtime, flow, 1)
    (job,) = post(runtime, other, 1)
    runtime.flush(flow.flow_id)
    assert done.wait(WAIT)
    assert (job.status, calls) == ("pending", [])


def test_flush_without_a_flow_flushes_all_flows(threaded, solo):
    barrier = threading.Barrier(3)
    runtime = threaded()
    for _ in range(2):
        flow = solo(
            lambda slot_data, *rest: barrier.wait(WAIT), policy=batch_size_policy(10)
        )
        runtime.exec(flow)
        post(runtime, flow, 1)
    runtime.flush()
    barrier.wait(WAIT)
    assert not barrier.broken


def test_flush_of_an_unknown_flow_is_a_value_error(runtime):
    with pytest.raises(ValueError, match="zzzzqqqq"):
        runtime.flush("zzzzqqqq")


def test_flush_with_nothing_parked_runs_nothing(runtime, batcher, finish, calls):
    flow = batcher(3)
    runtime.exec(flow)
    runtime.flush(flow.flow_id)
    runtime.flush()
    finish(runtime)
    assert calls == []


def test_batches_go_on_after_a_flush(runtime, batcher, finish, calls):
    flow = batcher(3)
    runtime.exec(flow)
    post(runtime, flow, 2)
    finish(runtime)
    post(runtime, flow, 3, start=2)
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [[0, 1], [2, 3, 4]]


def test_wait_flushes_only_when_nothing_else_is_to_do(
    threaded, stage, make_routine, make_flow, record, calls, gate, spawn
):
    def produce(emit, item):
        gate.wait(WAIT)
        for number in range(3):
            emit("output", n=number)

    flow = make_flow(
        {
            "source": stage(produce),
            "work": make_routine(record, policy=batch_size_policy(5)),
        },
        ("source", "output", "work", "input"),
    )
    runtime = threaded()
    runtime.exec(flow)
    post(runtime, flow, 2)
    runtime.post(flow.flow_id, "source", "input", None)
    waiting = spawn(runtime.wait_until_all_jobs_finished, timeout=WAIT)
    with pytest.raises(concurrent.futures.TimeoutError):
        waiting.result(0.2)
    gate.set()
    assert waiting.result(WAIT) is True
    assert (sizes(calls), reasons(calls)) == ([5], ["batch_ready"])


def test_flushed_batch_may_fill_and_flush_the_next_stage(
    runtime, make_routine, make_flow, record, calls, finish
):
    first = make_routine(events=("output",), policy=batch_size_policy(3))

    def logic(slot_data, policy_message, worker_state):
        first.emit("output", total=sum(slot_data["input"]))

    first.set_logic(logic)
    last = make_routine(record, policy=batch_size_policy(2))
    flow = make_flow({"work": first, "last": last}, ("work", "output", "last", "input"))
    runtime.exec(flow)
    jobs = post(runtime, flow, 8)
    finish(runtime)
    totals = [[item["total"] for item in data["input"]] for data, _ in calls]
    assert totals == [[3, 12], [13]]
    assert {str(job.status) for job in jobs} == {"completed"}


@pytest.fixture
def timed(threaded, solo):
    """Post `count` items to a batcher with max_wait and answer (items, seconds)."""

    def run(size, count, max_wait):
        ready = threading.Event()
        got = []

        def logic(slot_data, policy_message, worker_state):
            got.append((slot_data["input"], policy_message["reason"], time.monotonic()))
            ready.set()

        flow = solo(logic, policy=batch_size_policy(size, max_wait=max_wait))
        runtime = threaded()
        runtime.exec(flow)
        start = time.monotonic()
        post(runtime, flow, count)
        assert ready.wait(WAIT)
        return got[0][0], got[0][1], got[0][2] - start

    return run


def test_partial_batch_is_flushed_when_max_wait_passes(timed):
    items, reason, seconds = timed(10, 3, 0.3)
    assert (items, reason) == ([0, 1, 2], "batch_flush")
    assert 0.3 <= seconds < WAIT


def test_full_batch_does_not_wait_for_max_wait(timed):
    items, reason, seconds = timed(3, 3, 3600)
    assert (items, reason) == ([0, 1, 2], "batch_ready")
    assert seconds < WAIT


def test_wait_does_not_wait_for_max_wait(runtime, batcher, finish, calls):
    flow = batcher(10, max_wait=3600)
    runtime.exec(flow)
    post(runtime, flow, 3)
    finish(runtime)
    assert sizes(calls) == [3]


def test_max_wait_starts_anew_for_each_partial_batch(threaded, solo):
    ready = [threading.Event(), threading.Event()]
    times = []

    def logic(slot_data, policy_message, worker_state):
        times.append(time.monotonic())
        ready[len(times) - 1].set()

    flow = solo(logic, policy=batch_size_policy(10, max_wait=0.2))
    runtime = threaded()
    runtime.exec(flow)
    starts = []
    for event in ready:
        starts.append(time.monotonic())
        post(runtime, flow, 1)
        assert event.wait(WAIT)
    assert times[0] - starts[0] >= 0.2
    assert times[1] - starts[1] >= 0.2
