"""Chapter 4: emit_many, the bulk form of emit, and typed slots as its targets."""

import re

import numpy as np
import pytest

from routilux import (
    Routine,
    SlotQueueFullError,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
)

WAIT = 20.0


def start(runtime, flow):
    runtime.exec(flow)
    return start_in(runtime, flow)


def start_in(runtime, flow):
    return runtime.post(flow.flow_id, "source", "input", None)[1]


def flat(got):
    return [item for part in got for item in part]


@pytest.mark.parametrize("items", [[], [{"n": 1}], [{"n": n} for n in range(3000)]])
@pytest.mark.parametrize("form", [list, tuple, iter])
def test_dicts_are_emitted_one_by_one_in_order(runtime, fan, sink, finish, items, form):
    one, two = [], []
    flow = fan(
        lambda emit, emit_many: emit_many("output", form(items)),
        sink(one, max_queue_length=50),
        sink(two),
    )
    job = start(runtime, flow)
    finish(runtime)
    assert job.status == "completed"
    assert flat(one) == flat(two) == items
    assert all(a is b for a, b in zip(flat(one), items, strict=True))
    worker = runtime._machine.workers()[0]
    assert worker.get_event_count("source", "output") == len(items)


@pytest.mark.parametrize(
    ("items", "error", "match"),
    [
        ([{"n": 1}, 2], TypeError, r"'output'.*items\[1\] must be a dict.*not 2"),
        ({"n": 1}, TypeError, r"items\[0\] must be a dict"),
        (5, TypeError, "iterable"),
    ],
)
def test_what_is_no_dict_is_refused_before_anything_is_emitted(
    runtime, fan, sink, finish, items, error, match
):
    got = []
    flow = fan(lambda emit, emit_many: emit_many("output", items), sink(got))
    job = start(runtime, flow)
    finish(runtime)
    assert job.status == "failed"
    assert job.error.type == error.__name__
    assert re.search(match, job.error.message)
    assert got == []


def test_unknown_events_and_wrong_places_are_refused(runtime, fan, sink, finish):
    routine = Routine()
    with pytest.raises(ValueError, match="'output' not found"):
        routine.emit_many("output", [])
    routine.add_event("output")
    with pytest.raises(RuntimeError, match="outside of an activation"):
        routine.emit_many("output", [])
    seen = []

    def body(emit, emit_many):
        with pytest.raises(ValueError, match=r"'outptu'.*'output'"):
            emit_many("outptu", [])
        with pytest.raises(TypeError):
            emit_many("output")
        seen.append(True)

    start(runtime, fan(body, sink([])))
    finish(runtime)
    assert seen == [True]


@pytest.mark.parametrize("params", [None, ["x"], ["x", "y"]])
def test_an_array_reaches_other_slots_item_by_item(
    runtime, make_flow, make_routine, sink, finish, params
):
    plain, typed = [], []
    routine = make_routine()
    routine.add_event("output", params)
    data = np.arange(500.0)
    routine.set_logic(lambda *args: routine.emit_many("output", data))
    flow = make_flow(
        {"source": routine, "a": sink(plain), "b": sink(typed, dtype=float)},
        ("source", "output", "a", "input"),
    )
    runtime.exec(flow)
    runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    name = "x" if params == ["x"] else "value"
    assert flat(plain) == [{name: number} for number in range(500)]


def test_an_array_goes_to_typed_and_other_slots(runtime, fan, sink, finish):
    got = [[], [], [], []]
    data = np.arange(2000.0).reshape(500, 4)
    options = {"dtype": float, "shape": 4}
    flow = fan(
        lambda emit, emit_many: emit_many("output", data),
        sink(got[0], max_queue_length=300),
        sink(got[1], batch_size_policy(250), **options),
        sink(got[2], max_queue_length=7, **options),
        sink(got[3], batch_size_policy(3), **options),
    )
    worker_job = start(runtime, flow)
    finish(runtime)
    assert worker_job.status == "completed"
    assert [list(item) for item in flat(got[0])] == [["value"]] * 500
    assert np.array_equal([item["value"] for item in flat(got[0])], data)
    for part in got[1:]:
        assert np.array_equal(np.concatenate(part), data)
    assert [np.shares_memory(part, data) for part in got[1]] == [True, True]
    worker = runtime._machine.workers()[0]
    assert worker.get_event_count("source", "output") == 500


def test_an_iterator_reaches_typed_slots_of_several_dtypes(runtime, fan, sink, finish):
    doubles, singles, again = [], [], []
    flow = fan(
        lambda emit, emit_many: emit_many("output", (n / 3 for n in range(100))),
        sink(doubles, dtype="f8"),
        sink(singles, dtype="f4"),
        sink(again, dtype="f8"),
    )
    job = start(runtime, flow)
    finish(runtime)
    expected = np.arange(100) / 3
    assert job.status == "completed"
    assert np.array_equal(np.concatenate(doubles), expected)
    assert np.array_equal(np.concatenate(singles), expected.astype("f4"))
    assert np.array_equal(np.concatenate(again), expected)


