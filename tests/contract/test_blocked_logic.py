"""Chapters 2 and 4: logic that waits for room, and what goes on meanwhile."""

import asyncio
import threading

import numpy as np
import pytest

from routilux import (
    QueueFullError,
    Routine,
    SlotQueueFullError,
    all_slots_ready_policy,
    batch_size_policy,
    get_current_job,
    immediate_policy,
    time_interval_policy,
)

WAIT = 20.0
SHORT = 0.05  # long enough to see that something does not end


def wait_for_room(runtime, job):
    """Wait until logic of the job sleeps at a full slot."""
    while "waits for room in slot" not in runtime.explain(job):
        assert not job.wait(0.001)


@pytest.fixture
def pair(record):
    """A routine that pairs the items of "a", a slot of length 1, and "b"."""
    routine = Routine()
    routine.add_slot("a", max_queue_length=1)
    routine.add_slot("b")
    routine.set_activation_policy(all_slots_ready_policy())
    return routine.set_logic(record)


# --- posts from logic


def test_done_callback_at_the_bound_does_not_wait_for_its_own_thread(
    make_runtime, solo, record, finish, calls
):
    posted = []

    def post_more(job):
        for n in range(5):
            posted.append(runtime.post(flow.flow_id, "work", "input", n).job)

    flow = solo(record)
    runtime = make_runtime(max_queue_size=2, thread_pool_size=1)
    runtime.exec(flow)
    first = runtime.post(flow.flow_id, "work", "input", "first").job
    first.add_done_callback(post_more)
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [["first"], *([n] for n in range(5))]
    assert {job.status for job in posted} == {"completed"}


def test_post_of_logic_to_another_worker_ends_at_its_timeout(
    threaded, solo, pair, make_flow, stage, gate, spawn
):
    """Meanwhile its thread runs what is ready there; a third worker keeps going."""
    ran, errors, busy = [], [], threading.Event()

    def block(slot_data, policy_message, worker_state):
        busy.set()
        assert gate.wait(WAIT)

    def logic(slot_data, policy_message, worker_state):
        runtime.post(target.flow_id, "side", "input", "ready")
        try:
            runtime.post(target.flow_id, "pair", "a", 2, timeout=SHORT)
        except SlotQueueFullError as error:
            errors.append((str(error), list(ran)))

    side = stage(lambda emit, item: ran.append(item), events=())
    target = make_flow({"pair": pair, "side": side})
    source, third = solo(logic), solo(block)
    runtime = threaded(thread_pool_size=2)
    for flow in (target, source, third):
        runtime.exec(flow)
    runtime.post(third.flow_id, "work", "input", None)
    assert busy.wait(WAIT)
    runtime.post(target.flow_id, "pair", "a", 1)
    job = runtime.post(source.flow_id, "work", "input", None).job
    assert job.wait(WAIT)
    ((text, before),) = errors
    assert "'a' of routine 'pair'" in text
    assert text.endswith(
        "is full (max_queue_length=1): nothing was posted within the timeout"
    )
    assert before == ["ready"]


@pytest.mark.parametrize("timeout", [None, 0.002])
def test_post_of_logic_behind_ready_work_of_a_source_ends(
    threaded, solo, stage, make_flow, gate, timeout
):
    """The source may not run on top of what it feeds, unless nobody else can do it."""
    seen, errors, busy = [], [], threading.Event()

    def block(slot_data, policy_message, worker_state):
        busy.set()
        assert gate.wait(WAIT)

    def middle(emit, item):
        seen.append(item["n"])
        if item["n"] == 0:
            runtime.post(flow.flow_id, "source", "input", {"n": "source"})
            for n in (1, 2):
                try:
                    runtime.post(
                        flow.flow_id, "middle", "input", {"n": n}, timeout=timeout
                    )
                except QueueFullError as error:
                    errors.append((n, list(seen), str(error)))

    flow = make_flow(
        {
            "source": stage(lambda emit, item: seen.append(item["n"])),
            "middle": stage(middle, max_queue_length=1),
        },
        ("source", "output", "middle", "input"),
    )
    other = solo(block)
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    runtime.exec(other)
    runtime.post(other.flow_id, "work", "input", None)
    assert busy.wait(WAIT)
    job = runtime.post(flow.flow_id, "middle", "input", {"n": 0}).job
    assert job.wait(WAIT)
    ((n, before, text),) = errors
    assert (n, before) == (2, [0, "source"])
    assert "'input' of routine 'middle'" in text
    assert job.status == "completed"


# --- emits


def test_emit_into_a_batch_that_nothing_else_will_fill_lets_it_go_partial(
    runtime, stage, make_routine, make_flow, calls, finish
):
    """Somebody waits for the job; the other slot of the batch stays empty."""

    def burst(emit, item):
        for n in range(5):
            emit("output", n=n)

    def note(slot_data, policy_message, worker_state):
        calls.append([item["n"] for item in slot_data["left"]])
        assert slot_data["right"] == []

    batch = make_routine(
        note, policy=batch_size_policy(2), slots=("left", "right"), max_queue_length=2
    )
    flow = make_flow(
        {"source": stage(burst), "batch": batch}, ("source", "output", "batch", "left")
    )
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None).job
    finish(runtime)
    assert (job.status, str(job.error)) == ("completed", "None")
    assert [n for batch in calls for n in batch] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("how", ["post", "post_async"])
