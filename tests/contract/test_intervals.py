"""Chapter 3: time_interval(s)."""

import threading
import time

import pytest

from routilux import time_interval_policy

WAIT = 20.0


@pytest.fixture
def ticker(solo, now):
    """Build a flow that posts `bursts` from inside, each right after an activation.

    What is posted inside of an activation has surely arrived before the next one.
    """

    def build(runtime, seconds, bursts):
        got = []
        left = list(bursts)
        done = threading.Event()

        def logic(slot_data, policy_message, worker_state):
            got.append((slot_data["input"], now(runtime)))
            if not left:
                done.set()
                return
            for item in left.pop(0):
                runtime.post(flow.flow_id, "work", "input", item)

        flow = solo(logic, policy=time_interval_policy(seconds))
        runtime.exec(flow)
        return flow, got, done

    return build


def test_at_most_one_activation_per_interval(runtime, ticker, finish, now):
    flow, got, _ = ticker(runtime, 0.2, [["b"], ["c"], ["d"]])
    start = now(runtime)
    runtime.post(flow.flow_id, "work", "input", "a")
    finish(runtime)
    assert [items for items, _ in got] == [["a"], ["b"], ["c"], ["d"]]
    late = [seconds - start - 0.2 * n for n, (_, seconds) in enumerate(got)]
    assert min(late) >= 0
    assert max(late) < WAIT


def test_activation_takes_all_that_arrived(runtime, ticker, finish):
    flow, got, _ = ticker(runtime, 0.1, [list(range(50))])
    runtime.post(flow.flow_id, "work", "input", "first")
    finish(runtime)
    assert [items for items, _ in got] == [["first"], list(range(50))]


def test_timer_fires_without_another_arrival(threaded, ticker):
    runtime = threaded()
    flow, got, done = ticker(runtime, 0.2, [["last"]])
    start = time.monotonic()
    runtime.post(flow.flow_id, "work", "input", "first")
    assert done.wait(WAIT)
    assert [items for items, _ in got] == [["first"], ["last"]]
    assert 0.2 <= got[1][1] - start < WAIT


def test_first_activation_does_not_wait(runtime, solo, finish, record, calls):
    flow = solo(record, policy=time_interval_policy(3600))
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert (job.status, len(calls)) == ("completed", 1)


def test_item_inside_the_interval_is_not_run_early(runtime, solo, record, calls):
    flow = solo(record, policy=time_interval_policy(3600))
    runtime.exec(flow)
    first = runtime.post(flow.flow_id, "work", "input", 1)
    assert first.wait(timeout=WAIT) is True
    second = runtime.post(flow.flow_id, "work", "input", 2)
    assert second.wait(timeout=0.2) is False
    assert [data["input"] for data, _ in calls] == [[1]]


def test_every_worker_has_an_interval_of_its_own(runtime, solo, finish, record, calls):
    flow = solo(record, policy=time_interval_policy(3600))
    for number in range(3):
        worker = runtime.exec(flow)
        runtime.post(flow.flow_id, "work", "input", number, worker.worker_id)
    finish(runtime)
    assert sorted(data["input"] for data, _ in calls) == [[0], [1], [2]]


def test_every_routine_has_an_interval_of_its_own(
    runtime, make_routine, make_flow, finish, record, calls
):
    policy = time_interval_policy(3600)
    flow = make_flow({name: make_routine(record, policy=policy) for name in "abc"})
    runtime.exec(flow)
    for name in "abc":
        runtime.post(flow.flow_id, name, "input", name)
    finish(runtime)
    assert sorted(data["input"] for data, _ in calls) == [["a"], ["b"], ["c"]]


def test_interval_takes_all_slots_at_once(runtime, solo, finish, record, calls):
    def logic(slot_data, policy_message, worker_state):
        record(slot_data, policy_message, worker_state)
        if len(calls) == 1:
            runtime.post(flow.flow_id, "work", "b", 2)
            runtime.post(flow.flow_id, "work", "a", 3)

    flow = solo(logic, slots=("a", "b"), policy=time_interval_policy(0.05))
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "a", 1)
    finish(runtime)
    assert [data for data, _ in calls] == [{"a": [1], "b": []}, {"a": [3], "b": [2]}]


def test_nothing_fires_on_empty_slots(threaded, ticker):
    runtime = threaded()
    quick, got, _ = ticker(runtime, 0.01, [])
    slow, _, later = ticker(runtime, 0.3, ["x"])
    runtime.post(quick.flow_id, "work", "input", 1)
    runtime.post(slow.flow_id, "work", "input", 1)
    assert later.wait(WAIT)
    assert [items for items, _ in got] == [[1]]


def test_wait_waits_for_the_timer(runtime, ticker, finish, now):
    flow, got, _ = ticker(runtime, 0.2, [["b"]])
    start = now(runtime)
    runtime.post(flow.flow_id, "work", "input", "a")
    finish(runtime)
    assert 0.2 <= now(runtime) - start < WAIT
    assert len(got) == 2


def test_shutdown_waits_for_the_timer(make_runtime, ticker):
    runtime = make_runtime()
    flow, got, _ = ticker(runtime, 0.2, [])
    jobs = [runtime.post(flow.flow_id, "work", "input", "a")]
    assert jobs[0].wait(timeout=WAIT) is True
    jobs.append(runtime.post(flow.flow_id, "work", "input", "b"))
    runtime.shutdown(wait=True, timeout=WAIT)
    assert [items for items, _ in got] == [["a"], ["b"]]
    assert [str(job.status) for job in jobs] == ["completed"] * 2
