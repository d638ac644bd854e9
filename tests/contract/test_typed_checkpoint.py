"""Typed slots of a paused worker: looked at, written to a file, and gone on from."""

import json
from datetime import timedelta

import numpy as np
import pytest

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    Slot,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
)

WAIT = 20.0
ROW = np.dtype([("id", "i4"), ("at", "f8", (2,))])


class Add(Routine):
    """Adds one to blocks of four."""

    def __init__(self):
        super().__init__()
        self.add_slot("input", dtype=np.int64)
        self.add_event("output", ["number"])
        self.set_activation_policy(batch_size_policy(4))

    def logic(self, slot_data, policy_message, worker_state):
        self.emit_many("output", slot_data["input"] + 1)


class Keep(Routine):
    """Keeps in its state what comes, in batches of seven."""

    def __init__(self):
        super().__init__()
        self.add_slot("input", dtype=np.int64)
        self.set_activation_policy(batch_size_policy(7))

    def logic(self, slot_data, policy_message, worker_state):
        worker_state.update_routine_state_with(
            "keep", lambda s: {"got": s.get("got", []) + slot_data["input"].tolist()}
        )


class Flaky(Routine):
    """Fails until its state says that it need not; takes all there is."""

    def __init__(self, policy=None):
        super().__init__()
        self.add_slot("input", dtype=ROW)
        self.set_activation_policy(policy or custom_policy(has_items))
        self.set_error_handler(ErrorHandler("retry", retry_delay=3600))

    def logic(self, slot_data, policy_message, worker_state):
        state = worker_state.get_routine_state("flaky", {})
        if not state.get("fine"):
            raise OSError("not yet")
        got = [*state.get("got", []), *slot_data["input"]["id"].tolist()]
        worker_state.update_routine_state("flaky", {"fine": True, "got": got})


class Claiming(Flaky):
    """The same with a policy that takes the items itself."""

    def __init__(self):
        super().__init__(take_three)


def has_items(slots, worker_state):
    return len(slots["input"]) > 0


def take_three(slots, worker_state):
    if len(slots["input"]) < 3:
        return False, {}, None
    return True, {"input": slots["input"].take(3)}, None


@pytest.fixture
def line():
    """Build the flow: add -> keep."""
    flow = Flow("typed_line")
    flow.add_routine(Add(), "add")
    flow.add_routine(Keep(), "keep")
    flow.connect("add", "output", "keep", "input")
    return flow


def move(runtime, worker, path):
    """Write a paused worker, stop its runtime, and go on in another."""
    assert worker.pause(timeout=WAIT)
    worker.checkpoint(path)
    runtime.shutdown(timeout=WAIT)
    other = Runtime(thread_pool_size=2)
    return other, other.resume(path)


def test_blocks_go_on_in_another_runtime(tmp_path, line):
    runtime = Runtime(thread_pool_size=2)
    worker = runtime.exec(line)
    assert worker.pause(timeout=WAIT)
    blocks = np.split(np.arange(50), [3, 20, 21])
    jobs = [
        runtime.post_many("typed_line", "add", "input", block, jobs="one")
        for block in blocks
    ]
    ids = [job.job_id for job in jobs]
    other, again = move(runtime, worker, tmp_path / "line.json")
    with other:
        found = [other.get_job(job_id) for job_id in ids]
        assert other.wait_until_all_jobs_finished(timeout=WAIT)
        assert [str(job.status) for job in found] == ["completed"] * 4
    assert again.get_routine_state("keep")["got"] == list(range(1, 51))


def test_parked_items_of_several_jobs_keep_their_order(tmp_path, line):
    runtime = Runtime(thread_pool_size=2)
    worker = runtime.exec(line)
    for number in range(6):
        runtime.post("typed_line", "add", "input", number)
    other, again = move(runtime, worker, tmp_path / "line.json")
    with other:
        again.resume()
        slots = [again.get_slot(name, "input") for name in ("add", "keep")]
        assert sum(len(slot) for slot in slots) == 6
        assert other.wait_until_all_jobs_finished(timeout=WAIT)
    assert again.get_routine_state("keep")["got"] == list(range(1, 7))