@pytest.mark.parametrize("dtype", [None, "f8"])
def test_an_array_that_is_copied_may_be_changed_afterwards(
    runtime, fan, sink, finish, dtype
):
    got = []
    data = np.arange(6.0).reshape(3, 2)

    def body(emit, emit_many):
        emit_many("output", data, copy=True)
        data[:] = -1

    options = {} if dtype is None else {"dtype": dtype, "shape": 2}
    start(runtime, fan(body, sink(got, batch_size_policy(3), **options)))
    finish(runtime)
    rows = got[0] if dtype else [item["value"] for item in got[0]]
    assert np.array_equal(rows, np.arange(6.0).reshape(3, 2))


def test_copy_of_what_is_no_array_is_refused(runtime, fan, sink, finish):
    got = []
    flow = fan(lambda emit, many: many("output", [{"n": 1}], copy=True), sink(got))
    job = start(runtime, flow)
    finish(runtime)
    assert (job.status, job.error.type, got) == ("failed", "TypeError", [])
    assert "'output'" in job.error.message
    assert "copy=True is for arrays, not for list" in job.error.message


def test_an_array_that_goes_nowhere_is_counted(runtime, make_flow, source, finish):
    flow = make_flow({"source": source(lambda _, many: many("output", np.ones(5000)))})
    worker = runtime.exec(flow)
    job = start_in(runtime, flow)
    finish(runtime)
    assert job.status == "completed"
    assert worker.get_event_count("source", "output") == 5000


def test_emit_of_one_value_reaches_typed_and_other_slots(runtime, fan, sink, finish):
    plain, doubles, singles = [], [], []

    def body(emit, emit_many):
        for number in range(300):
            emit("output", x=number / 3)

    flow = fan(
        body,
        sink(plain),
        sink(doubles, batch_size_policy(7), dtype="f8"),
        sink(singles, max_queue_length=5, dtype="f4"),
    )
    start(runtime, flow)
    finish(runtime)
    expected = [number / 3 for number in range(300)]
    assert flat(plain) == [{"x": number} for number in expected]
    assert flat(doubles) == expected
    assert flat(singles) == np.float32(expected).tolist()


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (lambda emit, many: emit("output", a=1.0, b=2.0), r"one keyword.*'a', 'b'"),
        (lambda emit, many: emit("output"), "one keyword"),
        (
            lambda emit, many: emit("output", a="one"),
            "'input' of routine 'sink1'.*'one'",
        ),
        (lambda emit, many: many("output", np.arange(3)), "'sink1'.*int64"),
        (lambda emit, many: many("output", np.ones((3, 1))), r"'sink1'.*\(3, 1\)"),
        (lambda emit, many: many("output", [{"a": 1.0}]), "'sink1'"),
    ],
)
def test_what_does_not_fit_a_typed_slot_reaches_no_slot(
    runtime, fan, sink, finish, body, match
):
    plain, typed = [], []
    flow = fan(body, sink(plain), sink(typed, dtype=np.float64))
    job = start(runtime, flow)
    finish(runtime)
    assert job.error.type == "TypeError"
    assert re.search(match, job.error.message)
    assert plain == typed == []


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [("drop_oldest", range(15, 20)), ("drop_newest", range(5)), ("error", None)],
)
def test_an_overflow_rule_counts_items(
    runtime, make_flow, source, make_routine, finish, dropped, overflow, kept
):
    got, errors = [], []

    def body(emit, emit_many):
        try:
            emit_many("output", np.arange(20))
        except SlotQueueFullError as error:
            errors.append(str(error))
            emit_many("output", np.arange(5))
        emit("go")

    join = make_routine(slots=(), policy=all_slots_ready_policy())
    join.add_slot("input", 5, dtype=int, overflow=overflow)
    join.add_slot("go")
    join.set_activation_policy(
        custom_policy(lambda slots, worker: len(slots["go"]) > 0)
    )
    join.set_logic(lambda slot_data, message, worker: got.append(slot_data["input"]))
    flow = make_flow(
        {"source": source(body, events=("output", "go")), "join": join},
        ("source", "output", "join", "input"),
        ("source", "go", "join", "go"),
    )
    worker = runtime.exec(flow)
    runtime.post(flow.flow_id, "source", "input", None)
    finish(runtime)
    assert flat(got) == list(kept if kept is not None else range(5))
    assert dropped(worker, "join", "input") == (0 if kept is None else 15)
    if kept is None:
        assert "rule is 'error'" in errors[0]
