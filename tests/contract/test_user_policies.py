"""Chapter 3: policies that users write run as they are."""

from datetime import datetime

import pytest

from routilux import breakpoint_policy, custom_policy, get_current_job_id

WAIT = 20.0

QUIET = (False, {}, None)


def one_by_one(slots, worker_state):
    slot = slots["input"]
    if not slot.get_unconsumed_count():
        return QUIET
    return True, {"input": [slot.consume_one_new()]}, {"reason": "mine"}


@pytest.fixture
def post_all(runtime, finish):
    """Run a flow with data for its slot "input" and answer the jobs."""

    def run(flow, *data):
        runtime.exec(flow)
        jobs = [runtime.post(flow.flow_id, "work", "input", item)[1] for item in data]
        finish(runtime)
        return jobs

    return run


def test_policy_is_called_with_slots_and_worker_state(runtime, solo, record, finish):
    seen = []

    def policy(slots, worker_state):
        seen.append((list(slots), worker_state.worker_id))
        return one_by_one(slots, worker_state)

    flow = solo(record, slots=("input", "other"), policy=policy)
    worker = runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert seen[0] == (["input", "other"], worker.worker_id)


def test_consume_one_new_takes_the_oldest(solo, record, calls, post_all):
    jobs = post_all(solo(record, policy=one_by_one), *range(20))
    assert [data["input"] for data, _ in calls] == [[n] for n in range(20)]
    assert {str(job.status) for job in jobs} == {"completed"}


def test_consume_all_new_takes_everything(solo, record, calls, post_all):
    def policy(slots, worker_state):
        if slots["input"].get_unconsumed_count() < 5:
            return QUIET
        return True, {"input": slots["input"].consume_all_new()}, None

    post_all(solo(record, policy=policy), *range(5))
    assert [data["input"] for data, _ in calls] == [[0, 1, 2, 3, 4]]


def test_consume_latest_drops_the_rest_and_holds_no_job_open(
    solo, record, calls, post_all
):
    def policy(slots, worker_state):
        if slots["input"].get_unconsumed_count() < 5:
            return QUIET
        latest = slots["input"].consume_latest_and_mark_all_consumed()
        return True, {"input": [latest]}, None

    jobs = post_all(solo(record, policy=policy), *range(5))
    assert [data["input"] for data, _ in calls] == [[4]]
    assert {str(job.status) for job in jobs} <= {"completed", "cancelled"}
    assert jobs[-1].status == "completed"


def test_peeking_leaves_the_items(solo, record, calls, post_all):
    peeked = []

    def policy(slots, worker_state):
        slot = slots["input"]
        if slot.get_unconsumed_count() < 3:
            return QUIET
        peeked.append((slot.peek_one_new(), slot.peek_latest(), slot.peek_all_new()))
        peeked.append((slot.peek_one_new(), slot.peek_latest(), slot.peek_all_new()))
        return True, {"input": slot.consume_all_new()}, None

    post_all(solo(record, policy=policy), "a", "b", "c")
    assert peeked == [("a", "c", ["a", "b", "c"])] * 2
    assert [data["input"] for data, _ in calls] == [["a", "b", "c"]]


def test_consumed_items_are_the_posted_objects(solo, record, calls, post_all):
    data = [{"n": 1}, {"n": 1}]
    post_all(solo(record, policy=one_by_one), *data)
    got = [call[0]["input"][0] for call in calls]
    assert [a is b for a, b in zip(got, data, strict=True)] == [True, True]


def test_unconsumed_count_goes_down_as_items_are_consumed(solo, record, post_all):
    counts = []

    def policy(slots, worker_state):
        slot = slots["input"]
        if slot.get_unconsumed_count() < 3:
            return QUIET
        items = []
        while slot.get_unconsumed_count():
            counts.append(slot.get_unconsumed_count())
            items.append(slot.consume_one_new())
        return True, {"input": items}, None

    post_all(solo(record, policy=policy), 1, 2, 3)
    assert counts == [3, 2, 1]


