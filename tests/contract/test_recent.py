"""The flight recorder: `runtime.recent()` and `job.trace_log`, on every engine."""

import json
import logging
import threading

import pytest

from routilux import (
    ErrorHandler,
    ErrorStrategy,
    Runtime,
    batch_size_policy,
    time_interval_policy,
)


@pytest.fixture
def started(make_runtime, two):
    def start(**options):
        runtime = make_runtime(enable_monitoring=True, **options)
        runtime.exec(two, worker_id="w")
        return runtime

    return start


def test_a_job_is_told_from_post_to_end(started, finish):
    runtime = started()
    job = runtime.post("two", "first", "input", {"n": 1}).job
    finish(runtime)
    events = runtime.recent()
    assert [(e.kind, e.routine_id, e.detail) for e in events] == [
        ("post", "first", None),
        ("activation", "first", None),
        ("activation", "second", None),
        ("job_end", None, "completed"),
    ]
    assert {(e.flow_id, e.worker_id, e.job_id) for e in events} == {
        ("two", "w", job.job_id)
    }
    assert [e.at for e in events] == sorted(e.at for e in events)
    assert events[0].slot == "input" and events[0].duration is None
    assert all(e.duration >= 0 for e in events if e.kind == "activation")


def test_threads_are_those_that_ran(started, finish):
    runtime = started()
    runtime.post("two", "first", "input", {"n": 1})
    finish(runtime)
    assert runtime.recent()[0].thread == threading.get_ident()


def test_the_last_so_many_are_told(started, finish):
    runtime = started()
    for n in range(5):
        runtime.post("two", "first", "input", {"n": n})
    finish(runtime)
    assert [e.kind for e in runtime.recent(1)] == ["job_end"]
    assert runtime.recent(0) == []
    assert len(runtime.recent(1000)) == len(runtime.recent()) == 5 * 4


def test_the_ring_keeps_the_newest(started, finish):
    runtime = started()
    for n in range(3000):
        runtime.post("two", "first", "input", {"n": n % 7})
    job = runtime.post("two", "first", "input", {"n": 1}, job_id="last").job
    finish(runtime)
    events = runtime.recent()
    assert len(events) == 8192
    assert any(e.kind == "job_end" and e.job_id == job.job_id for e in events)


@pytest.mark.parametrize("n", [-1, True, 1.5, "3"])
def test_a_number_that_is_none_is_refused(started, n):
    with pytest.raises((TypeError, ValueError), match="n must be"):
        started().recent(n)


def test_without_monitoring_nothing_is_recorded(make_runtime, two, finish):
    runtime = make_runtime()
    runtime.exec(two)
    job = runtime.post("two", "first", "input", {"n": 1}).job
    finish(runtime)
    assert runtime.recent() == []
    assert job.trace_log == []


def test_a_failure_is_told_and_in_the_log_of_its_job(started, finish):
    runtime = started()
    job = runtime.post("two", "first", "input", {"n": 7}).job
    finish(runtime)
    kinds = [e.kind for e in runtime.recent()]
    assert kinds.count("failure") == 1 and kinds[-1] == "job_end"
    assert runtime.recent()[-1].detail == "failed"
    assert {entry["action"] for entry in job.trace_log} == {"failure", "activation"}


def test_retries_are_told(make_runtime, stage, make_flow, finish):
    left = [2]

    def body(emit, item):
        if left[0]:
            left[0] -= 1
            raise ConnectionError("not yet")

    routine = stage(body, events=())
    routine.set_error_handler(
        ErrorHandler(ErrorStrategy.RETRY, max_retries=3, retry_delay=0.001)
    )
    runtime = make_runtime(enable_monitoring=True)
    flow = make_flow({"work": routine})
    runtime.exec(flow)
    runtime.post(flow, "work", "input", {})
    finish(runtime)
    retries = [e for e in runtime.recent() if e.kind == "retry"]
    assert [e.detail for e in retries] == ["attempt 1 failed", "attempt 2 failed"]
    assert all(e.duration is not None for e in retries)


def test_drops_are_told(make_runtime, solo, finish):
    flow = solo(lambda *args: None, max_queue_length=2, overflow="drop_oldest")
    runtime = make_runtime(enable_monitoring=True)
    worker = runtime.exec(flow)
    worker.pause()
    for n in range(3):
        runtime.post(flow, "work", "input", n)
    worker.resume()
    finish(runtime)
    (drop,) = [e for e in runtime.recent() if e.kind == "drop"]
    assert (drop.routine_id, drop.slot, drop.detail) == ("work", "input", "1 items")


def test_trace_log_has_the_activations_of_its_job_alone(started, finish):
    runtime = started()
    jobs = [runtime.post("two", "first", "input", {"n": n}).job for n in (1, 2, 7)]
    jobs[0].trace("second", "said", {"x": 1})
    finish(runtime)
    assert [e["routine_id"] for e in jobs[1].trace_log] == ["first", "second"]
    log = jobs[0].trace_log
    assert sorted(e["action"] for e in log) == ["activation", "activation", "said"]
    # Times are told from the processor's counter, each time to about a microsecond.
    again = jobs[0].to_dict()["trace_log"]
    assert [{**e, "timestamp": ""} for e in again] == [
        {**e, "timestamp": ""} for e in log
    ]


def test_a_wait_that_times_out_tells_what_happened_last(
    threaded, two, solo, gate, caplog
):
    runtime = threaded(enable_monitoring=True)
    flow = solo(lambda *args: gate.wait(20))
    runtime.exec(flow)
    runtime.exec(two)
    runtime.post(flow, "work", "input", 1)
    runtime.post("two", "first", "input", {"n": 1}).job.wait(20)
    with caplog.at_level(logging.WARNING, "routilux"):
        assert runtime.wait_until_all_jobs_finished(timeout=0.01) is False
    assert "what happened last: " in caplog.text
    assert "activation second" in caplog.text


