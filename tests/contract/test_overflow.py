"""Chapter 4: a full target slot never loses data silently."""

import threading

import pytest

from routilux import (
    QueueFullError,
    Routine,
    SlotQueueFullError,
    all_slots_ready_policy,
    get_current_job_id,
    get_current_routine_id,
)

WAIT = 20.0
RULES = ["block", "error", "drop_oldest", "drop_newest"]


@pytest.fixture(params=["plain", "async"])
def source(request, make_routine, stage):
    """Build a routine that calls `body(emit, item)` in plain or in async logic."""

    def build(body):
        if request.param == "plain":
            return stage(body, events=("output", "partner"))
        routine = make_routine(events=("output", "partner"))

        async def logic(slot_data, policy_message, worker_state):
            for item in slot_data["input"]:
                body(routine.emit, item)

        return routine.set_logic(logic)

    return build


@pytest.fixture
def join(make_flow, source, record):
    """Build "source" (runs `body`) -> "sink", a join whose slot "a" has length 2.

    Nothing drains slot "a" before "source" emits "partner".
    """

    def build(body, overflow):
        sink = Routine()
        sink.add_slot("a", max_queue_length=2, overflow=overflow)
        sink.add_slot("b")
        sink.set_activation_policy(all_slots_ready_policy())
        sink.set_logic(record)
        return make_flow(
            {"source": source(body), "sink": sink},
            ("source", "output", "sink", "a"),
            ("source", "partner", "sink", "b"),
        )

    return build


def emit_five(emit, item):
    for number in range(5):
        emit("output", n=number)
    for _ in range(2):
        emit("partner")


def test_unknown_overflow_rule_is_a_value_error_that_lists_the_rules():
    with pytest.raises(ValueError, match="'drop_old'") as caught:
        Routine().add_slot("input", overflow="drop_old")
    assert [rule in str(caught.value) for rule in RULES] == [True] * 4


def test_block_is_the_default():
    assert Routine().add_slot("input").overflow == "block"


@pytest.mark.parametrize("length", [1, 2, 7])
def test_block_loses_nothing_and_keeps_order(runtime, stage, make_flow, finish, length):
    got = []

    def burst(emit, item):
        for number in range(1000):
            emit("output", n=number)

    flow = make_flow(
        {
            "source": stage(burst),
            "sink": stage(
                lambda emit, item: got.append(item["n"]), max_queue_length=length
            ),
        },
        ("source", "output", "sink", "input"),
    )
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert job.status == "completed"
    assert got == list(range(1000))


def test_thread_that_would_block_helps_first(threaded, stage, make_flow, finish):
    """With one thread, only the emitting thread itself can make room."""
    threads = set()

    def burst(emit, item):
        threads.add(threading.get_ident())
        for number in range(100):
            emit("output", n=number)

    def sink(emit, item):
        threads.add(threading.get_ident())

    flow = make_flow(
        {"source": stage(burst), "sink": stage(sink, max_queue_length=1)},
        ("source", "output", "sink", "input"),
    )
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert job.status == "completed"
    assert len(threads) == 1


def test_helping_goes_down_a_whole_chain(threaded, stage, make_flow, finish):
    got = []

    def triple(emit, item):
        for number in range(3):
            emit("output", n=(item["n"], number))

    def start(emit, item):
        for number in range(20):
            emit("output", n=number)

    flow = make_flow(
        {
            "a": stage(start),
            "b": stage(triple, max_queue_length=1),
            "c": stage(triple, max_queue_length=1),
            "d": stage(lambda emit, item: got.append(item["n"]), max_queue_length=1),
        },
        *[(one, "output", two, "input") for one, two in ("ab", "bc", "cd")],
    )
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "a", "input", None)
    finish(runtime)
    assert job.status == "completed"
    assert got == [((a, b), c) for a in range(20) for b in range(3) for c in range(3)]


def test_context_is_restored_after_a_thread_helped(threaded, stage, make_flow, finish):
    seen = set()

    def burst(emit, item):
        for _ in range(20):
            emit("output")
            seen.add((get_current_routine_id(), get_current_job_id()))

    flow = make_flow(
        {
            "source": stage(burst),
            "sink": stage(lambda emit, item: None, max_queue_length=1),
        },
        ("source", "output", "sink", "input"),
    )
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert seen == {("source", job.job_id)}


def test_blocked_emit_goes_on_when_another_thread_drains_the_slot(
    threaded, stage, make_flow, finish
):
    """The sink is busy on another thread, so there is nothing to help with."""
    busy, release = threading.Event(), threading.Event()
    got = []

    def burst(emit, item):
        emit("output", n=0)
        assert busy.wait(WAIT)
        emit("output", n=1)
        release.set()
        for number in range(2, 10):
            emit("output", n=number)

    def sink(emit, item):
        busy.set()
        assert release.wait(WAIT)
        got.append(item["n"])

    flow = make_flow(
        {"source": stage(burst), "sink": stage(sink, max_queue_length=1)},
        ("source", "output", "sink", "input"),
    )
    runtime = threaded()
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert job.status == "completed"
    assert got == list(range(10))


