"""Events that a worker notes while it is paused, and emits when it is resumed."""

import pytest

from routilux import WorkerState


@pytest.fixture
def flow(make_flow, stage, calls):
    return make_flow(
        {
            "work": stage(lambda emit, item: emit("output", n=item)),
            "next": stage(lambda emit, item: calls.append(item["n"])),
        },
        ("work", "output", "next", "input"),
    )


@pytest.mark.parametrize(
    ("routine_id", "event_name", "text"),
    [
        ("wrok", "output", r"'wrok' not found in flow .* Did you mean 'work'"),
        ("work", "outptu", r"'outptu' not found in routine 'work'.*'output'"),
    ],
)
def test_event_that_the_flow_has_not_is_not_noted(
    make_runtime, flow, calls, finish, routine_id, event_name, text
):
    runtime = make_runtime()
    worker = runtime.exec(flow)
    worker.pause()
    with pytest.raises(ValueError, match=text):
        worker.add_deferred_event(routine_id, event_name, {"n": 1})
    worker.add_deferred_event("work", "output", {"n": 2})
    assert worker.resume() is True
    finish(runtime)
    assert (calls, worker.deferred_events) == ([2], [])


def test_event_that_can_not_be_emitted_takes_no_other_along(
    make_runtime, flow, calls, finish
):
    runtime = make_runtime()
    worker = WorkerState(flow.flow_id)
    worker.add_deferred_event("work", "outptu", {"n": 1})
    worker.add_deferred_event("work", "output", {"n": 2})
    runtime.exec(flow, worker_state=worker)
    worker.pause()
    with pytest.raises(ValueError, match="Event 'outptu' not found"):
        worker.resume()
    finish(runtime)
    assert (calls, worker.status, worker.deferred_events) == ([2], "running", [])