def test_an_event_prints_as_a_line(started, finish):
    runtime = started()
    runtime.post("two", "first", "input", {"n": 1})
    finish(runtime)
    assert " post first.input" in str(runtime.recent()[0])


@pytest.mark.parametrize("items", [1, 40])
def test_time_in_a_slot_is_measured(started, finish, items):
    runtime = started()
    for _ in range(items):
        runtime.post("two", "first", "input", {"n": 1})
    finish(runtime)
    for name in ("first", "second"):
        wait = runtime.metrics().routine(name).slots["input"].wait
        assert wait.count == items
        assert 0 <= wait.p50 <= wait.p99 < 20


def test_time_in_a_slot_is_from_arrival_to_logic(make_runtime, solo, finish, now):
    runtime = make_runtime(enable_monitoring=True)
    flow = solo(lambda *args: None)
    worker = runtime.exec(flow)
    worker.pause()
    begin = now(runtime)
    runtime.post(flow, "work", "input", 1)
    runtime.sleep(0.02)
    worker.resume()
    finish(runtime)
    wait = runtime.metrics().routine("work").slots["input"].wait
    assert wait.count == 1
    assert 0.0199 <= wait.sum <= now(runtime) - begin + 0.001


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "i8"},
        {"dtype": "i8", "timestamps": True},
        {"dtype": "i8", "policy": batch_size_policy(3)},
        {"timestamps": True},
        {"policy": time_interval_policy(0.001)},
        {"policy": batch_size_policy(3, max_wait=60.0)},
    ],
    ids=["typed", "typed, with times", "typed batch", "times", "interval", "batch"],
)
def test_time_in_a_slot_is_measured_whatever_the_kind_of_routine(
    make_runtime, solo, finish, now, options
):
    runtime = make_runtime(enable_monitoring=True)
    flow = solo(lambda *args: None, **options)
    worker = runtime.exec(flow)
    worker.pause()
    begin = now(runtime)
    for n in range(3):
        runtime.post(flow, "work", "input", n)
    runtime.sleep(0.02)
    worker.resume()
    finish(runtime)
    row = runtime.metrics().routine("work")
    wait = row.slots["input"].wait
    assert row.items_in == 3
    assert 1 <= wait.count <= 3
    longest = now(runtime) - begin + 0.001
    assert 0.0199 * wait.count <= wait.sum <= longest * wait.count


def test_items_that_a_policy_takes_itself_are_counted(make_runtime, solo, finish):
    def both(slots, worker_state):
        if not all(len(slot) for slot in slots.values()):
            return False, {}, None
        return True, {name: slot.take(1) for name, slot in slots.items()}, None

    flow = solo(lambda *args: None, policy=both, slots=("left", "right"))
    runtime = make_runtime(enable_monitoring=True)
    runtime.exec(flow)
    for n in range(6):
        runtime.post(flow, "work", ("left", "right")[n % 2], n)
    finish(runtime)
    row = runtime.metrics().routine("work")
    assert (row.activations, row.items_in) == (3, 6)


def test_of_very_many_workers_the_oldest_lose_their_names_only(
    make_runtime, two, finish, tmp_path
):
    runtime = make_runtime(enable_monitoring=True)
    workers = [runtime.exec(two, worker_id=f"w{n}") for n in range(1100)]
    with runtime.trace(tmp_path / "run.json"):
        for worker in (workers[0], workers[-1]):
            runtime.post("two", "first", "input", {"n": 1}, worker_id=worker.worker_id)
        finish(runtime)
    found = {(e.worker_id, e.routine_id) for e in runtime.recent()}
    assert found == {
        (None, None),
        ("w1099", None),
        ("w1099", "first"),
        ("w1099", "second"),
    }
    counts = runtime.metrics().jobs
    assert (counts["completed"], counts["failed"]) == (2, 0)
    lines = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert sum(x["name"] == "job completed" for x in lines) == 2
    ran = {x["name"] for x in lines if x.get("cat") == "logic"}
    assert ran == {"first", "second"}


def test_of_many_items_in_batches_some_have_their_time_in_the_slot_measured(
    make_runtime, stage, make_routine, make_flow, finish
):
    """The first 64, then every sixteenth: a clock costs a tenth of a hop."""

    def burst(emit, item):
        for n in range(224):
            emit("output", n=n)

    batch = make_routine(lambda *args: None, policy=batch_size_policy(32))
    flow = make_flow(
        {"source": stage(burst), "batch": batch}, ("source", "output", "batch", "input")
    )
    runtime = make_runtime(enable_monitoring=True)
    runtime.exec(flow)
    runtime.post(flow, "source", "input", None)
    finish(runtime)
    row = runtime.metrics().routine("batch")
    assert (row.activations, row.items_in) == (7, 224)
    assert row.slots["input"].wait.count == 64 + (224 - 64) // 16


@pytest.mark.parametrize("seed", range(20))
def test_times_are_never_negative_though_the_wall_clock_is_set_back(
    runtimes, solo, seed
):
    runtimes.append(
        runtime := Runtime(
            engine="sim", seed=seed, faults=["clock"], enable_monitoring=True
        )
    )
    flow = solo(lambda *args: None, timestamps=True)
    runtime.exec(flow)
    for n in range(100):
        runtime.post(flow, "work", "input", n)
        assert runtime.metrics().routine("work").slots["input"].wait.sum >= 0
    assert runtime.wait_until_all_jobs_finished()
    wait = runtime.metrics().routine("work").slots["input"].wait
    assert wait.count == sum(n for _, n in wait.buckets) == 100