def test_error_raises_slot_queue_full_error_into_the_logic(
    runtime, join, finish, calls
):
    errors = []

    def body(emit, item):
        for number in range(5):
            try:
                emit("output", n=number)
            except SlotQueueFullError as error:
                errors.append((number, str(error)))
        emit("partner")
        emit("partner")

    flow = join(body, "error")
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert [number for number, _ in errors] == [2, 3, 4]
    assert all("sink" in text and "2" in text for _, text in errors)
    assert [data["a"][0]["n"] for data, _ in calls] == [0, 1]
    assert job.status == "completed"


def test_error_that_logic_lets_pass_fails_the_job(runtime, join):
    flow = join(emit_five, "error")
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    assert job.wait(timeout=WAIT) is True
    assert (job.status, job.error.type) == ("failed", "SlotQueueFullError")


def test_slot_queue_full_error_is_a_queue_full_error():
    assert issubclass(SlotQueueFullError, QueueFullError)


@pytest.mark.parametrize(
    ("overflow", "kept"), [("drop_oldest", [3, 4]), ("drop_newest", [0, 1])]
)
def test_drop_rule_keeps_what_it_says(runtime, join, finish, calls, overflow, kept):
    flow = join(emit_five, overflow)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert [data["a"][0]["n"] for data, _ in calls] == kept
    assert job.status == "completed"


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_dropped_items_are_counted_and_logged_once(
    runtime, join, finish, dropped, warned, overflow
):
    flow = join(emit_five, overflow)
    worker = runtime.exec(flow)
    for _ in range(3):
        runtime.post(flow.flow_id, "source", "input", None)
        finish(runtime)  # or the next one may begin before "sink" has run
    assert dropped(worker, "sink", "a") == 9
    assert len(warned("drop", "sink")) == 1


def pair(runtime, flow, finish, count):
    """Drain what is left in slot "a" by giving it partners."""
    for number in range(count):
        runtime.post(flow.flow_id, "sink", "b", number)
    finish(runtime)


@pytest.fixture
def posted(runtime, make_routine, make_flow, record):
    """Post five items to a slot of length 2 that nothing drains."""

    def run(overflow, **options):
        routine = make_routine(
            record,
            slots=("a", "b"),
            policy=all_slots_ready_policy(),
            max_queue_length=2,
            overflow=overflow,
        )
        flow = make_flow({"sink": routine})
        worker = runtime.exec(flow)
        jobs = [
            runtime.post(flow.flow_id, "sink", "a", number, **options)[1]
            for number in range(5)
        ]
        return flow, worker, jobs

    return run


@pytest.mark.parametrize(
    ("overflow", "kept"), [("drop_oldest", [3, 4]), ("drop_newest", [0, 1])]
)
def test_post_to_a_full_slot_follows_its_drop_rule(
    posted, runtime, finish, calls, dropped, overflow, kept
):
    flow, worker, jobs = posted(overflow)
    assert dropped(worker, "sink", "a") == 3
    pair(runtime, flow, finish, 2)
    assert [data["a"] for data, _ in calls] == [[n] for n in kept]
    assert [n for n in range(5) if jobs[n].status == "completed"] == kept


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_job_that_is_dropped_before_it_ran_ends_cancelled_with_the_slot_named(
    posted, overflow
):
    _, _, jobs = posted(overflow)
    gone = [job for job in jobs if job.status != "pending"]
    assert [str(job.status) for job in gone] == ["cancelled"] * 3
    assert ["sink" in str(job.error) for job in gone] == [True] * 3


def test_post_to_a_full_slot_with_the_error_rule_raises_at_once(
    runtime, make_routine, make_flow, record
):
    routine = make_routine(
        record,
        slots=("a", "b"),
        policy=all_slots_ready_policy(),
        max_queue_length=1,
        overflow="error",
    )
    flow = make_flow({"sink": routine})
    worker = runtime.exec(flow)
    runtime.post(flow.flow_id, "sink", "a", 1)
    with pytest.raises(SlotQueueFullError, match="sink"):
        runtime.post(flow.flow_id, "sink", "a", 2, job_id="x")
    assert runtime.get_job("x") is None
    assert worker.get_slot("sink", "a").peek_all_new() == [1]


def test_post_to_a_full_slot_waits_until_it_is_drained(
    threaded, make_routine, make_flow, record, calls, spawn, finish
):
    routine = make_routine(
        record, slots=("a", "b"), policy=all_slots_ready_policy(), max_queue_length=1
    )
    flow = make_flow({"sink": routine})
    runtime = threaded()
    runtime.exec(flow)
    runtime.post(flow.flow_id, "sink", "a", 1)
    blocked = spawn(runtime.post, flow.flow_id, "sink", "a", 2)
    runtime.post(flow.flow_id, "sink", "b", 1)
    assert blocked.result(WAIT).status in ("pending", "running", "completed")
    runtime.post(flow.flow_id, "sink", "b", 2)
    finish(runtime)
    assert [data for data, _ in calls] == [{"a": [n], "b": [n]} for n in (1, 2)]
