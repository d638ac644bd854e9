"""Aggregator."""

import threading
import time

import pytest

from routilux import ConfigurationError, Flow, Runtime
from routilux.builtin_routines import Aggregator

WAIT = 20.0


def configured(slots=("a", "b"), **config):
    routine = Aggregator().setup_slots(list(slots))
    routine.set_config(**config)
    return routine


def post_all(bench, slots, value, worker=-1):
    return [bench.post(f"{slot}{value}", slot, worker) for slot in slots]


def test_items_of_all_slots_are_joined_in_the_order_of_arrival(bench):
    bench = bench(configured())
    jobs = [bench.post(f"a{n}", "a") for n in range(2)]
    jobs += [bench.post(f"b{n}", "b") for n in range(2)]
    bench.finish()
    assert bench.got("aggregated") == [
        {"data": {"a": "a0", "b": "b0"}, "sources": ["a", "b"]},
        {"data": {"a": "a1", "b": "b1"}, "sources": ["a", "b"]},
    ]
    assert {job.status for job in jobs} == {"completed"}


def test_any_takes_what_there_is(bench):
    bench = bench(configured(mode="any"))
    bench.run(1, slot="a")
    bench.run(2, slot="b")
    assert [item["data"] for item in bench.got("aggregated")] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("timeout", [None, 3600.0])
def test_n_of_m_waits_for_so_many_slots(bench, timeout):
    bench = bench(configured("abc", mode="n_of_m", threshold=2, timeout=timeout))
    bench.post(1, "a")
    bench.post(2, "c")
    bench.finish()
    assert bench.got("aggregated") == [
        {"data": {"a": 1, "c": 2}, "sources": ["a", "c"]}
    ]


@pytest.mark.parametrize(
    ("strategy", "parts", "merged"),
    [
        ("dict", [1, 2], {"a": 1, "b": 2}),
        ("list", [1, 2], [1, 2]),
        ("flatten", [{"x": 1, "y": 1}, {"y": 2}], {"x": 1, "y": 2}),
        ("flatten", [[1, 2], 3], [1, 2, 3]),
        (lambda parts: parts["a"] + parts["b"], [1, 2], 3),
        ("builtins:len", [1, 2], 2),
    ],
)
@pytest.mark.parametrize("timeout", [None, 30.0])
def test_merge_strategies(bench, strategy, parts, merged, timeout):
    bench = bench(configured(merge_strategy=strategy, timeout=timeout))
    bench.post(parts[0], "a")
    bench.post(parts[1], "b")
    bench.finish()
    assert [item["data"] for item in bench.got("aggregated")] == [merged]


def test_what_waits_too_long_goes_without_the_missing_ones(threaded_bench):
    bench = threaded_bench(configured("abc", timeout=0.1))
    done = threading.Event()
    begun = time.monotonic()
    bench.post(1, "a")
    bench.post(2, "c").add_done_callback(lambda job: done.set())
    assert done.wait(WAIT)
    assert time.monotonic() - begun >= 0.1
    assert bench.got("timeout") == [
        {"partial_data": {"a": 1, "c": 2}, "missing_slots": ["b"]}
    ]
    assert bench.got("aggregated") == []


def test_each_item_has_its_own_time(runtime):
    """The second of one slot is not older because the first was."""
    bench_ = configured(timeout=0.2)
    flow = Flow()
    flow.add_routine(bench_, "work")
    policy = bench_._activation_policy
    slots = dict(bench_.slots)

    class Worker:
        now = 0.0

        def monotonic(self):
            return self.now

    worker = Worker()
    slots["a"].enqueue(1)
    assert policy(slots, worker)[0] is False
    worker.now = 0.15
    slots["a"].enqueue(2)
    assert policy(slots, worker)[0] is False
    worker.now = 0.2
    assert policy(slots, worker) == (True, {"a": [1], "b": []}, "timeout")
    yes, _, message = policy(slots, worker)
    assert (yes, round(message.seconds, 6)) == (False, 0.15)