def test_empty_slot_gives_nothing_to_consume_or_peek(solo, record, post_all):
    seen = []

    def policy(slots, worker_state):
        slot = slots["other"]
        seen.append((slot.consume_all_new(), slot.peek_all_new()))
        seen.append((slot.consume_one_new(), slot.peek_one_new()))
        seen.append((slot.consume_latest_and_mark_all_consumed(), slot.peek_latest()))
        return one_by_one(slots, worker_state)

    post_all(solo(record, slots=("input", "other"), policy=policy), 1)
    assert seen[:3] == [([], []), (None, None), (None, None)]


@pytest.mark.parametrize("message", [None, "text", {"reason": "mine"}, object()])
def test_policy_message_arrives_as_it_is(solo, record, calls, post_all, message):
    def policy(slots, worker_state):
        fired, data, _ = one_by_one(slots, worker_state)
        return fired, data, message

    post_all(solo(record, policy=policy), 1)
    assert [call[1] is message for call in calls] == [True]


def test_data_slice_may_differ_from_what_was_consumed(solo, record, calls, post_all):
    def policy(slots, worker_state):
        if not slots["input"].get_unconsumed_count():
            return QUIET
        return True, {"input": [slots["input"].consume_one_new() * 10]}, None

    post_all(solo(record, policy=policy), 1, 2)
    assert [data["input"] for data, _ in calls] == [[10], [20]]


def test_slot_that_the_data_slice_leaves_out_has_an_empty_list(
    solo, record, calls, post_all
):
    flow = solo(record, slots=("first", "input", "last"), policy=one_by_one)
    post_all(flow, 1)
    assert [data for data, _ in calls] == [{"first": [], "input": [1], "last": []}]


def test_policy_that_consumes_without_firing_holds_no_job_open(
    solo, record, calls, post_all
):
    def policy(slots, worker_state):
        if slots["input"].peek_one_new() == "skip":
            slots["input"].consume_one_new()
            return QUIET
        return one_by_one(slots, worker_state)

    jobs = post_all(solo(record, policy=policy), "a", "skip", "b")
    assert [data["input"] for data, _ in calls] == [["a"], ["b"]]
    assert [str(job.status) for job in (jobs[0], jobs[2])] == ["completed"] * 2


def test_policy_sees_the_slots_of_its_own_worker_only(
    runtime, solo, record, calls, finish
):
    def policy(slots, worker_state):
        if slots["input"].get_unconsumed_count() < 2:
            return QUIET
        return True, {"input": slots["input"].consume_all_new()}, None

    flow = solo(record, policy=policy)
    one, two = runtime.exec(flow), runtime.exec(flow)
    for number in range(2):
        runtime.post(flow.flow_id, "work", "input", ("one", number), one.worker_id)
        runtime.post(flow.flow_id, "work", "input", ("two", number), two.worker_id)
    finish(runtime)
    got = sorted(data["input"] for data, _ in calls)
    assert got == [[("one", 0), ("one", 1)], [("two", 0), ("two", 1)]]


def test_policy_reads_routine_state(solo, post_all):
    got = []

    def policy(slots, worker_state):
        state = worker_state.get_routine_state("work", {"size": 1})
        if slots["input"].get_unconsumed_count() < state["size"]:
            return QUIET
        items = [slots["input"].consume_one_new() for _ in range(state["size"])]
        return True, {"input": items}, None

    def logic(slot_data, policy_message, worker_state):
        got.append(slot_data["input"])
        worker_state.update_routine_state("work", {"size": 2})

    post_all(solo(logic, policy=policy), 1, 2, 3)
    assert got == [[1], [2, 3]]


def test_callable_object_is_a_policy(solo, record, calls, post_all):
    class Policy:
        def __call__(self, slots, worker_state):
            return one_by_one(slots, worker_state)

    post_all(solo(record, policy=Policy()), 1)
    assert len(calls) == 1


def raise_on_bad(slots, worker_state):
    if slots["input"].peek_one_new() == "bad":
        raise LookupError("bad item")
    return one_by_one(slots, worker_state)


