"""Chapters 2 and 4: waiting for room ends, whoever waits and whatever fills it."""

import asyncio
import contextlib
import contextvars
import threading
import time

import pytest

from routilux import (
    QueueFullError,
    Routine,
    SlotQueueFullError,
    all_slots_ready_policy,
    get_current_job_id,
)

WAIT = 20.0


@pytest.fixture(params=[1, 4])
def any_runtime(request, make_runtime):
    """Runtimes of one thread and of several, on every engine."""
    return make_runtime(thread_pool_size=request.param)


@pytest.fixture
def into_small(stage, make_flow):
    """Build "source" (a routine) -> "sink" with a slot of length 1 that collects."""

    def build(source):
        got = []
        sink = stage(lambda emit, item: got.append(item["n"]), max_queue_length=1)
        connection = ("source", "output", "sink", "input")
        return make_flow({"source": source, "sink": sink}, connection), got

    return build


@pytest.fixture
def small_join(record):
    """A routine that joins slots "a", of length 1, and "b"."""
    join = Routine()
    join.add_slot("a", max_queue_length=1)
    join.add_slot("b")
    join.set_activation_policy(all_slots_ready_policy())
    join.set_logic(record)
    return join


def test_emit_from_a_thread_that_carries_the_context_waits_for_room(
    any_runtime, stage, into_small, spawn, finish
):
    """The logic waits for its thread, so that thread has to help itself."""
    errors = []

    def burst(emit):
        for number in range(50):
            emit("output", n=number)

    def body(emit, item):
        future = spawn(contextvars.copy_context().run, burst, emit)
        errors.append(future.exception(5))

    flow, got = into_small(stage(body))
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "source", "input", None)
    finish(any_runtime)
    assert (str(job.error), errors) == ("None", [None])
    assert got == list(range(50))


@pytest.mark.parametrize("how", ["on the loop", "in a thread"])
def test_emit_of_async_logic_into_a_full_slot_loses_nothing(
    any_runtime, make_routine, into_small, finish, how
):
    source = make_routine(events=("output",))

    async def logic(slot_data, policy_message, worker_state):
        for number in range(50):
            if how == "in a thread":
                await asyncio.to_thread(source.emit, "output", n=number)
            else:
                source.emit("output", n=number)

    source.set_logic(logic)
    flow, got = into_small(source)
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "source", "input", None)
    finish(any_runtime)
    assert str(job.error) == "None"
    assert got == list(range(50))


def test_emit_into_a_full_join_goes_on_when_another_routine_feeds_it(
    threaded, stage, small_join, make_flow, calls, finish
):
    def left(emit, item):
        for number in range(10):
            emit("output", n=number)

    def right(emit, item):
        for number in range(10):
            emit("output", n=number)

    flow = make_flow(
        {"left": stage(left), "right": stage(right), "join": small_join},
        ("left", "output", "join", "a"),
        ("right", "output", "join", "b"),
    )
    runtime = threaded()
    runtime.exec(flow)
    jobs = [
        runtime.post(flow.flow_id, name, "input", None) for name in ("left", "right")
    ]
    finish(runtime)
    assert [str(job.error) for job in jobs] == ["None", "None"]
    pairs = [(data["a"][0]["n"], data["b"][0]["n"]) for data, _ in calls]
    assert pairs == [(n, n) for n in range(10)]


def test_emit_into_a_full_join_with_one_thread_is_no_hang(
    threaded, stage, small_join, make_flow
):
    """What would feed the join has no thread to run on, unless the waiter helps."""

    def burst(emit, item):
        for number in range(10):
            emit("output", n=number)

    flow = make_flow(
        {"left": stage(burst), "right": stage(burst), "join": small_join},
        ("left", "output", "join", "a"),
        ("right", "output", "join", "b"),
    )
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "left", "input", None)
    runtime.post(flow.flow_id, "right", "input", None)
    assert job.wait(timeout=WAIT) is True
    assert job.error is None or job.error.type == "SlotQueueFullError"


def test_emit_goes_on_when_the_job_that_fills_the_slot_is_cancelled(
    threaded, stage, small_join, make_flow
):
    done = threading.Event()

    def body(emit, item):
        emit("output", n=item)
        done.set()

    flow = make_flow(
        {"source": stage(body), "join": small_join},
        ("source", "output", "join", "a"),
    )
    runtime = threaded()
    runtime.exec(flow)
    filler = runtime.post(flow.flow_id, "join", "a", "in the way")
    # Keeps the worker busy, so that the emit below has something to hope for.
    job = runtime.post(flow.flow_id, "source", "input", 1)
    assert runtime.cancel_job(filler.job_id) is True
    assert done.wait(WAIT) or job.error.type == "SlotQueueFullError"


def test_post_goes_on_when_the_job_that_fills_the_slot_is_cancelled(
    threaded, small_join, make_flow, spawn
):
    flow = make_flow({"join": small_join})
    runtime = threaded()
    runtime.exec(flow)
    filler = runtime.post(flow.flow_id, "join", "a", 1)
    blocked = spawn(runtime.post, flow.flow_id, "join", "a", 2, timeout=WAIT)
    assert runtime.cancel_job(filler.job_id) is True
    assert blocked.result(WAIT).status == "pending"


def test_shutdown_that_cancels_ends_a_post_that_waits_for_a_slot(
    threaded, small_join, make_flow, spawn
):
    flow = make_flow({"join": small_join})
    runtime = threaded()
    runtime.exec(flow)
    runtime.post(flow.flow_id, "join", "a", 1)
    blocked = spawn(runtime.post, flow.flow_id, "join", "a", 2)
    runtime.shutdown(timeout=WAIT, cancel_pending=True)
    with pytest.raises(RuntimeError, match="shut down"):
        blocked.result(WAIT)


