"""Chapter 2 and 3: typed slots, whose items are values of a numpy dtype."""

import subprocess
import sys

import numpy as np
import pytest

from routilux import (
    Routine,
    Slot,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    time_interval_policy,
)

WAIT = 20.0
POINT = np.dtype([("t", "i8"), ("xyz", "f4", (3,)), ("tag", "S4")])


@pytest.fixture
def typed(make_routine, make_flow):
    """Build a flow of one routine whose typed slot "input" records its arrays."""

    def build(got, policy=None, **options):
        def logic(slot_data, policy_message, worker_state):
            got.append(slot_data["input"])

        options.setdefault("dtype", np.float64)
        policy = policy or batch_size_policy(4)
        return make_flow({"work": make_routine(logic, policy=policy, **options)})

    return build


def whole(got, like):
    return np.concatenate(got) if got else like[:0]


def points(count):
    made = np.zeros(count, POINT)
    made["t"] = np.arange(count)
    made["xyz"] = np.arange(3 * count).reshape(count, 3)
    made["tag"] = b"ab"
    return made


def test_importing_routilux_does_not_import_numpy():
    text = "import sys, routilux; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0


def test_a_typed_slot_says_what_its_items_are():
    routine = Routine()
    slot = routine.add_slot("input", dtype="f4", shape=(2, 3))
    assert slot.dtype == np.dtype(np.float32)
    assert slot.shape == (2, 3)
    assert routine.add_slot("one", dtype=int, shape=5).shape == (5,)
    assert routine.add_slot("scalar", dtype=int).shape == ()
    inner = routine.add_slot("inner", dtype=np.dtype((np.int16, (4,))), shape=2)
    assert (inner.dtype, inner.shape) == (np.dtype(np.int16), (2, 4))
    plain = routine.add_slot("plain")
    assert (plain.dtype, plain.shape) == (None, None)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dtype": object}, "'input' must be of a fixed size"),
        ({"dtype": [("a", "i4"), ("b", "O")]}, "'input' must be of a fixed size"),
        ({"dtype": "U"}, "'input' must be of a fixed size"),
        ({"dtype": "V0"}, "'input' must be of a fixed size"),
        ({"dtype": "nonsense"}, "nonsense"),
        ({"dtype": float, "shape": "3"}, "shape of slot 'input'.*'3'"),
        ({"dtype": float, "shape": (2, 0)}, r"shape of slot 'input'.*\(2, 0\)"),
        ({"dtype": float, "shape": True}, "shape of slot 'input'.*True"),
        ({"shape": (3,)}, "'input' needs a dtype"),
    ],
)
def test_what_is_no_dtype_of_a_fixed_size_is_a_type_error(options, match):
    routine = Routine()
    with pytest.raises(TypeError, match=match):
        routine.add_slot("input", **options)
    assert routine.get_slot("input") is None


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({"dtype": np.float64}, np.linspace(0, 1, 103)),
        ({"dtype": "<i2"}, np.arange(103, dtype="<i2")),
        ({"dtype": ">f8"}, np.arange(103, dtype=">f8")),
        ({"dtype": bool}, np.arange(103) % 3 == 0),
        ({"dtype": "c16"}, np.arange(103) * 1j),
        ({"dtype": "U3"}, np.array(["a", "bcd", "é"] * 30)),
        ({"dtype": "M8[ms]"}, np.arange(103).astype("M8[ms]")),
        ({"dtype": POINT}, points(103)),
        ({"dtype": "f4", "shape": (3,)}, np.arange(309, dtype="f4").reshape(-1, 3)),
        ({"dtype": POINT, "shape": (2, 1)}, points(40).reshape(-1, 2, 1)),
    ],
)
@pytest.mark.parametrize("jobs", ["one", "each"])
def test_an_array_arrives_as_arrays_of_its_items(
    runtime, typed, finish, options, data, jobs
):
    got = []
    flow = typed(got, batch_size_policy(10), **options)
    runtime.exec(flow)
    runtime.post_many(flow.flow_id, "work", "input", data, jobs=jobs)
    finish(runtime)
    assert {len(part) for part in got[:-1]} == {10}
    assert {part.dtype for part in got} == {data.dtype}
    assert {part.shape[1:] for part in got} == {data.shape[1:]}
    assert b"".join(part.tobytes() for part in got) == data.tobytes()