def test_job_whose_policy_raises_fails_with_the_policys_error(
    solo, record, calls, post_all
):
    (job,) = post_all(solo(record, policy=raise_on_bad), "bad")
    assert (job.status, calls) == ("failed", [])
    assert (job.error.type, job.error.message) == ("LookupError", "bad item")
    assert "raise_on_bad" in job.error.traceback


def test_worker_goes_on_after_its_policy_raised(
    runtime, solo, record, calls, finish, post_all
):
    flow = solo(record, policy=raise_on_bad)
    post_all(flow, "bad")
    job = runtime.post(flow.flow_id, "work", "input", "good")
    finish(runtime)
    assert job.status == "completed"
    assert [data["input"] for data, _ in calls] == [["good"]]


def test_custom_check_that_raises_fails_the_job(runtime, solo, record, finish):
    def check(slots, worker_state):
        raise LookupError("no check")

    flow = solo(record, policy=custom_policy(check))
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert (job.status, job.error.type) == ("failed", "LookupError")


@pytest.mark.parametrize(
    "answer", [None, True, 3, (), (True,), (True, {}), (True, [1], None), "abc"]
)
def test_answer_that_is_no_policy_answer_fails_the_job(
    solo, record, calls, post_all, answer
):
    flow = solo(record, policy=lambda slots, worker_state: answer)
    (job,) = post_all(flow, 1)
    assert (job.status, calls) == ("failed", [])
    assert "work" in str(job.error)


def test_policy_that_exits_the_interpreter_only_fails_its_job(
    runtime, solo, record, finish, post_all
):
    def policy(slots, worker_state):
        if slots["input"].peek_one_new() == "bad":
            raise SystemExit("from a policy")
        return one_by_one(slots, worker_state)

    flow = solo(record, policy=policy)
    (bad,) = post_all(flow, "bad")
    good = runtime.post(flow.flow_id, "work", "input", "good")
    finish(runtime)
    assert (bad.status, good.status) == ("failed", "completed")


def test_breakpoint_policy_keeps_what_came_and_its_jobs_go_on(
    runtime, make_flow, make_routine, stage, record, calls, finish
):
    seen = []
    flow = make_flow(
        {
            "source": stage(lambda emit, item: emit("output", n=item)),
            "look": make_routine(record, policy=breakpoint_policy("look")),
            "other": stage(lambda emit, item: seen.append(item["n"])),
        },
        ("source", "output", "look", "input"),
        ("source", "output", "other", "input"),
    )
    worker = runtime.exec(flow)
    for n in range(3):
        job = runtime.post(flow.flow_id, "source", "input", n).job
        finish(runtime)
        assert str(job.status) == "completed"
        kept = worker.debug_data["look"]
        assert kept["slot_data"] == {"input": [{"n": n}]}
        assert kept["routine_id"] == "look"
        assert datetime.fromisoformat(kept["timestamp"]).tzinfo is not None
    assert (seen, calls) == ([0, 1, 2], [])


def test_policy_may_read_the_queue_view_of_its_worker(solo, record, post_all):
    seen = []

    def policy(slots, worker_state):
        view = worker_state.get_slot("work", "input")
        seen.append(view.get_unconsumed_count())
        return one_by_one(slots, worker_state)

    post_all(solo(record, policy=policy), 1)
    assert seen[0] == 1


@pytest.mark.parametrize("dtype", [None, "i8"])
def test_policy_that_consumes_nothing_runs_for_the_job_of_the_oldest_item(
    solo, post_all, dtype
):
    seen = []

    def policy(slots, worker_state):
        if seen or len(slots["input"]) < 2:
            return QUIET
        return True, {"input": slots["input"].peek_all_new()}, None

    def logic(slot_data, policy_message, worker_state):
        seen.append((list(slot_data["input"]), get_current_job_id()))
        worker_state.get_slot("work", "input").consume_all_new()

    first, second = post_all(solo(logic, policy=policy, dtype=dtype), 7, 8)
    assert seen == [([7, 8], first.job_id)]
    assert (first.status, second.done()) == ("completed", True)
