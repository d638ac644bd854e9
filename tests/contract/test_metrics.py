"""`runtime.metrics()`: what a runtime has counted, on every engine."""

import time

import pytest

from routilux import (
    ErrorHandler,
    ErrorStrategy,
    JobStatus,
    all_slots_ready_policy,
    clock,
)

N = 40


@pytest.fixture
def done(make_runtime, two, finish):
    """Run the flow on N items and answer the picture afterwards."""

    def run(**options):
        runtime = make_runtime(**options)
        runtime.exec(two)
        for n in range(N):
            runtime.post("two", "first", "input", {"n": n})
        finish(runtime)
        return runtime.metrics()

    return run


def test_activations_items_and_failures_are_counted(done):
    metrics = done(enable_monitoring=True)
    first, second = metrics.routine("first"), metrics.routine("second")
    assert (first.activations, first.items_in, first.items_out) == (N, N, N - 1)
    assert (first.failures, first.retries, first.running) == (1, 0, 0)
    assert (second.activations, second.items_in, second.items_out) == (N - 1, N - 1, 0)
    assert first.logic.count == sum(n for _, n in first.logic.buckets) == N
    assert first.logic.p50 <= first.logic.p95 <= first.logic.p99


def test_jobs_are_counted_by_state(done):
    metrics = done()
    assert metrics.jobs == {
        **{"pending": 0, "running": 0},
        **{"completed": N - 1, "failed": 1, "cancelled": 0},
    }
    assert set(metrics.jobs) == {str(status) for status in JobStatus}


def test_items_go_over_connections(done):
    (edge,) = done().edges
    assert (edge.source, edge.event, edge.target, edge.slot, edge.items) == (
        *("first", "output", "second", "input"),
        N - 1,
    )


def test_without_monitoring_what_costs_is_zero(done):
    metrics = done()
    first = metrics.routine("first")
    assert not metrics.enabled
    assert (first.activations, first.logic.count, first.failures) == (0, 0, 0)
    assert (first.slots["input"].items_in, first.items_out) == (N, N - 1)


def test_queue_depth_and_peak_are_of_each_slot(
    make_runtime, make_routine, make_flow, finish
):
    pair = make_routine(
        lambda slot_data, policy_message, worker_state: None,
        policy=all_slots_ready_policy(),
        slots=("left", "right"),
        max_queue_length=10,
    )
    runtime = make_runtime(enable_monitoring=True)
    runtime.exec(make_flow({"pair": pair}, flow_id="pairs"))
    for n in range(5):
        runtime.post("pairs", "pair", "left", n)
    left = runtime.metrics().routine("pair").slots["left"]
    assert (left.depth, left.peak, left.capacity, left.items_in) == (5, 5, 10, 5)
    assert runtime.metrics().jobs["pending"] == 5
    for n in range(5):
        runtime.post("pairs", "pair", "right", n)
    finish(runtime)
    row = runtime.metrics().routine("pair")
    assert (row.slots["left"].depth, row.slots["left"].peak) == (0, 5)
    assert (row.activations, row.items_in) == (5, 10)


def test_drops_are_counted_where_they_happen(make_runtime, solo, gate, finish):
    flow = solo(lambda *args: None, max_queue_length=2, overflow="drop_oldest")
    runtime = make_runtime(enable_monitoring=True)
    worker = runtime.exec(flow)
    worker.pause()
    for n in range(5):
        runtime.post(flow, "work", "input", n)
    worker.resume()
    finish(runtime)
    slot = runtime.metrics().routine("work").slots["input"]
    assert (slot.items_in, slot.dropped, slot.peak) == (5, 3, 2)


def test_retries_are_counted_and_are_one_activation(make_runtime, solo, finish):
    left = [2]

    def logic(slot_data, policy_message, worker_state):
        if left[0]:
            left[0] -= 1
            raise ConnectionError("not yet")

    flow = solo(logic)
    handler = ErrorHandler(ErrorStrategy.RETRY, max_retries=3, retry_delay=0.001)
    flow.routines["work"].set_error_handler(handler)
    runtime = make_runtime(enable_monitoring=True)
    runtime.exec(flow)
    runtime.post(flow, "work", "input", 1)
    finish(runtime)
    row = runtime.metrics().routine("work")
    assert (row.retries, row.failures, row.activations) == (2, 0, 1)


def test_a_post_that_finds_no_room_is_a_wait(threaded, solo, gate, spawn, finish):
    flow = solo(lambda *args: gate.wait(20))
    runtime = threaded(max_queue_size=1)
    runtime.exec(flow)
    runtime.post(flow, "work", "input", 1)
    assert runtime.metrics().waits_for_room == 0
    second = spawn(runtime.post, flow, "work", "input", 2)
    deadline = time.monotonic() + 20
    while runtime.metrics().waits_for_room == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    gate.set()
    second.result(20)
    finish(runtime)
    assert runtime.metrics().waits_for_room == 1


def test_share_says_where_the_time_goes(make_runtime, stage, make_flow, finish):
    def slow(emit, item):
        sum(range(20_000))

    flow = make_flow(
        {
            "fast": stage(lambda emit, item: emit("output", **item)),
            "slow": stage(slow, events=()),
        },
        ("fast", "output", "slow", "input"),
    )
    runtime = make_runtime(enable_monitoring=True)
    runtime.exec(flow)
    for n in range(20):
        runtime.post(flow, "fast", "input", {"n": n})
    finish(runtime)
    metrics = runtime.metrics()
    shares = [row.share for row in metrics.routines]
    if metrics.routine("slow").logic.sum:  # virtual time may stand still
        assert metrics.routine("slow").share > metrics.routine("fast").share
        assert sum(shares) == pytest.approx(1.0)


def test_picture_prints_as_tables(done):
    text = str(done(enable_monitoring=True))
    assert f"{N - 1} completed, 1 failed" in text
    assert "first.input" in text


def test_metrics_count_an_activation_that_took_too_long(
    make_runtime, solo, finish, now
):
    flow = solo(lambda *args: clock.sleep(0.4))
    flow.routines["work"].set_timeout(0.05)
    runtime = make_runtime(enable_monitoring=True)
    runtime.exec(flow)
    begin = now(runtime)
    job = runtime.post(flow, "work", "input", 1).job
    finish(runtime)
    row = runtime.metrics().routine("work")
    assert job.status == "failed"
    assert (row.activations, row.failures, row.logic.count) == (1, 1, 1)
    assert 0.0499 <= row.logic.sum <= now(runtime) - begin + 0.001


def test_policy_that_raises_is_one_failure_whosever_the_items_are(
    make_runtime, solo, finish
):
    def policy(slots, worker_state):
        if len(slots["input"]) < 2:
            return False, {}, None
        raise LookupError("no idea")

    runtime = make_runtime(enable_monitoring=True)
    flow = solo(lambda *args: None, policy=policy)
    runtime.exec(flow)
    jobs = [runtime.post(flow, "work", "input", n).job for n in range(2)]
    finish(runtime)
    assert [job.error.type for job in jobs] == ["LookupError"] * 2
    row = runtime.metrics().routine("work")
    assert (row.failures, row.items_in) == (1, 2)
    assert sum(e.kind == "failure" for e in runtime.recent()) == 1
