"""Items whose activation failed for good, in the slot of the dead letters."""

import pytest

from routilux import (
    ErrorHandler,
    all_slots_ready_policy,
    batch_size_policy,
    immediate_policy,
)
from routilux.monitoring.hooks import (
    NullExecutionHooks,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0


def fail_on_bad(slot_data, policy_message, worker_state):
    for items in slot_data.values():
        if "bad" in items:
            raise ValueError("a bad item")


@pytest.fixture
def letters():
    return []


@pytest.fixture
def with_letters(make_routine, make_flow, read_letters, letters):
    """Build a flow of "work" and of "dead", which reads the dead letters."""

    def build(logic=fail_on_bad, *, reader=None, **options):
        flow = make_flow(
            {
                "work": make_routine(logic, **options),
                "dead": read_letters(letters) if reader is None else reader,
            }
        )
        flow.set_dead_letter("dead", "input")
        return flow

    return build


def post_all(runtime, flow, *items):
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", x)[1] for x in items]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    return worker, jobs


def test_letter_has_item_error_routine_slot_and_job(runtime, with_letters, letters):
    _, [good, bad] = post_all(runtime, with_letters(), "good", "bad")
    assert [good.status, bad.status] == ["completed", "failed"]
    [letter] = letters
    assert letter == {
        "item": "bad",
        "error": "ValueError: a bad item",
        "routine": "work",
        "slot": "input",
        "job_id": bad.job_id,
    }
    assert letter["error"].type == "ValueError"
    assert "raise ValueError" in letter["error"].traceback


def test_letter_is_a_job_of_its_own(runtime, with_letters):
    flow = with_letters()
    post_all(runtime, flow, "bad", "bad")
    counts = runtime.core.counts()
    assert (counts["jobs_failed"], counts["jobs_completed"]) == (2, 2)


def test_letter_is_sent_after_the_last_retry_only(
    runtime, with_letters, letters, calls
):
    def logic(slot_data, policy_message, worker_state):
        calls.append(1)
        raise OSError("down")

    flow = with_letters(logic)
    flow.set_error_handler(ErrorHandler("retry", max_retries=2, retry_delay=0.001))
    post_all(runtime, flow, 1)
    assert (len(calls), [letter["item"] for letter in letters]) == (3, [1])


@pytest.mark.parametrize("strategy", ["continue", "skip"])
def test_error_that_is_dealt_with_makes_no_letter(
    runtime, with_letters, letters, strategy
):
    flow = with_letters()
    flow.set_error_handler(ErrorHandler(strategy))
    _, jobs = post_all(runtime, flow, "bad")
    assert (jobs[0].status, letters) == ("completed", [])


def test_batch_makes_a_letter_of_each_item_with_its_own_job(
    runtime, with_letters, letters
):
    flow = with_letters(policy=batch_size_policy(3))
    _, jobs = post_all(runtime, flow, 1, "bad", 2)
    assert [(one["item"], one["job_id"]) for one in letters] == [
        (item, job.job_id) for item, job in zip((1, "bad", 2), jobs, strict=True)
    ]


def test_pair_makes_a_letter_for_each_slot(
    runtime, make_routine, make_flow, read_letters, letters
):
    work = make_routine(
        fail_on_bad, policy=all_slots_ready_policy(), slots=("left", "right")
    )
    flow = make_flow({"work": work, "dead": read_letters(letters)})
    flow.set_dead_letter("dead")
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "left", 1)
    runtime.post(flow.flow_id, "work", "right", "bad")
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert sorted((x["slot"], x["item"]) for x in letters) == [
        ("left", 1),
        ("right", "bad"),
    ]


def test_policy_that_raises_makes_letters(runtime, with_letters, letters):
    def policy(slots, worker_state):
        raise RuntimeError("no idea")

    post_all(runtime, with_letters(policy=policy), 1)
    assert [(x["item"], str(x["error"])) for x in letters] == [
        (1, "RuntimeError: no idea")
    ]


def test_policy_that_consumes_makes_letters(runtime, with_letters, letters):
    def policy(slots, worker_state):
        items = slots["input"].consume_all_new()
        return bool(items), {"input": items}, "mine"

    post_all(runtime, with_letters(policy=policy), "bad")
    assert [x["item"] for x in letters] == ["bad"]


def test_key_that_raises_makes_a_letter(runtime, keyed, read_letters, record, letters):
    flow = keyed(record)
    flow.add_routine(read_letters(letters), "dead")
    flow.set_dead_letter("dead")
    post_all(runtime, flow, {"no": "key"})
    assert [x["item"] for x in letters] == [{"no": "key"}]


