"""Batcher."""

import threading
import time

import pytest

from routilux import ConfigurationError, Flow, Runtime, batch_size_policy
from routilux.builtin_routines import Batcher, Mapper

WAIT = 20.0


def configured(**config):
    routine = Batcher()
    routine.set_config(**config)
    return routine


def batches(bench, worker=None):
    return [item["items"] for item in bench.got("batch", worker)]


def test_full_batches_are_emitted_with_count_and_number(bench):
    bench = bench(configured(batch_size=2, batch_timeout=None))
    jobs = bench.run(1, 2, 3, 4)
    assert bench.got("batch") == [
        {"items": [1, 2], "count": 2, "batch_number": 1},
        {"items": [3, 4], "count": 2, "batch_number": 2},
    ]
    assert {job.status for job in jobs} == {"completed"}


def test_a_wait_emits_the_rest(bench):
    bench = bench(configured(batch_size=2, batch_timeout=None))
    bench.run(1, 2, 3)
    assert batches(bench) == [[1, 2], [3]]
    assert bench.got("timeout") == []


def test_time_emits_the_rest_and_says_so(threaded_bench):
    bench = threaded_bench(configured(batch_size=10, batch_timeout=0.05))
    done = threading.Event()
    begun = time.monotonic()
    bench.post(1)
    bench.post(2).add_done_callback(lambda job: done.set())
    assert done.wait(WAIT)
    assert time.monotonic() - begun >= 0.05
    assert batches(bench) == [[1, 2]]
    assert bench.got("timeout") == [{"items": [1, 2], "count": 2}]


def test_a_job_is_finished_when_the_batch_of_its_item_is(threaded_bench):
    bench = threaded_bench(configured(batch_size=2, batch_timeout=None))
    first = bench.post(1)
    assert first.status == "pending"
    bench.post(2)
    assert first.wait(WAIT)
    assert batches(bench) == [[1, 2]]


def test_flush_emits_what_waits(threaded_bench):
    bench = threaded_bench(configured(batch_size=10, batch_timeout=None))
    done = threading.Event()
    for n in range(3):
        bench.post(n).add_done_callback(lambda job: done.set())
    assert bench.routine.get_pending_count() == 3
    assert bench.routine.flush() == 3
    assert done.wait(WAIT)
    assert batches(bench) == [[0, 1, 2]]
    assert bench.routine.get_pending_count() == 0
    assert bench.routine.get_batch_number() == 1


def test_flush_of_one_worker_leaves_the_others_alone(threaded_bench):
    bench = threaded_bench(configured(batch_size=10, batch_timeout=None), workers=2)
    done = threading.Event()
    bench.post("a", worker=0).add_done_callback(lambda job: done.set())
    bench.post("b", worker=1)
    assert bench.routine.flush(bench.workers[0]) == 1
    assert done.wait(WAIT)
    assert batches(bench) == [["a"]]
    assert bench.routine.get_pending_count(bench.workers[1]) == 1


def test_workers_batch_apart(bench):
    bench = bench(configured(batch_size=4, batch_timeout=None), workers=3)
    for n in range(10):
        for worker in range(3):
            bench.post((worker, n), worker=worker)
    bench.finish()
    for worker in range(3):
        mine = [(worker, n) for n in range(10)]
        assert batches(bench, worker) == [mine[:4], mine[4:8], mine[8:]]
        assert bench.routine.get_batch_number(bench.workers[worker]) == 3


def test_max_batch_size_bounds_the_batch_size(bench):
    bench = bench(configured(batch_size=50, max_batch_size=2, batch_timeout=None))
    bench.run(1, 2, 3)
    assert batches(bench) == [[1, 2], [3]]


def test_max_batches_bounds_what_waits():
    routine = configured(batch_size=3, max_batches=4)
    assert routine.get_slot("input").max_queue_length == 12


def test_a_batch_larger_than_a_slot_usually_holds_is_no_problem(bench):
    bench = bench(configured(batch_size=2500, max_batches=1, batch_timeout=None))
    bench.run(*range(2500))
    assert batches(bench) == [list(range(2500))]


