"""Chapter 3: the built-in activation policies."""

import copy
import pickle

import pytest

from routilux import (
    activation_policies,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    immediate_policy,
    time_interval_policy,
)

WAIT = 20.0

REASONS = {
    "immediate": lambda: immediate_policy(),
    "all_slots_ready": lambda: all_slots_ready_policy(),
    "batch_ready": lambda: batch_size_policy(1),
    "time_interval_met": lambda: time_interval_policy(0.01),
    "custom_policy_met": lambda: custom_policy(lambda slots, worker_state: True),
}


def unpickled(value):
    return pickle.loads(pickle.dumps(value))


@pytest.fixture
def post_all(runtime, finish):
    """Run a flow with (slot, data) posts and answer the jobs."""

    def run(flow, *posts):
        runtime.exec(flow)
        jobs = [runtime.post(flow.flow_id, "work", *post)[1] for post in posts]
        finish(runtime)
        return jobs

    return run


def test_factories_of_the_module_are_those_of_the_package():
    assert activation_policies.immediate_policy is immediate_policy
    assert activation_policies.all_slots_ready_policy is all_slots_ready_policy
    assert activation_policies.batch_size_policy is batch_size_policy
    assert activation_policies.time_interval_policy is time_interval_policy
    assert activation_policies.custom_policy is custom_policy


@pytest.mark.parametrize("reason", REASONS)
def test_policy_message_has_the_reason(solo, record, calls, post_all, reason):
    post_all(solo(record, policy=REASONS[reason]()), ("input", 1))
    assert [message["reason"] for _, message in calls] == [reason]


@pytest.mark.parametrize("reason", [r for r in REASONS if r != "all_slots_ready"])
def test_slot_data_has_a_list_for_every_slot(solo, record, calls, post_all, reason):
    flow = solo(record, slots=("a", "b", "c"), policy=REASONS[reason]())
    slots = "abc" if reason == "batch_ready" else "b"
    post_all(flow, *[(slot, 1) for slot in slots])
    assert [list(data) for data, _ in calls] == [["a", "b", "c"]]
    assert {type(items) for items in calls[0][0].values()} == {list}


@pytest.mark.parametrize("reason", REASONS)
def test_built_in_policy_is_a_callable_with_the_three_answers(
    solo, record, calls, post_all, reason
):
    answers = []
    built_in = REASONS[reason]()

    def policy(slots, worker_state):
        answers.append(built_in(slots, worker_state))
        return answers[-1]

    post_all(solo(record, policy=policy), ("input", "x"))
    fired = [answer for answer in answers if answer[0]]
    assert len(fired) == 1
    assert fired[0][1] == {"input": ["x"]}
    assert fired[0][2]["reason"] == reason


@pytest.mark.parametrize("reason", ["immediate", "all_slots_ready", "batch_ready"])
def test_built_in_policy_that_does_not_fire_answers_false_empty_none(
    solo, record, post_all, reason
):
    refusals = []
    built_in = REASONS[reason]()

    def policy(slots, worker_state):
        answer = built_in(slots, worker_state)
        refusals.append(built_in(slots, worker_state))
        return answer

    post_all(solo(record, policy=policy), ("input", "x"))
    assert {repr(answer) for answer in refusals} == {"(False, {}, None)"}


def test_time_interval_answers_false_empty_none_within_its_interval(
    runtime, solo, record, calls
):
    answers = []
    built_in = time_interval_policy(3600)

    def policy(slots, worker_state):
        answers.append(built_in(slots, worker_state))
        return answers[-1]

    flow = solo(record, policy=policy)
    runtime.exec(flow)
    assert runtime.post(flow.flow_id, "work", "input", 1)[1].wait(WAIT)
    runtime.post(flow.flow_id, "work", "input", 2)
    runtime.shutdown()
    message = {"reason": "time_interval_met", "interval": 3600}
    assert answers[0] == (True, {"input": [1]}, message)
    assert set(map(repr, answers[1:])) == {"(False, {}, None)"}
    assert calls == [({"input": [1]}, message)]


def has_two(slots, worker_state):
    return len(slots["input"]) >= 2


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, unpickled])
@pytest.mark.parametrize(
    ("policy", "facts"),
    [
        (immediate_policy(), ("immediate", None, None, None)),
        (all_slots_ready_policy(), ("all_slots_ready", None, None, None)),
        (batch_size_policy(3), ("batch_size", 3, None, None)),
        (batch_size_policy(3, 0.5), ("batch_size", 3, 0.5, None)),
        (time_interval_policy(0.25), ("time_interval", None, None, 0.25)),
        (custom_policy(has_two), ("custom", None, None, None)),
    ],
)
def test_copy_of_a_built_in_policy_is_like_it(policy, facts, again):
    other = again(policy)
    assert (other.kind, other.batch_size, other.max_wait, other.interval) == facts