@pytest.mark.parametrize(
    ("options", "items"),
    [
        ({"dtype": np.float64}, [1.5, 2, True, np.float64(0.1), np.array(7.0)]),
        ({"dtype": np.float32}, [0.1, 3, np.float32(0.1)]),
        ({"dtype": np.int64}, [-(2**63), 2**63 - 1, np.int64(4)]),
        ({"dtype": np.uint64}, [2**64 - 1, 0, np.uint64(5)]),
        ({"dtype": np.int8}, [-128, 127, np.int8(3)]),
        ({"dtype": "S4"}, [b"abcd", b"", np.bytes_(b"xy")]),
        (
            {"dtype": POINT},
            [(1, (1, 2, 3), b"ab"), points(2)[1], points(3)[2:].reshape(())],
        ),
        ({"dtype": "f8", "shape": (2,)}, [[1, 2.5], (3.0, 4.0), np.array([5.0, 6.0])]),
    ],
)
def test_single_items_are_posted_one_by_one(runtime, typed, finish, options, items):
    got = []
    flow = typed(got, batch_size_policy(2), **options)
    worker = runtime.exec(flow)
    for item in items:
        runtime.post(flow.flow_id, "work", "input", item)
    finish(runtime)
    layout = worker.get_slot("work", "input")
    expected = np.empty((len(items), *layout.shape), layout.dtype)
    for index, item in enumerate(items):
        expected[index] = item
    assert whole(got, expected).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("options", "item"),
    [
        ({"dtype": np.float64}, "1.5"),
        ({"dtype": np.float64}, None),
        ({"dtype": np.float64}, {"value": 1.5}),
        ({"dtype": np.float64}, 1j),
        ({"dtype": np.float64}, np.float32(1.5)),
        ({"dtype": np.float64}, [1.5]),
        ({"dtype": np.float64}, np.array([1.5])),
        ({"dtype": np.int64}, 1.5),
        ({"dtype": np.int64}, 2**63),
        ({"dtype": np.int64}, 10**30),
        ({"dtype": np.int8}, 128),
        ({"dtype": np.uint8}, -1),
        ({"dtype": "S2"}, b"abc"),
        ({"dtype": POINT}, (1, (1, 2), b"ab")),
        ({"dtype": POINT}, (1, 2, b"ab")),
        ({"dtype": POINT}, (np.float64(1.5), (1, 2, 3), b"ab")),
        ({"dtype": POINT}, (1.5, (1, 2, 3), b"ab")),
        ({"dtype": POINT}, (1, (1, 2, 3), b"abcde")),
        ({"dtype": POINT}, (1, (1, 2, 3))),
        ({"dtype": POINT}, [1, (1, 2, 3), b"ab"]),
        ({"dtype": "f8", "shape": (2,)}, [1.0, 2.0, 3.0]),
        ({"dtype": "f8", "shape": (2,)}, np.ones((1, 2))),
        ({"dtype": "f8", "shape": (2,)}, 1.0),
        ({"dtype": "f8", "shape": (2,)}, [[1.0], 2.0]),
    ],
)
def test_an_item_that_does_not_fit_is_a_type_error(runtime, typed, options, item):
    flow = typed([], **options)
    worker = runtime.exec(flow)
    with pytest.raises(TypeError, match=f"'input' of routine 'work'.*{flow.flow_id}"):
        runtime.post(flow.flow_id, "work", "input", item)
    assert runtime.list_jobs() == []
    assert worker.job_id is None
    assert len(worker.get_slot("work", "input")) == 0


