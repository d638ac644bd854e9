"""Pausing and resuming one worker."""

import threading
import time

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    WorkerStatus,
    all_slots_ready_policy,
    batch_size_policy,
    immediate_policy,
    time_interval_policy,
)

WAIT = 20.0


def test_no_activation_begins_while_a_worker_is_paused(
    make_runtime, solo, record, calls, finish
):
    runtime = make_runtime()
    flow = solo(record)
    worker = runtime.exec(flow)
    assert worker.pause("maintenance") is True
    assert worker.status == "paused"
    for n in range(10):
        runtime.post(flow.flow_id, "work", "input", n)
    assert runtime.wait_until_all_jobs_finished(timeout=0.05) is False
    assert calls == []
    assert worker.get_slot("work", "input").get_unconsumed_count() == 10
    assert worker.resume() is True
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [[n] for n in range(10)]
    assert worker.status is WorkerStatus.RUNNING


def test_pause_and_resume_say_whether_they_did_anything(make_runtime, solo, record):
    worker = make_runtime().exec(solo(record))
    assert worker.resume() is False
    assert worker.pause() is True
    assert worker.pause() is True
    assert [worker.resume(), worker.resume()] == [True, False]


def test_pause_waits_for_what_runs(threaded, solo, gate, spawn):
    entered = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    runtime = threaded()
    flow = solo(logic)
    worker = runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", 1)
    assert entered.wait(WAIT)
    assert worker.pause(timeout=0.02) is False
    pausing = spawn(worker.pause)
    gate.set()
    assert pausing.result(WAIT) is True


def test_other_workers_of_the_flow_go_on(make_runtime, solo, record, calls):
    runtime = make_runtime()
    flow = solo(record)
    first, second = runtime.exec(flow), runtime.exec(flow)
    first.pause()
    _, held = runtime.post(flow, "work", "input", 1, worker_id=first.worker_id)
    _, job = runtime.post(flow, "work", "input", 2, worker_id=second.worker_id)
    assert job.wait(WAIT)
    assert [data["input"] for data, _ in calls] == [[2]]
    assert held.status == "pending"
    first.resume()
    assert held.wait(WAIT)


def test_what_runs_emits_over_the_bound_of_a_full_slot(
    threaded, make_flow, stage, record, make_routine, gate, calls
):
    entered = threading.Event()

    def burst(emit, item):
        entered.set()
        assert gate.wait(WAIT)
        for n in range(20):
            emit("output", n=n)

    flow = make_flow(
        {"work": stage(burst), "next": make_routine(record, max_queue_length=2)},
        ("work", "output", "next", "input"),
    )
    runtime = threaded()
    worker = runtime.exec(flow)
    _, job = runtime.post(flow, "work", "input", 0)
    assert entered.wait(WAIT)
    worker.pause(wait=False)
    gate.set()
    assert worker.pause(timeout=WAIT) is True
    assert worker.get_slot("next", "input").get_unconsumed_count() == 20
    worker.resume()
    assert job.wait(WAIT)
    assert [data["input"][0]["n"] for data, _ in calls] == list(range(20))


def test_emit_that_sleeps_in_a_full_slot_is_let_in_by_a_pause(
    threaded, make_flow, stage, make_routine, gate, calls
):
    busy = threading.Event()

    def slow(slot_data, policy_message, worker_state):
        busy.set()
        assert gate.wait(WAIT)
        calls.append(slot_data["input"][0]["n"])

    flow = make_flow(
        {
            "work": stage(lambda emit, item: [emit("output", n=n) for n in range(9)]),
            "next": make_routine(slow, max_queue_length=1),
        },
        ("work", "output", "next", "input"),
    )
    runtime = threaded(thread_pool_size=2)
    worker = runtime.exec(flow)
    _, job = runtime.post(flow, "work", "input", 0)
    assert busy.wait(WAIT)
    worker.pause(wait=False)
    gate.set()
    assert worker.pause(timeout=WAIT) is True
    assert 0 < len(calls) < 9
    worker.resume()
    assert job.wait(WAIT)
    assert calls == list(range(9))