def test_custom_policy_that_was_pickled_asks_the_same_function(
    solo, record, calls, post_all
):
    flow = solo(record, policy=unpickled(custom_policy(has_two)))
    post_all(flow, ("input", 1), ("input", 2))
    assert [data for data, _ in calls] == [{"input": [1, 2]}]


SAME = {
    "immediate": lambda: immediate_policy(),
    "all_slots_ready": lambda: all_slots_ready_policy(),
    "batch_size": lambda: batch_size_policy(3),
}


@pytest.mark.parametrize("name", SAME)
def test_compiled_form_gives_the_same_result_as_the_callable_form(
    make_runtime, solo, finish, name
):
    def outcome(policy):
        calls = []
        flow = solo(
            lambda slot_data, policy_message, worker_state: calls.append(
                (slot_data, policy_message)
            ),
            slots=("a", "b"),
            policy=policy,
        )
        runtime = make_runtime()
        runtime.exec(flow)
        for number in range(12):
            runtime.post(flow.flow_id, "work", "a", number)
            runtime.post(flow.flow_id, "work", "b", -number)
        finish(runtime)
        return calls

    built_in = SAME[name]()
    compiled = outcome(SAME[name]())
    called = outcome(lambda slots, worker_state: built_in(slots, worker_state))
    assert len(compiled) == {"immediate": 24, "all_slots_ready": 12}.get(name, 4)
    assert compiled == called


def test_immediate_gives_one_activation_per_item(solo, record, calls, post_all):
    post_all(solo(record), *[("input", number) for number in range(300)])
    assert [data for data, _ in calls] == [{"input": [n]} for n in range(300)]


def test_immediate_never_coalesces_what_waited(
    threaded, solo, record, calls, finish, gate
):
    def logic(slot_data, policy_message, worker_state):
        gate.wait(WAIT)
        record(slot_data, policy_message, worker_state)

    flow = solo(logic)
    runtime = threaded()
    runtime.exec(flow)
    for number in range(100):
        runtime.post(flow.flow_id, "work", "input", number)
    gate.set()
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [[n] for n in range(100)]


def test_immediate_takes_all_slots_in_arrival_order(solo, record, calls, post_all):
    flow = solo(record, slots=("a", "b"))
    post_all(flow, ("b", 1), ("a", 2), ("a", 3), ("b", 4))
    assert [data for data, _ in calls] == [
        {"a": [], "b": [1]},
        {"a": [2], "b": []},
        {"a": [3], "b": []},
        {"a": [], "b": [4]},
    ]


def test_immediate_leaves_the_other_slots_lists_empty(solo, record, calls, post_all):
    post_all(solo(record, slots=("a", "b", "c")), ("b", 1))
    assert calls[0][0] == {"a": [], "b": [1], "c": []}


def test_all_slots_ready_takes_one_item_from_each_slot(solo, record, calls, post_all):
    flow = solo(record, slots=("a", "b", "c"), policy=all_slots_ready_policy())
    post_all(flow, ("c", 3), ("a", 1), ("b", 2))
    assert [data for data, _ in calls] == [{"a": [1], "b": [2], "c": [3]}]


def test_all_slots_ready_pairs_in_arrival_order(solo, record, calls, post_all):
    flow = solo(record, slots=("a", "b"), policy=all_slots_ready_policy())
    lefts = [("a", number) for number in range(50)]
    rights = [("b", -number) for number in range(50)]
    post_all(flow, *lefts, *rights)
    assert [data for data, _ in calls] == [{"a": [n], "b": [-n]} for n in range(50)]


def test_all_slots_ready_takes_one_job_for_both_items(
    runtime, stage, make_routine, make_flow, record, calls, finish
):
    def split(emit, item):
        emit("left", n=item)
        emit("right", n=-item)

    join = make_routine(record, slots=("a", "b"), policy=all_slots_ready_policy())
    flow = make_flow(
        {"split": stage(split, events=("left", "right")), "join": join},
        ("split", "left", "join", "a"),
        ("split", "right", "join", "b"),
    )
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "split", "input", n) for n in range(1, 4)]
    finish(runtime)
    pairs = [(data["a"][0]["n"], data["b"][0]["n"]) for data, _ in calls]
    assert pairs == [(1, -1), (2, -2), (3, -3)]
    assert {str(job.status) for job in jobs} == {"completed"}