@pytest.mark.parametrize("jobs", ["one", "each"])
@pytest.mark.parametrize(
    ("options", "items"),
    [
        ({"dtype": np.float64}, np.arange(3)),
        ({"dtype": np.float64}, np.arange(3, dtype="f4")),
        ({"dtype": np.float64}, np.arange(3, dtype=">f8")),
        ({"dtype": np.float64}, np.ones((3, 1))),
        ({"dtype": np.float64}, np.array(1.0)),
        ({"dtype": np.float64}, 1.0),
        ({"dtype": np.float64}, [1.0, "2"]),
        ({"dtype": np.float64}, [{"value": 1.0}]),
        ({"dtype": np.float64}, np.ma.array([1.0, 2.0], mask=[0, 1])),
        ({"dtype": POINT}, np.zeros(3, [("t", "i8"), ("xyz", "f4", (3,))])),
        (
            {"dtype": POINT},
            np.zeros(3, [("t", "i8"), ("xyz", "f4", (3,)), ("t4", "S4")]),
        ),
        ({"dtype": "f8", "shape": (2,)}, np.ones(4)),
        ({"dtype": "f8", "shape": (2,)}, np.ones((2, 3))),
    ],
)
def test_an_array_that_does_not_fit_is_a_type_error(
    runtime, typed, options, items, jobs
):
    flow = typed([], **options)
    worker = runtime.exec(flow)
    with pytest.raises(TypeError, match=f"'input' of routine 'work'.*{flow.flow_id}"):
        runtime.post_many(flow.flow_id, "work", "input", items, jobs=jobs)
    assert runtime.list_jobs() == []
    assert len(worker.get_slot("work", "input")) == 0


@pytest.mark.parametrize(
    "items",
    [
        lambda: [1, 2.5, True],
        lambda: range(5),
        lambda: iter([0.5, 1]),
        lambda: memoryview(np.arange(6.0)),
        lambda: np.arange(12.0)[::3],
        lambda: np.arange(12.0).reshape(3, 4)[:, 1],
        lambda: np.frombuffer(b"x" + bytes(32), np.uint8)[1:].view(np.float64),
        lambda: np.zeros(3, [("mask", "f8")]).view(np.recarray).mask,
        lambda: [],
        lambda: np.empty(0),
    ],
)
def test_whatever_numpy_makes_an_array_of_can_be_posted(runtime, typed, finish, items):
    got = []
    flow = typed(got)
    runtime.exec(flow)
    job = runtime.post_many(flow.flow_id, "work", "input", items(), jobs="one")
    finish(runtime)
    assert job.status == "completed"
    assert whole(got, np.empty(0)).tolist() == list(items())


def test_logic_gets_a_read_only_array_and_the_sender_keeps_his(runtime, typed, finish):
    got = []
    flow = typed(got, batch_size_policy(100))
    runtime.exec(flow)
    data = np.arange(200.0)
    runtime.post_many(flow.flow_id, "work", "input", data, jobs="one")
    finish(runtime)
    assert [np.shares_memory(part, data) for part in got] == [True, True]
    assert [part.flags.writeable for part in got] == [False, False]
    assert data.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        got[0][0] = 1.0
    assert type(got[0]) is np.ndarray
    assert got[0] is not got[1]


def test_a_copy_may_be_changed_after_the_post(runtime, typed, finish):
    got = []
    flow = typed(got, batch_size_policy(100_000), max_queue_length=100_000)
    runtime.exec(flow)
    data = np.arange(50_000.0)
    runtime.post_many(flow.flow_id, "work", "input", data, jobs="one", copy=True)
    data[:] = -1.0
    runtime.post_many(flow.flow_id, "work", "input", data, jobs="one", copy=True)
    data[:] = -2.0
    finish(runtime)
    assert whole(got, data).tolist() == [*range(50_000), *[-1.0] * 50_000]


def test_a_batch_across_blocks_is_joined_and_one_within_a_block_is_not_copied(
    runtime, typed, finish
):
    got = []
    flow = typed(got, batch_size_policy(100))
    runtime.exec(flow)
    first, second = np.arange(150.0), np.arange(150.0, 300.0)
    runtime.post_many(flow.flow_id, "work", "input", first, jobs="one")
    runtime.post_many(flow.flow_id, "work", "input", second, jobs="one")
    finish(runtime)
    assert [np.shares_memory(part, first) for part in got] == [True, False, False]
    assert [np.shares_memory(part, second) for part in got] == [False, False, True]
    assert whole(got, first).tolist() == list(range(300))
    assert not got[1].flags.writeable


def test_slices_of_one_array_that_follow_each_other_are_not_copied(
    runtime, typed, finish
):
    got = []
    flow = typed(got, batch_size_policy(300))
    runtime.exec(flow)
    data = np.arange(600.0)  # each slice is more than what is copied anyway
    for start in range(0, 600, 100):
        part = data[start : start + 100]
        runtime.post_many(flow.flow_id, "work", "input", part, jobs="one")
    finish(runtime)
    assert [np.shares_memory(part, data) for part in got] == [True, True]
    assert whole(got, data).tolist() == data.tolist()