def test_post_to_a_full_slot_of_a_paused_worker_waits(threaded, solo, record, spawn):
    runtime = threaded()
    flow = solo(record, max_queue_length=1)
    worker = runtime.exec(flow)
    worker.pause()
    runtime.post(flow, "work", "input", 0)
    posting = spawn(runtime.post, flow, "work", "input", 1)
    with pytest.raises(Exception, match="is full"):
        runtime.post(flow, "work", "input", 2, block=False)
    worker.resume()
    posting.result(WAIT)
    assert runtime.wait_until_all_jobs_finished(WAIT)


def test_retry_that_is_due_meanwhile_runs_after_the_pause(
    make_runtime, make_routine, make_flow, finish
):
    attempts = []

    def logic(slot_data, policy_message, worker_state):
        attempts.append(time.monotonic())
        if len(attempts) == 1:
            worker_state.pause(wait=False)
            raise OSError("once")

    routine = make_routine(logic)
    routine.set_error_handler(ErrorHandler("retry", retry_delay=0.02))
    runtime = make_runtime()
    flow = make_flow({"work": routine})
    worker = runtime.exec(flow)
    _, job = runtime.post(flow, "work", "input", 1)
    while not attempts:
        job.wait(0.005)
    assert worker.pause(timeout=WAIT) is True
    assert job.wait(0.1) is False
    assert len(attempts) == 1
    worker.resume()
    assert job.wait(WAIT)
    assert (len(attempts), job.status) == (2, "completed")


@pytest.mark.parametrize(
    ("policy", "batches"),
    [
        (batch_size_policy(2), [[0, 1], [2]]),
        (batch_size_policy(5, max_wait=0.01), [[0, 1, 2]]),
        (time_interval_policy(0.01), [[0, 1, 2]]),
    ],
    ids=["batch", "max_wait", "interval"],
)
def test_policies_go_on_after_a_pause(
    make_runtime, solo, record, calls, finish, policy, batches
):
    runtime = make_runtime()
    flow = solo(record, policy=policy)
    worker = runtime.exec(flow)
    worker.pause()
    for n in range(3):
        runtime.post(flow, "work", "input", n)
    runtime.flush()
    assert runtime.wait_until_all_jobs_finished(timeout=0.05) is False
    assert calls == []
    worker.resume()
    finish(runtime)
    assert [data["input"] for data, _ in calls] == batches


def test_wait_flushes_a_batch_that_was_parked_before_the_pause(
    threaded, solo, record, calls, spawn
):
    runtime = threaded()
    flow = solo(record, policy=batch_size_policy(5))
    worker = runtime.exec(flow)
    runtime.post(flow, "work", "input", 1)
    worker.pause()
    waiting = spawn(runtime.wait_until_all_jobs_finished, WAIT)
    time.sleep(0.02)
    assert calls == []
    worker.resume()
    assert waiting.result(WAIT) is True
    assert [data["input"] for data, _ in calls] == [[1]]


def test_shutdown_cancels_what_a_paused_worker_holds(make_runtime, solo, record, calls):
    runtime = make_runtime()
    flow = solo(record, policy=all_slots_ready_policy())
    other = solo(record)
    worker = runtime.exec(flow)
    runtime.exec(other)
    worker.pause()
    _, held = runtime.post(flow, "work", "input", 1)
    _, free = runtime.post(other, "work", "input", 2)
    runtime.shutdown(timeout=WAIT)
    assert (held.status, free.status) == ("cancelled", "completed")
    assert "paused" in held.error
    assert worker.status == "stopped"


def test_pause_inside_logic_returns_at_once(make_runtime, make_flow, make_routine):
    answers = []

    def logic(slot_data, policy_message, worker_state):
        answers.append(worker_state.pause("from inside"))

    runtime = make_runtime()
    flow = make_flow({"work": make_routine(logic)})
    worker = runtime.exec(flow)
    _, job = runtime.post(flow, "work", "input", 1)
    assert job.wait(WAIT)
    assert answers == [False]
    assert worker.status == "paused"
    assert worker.pause_points[0]["reason"] == "from inside"
    worker.resume()


def test_async_logic_is_waited_for(make_runtime, make_flow, make_routine):
    import asyncio

    done = []

    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(0.03)
        done.append(slot_data["input"][0])

    runtime = make_runtime()
    flow = make_flow({"work": make_routine(logic)})
    worker = runtime.exec(flow)
    _, job = runtime.post(flow, "work", "input", 1)
    while job.status == "pending":
        job.wait(0.002)
    assert worker.pause(timeout=WAIT) is True
    assert done == [1]