@pytest.mark.parametrize("kind", [Flaky, Claiming])
def test_a_block_whose_retry_waits_is_written_too(tmp_path, kind):
    flow = Flow("typed_flaky")
    flow.add_routine(kind(), "flaky")
    runtime = Runtime(engine="inline")
    worker = runtime.exec(flow)
    rows = np.zeros(6, ROW)
    rows["id"] = np.arange(6)
    for part in np.split(rows, [1, 3]):
        runtime.post_many("typed_flaky", "flaky", "input", part, jobs="one")
    assert not runtime.wait_until_all_jobs_finished(timeout=0.02)
    assert worker.pause(timeout=WAIT)
    worker.update_routine_state("flaky", {"fine": True})
    other, again = move(runtime, worker, tmp_path / "flaky.json")
    with other:
        assert other.wait_until_all_jobs_finished(timeout=WAIT)
    assert again.get_routine_state("flaky")["got"] == list(range(6))


@pytest.mark.parametrize("kind", [Flaky, Keep])
def test_slots_of_a_document_have_their_dtype_again(kind):
    flow = Flow("rows")
    flow.add_routine(kind(), "one")
    flow.routines["one"].add_slot("points", dtype=ROW, shape=(2, 3))
    document = json.loads(json.dumps(flow.serialize()))
    back = Flow.deserialize(document).routines["one"]
    expected = flow.routines["one"].slots
    assert {name: slot.dtype for name, slot in back.slots.items()} == {
        name: slot.dtype for name, slot in expected.items()
    }
    assert back.get_slot("points").shape == (2, 3)


def test_points_say_when_each_item_came_and_from_whom(runtime, make_flow):
    source, target = Add(), Routine()
    target.add_slot("input", dtype=np.int64, timestamps=True)
    target.add_slot("other")  # gets nothing, so what came stays
    target.set_activation_policy(all_slots_ready_policy())
    target.set_logic(lambda *_: None)
    flow = make_flow(
        {"add": source, "target": target}, ("add", "output", "target", "input")
    )
    slot = runtime.exec(flow).get_slot("target", "input")
    first = runtime.post(flow.flow_id, "target", "input", 7).job
    begun = first.created_at  # by the same clock, which is virtual in a simulation
    runtime.post_many(flow.flow_id, "add", "input", np.arange(4), jobs="one")
    while len(slot) < 5:
        runtime.wait_until_all_jobs_finished(timeout=0.02)
    points = slot.peek_points()
    assert [point.data for point in points] == [7, 1, 2, 3, 4]
    assert [point.emitted_from for point in points] == ["", *["add"] * 4]
    assert all(begun <= point.enqueued_at for point in points)
    assert points[0].enqueued_at - begun < timedelta(seconds=10)


def test_a_slot_of_its_own_keeps_whence_its_items_came():
    slot = Slot("input", dtype=np.float32, shape=(2,))
    slot.enqueue([1.0, 2.0], emitted_from="a")
    slot.enqueue([3.0, 4.0])
    points = slot.peek_points()
    assert [point.data.tolist() for point in points] == [[1.0, 2.0], [3.0, 4.0]]
    assert [point.emitted_from for point in points] == ["a", ""]
    assert points[0].enqueued_at <= points[1].enqueued_at
    assert slot.consume_one_new().tolist() == [1.0, 2.0]
    assert [point.emitted_from for point in slot._queue] == [""]


def test_an_event_routed_by_hand_reaches_a_typed_slot(runtime, line, finish):
    worker = runtime.exec(line)
    event = line.routines["add"].get_event("output")
    runtime.handle_event_emit(event, {"data": {"number": 5}}, worker)
    finish(runtime)
    assert worker.get_routine_state("keep") == {"got": [5]}


class Whole(Flaky):
    """The same with batches of six, which one block fills."""

    def __init__(self):
        super().__init__(batch_size_policy(6))


def test_a_whole_block_whose_retry_waits_is_written_too(tmp_path):
    flow = Flow("typed_whole")
    flow.add_routine(Whole(), "flaky")
    runtime = Runtime(engine="inline")
    worker = runtime.exec(flow)
    rows = np.zeros(8, ROW)
    rows["id"] = np.arange(8)
    job = runtime.post_many("typed_whole", "flaky", "input", rows, jobs="one")
    assert not runtime.wait_until_all_jobs_finished(timeout=0.02)
    assert worker.pause(timeout=WAIT)
    worker.update_routine_state("flaky", {"fine": True})
    other, again = move(runtime, worker, tmp_path / "flaky.json")
    with other:
        back = other.get_job(job.job_id)
        assert other.wait_until_all_jobs_finished(timeout=WAIT)
        assert str(back.status) == "completed"
    assert again.get_routine_state("flaky")["got"] == list(range(8))
