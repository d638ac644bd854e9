"""Chapter 3: set_concurrency, what runs in parallel, and who starves."""

import asyncio
import hashlib
import logging
import threading
import time
from collections import Counter

import pytest

from routilux import Flow, Routine, all_slots_ready_policy, immediate_policy

WAIT = 20.0


@pytest.fixture
def crowd(solo, peak, finish):
    """Answer how many activations of one routine ran at once, given a barrier."""

    def measure(runtime, concurrency, parties, count=12):
        barrier = threading.Barrier(parties)

        def logic(slot_data, policy_message, worker_state):
            with peak:
                barrier.wait(WAIT)

        flow = solo(logic)
        flow.routines["work"].set_concurrency(concurrency)
        runtime.exec(flow)
        jobs = [
            runtime.post(flow.flow_id, "work", "input", number)
            for number in range(count)
        ]
        finish(runtime)
        assert {str(job.status) for job in jobs} == {"completed"}
        return peak.most

    return measure


@pytest.mark.parametrize("number", [2, 3])
def test_set_concurrency_lets_n_activations_run_at_once(threaded, crowd, number):
    assert crowd(threaded(thread_pool_size=4), number, number) == number


def test_set_concurrency_none_means_the_size_of_the_pool(threaded, crowd):
    assert crowd(threaded(thread_pool_size=3), None, 3) == 3


def test_set_concurrency_above_the_pool_means_the_pool(threaded, crowd):
    assert crowd(threaded(thread_pool_size=2), 100, 2) == 2


def test_set_concurrency_one_is_one_at_a_time(threaded, crowd):
    assert crowd(threaded(), 1, 1) == 1


def test_concurrent_routine_runs_on_every_engine(runtime, solo, finish):
    got = []
    flow = solo(lambda slot_data, *rest: got.extend(slot_data["input"]))
    flow.routines["work"].set_concurrency(4)
    runtime.exec(flow)
    for number in range(100):
        runtime.post(flow.flow_id, "work", "input", number)
    finish(runtime)
    assert sorted(got) == list(range(100))


def test_concurrent_async_logic_overlaps(threaded, solo, peak, finish):
    barrier = threading.Barrier(3)

    async def logic(slot_data, policy_message, worker_state):
        with peak:
            await asyncio.to_thread(barrier.wait, WAIT)

    flow = solo(logic)
    flow.routines["work"].set_concurrency(3)
    runtime = threaded()
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", n) for n in range(6)]
    finish(runtime)
    assert {str(job.status) for job in jobs} == {"completed"}
    assert peak.most == 3


def test_concurrent_joins_keep_their_pairs(threaded, solo, record, calls, finish):
    flow = solo(record, slots=("a", "b"), policy=all_slots_ready_policy())
    flow.routines["work"].set_concurrency(4)
    runtime = threaded()
    runtime.exec(flow)
    for number in range(200):
        runtime.post(flow.flow_id, "work", "a", number)
        runtime.post(flow.flow_id, "work", "b", number)
    finish(runtime)
    assert sorted((data["a"], data["b"]) for data, _ in calls) == [
        ([n], [n]) for n in range(200)
    ]


def test_atomic_update_serves_concurrent_routines(threaded, solo, finish):
    def logic(slot_data, policy_message, worker_state):
        worker_state.update_routine_state_with(
            "work", lambda state: {"count": state.get("count", 0) + 1}
        )

    flow = solo(logic)
    flow.routines["work"].set_concurrency(4)
    runtime = threaded()
    worker = runtime.exec(flow)
    for number in range(500):
        runtime.post(flow.flow_id, "work", "input", number)
    finish(runtime)
    assert worker.get_routine_state("work") == {"count": 500}


@pytest.mark.parametrize("number", [0, -2])
def test_concurrency_below_one_is_a_value_error(number):
    with pytest.raises(ValueError, match=str(number)):
        Routine().set_concurrency(number)


@pytest.mark.parametrize("number", ["2", 1.5])
def test_concurrency_that_is_no_int_is_a_type_error(number):
    with pytest.raises(TypeError):
        Routine().set_concurrency(number)


def test_set_concurrency_while_a_worker_runs_is_a_runtime_error(runtime, solo, record):
    flow = solo(record)
    runtime.exec(flow)
    with pytest.raises(RuntimeError):
        flow.routines["work"].set_concurrency(2)