def test_a_shutdown_gives_up_waiting(bench):
    bench = bench(configured(timeout=3600.0))
    job = bench.post(1, "a")
    bench.runtime.shutdown()
    assert bench.got("timeout") == [{"partial_data": {"a": 1}, "missing_slots": ["b"]}]
    assert job.status == "completed"


def test_without_a_timeout_a_shutdown_cancels_what_has_no_partner(bench):
    bench = bench(configured(timeout=None))
    job = bench.post(1, "a")
    bench.runtime.shutdown()
    assert job.status == "cancelled"
    assert "'a'" in str(job.error)
    assert bench.got("timeout") == []


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_workers_join_apart(bench, timeout):
    bench = bench(configured(timeout=timeout), workers=3)
    for n in range(20):
        for worker in range(3):
            bench.post((worker, n), "a", worker)
    for n in range(20):
        for worker in range(3):
            bench.post((worker, -n), "b", worker)
    bench.finish()
    for worker in range(3):
        pairs = [item["data"] for item in bench.got("aggregated", worker)]
        assert pairs == [{"a": (worker, n), "b": (worker, -n)} for n in range(20)]


def test_all_jobs_of_a_join_go_on_with_it(bench):
    bench = bench(configured(merge_strategy=lambda parts: 1 / 0), deaf_to=["error"])
    jobs = [bench.post(1, "a"), bench.post(2, "b")]
    bench.finish()
    assert [job.status for job in jobs] == ["failed", "failed"]
    assert "ZeroDivisionError" in str(jobs[0].error)


def test_a_merge_that_raises_is_an_error_event(bench):
    bench = bench(configured(merge_strategy=lambda parts: 1 / 0))
    bench.post(1, "a")
    bench.post(2, "b")
    bench.finish()
    [error] = bench.got("error")
    assert error["slot"] is None and "ZeroDivisionError" in error["error"]


def test_an_item_without_the_input_key_names_its_slot(bench):
    bench = bench(configured(input_key="x"))
    bench.post({"x": 1}, "a")
    bench.post({"y": 2}, "b")
    bench.finish()
    [error] = bench.got("error")
    assert error["slot"] == "b"


def test_max_pending_items_bounds_the_slots():
    routine = configured(max_pending_items=7)
    assert [slot.max_queue_length for slot in routine.slots.values()] == [7, 7]


def test_slots_may_be_configured_too():
    routine = Aggregator()
    routine.set_config(slots=["x", "y"])
    assert list(routine.slots) == ["x", "y"]
    assert routine.setup_slots(["y", "z"]) is routine
    assert list(routine.slots) == ["x", "y", "z"] == routine.get_config("slots")


def test_without_slots_a_worker_does_not_start():
    flow = Flow()
    flow.add_routine(Aggregator(), "join")
    with (
        Runtime(thread_pool_size=1) as runtime,
        pytest.raises(ConfigurationError, match="setup_slots"),
    ):
        runtime.exec(flow)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"mode": "some"}, ["'mode'", "n_of_m"]),
        ({"mode": "n_of_m"}, ["'mode'", "'threshold'"]),
        ({"mode": "n_of_m", "threshold": 3}, ["'threshold'", "3", "2"]),
        ({"threshold": 0}, ["'threshold'"]),
        ({"timeout": 0}, ["'timeout'"]),
        ({"merge_strategy": "zip"}, ["'merge_strategy'", "flatten"]),
        ({"max_pending_items": 0}, ["'max_pending_items'"]),
        ({"slots": ["a"]}, ["'slots'", "'b'"]),
        ({"slots": "ab"}, ["'slots'"]),
        ({"slots": ["a", "b", "a"]}, ["'slots'", "different"]),
    ],
    ids=repr,
)
def test_wrong_configuration_names_the_key_and_what_is_valid(config, words):
    routine = configured()
    with pytest.raises(ConfigurationError) as caught:
        routine.set_config(**config)
    assert all(word in str(caught.value) for word in words)