def test_post_inside_logic_into_its_own_full_slot_is_no_hang(any_runtime, solo):
    errors = []

    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"][0] != "start":
            return
        for number in range(3):
            try:
                any_runtime.post(flow.flow_id, "work", "input", number)
            except QueueFullError as error:
                errors.append(error)

    flow = solo(logic, max_queue_length=1)
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "work", "input", "start")
    assert job.wait(timeout=WAIT) is True
    assert job.status == "completed"
    assert len(errors) == 2


def test_two_flows_that_post_into_each_others_full_slots_are_no_hang(
    any_runtime, solo, finish
):
    """Each logic waits for room that only the end of the other one can make."""
    flows, seconds = {}, [0.0]

    def build(other):
        def logic(slot_data, policy_message, worker_state):
            (number,) = slot_data["input"]
            start = time.monotonic()
            for _ in range(2 if number < 3 else 0):
                with contextlib.suppress(QueueFullError):
                    any_runtime.post(
                        flows[other].flow_id, "work", "input", number + 1, timeout=3
                    )
            seconds.append(time.monotonic() - start)

        return solo(logic, max_queue_length=1)

    flows.update(one=build("two"), two=build("one"))
    for flow in flows.values():
        any_runtime.exec(flow)
    any_runtime.post(flows["one"].flow_id, "work", "input", 0)
    finish(any_runtime)
    assert max(seconds) < 3


@pytest.mark.parametrize("concurrency", [2, None])
def test_full_cycle_of_a_concurrent_routine_is_no_hang(
    any_runtime, stage, make_flow, concurrency
):
    def body(emit, item):
        emit("output")
        emit("output")

    loop = stage(body, max_queue_length=1)
    loop.set_concurrency(concurrency)
    flow = make_flow({"loop": loop}, ("loop", "output", "loop", "input"))
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "loop", "input", None)
    assert job.wait(timeout=WAIT) is True
    assert (job.status, job.error.type) == ("failed", "SlotQueueFullError")


def test_helping_down_a_long_full_chain_loses_nothing(
    any_runtime, stage, make_flow, finish
):
    depth, count, got = 300, 330, []

    def start(emit, item):
        for number in range(count):
            emit("output", n=number)

    def relay(emit, item):
        emit("output", **item)

    stages = {"r0": stage(start)}
    for number in range(1, depth):
        stages[f"r{number}"] = stage(relay, max_queue_length=1)
    stages[f"r{depth}"] = stage(
        lambda emit, item: got.append(item["n"]), max_queue_length=1
    )
    flow = make_flow(
        stages, *[(f"r{n}", "output", f"r{n + 1}", "input") for n in range(depth)]
    )
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "r0", "input", None)
    finish(any_runtime)
    assert str(job.error) == "None"
    assert got == list(range(count))


def test_helping_shows_the_helped_logic_its_own_job(any_runtime, stage, make_flow):
    seen = []

    def source(emit, item):
        for _ in range(5):
            emit("output", job=get_current_job_id())

    flow = make_flow(
        {
            "source": stage(source),
            "sink": stage(
                lambda emit, item: seen.append(item["job"] == get_current_job_id()),
                max_queue_length=1,
            ),
        },
        ("source", "output", "sink", "input"),
    )
    any_runtime.exec(flow)
    for number in range(20):
        any_runtime.post(flow.flow_id, "source", "input", number)
    assert any_runtime.wait_until_all_jobs_finished(timeout=WAIT) is True
    assert seen == [True] * 100


def test_error_in_helped_logic_does_not_reach_the_helper(
    any_runtime, stage, make_flow, finish
):
    """The job of the helped logic fails; the helper's own logic is not interrupted."""
    ends = []

    def source(emit, item):
        for number in range(20):
            emit("output", n=number)
        ends.append(item)

    def sink(emit, item):
        if item["n"] == 3:
            raise LookupError("in the sink")

    flow = make_flow(
        {"source": stage(source), "sink": stage(sink, max_queue_length=1)},
        ("source", "output", "sink", "input"),
    )
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "source", "input", 1)
    finish(any_runtime)
    assert (job.status, job.error.type) == ("failed", "LookupError")
    assert job.error.routine_id == "sink"
    assert ends == [1]


def test_slots_of_many_jobs_that_share_small_queues_lose_nothing(
    any_runtime, stage, make_flow, finish
):
    got = []

    def spread(emit, item):
        for number in range(5):
            emit("output", n=(item, number))

    names = ("left", "right")
    flow = make_flow(
        {
            "source": stage(spread, max_queue_length=2),
            **{
                name: stage(
                    lambda emit, item: emit("output", **item), max_queue_length=1
                )
                for name in names
            },
            "sink": stage(lambda emit, item: got.append(item["n"]), max_queue_length=1),
        },
        *[("source", "output", name, "input") for name in names],
        *[(name, "output", "sink", "input") for name in names],
    )
    any_runtime.exec(flow)
    jobs = [
        any_runtime.post(flow.flow_id, "source", "input", n, timeout=WAIT)
        for n in range(100)
    ]
    finish(any_runtime)
    assert {str(job.error) for job in jobs} == {"None"}
    assert sorted(got) == sorted(
        (a, b) for a in range(100) for b in range(5) for _ in names
    )


def test_slot_queue_full_error_names_routine_and_slot(runtime, small_join, make_flow):
    flow = make_flow({"join": small_join})
    runtime.exec(flow)
    runtime.post(flow.flow_id, "join", "a", 1)
    with pytest.raises(SlotQueueFullError, match=r"(?s)'a'.*'join'|'join'.*'a'"):
        runtime.post(flow.flow_id, "join", "a", 2, block=False)