def test_pauses_under_load_lose_nothing(threaded, make_flow, stage, calls):
    flow = make_flow(
        {
            "work": stage(lambda emit, item: emit("output", n=item)),
            "next": stage(lambda emit, item: calls.append(item["n"])),
        },
        ("work", "output", "next", "input"),
    )
    runtime = threaded(thread_pool_size=2)
    worker = runtime.exec(flow)

    def toggle():
        for _ in range(100):
            assert worker.pause(timeout=WAIT)
            before = len(calls)
            time.sleep(0.0005)
            assert len(calls) == before
            worker.resume()

    toggling = threading.Thread(target=toggle)
    toggling.start()
    for n in range(3000):
        runtime.post(flow, "work", "input", n)
    toggling.join(WAIT)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert calls == list(range(3000))


def test_worker_that_was_not_started_can_not_be_paused():
    from routilux import WorkerState

    with pytest.raises(RuntimeError, match="was not started"):
        WorkerState("flow").pause()


def test_deferred_events_are_emitted_when_a_worker_is_resumed(
    make_runtime, make_flow, stage, calls, finish
):
    flow = make_flow(
        {
            "work": stage(lambda emit, item: emit("output", n=item)),
            "next": stage(lambda emit, item: calls.append(item["n"])),
        },
        ("work", "output", "next", "input"),
    )
    runtime = make_runtime()
    worker = runtime.exec(flow)
    worker.pause()
    worker.add_deferred_event("work", "output", {"n": 7})
    worker.resume()
    finish(runtime)
    assert (calls, worker.deferred_events) == ([7], [])


def test_wait_until_idle_waits_for_one_worker_only(threaded, solo, record, gate):
    def block(slot_data, policy_message, worker_state):
        assert gate.wait(WAIT)

    runtime = threaded()
    slow, quick = solo(block), solo(record)
    held, worker = runtime.exec(slow), runtime.exec(quick)
    runtime.post(slow, "work", "input", 1)
    runtime.post(quick, "work", "input", 1)
    assert worker.wait_until_idle(WAIT) is True
    assert held.wait_until_idle(0.01) is False
    assert runtime.wait_until_all_workers_idle(0.01) is False
    gate.set()
    assert runtime.wait_until_all_workers_idle(WAIT) is True
    assert held.is_idle


def test_policy_of_ones_own_is_not_asked_while_paused(make_runtime, solo, record):
    asked = []

    def policy(slots, worker_state):
        asked.append(1)
        return immediate_policy()(slots, worker_state)

    runtime = make_runtime()
    flow = solo(record, policy=policy)
    worker = runtime.exec(flow)
    worker.pause()
    _, job = runtime.post(flow, "work", "input", 1)
    assert job.wait(0.02) is False
    assert asked == []
    worker.resume()
    assert job.wait(WAIT)
    assert asked


def test_flow_object_is_named_by_the_worker(make_runtime, solo, record):
    flow = solo(record)
    assert isinstance(make_runtime().exec(flow).flow, Flow)


def test_routine_with_a_key_is_held_and_goes_on_in_order(
    make_runtime, make_flow, make_routine, finish
):
    seen = []

    def logic(slot_data, policy_message, worker_state):
        seen.append(slot_data["input"][0])
        if len(seen) == 3:
            worker_state.pause("enough")

    routine = make_routine(logic).set_concurrency(1, key=lambda item: item[0])
    runtime = make_runtime()
    flow = make_flow({"work": routine})
    worker = runtime.exec(flow)
    items = [(key, n) for n in range(10) for key in "ab"]
    for item in items:
        runtime.post(flow, "work", "input", item)
    while worker.status != "paused":
        runtime.wait_until_all_jobs_finished(timeout=0.005)
    assert worker.pause(timeout=WAIT)
    assert len(seen) == 3
    queued = worker.get_slot("work", "input")
    assert queued.get_unconsumed_count() == 17
    assert len(queued.peek_points()) == 17
    worker.resume()
    finish(runtime)
    for key in "ab":
        assert [n for k, n in seen if k == key] == list(range(10))