def test_immediate_runs_once_for_each_item(runtime, make_routine, make_flow, finish):
    calls = []
    routine = make_routine(slots=("plain",))
    routine.add_slot("input", dtype=np.int32)
    routine.add_slot("other", dtype=np.float64, shape=(2,))
    routine.set_logic(lambda slot_data, message, worker: calls.append(slot_data))
    flow = make_flow({"work": routine})
    runtime.exec(flow)
    runtime.post_many(flow.flow_id, "work", "input", np.arange(3, dtype="i4"))
    runtime.post(flow.flow_id, "work", "plain", {"x": 1})
    runtime.post(flow.flow_id, "work", "other", [1.0, 2.0])
    finish(runtime)
    assert [list(data) for data in calls] == [["plain", "input", "other"]] * 5
    assert [data["input"].tolist() for data in calls] == [[0], [1], [2], [], []]
    assert [data["other"].tolist() for data in calls] == [[], [], [], [], [[1.0, 2.0]]]
    assert [data["plain"] for data in calls] == [[], [], [], [{"x": 1}], []]
    assert {data["other"].shape[1:] for data in calls} == {(2,)}


@pytest.mark.parametrize(
    "policy",
    [all_slots_ready_policy(), batch_size_policy(3), custom_policy(lambda s, w: True)],
    ids=["all_slots_ready", "batch_size", "custom"],
)
def test_typed_and_other_slots_are_paired_by_count(
    runtime, make_routine, make_flow, finish, policy
):
    calls = []
    routine = make_routine(slots=("plain",), policy=policy)
    routine.add_slot("input", dtype=np.int64)
    routine.set_logic(lambda slot_data, message, worker: calls.append(slot_data))
    flow = make_flow({"work": routine})
    runtime.exec(flow)
    runtime.post_many(flow.flow_id, "work", "input", range(12), jobs="one")
    runtime.post_many(flow.flow_id, "work", "plain", range(12))
    finish(runtime)
    assert [item for data in calls for item in data["input"]] == list(range(12))
    assert [item for data in calls for item in data["plain"]] == list(range(12))
    if policy.kind != "custom":
        for data in calls:
            assert data["input"].tolist() == data["plain"]


def test_the_other_calling_style_gets_an_array_for_a_typed_slot(
    runtime, make_routine, make_flow, finish
):
    calls = []
    routine = make_routine(slots=("plain",), policy=all_slots_ready_policy())
    routine.add_slot("input", dtype=np.int64)

    def logic(plain, input, policy_message, worker_state):
        calls.append((plain, input.tolist(), policy_message["reason"]))

    routine.set_logic(logic)
    flow = make_flow({"work": routine})
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", 7)
    runtime.post(flow.flow_id, "work", "plain", "seven")
    finish(runtime)
    assert calls == [(["seven"], [7], "all_slots_ready")]


def test_a_time_interval_takes_all_that_arrived(runtime, typed, finish):
    got = []
    flow = typed(got, time_interval_policy(0.01))
    runtime.exec(flow)
    for start in range(0, 500, 100):
        data = np.arange(start, start + 100.0)
        runtime.post_many(flow.flow_id, "work", "input", data, jobs="one")
    finish(runtime)
    assert whole(got, np.empty(0)).tolist() == list(range(500))


def test_a_slot_without_a_worker_queues_by_itself():
    slot = Slot("input", dtype=np.float64, max_queue_length=5)
    for number in range(4):
        slot.enqueue(number)
    with pytest.raises(TypeError, match="slot 'input' takes items"):
        slot.enqueue("4")
    assert slot.peek_all_new().tolist() == [0.0, 1.0, 2.0, 3.0]
    assert (slot.peek_one_new(), slot.peek_latest()) == (0.0, 3.0)
    assert slot.consume_one_new() == 0.0
    assert slot.take(2).tolist() == [1.0, 2.0]
    assert len(slot) == 1
    assert slot.consume_latest_and_mark_all_consumed() == 3.0
    assert slot.consume_one_new() is None
    assert slot.consume_all_new().tolist() == []
    assert slot.get_total_count() == 4