@pytest.fixture
def unpaired(runtime, solo, record):
    """A job whose only item has no partner."""
    flow = solo(record, slots=("left", "right"), policy=all_slots_ready_policy())
    runtime.exec(flow)
    return flow, runtime.post(flow.flow_id, "work", "right", "lonely")[1]


def test_unpaired_item_is_not_run(unpaired, calls):
    _, job = unpaired
    assert job.wait(timeout=0.2) is False
    assert (job.status, calls) == ("pending", [])


def test_unpaired_item_stays_for_its_partner(runtime, unpaired, calls, finish):
    flow, job = unpaired
    assert runtime.wait_until_all_jobs_finished(timeout=0.1) is False
    runtime.post(flow.flow_id, "work", "left", "partner")
    finish(runtime)
    assert [data for data, _ in calls] == [{"left": ["partner"], "right": ["lonely"]}]
    assert job.status == "completed"


def test_unpaired_item_makes_a_wait_name_routine_and_slot(runtime, unpaired, caplog):
    with caplog.at_level("INFO"):
        assert runtime.wait_until_all_jobs_finished(timeout=0.1) is False
    texts = [entry.getMessage() for entry in caplog.records]
    assert [text for text in texts if "work" in text and "right" in text] != []


def test_unpaired_item_ends_its_job_cancelled_at_shutdown(runtime, unpaired, calls):
    _, job = unpaired
    runtime.shutdown(wait=True, timeout=WAIT)
    assert (job.status, calls) == ("cancelled", [])
    assert "right" in str(job.error)


def test_custom_policy_fires_when_its_check_is_true(solo, record, calls, post_all):
    def check(slots, worker_state):
        return slots["input"].get_unconsumed_count() >= 3

    flow = solo(record, policy=custom_policy(check))
    post_all(flow, *[("input", number) for number in range(3)])
    assert [data for data, _ in calls] == [{"input": [0, 1, 2]}]


@pytest.mark.parametrize("truthy", [1, "yes", [0]])
def test_custom_policy_takes_any_true_value(solo, record, calls, post_all, truthy):
    post_all(solo(record, policy=custom_policy(lambda *_: truthy)), ("input", 1))
    assert len(calls) == 1


@pytest.mark.parametrize("falsy", [False, 0, None, ""])
def test_custom_policy_parks_on_a_false_value(runtime, solo, record, calls, falsy):
    flow = solo(record, policy=custom_policy(lambda *_: falsy))
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1)
    assert job.wait(timeout=0.2) is False
    assert calls == []


def test_custom_policy_does_not_fire_without_data(solo, record, calls, post_all):
    post_all(solo(record, policy=custom_policy(lambda *_: True)), ("input", 1))
    assert [data["input"] for data, _ in calls] == [[1]]


def test_custom_check_sees_slots_and_worker(runtime, solo, record, finish):
    seen = []

    def check(slots, worker_state):
        seen.append((list(slots), worker_state.worker_id))
        return True

    flow = solo(record, slots=("a", "b"), policy=custom_policy(check))
    worker = runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "b", 1)
    finish(runtime)
    assert seen[0] == (["a", "b"], worker.worker_id)


@pytest.mark.parametrize(
    "make",
    [
        lambda: batch_size_policy(0),
        lambda: batch_size_policy(-1),
        lambda: batch_size_policy(2, max_wait=-1),
        lambda: time_interval_policy(0),
        lambda: time_interval_policy(-1),
        lambda: time_interval_policy(float("nan")),
    ],
)
def test_policy_argument_out_of_range_is_a_value_error(make):
    with pytest.raises(ValueError, match=r"min_batch_size|max_wait|min_interval"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: batch_size_policy("3"),
        lambda: batch_size_policy(2.5),
        lambda: batch_size_policy(2, max_wait="1"),
        lambda: time_interval_policy("1"),
        lambda: custom_policy(None),
        lambda: custom_policy(True),
    ],
)
def test_policy_argument_of_a_wrong_type_is_a_type_error(make):
    with pytest.raises(TypeError):
        make()


def test_policy_that_is_no_callable_is_a_type_error(make_routine):
    with pytest.raises(TypeError):
        make_routine(policy=3)


def test_one_policy_object_serves_many_routines(
    runtime, make_routine, make_flow, record, calls, finish
):
    policy = batch_size_policy(2)
    routines = {name: make_routine(record, policy=policy) for name in "ab"}
    flow = make_flow(routines)
    runtime.exec(flow)
    for name in "abab":
        runtime.post(flow.flow_id, name, "input", name)
    finish(runtime)
    assert sorted(data["input"] for data, _ in calls) == [["a", "a"], ["b", "b"]]