def test_different_routines_run_in_parallel(threaded, stage, make_flow, finish):
    barrier = threading.Barrier(3)
    source = stage(lambda emit, item: emit("output"))
    meet = {name: stage(lambda emit, item: barrier.wait(WAIT)) for name in "abc"}
    flow = make_flow(
        {"source": source, **meet},
        *[("source", "output", name, "input") for name in "abc"],
    )
    runtime = threaded()
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert job.status == "completed"


def test_different_workers_run_in_parallel(threaded, solo, finish):
    barrier = threading.Barrier(3)
    flow = solo(lambda slot_data, *rest: barrier.wait(WAIT))
    runtime = threaded()
    jobs = []
    for _ in range(3):
        worker = runtime.exec(flow)
        jobs.append(runtime.post(flow.flow_id, "work", "input", 1, worker.worker_id))
    finish(runtime)
    assert {str(job.status) for job in jobs} == {"completed"}


def test_different_flows_run_in_parallel(threaded, solo, finish):
    barrier = threading.Barrier(3)
    runtime = threaded()
    jobs = []
    for _ in range(3):
        flow = solo(lambda slot_data, *rest: barrier.wait(WAIT))
        runtime.exec(flow)
        jobs.append(runtime.post(flow.flow_id, "work", "input", 1))
    finish(runtime)
    assert {str(job.status) for job in jobs} == {"completed"}


def test_blocked_routine_holds_up_no_other(threaded, stage, make_flow, gate):
    done = threading.Event()
    flow = make_flow(
        {
            "blocked": stage(lambda emit, item: gate.wait(WAIT)),
            "free": stage(lambda emit, item: done.set()),
        }
    )
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    for number in range(100):
        runtime.post(flow.flow_id, "blocked", "input", number)
    runtime.post(flow.flow_id, "free", "input", 1)
    assert done.wait(WAIT)


def test_stages_of_a_chain_overlap(threaded, stage, make_flow, finish):
    barrier = threading.Barrier(2)

    def first(emit, item):
        emit("output", n=item)
        if item == 1:
            barrier.wait(WAIT)

    def second(emit, item):
        if item["n"] == 0:
            barrier.wait(WAIT)

    flow = make_flow(
        {"first": stage(first), "second": stage(second)},
        ("first", "output", "second", "input"),
    )
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "first", "input", n) for n in range(2)]
    finish(runtime)
    assert {str(job.status) for job in jobs} == {"completed"}


@pytest.fixture
def starving():
    """Give an event that the log warning about set_concurrency sets."""
    seen = threading.Event()

    class Listener(logging.Handler):
        def emit(self, entry):
            if "set_concurrency" in entry.getMessage():
                seen.set()

    listener = Listener()
    logging.getLogger().addHandler(listener)
    yield seen
    logging.getLogger().removeHandler(listener)


def test_starved_routine_gets_one_warning_that_names_set_concurrency(
    threaded, make_routine, make_flow, starving, warned, finish
):
    def logic(slot_data, policy_message, worker_state):
        starving.wait(0.05)

    flow = make_flow({"slow_reader": make_routine(logic)})
    runtime = threaded()
    runtime.exec(flow)
    for number in range(300):
        runtime.post(flow.flow_id, "slow_reader", "input", number)
    finish(runtime)
    assert len(warned("set_concurrency", "slow_reader")) == 1


def test_routine_that_is_not_starved_gets_no_warning(
    threaded, solo, record, finish, warned
):
    flow = solo(record)
    runtime = threaded()
    runtime.exec(flow)
    for number in range(300):
        runtime.post(flow.flow_id, "work", "input", number)
    finish(runtime)
    assert warned("set_concurrency") == []


def test_short_logic_that_gives_back_the_gil_gets_a_second_thread(threaded, finish):
    buffer, turns = bytes(1 << 15), Counter()  # 18 µs each

    def logic(slot_data, policy_message, worker_state):
        hashlib.sha256(buffer).digest()
        turns[threading.get_ident()] += 1

    flow = Flow()
    for name in "ab":
        routine = Routine()
        routine.add_slot("input")
        routine.set_activation_policy(immediate_policy())
        routine.set_logic(logic)
        flow.add_routine(routine, name)
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    until = time.monotonic() + WAIT
    shares = [0]
    while len(shares) < 2 or min(shares) < 300:
        assert time.monotonic() < until, f"one thread does nearly all: {shares}"
        turns.clear()
        for name in "ab":
            runtime.post_many(flow.flow_id, name, "input", [None] * 900, jobs="one")
        finish(runtime)
        shares = list(turns.values())