def test_item_of_a_typed_slot_is_an_array(
    runtime, make_routine, make_flow, read_letters, letters
):
    def logic(slot_data, policy_message, worker_state):
        raise ValueError("no")

    work = make_routine(logic, dtype="f8")
    flow = make_flow({"work": work, "dead": read_letters(letters)})
    flow.set_dead_letter("dead")
    post_all(runtime, flow, 1.5)
    assert [x["item"].tolist() for x in letters] == [[1.5]]


def test_timeout_makes_a_letter(runtime, with_letters, letters, linger):
    def logic(slot_data, policy_message, worker_state):
        linger(0.3)

    flow = with_letters(logic)
    flow.routines["work"].set_timeout(0.02)
    post_all(runtime, flow, "slow")
    assert [(x["item"], x["error"].type) for x in letters] == [
        ("slow", "ActivationTimeout")
    ]


def test_async_logic_makes_a_letter(runtime, with_letters, letters):
    async def logic(slot_data, policy_message, worker_state):
        raise ValueError("async")

    post_all(runtime, with_letters(logic), 7)
    assert [x["item"] for x in letters] == [7]


def test_letter_that_fails_makes_no_letter(runtime, with_letters, make_routine, calls):
    def logic(slot_data, policy_message, worker_state):
        calls.append(slot_data["input"][0])
        raise ValueError("the reader fails as well")

    flow = with_letters(reader=make_routine(logic))
    _, [job] = post_all(runtime, flow, "bad")
    assert job.status == "failed"
    assert [x["item"] for x in calls] == ["bad"]
    assert runtime.core.counts()["jobs_failed"] == 2


def test_what_a_letter_causes_makes_no_letter(
    runtime, make_routine, make_flow, stage, calls
):
    def body(emit, letter):
        calls.append(letter)
        emit("output", item="bad")

    def fail(slot_data, policy_message, worker_state):
        raise ValueError("always")

    flow = make_flow(
        {"work": make_routine(fail), "dead": stage(body)},
        ("dead", "output", "work", "input"),
    )
    flow.set_dead_letter("dead", "input")
    post_all(runtime, flow, "bad")
    assert len(calls) == 1


def test_cancelled_job_makes_no_letter(threaded, with_letters, letters, gate):
    def logic(slot_data, policy_message, worker_state):
        gate.wait(WAIT)
        raise ValueError("too late")

    flow = with_letters(logic)
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1).job
    while job.status != "running":
        job.wait(0.001)
    assert job.cancel()
    gate.set()
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert letters == []


def test_letters_go_over_the_bounds_of_runtime_and_slot(
    make_runtime, with_letters, read_letters, letters
):
    flow = with_letters(reader=read_letters(letters, max_queue_length=2))
    runtime = make_runtime(max_queue_size=2)
    post_all(runtime, flow, *["bad"] * 50)
    assert len(letters) == 50


def test_slot_that_drops_keeps_to_its_bound(
    make_runtime, make_routine, with_letters, dropped
):
    reader = make_routine(
        lambda slot_data, policy_message, worker_state: None,
        policy=batch_size_policy(5),
        max_queue_length=5,
        overflow="drop_newest",
    )
    flow = with_letters(reader=reader, policy=batch_size_policy(20))
    runtime = make_runtime(thread_pool_size=1)
    worker, _ = post_all(runtime, flow, *["bad"] * 20)
    assert dropped(worker, "dead", "input") == 15


def test_letter_that_finds_no_room_is_lost_and_the_log_says_so(
    one_by_one, engine, make_routine, with_letters, caplog
):
    reader = make_routine(
        lambda slot_data, policy_message, worker_state: None,
        policy=batch_size_policy(2),
        max_queue_length=2,
        overflow="error",
    )
    flow = with_letters(reader=reader, policy=batch_size_policy(3))
    _, jobs = post_all(one_by_one(engine), flow, *["bad"] * 3)
    lost = [entry for entry in caplog.records if "dead letter" in entry.getMessage()]
    assert [entry.levelname for entry in lost] == ["ERROR"]
    text = lost[0].getMessage()
    assert f"of routine 'work' of flow {flow.flow_id!r}, job {jobs[2].job_id}" in text
    assert "is lost: SlotQueueFullError" in text
    assert [str(job.error) for job in jobs] == ["ValueError: a bad item"] * 3


