"""Chapter 1: a flow is immutable in shape while a worker runs it."""

import pytest

from routilux import Routine, immediate_policy

WAIT = 20.0

CHANGES = {
    "add_routine": lambda flow: flow.add_routine(Routine(), "new"),
    "connect": lambda flow: flow.connect("work", "output", "work", "input"),
    "add_slot": lambda flow: flow.routines["work"].add_slot("new"),
    "add_event": lambda flow: flow.routines["work"].add_event("new"),
    "set_logic": lambda flow: flow.routines["work"].set_logic(
        lambda slot_data, policy_message, worker_state: None
    ),
    "set_activation_policy": lambda flow: flow.routines["work"].set_activation_policy(
        immediate_policy()
    ),
}


@pytest.fixture(params=CHANGES)
def change(request):
    return CHANGES[request.param]


@pytest.fixture
def flow(solo, record):
    return solo(record, events=("output",))


def test_shape_is_free_before_exec(flow, change):
    change(flow)
    assert "work" in flow.routines


def test_shape_change_while_a_worker_runs_is_a_runtime_error(runtime, flow, change):
    runtime.exec(flow)
    with pytest.raises(RuntimeError, match="run"):
        change(flow)


def test_refused_change_of_shape_changes_nothing(runtime, flow, change, finish, calls):
    runtime.exec(flow)
    with pytest.raises(RuntimeError):
        change(flow)
    runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert [data for data, _ in calls] == [{"input": [1]}]
    assert list(flow.routines) == ["work"]
    assert list(flow.connections) == []
    assert list(flow.routines["work"].slots) == ["input"]
    assert list(flow.routines["work"].events) == ["output"]


def test_shape_is_frozen_until_the_last_worker_ended(make_runtime, flow, change):
    first, second = make_runtime(), make_runtime()
    first.exec(flow)
    second.exec(flow)
    first.shutdown(timeout=WAIT)
    with pytest.raises(RuntimeError):
        change(flow)


def test_shape_is_free_again_after_the_last_worker_ended(make_runtime, flow, change):
    runtime = make_runtime()
    runtime.exec(flow)
    runtime.shutdown(timeout=WAIT)
    change(flow)
    assert "work" in flow.routines


def test_changed_flow_runs_in_its_new_shape(make_runtime, flow, finish, calls):
    first = make_runtime()
    first.exec(flow)
    first.shutdown(timeout=WAIT)
    flow.routines["work"].add_slot("second")
    second = make_runtime()
    second.exec(flow)
    second.post(flow.flow_id, "work", "second", 2)
    finish(second)
    assert [data for data, _ in calls] == [{"input": [], "second": [2]}]


def test_failed_exec_leaves_the_shape_free(make_runtime, flow, change):
    runtime = make_runtime()
    runtime.shutdown(timeout=WAIT)
    with pytest.raises(RuntimeError):
        runtime.exec(flow)
    change(flow)
    assert "work" in flow.routines