def test_post_into_a_batch_that_nothing_else_will_fill_lets_it_go_partial(
    threaded, solo, make_routine, make_flow, record, gate, spawn, calls, how
):
    """Somebody waits for all jobs, another worker keeps him waiting."""
    busy = threading.Event()

    def block(slot_data, policy_message, worker_state):
        busy.set()
        assert gate.wait(WAIT)

    batch = make_routine(
        record, policy=batch_size_policy(2), slots=("left", "right"), max_queue_length=2
    )
    flow, other = make_flow({"batch": batch}), solo(block)
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    runtime.exec(other)
    runtime.post(other.flow_id, "work", "input", None)
    assert busy.wait(WAIT)
    for n in range(2):
        runtime.post(flow.flow_id, "batch", "left", n)
    waits = spawn(runtime.wait_until_all_jobs_finished, WAIT)
    while not runtime.core.debug()["wanted"]:
        assert not waits.done()
    where = (flow.flow_id, "batch", "left", 2)

    async def post():
        return await runtime.post_async(*where, timeout=WAIT)

    if how == "post":
        runtime.post(*where, timeout=WAIT)
    else:
        asyncio.run(post())
    gate.set()
    assert waits.result(WAIT) is True
    assert [data["left"] for data, _ in calls] == [[0, 1], [2]]


def test_array_that_is_emitted_for_a_cancelled_job_is_dropped(
    runtime, make_routine, make_flow, record, calls, finish
):
    source = make_routine(events=["output"])

    def logic(slot_data, policy_message, worker_state):
        source.emit_many("output", np.arange(3))
        get_current_job().cancel()
        source.emit_many("output", np.arange(4))

    source.set_logic(logic)
    sink = make_routine(record, dtype="i8", policy=batch_size_policy(3))
    flow = make_flow(
        {"source": source, "sink": sink}, ("source", "output", "sink", "input")
    )
    worker = runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None).job
    finish(runtime)
    assert job.status == "cancelled"
    assert len(worker.get_slot("sink", "input")) == 0
    assert calls == [] or [data["input"].tolist() for data, _ in calls] == [[0, 1, 2]]


def test_emit_that_sleeps_goes_on_when_its_slot_has_room_and_another_is_about_to(
    threaded, make_routine, stage, make_flow, gate, finish
):
    """Else it would sleep until its slot is half empty, or work for it is ready."""
    blocked, ended = threading.Semaphore(0), threading.Event()

    def block(emit, item):
        blocked.release()
        assert gate.wait(WAIT)

    def fail(emit, item):
        raise LookupError

    def burst(n, after=lambda: None):
        def body(emit, item):
            for _ in range(n):
                emit("output")
            after()

        return stage(body)

    flow = make_flow(
        {
            "start": burst(1),
            "one": burst(10, ended.set),
            "large": stage(block, max_queue_length=10),
            "two": burst(2),
            "small": stage(block, max_queue_length=1),
            "fails": stage(fail),
        },
        ("start", "output", "one", "input"),
        ("one", "output", "large", "input"),
        ("two", "output", "small", "input"),
    )
    runtime = threaded(thread_pool_size=4)
    runtime.exec(flow)

    def post(routine_id, **options):
        return runtime.post(flow.flow_id, routine_id, "input", None, **options).job

    post("large")
    post("small")
    assert blocked.acquire(timeout=WAIT) and blocked.acquire(timeout=WAIT)
    gone = post("large")
    wait_for_room(runtime, post("start"))
    post("fails", job_id=gone.job_id)
    assert gone.wait(WAIT)
    assert gone.status == "failed"  # and what it had queued is gone
    post("two")
    assert ended.wait(WAIT)
    gate.set()
    finish(runtime)


def test_shutdown_that_runs_out_of_time_lets_an_emit_that_sleeps_finish(
    threaded, stage, make_flow, gate, calls
):
    """What has not begun is cancelled meanwhile, in one pass over all queues."""
    blocked = threading.Event()

    def burst(emit, item):
        for n in range(4):
            emit("output", n=n)

    def block(emit, item):
        blocked.set()
        assert gate.wait(WAIT)
        calls.append(item["n"])

    flow = make_flow(
        {"source": stage(burst), "sink": stage(block, max_queue_length=1)},
        ("source", "output", "sink", "input"),
    )
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "sink", "input", {"n": -1})
    assert blocked.wait(WAIT)
    job = runtime.post(flow.flow_id, "source", "input", None).job
    wait_for_room(runtime, job)
    later = [runtime.post(flow.flow_id, "source", "input", n).job for n in range(3)]
    runtime.shutdown(timeout=SHORT)
    assert {one.status for one in later} == {"cancelled"}
    gate.set()
    assert job.wait(WAIT)
    assert (job.status, calls) == ("completed", [-1, 0, 1, 2, 3])


@pytest.mark.parametrize(
    "policy",
    [immediate_policy(), batch_size_policy(2), time_interval_policy(0.01)],
    ids=["immediate", "batch", "interval"],
)
def test_shutdown_names_the_slot_of_async_logic_whose_target_stays_full(
    runtime, make_routine, pair, make_flow, finish, policy
):
    async def forward(slot_data, policy_message, worker_state):
        source.emit("output")

    source = make_routine(forward, policy=policy, events=["output"])
    flow = make_flow({"work": source, "pair": pair}, ("work", "output", "pair", "a"))
    runtime.exec(flow)
    first = runtime.post(flow.flow_id, "pair", "a", 1).job
    jobs = [runtime.post(flow.flow_id, "work", "input", n).job for n in range(4)]
    assert runtime.wait_until_all_jobs_finished(SHORT) is False
    runtime.shutdown(timeout=WAIT)
    assert {job.status for job in [first, *jobs]} == {"cancelled"}
    assert "still parked in slot 'a' of routine 'pair'" in str(first.error)
    for job in jobs:
        assert "still parked in slot 'input' of routine 'work'" in str(job.error)