def test_letter_that_a_hook_refuses_reaches_nobody(
    runtime, with_letters, letters, request
):
    told = []

    class Hooks(NullExecutionHooks):
        def on_slot_before_enqueue(self, slot, routine_id, job, data, flow_id):
            told.append((routine_id, job))
            return routine_id != "dead", "no letters"

    set_execution_hooks(Hooks())
    request.addfinalizer(reset_execution_hooks)
    _, [job] = post_all(runtime, with_letters(), "bad")
    assert (job.status, letters) == ("failed", [])
    (_, (routine_id, letter)) = told
    assert (routine_id, letter.status) == ("dead", "cancelled")
    assert "no letters" in letter.error


def test_routine_without_logic_keeps_letters_for_inspection(
    runtime, with_letters, make_routine
):
    flow = with_letters(reader=make_routine(policy=None))
    worker, _ = post_all(runtime, flow, "bad")
    status = worker.get_slot("dead", "input").get_queue_status()
    assert status["total_count"] == 1


def test_shutdown_handles_the_letters_of_what_it_finishes(
    make_runtime, with_letters, letters
):
    flow = with_letters()
    with make_runtime() as runtime:
        runtime.exec(flow)
        for _ in range(10):
            runtime.post(flow.flow_id, "work", "input", "bad")
    assert len(letters) == 10


def test_dead_letter_names_are_checked(make_flow, make_routine, record):
    flow = make_flow({"work": make_routine(record)})
    with pytest.raises(ValueError, match=r"'wrok' not found.*'work'"):
        flow.set_dead_letter("wrok", "input")
    with pytest.raises(ValueError, match=r"'inptu' not found.*'input'"):
        flow.set_dead_letter("work", "inptu")
    with pytest.raises(TypeError, match="routine_id must be a str"):
        flow.set_dead_letter(3)
    assert flow.dead_letter is None


def test_dead_letter_slot_with_a_dtype_is_refused(make_flow, make_routine, record):
    flow = make_flow({"work": make_routine(record, dtype="f8")})
    with pytest.raises(ValueError, match="typed slot"):
        flow.set_dead_letter("work", "input")


def test_dead_letter_can_be_taken_back_and_is_frozen_by_a_worker(
    runtime, with_letters, letters
):
    flow = with_letters()
    flow.set_dead_letter(None)
    post_all(runtime, flow, "bad")
    assert letters == []
    with pytest.raises(RuntimeError, match="running"):
        flow.set_dead_letter("dead")


def test_slot_of_the_dead_letters_counts_as_connected(with_letters):
    flow = with_letters()
    assert not [text for text in flow.validate() if "'dead'" in text]
    assert immediate_policy()  # what the reader has: nothing else is left to warn of


def test_batch_of_a_typed_slot_makes_a_letter_of_each_array(
    runtime, make_routine, make_flow, read_letters, letters
):
    """A batch may end inside of an array; the letters are what each job had of it."""

    def logic(slot_data, policy_message, worker_state):
        raise ValueError("no")

    work = make_routine(logic, dtype="i8", policy=batch_size_policy(5))
    flow = make_flow({"work": work, "dead": read_letters(letters)})
    flow.set_dead_letter("dead")
    runtime.exec(flow)
    jobs = [
        runtime.post_many(flow.flow_id, "work", "input", items, jobs="one")
        for items in ([1, 2, 3], [4, 5, 6, 7])
    ]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert [(x["item"].tolist(), x["job_id"]) for x in letters] == [
        ([1, 2, 3], jobs[0].job_id),
        ([4, 5], jobs[1].job_id),
    ]


def test_letter_that_its_slot_refuses_is_counted_and_logged(
    runtime, make_routine, with_letters, caplog
):
    """The reader waits for its other slot: two letters stay and the third is lost."""
    reader = make_routine(
        lambda *args: None,
        policy=all_slots_ready_policy(),
        slots=("input", "other"),
        max_queue_length=2,
        overflow="error",
    )
    flow = with_letters(reader=reader, policy=batch_size_policy(3))
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow, "work", "input", x).job for x in ("a", "b", "bad")]
    assert all(job.wait(WAIT) for job in jobs)
    while not caplog.text.count("is lost"):
        assert not runtime.wait_until_all_jobs_finished(0.001)
    kept = worker.get_slot("dead", "input").peek_all_new()
    assert [letter["item"] for letter in kept] == ["a", "b"]
    assert f"a dead letter of routine 'work' of flow {flow.flow_id!r}" in caplog.text
    assert f"job {jobs[2].job_id}, is lost: SlotQueueFullError" in caplog.text
