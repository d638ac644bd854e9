"""Cancelling one worker while others go on."""

import threading

import pytest

from routilux import WorkerNotRunningError, batch_size_policy
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0


def test_cancelled_worker_takes_no_posts_and_ends_its_jobs(
    make_runtime, solo, record, calls
):
    runtime = make_runtime()
    flow = solo(record, policy=batch_size_policy(5))
    worker = runtime.exec(flow)
    _, job = runtime.post(flow, "work", "input", 1)
    assert worker.cancel("not needed") is True
    assert worker.cancel() is False
    assert job.wait(WAIT)
    assert job.status == "cancelled"
    assert "not needed" in job.error
    assert (worker.status, calls) == ("stopped", [])
    assert worker.completed_at is not None
    with pytest.raises(WorkerNotRunningError):
        runtime.post(flow, "work", "input", 2)
    with pytest.raises(RuntimeError, match="does not run"):
        worker.pause()


@pytest.mark.parametrize("block", [True, False])
def test_worker_that_is_cancelled_while_items_are_read_gets_none(
    make_runtime, solo, record, calls, block
):
    runtime = make_runtime()
    flow = solo(record)
    worker = runtime.exec(flow, "first")

    def items():
        yield 1
        worker.cancel()
        yield 2

    with pytest.raises(WorkerNotRunningError, match=r"'first'.*was stopped"):
        runtime.post_many(flow, "work", "input", items(), block=block)
    assert (runtime.list_jobs(), calls) == ([], [])


def test_post_that_waits_for_room_ends_when_its_worker_is_cancelled(
    threaded, solo, gate, spawn
):
    entered = threading.Event()
    runtime = threaded()
    flow = solo(lambda *_: (entered.set(), gate.wait(WAIT)), max_queue_length=1)
    worker = runtime.exec(flow, "first")
    runtime.post(flow, "work", "input", 1)
    assert entered.wait(WAIT)
    runtime.post(flow, "work", "input", 2)
    waiting = [spawn(runtime.post, flow, "work", "input", n) for n in range(2)]
    while runtime.metrics().waits_for_room < 2:
        assert not gate.wait(0.001)
    worker.cancel()
    for future in waiting:
        error = future.exception(WAIT)
        assert type(error) is WorkerNotRunningError
        assert "'first'" in str(error)


def test_flow_of_a_cancelled_worker_may_change_and_run_again(
    make_runtime, solo, record, make_routine, calls
):
    runtime = make_runtime()
    flow = solo(record)
    runtime.exec(flow, "first").cancel()
    flow.add_routine(make_routine(record), "more")
    runtime.exec(flow, "first")
    _, job = runtime.post(flow, "more", "input", 1)
    assert job.wait(WAIT)


def test_posts_go_to_the_newest_worker_that_is_left(make_runtime, solo, record):
    runtime = make_runtime()
    flow = solo(record)
    first, second = runtime.exec(flow), runtime.exec(flow)
    second.cancel()
    assert runtime.post(flow, "work", "input", 1).worker_state is first
    assert runtime.list_workers() == [first]


def test_logic_of_a_cancelled_worker_ends_before_its_flow_is_free(
    threaded, solo, gate, make_routine, record
):
    entered = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    runtime = threaded()
    flow = solo(logic)
    worker = runtime.exec(flow)
    _, job = runtime.post(flow, "work", "input", 1)
    assert entered.wait(WAIT)
    worker.cancel()
    assert job.status == "cancelled"
    with pytest.raises(RuntimeError, match="is running"):
        flow.add_routine(make_routine(record), "more")
    gate.set()
    assert job.wait(WAIT)
    flow.add_routine(make_routine(record), "more")


def test_hooks_are_told_how_a_worker_ended(make_runtime, solo, record):
    told = []

    class Ends(ExecutionHooksInterface):
        def on_worker_stop(self, flow, worker_state, status):
            told.append((worker_state.worker_id, status))

    runtime = make_runtime()
    flow = solo(record)
    set_execution_hooks(Ends())
    try:
        runtime.exec(flow, "one").cancel()
        runtime.exec(flow, "two")
        runtime.shutdown(timeout=WAIT)
    finally:
        reset_execution_hooks()
    assert told == [("one", "cancelled"), ("two", "stopped")]