@pytest.mark.parametrize("emits", [True, False])
def test_flush_on_shutdown_says_what_a_shutdown_does(bench, emits):
    routine = configured(batch_size=2, batch_timeout=None, flush_on_shutdown=emits)
    bench = bench(routine)
    jobs = [bench.post(n) for n in range(3)]
    bench.runtime.shutdown()
    assert batches(bench) == ([[0, 1], [2]] if emits else [[0, 1]])
    assert jobs[2].status == ("completed" if emits else "cancelled")
    assert [job.status for job in jobs[:2]] == ["completed"] * 2


def test_without_flush_on_shutdown_waits_and_time_still_emit(threaded_bench):
    routine = configured(batch_size=3, batch_timeout=0.05, flush_on_shutdown=False)
    bench = threaded_bench(routine)
    bench.run(*range(4))
    assert batches(bench) == [[0, 1, 2], [3]]
    done = threading.Event()
    bench.post(4).add_done_callback(lambda job: done.set())
    assert done.wait(WAIT)
    assert bench.got("timeout") == [{"items": [4], "count": 1}]


@pytest.mark.parametrize("flushes", [True, False])
@pytest.mark.parametrize("pause", [0.1, 0.6])
def test_a_cancelled_item_leaves_no_clock_running(simulated_bench, flushes, pause):
    routine = configured(batch_size=10, batch_timeout=0.5, flush_on_shutdown=flushes)
    bench = simulated_bench(routine)
    first = bench.post(1)
    bench.runtime.sleep(0.1)
    assert first.cancel()
    bench.runtime.sleep(pause)
    bench.post(2)
    bench.runtime.sleep(0.4)
    bench.post(3)
    assert batches(bench) == []
    bench.runtime.sleep(0.2)
    assert batches(bench) == [[2, 3]]


def test_emit_empty_flushes_a_batch_of_nothing_inside_logic(runtime):
    class Flusher(Mapper):
        def handle(self, data, worker_state):
            batcher.flush()

    batcher = configured(emit_empty=True, batch_timeout=None)
    got = []
    flow = Flow()
    flow.add_routine(Flusher(), "flusher")
    flow.add_routine(batcher, "batcher")
    listener = Mapper()
    listener.set_config(mappings={"x": got.append}, input_key=None)
    flow.add_routine(listener, "listener")
    flow.connect("batcher", "batch", "listener", "input")
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "flusher", "input", 1)
    assert job.wait(WAIT)
    assert got == [{"items": [], "count": 0, "batch_number": 1}]


def test_an_item_without_the_input_key_is_an_error_event(bench):
    bench = bench(configured(batch_size=1, input_key="x"))
    bench.run({"x": 1}, {"y": 1})
    assert batches(bench) == [[1]]
    [error] = bench.got("error")
    assert "'x'" in error["error"]


def test_a_policy_of_your_own_stays(bench):
    routine = Batcher().set_activation_policy(batch_size_policy(2))
    routine.set_config(batch_size=5)
    bench = bench(routine)
    bench.run(1, 2)
    assert batches(bench) == [[1, 2]]


def test_many_posters_lose_nothing(threaded_bench):
    bench = threaded_bench(configured(batch_size=7, batch_timeout=0.01))

    def post(start):
        for n in range(start, start + 300):
            bench.post(n)

    posters = [threading.Thread(target=post, args=(k * 300,)) for k in range(4)]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join(WAIT)
    bench.finish()
    items = [item for batch in batches(bench) for item in batch]
    assert sorted(items) == list(range(1200))
    assert max(map(len, batches(bench))) <= 7
    assert bench.routine.get_batch_number() == len(batches(bench))


def test_configuration_is_frozen_while_a_worker_runs_it():
    with Runtime(thread_pool_size=1) as runtime:
        routine = configured(batch_size=3)
        flow = Flow()
        flow.add_routine(routine, "work")
        runtime.exec(flow)
        with pytest.raises(RuntimeError, match="running"):
            routine.set_config(batch_size=4)
        assert routine.get_config("batch_size") == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_size", 0),
        ("batch_size", "3"),
        ("batch_size", True),
        ("batch_timeout", 0),
        ("batch_timeout", -1),
        ("batch_timeout", float("inf")),
        ("flush_on_shutdown", 1),
        ("max_batches", None),
        ("emit_empty", "no"),
        ("max_batch_size", 1.5),
        ("batchsize", 3),
    ],
)
def test_wrong_configuration_names_the_key(key, value):
    routine = Batcher()
    with pytest.raises(ConfigurationError, match=f"'{key}'"):
        routine.set_config(**{key: value})
