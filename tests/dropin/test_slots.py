"""Slots: the queue interface, stand-alone and as the window on a worker's queue."""

from datetime import datetime, timedelta, timezone

import pytest

from routilux import Event, Slot, SlotDataPoint, SlotQueueFullError, batch_size_policy

WAIT = 20.0


@pytest.fixture
def slot():
    made = Slot("input", None, 10, 0.8)
    for n in range(3):
        made.enqueue({"n": n}, emitted_from="reader")
    return made


def test_items_come_out_in_the_order_of_arrival(slot):
    assert slot.consume_one_new() == {"n": 0}
    assert slot.consume_all_new() == [{"n": 1}, {"n": 2}]
    assert slot.consume_all_new() == []
    assert slot.consume_one_new() is None


def test_latest_is_taken_and_the_rest_counts_as_consumed(slot):
    assert slot.consume_latest_and_mark_all_consumed() == {"n": 2}
    assert slot.get_unconsumed_count() == 0


def test_peeking_leaves_everything_queued(slot):
    assert slot.peek_one_new() == {"n": 0}
    assert slot.peek_latest() == {"n": 2}
    assert [item["n"] for item in slot.peek_all_new()] == [0, 1, 2]
    assert slot.get_unconsumed_count() == 3


def test_state_counts_what_was_consumed(slot):
    slot.consume_one_new()
    state = slot.get_queue_state()
    assert {key: state[key] for key in state if key != "oldest_unconsumed"} == {
        "total_count": 3,
        "unconsumed_count": 2,
        "consumed_count": 1,
        "max_length": 10,
        "watermark_threshold": 8,
    }
    assert datetime.fromisoformat(state["oldest_unconsumed"]).tzinfo is not None
    slot.consume_all()
    assert slot.get_queue_state()["oldest_unconsumed"] is None


@pytest.mark.parametrize(
    ("count", "level", "near", "full"),
    [
        (0, "low", False, False),
        (6, "medium", False, False),
        (8, "high", True, False),
        (10, "critical", True, True),
    ],
)
def test_status_tells_the_pressure(count, level, near, full):
    slot = Slot("input", None, 10, 0.8)
    for n in range(count):
        slot.enqueue(n)
    status = slot.get_queue_status()
    assert status["pressure_level"] == level
    assert (status["is_near_full"], status["is_full"]) == (near, full)
    assert status["usage_percentage"] == count / 10


def test_full_slot_says_so():
    slot = Slot("input", None, 2)
    slot.enqueue(1)
    slot.enqueue(2)
    with pytest.raises(
        SlotQueueFullError, match=r"Slot 'input' queue is full \(max=2\)"
    ):
        slot.enqueue(3)


def test_consumed_items_make_room():
    slot = Slot("input", None, 2, 0.5)
    for n in range(50):
        slot.enqueue(n)
        assert slot.consume_one_new() == n


def test_data_points_tell_when_and_whence():
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    emitted = datetime(2024, 5, 1, tzinfo=timezone.utc)
    slot = Slot("input")
    slot.enqueue({"n": 1}, "reader", emitted)
    slot.enqueue({"n": 2})
    first, second = slot.peek_points()
    assert isinstance(first, SlotDataPoint)
    assert (first.data, first.emitted_from) == ({"n": 1}, "reader")
    assert first.emitted_at == emitted
    assert (
        before < first.enqueued_at < datetime.now(timezone.utc) + timedelta(seconds=1)
    )
    assert first.enqueued_at <= second.enqueued_at == second.emitted_at
    assert (first.consumed_at, second.emitted_from) == (None, "")


def test_underscored_queue_is_a_read_only_view(slot):
    assert [point.data["n"] for point in slot._queue] == [0, 1, 2]
    assert not hasattr(slot._queue, "append")
    with pytest.raises(AttributeError):
        slot._queue = []


def test_slots_and_events_know_each_other_while_connected():
    slot, event = Slot("input"), Event("output")
    slot.connect(event)
    slot.connect(event)
    assert (slot.connected_events, event.connected_slots) == ([event], [slot])
    event.disconnect(slot)
    assert (slot.connected_events, event.connected_slots) == ([], [])


def test_connections_of_a_flow_link_slot_and_event(chain, forward):
    flow = chain(forward, None)
    event, slot = flow.routines["a"].events["output"], flow.routines["b"].slots["input"]
    assert (event.connected_slots, slot.connected_events) == ([slot], [event])
    flow.connections[0].disconnect()
    assert (event.connected_slots, slot.connected_events) == ([], [])


def test_policy_gets_slots_with_the_whole_interface(runtime, chain, forward):
    seen = []

    def policy(slots, worker_state):
        slot = slots["input"]
        seen.append((slot.peek_points(), slot.get_queue_state(), len(slot._queue)))
        items = slot.consume_all_new()
        return True, {"input": items}, "go"

    flow = chain(forward, None)
    flow.routines["b"].set_activation_policy(policy)
    runtime.exec(flow)
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    assert runtime.post(flow, "a", "input", {"value": 7}).job.wait(WAIT)
    points, state, count = seen[0]
    assert (points[0].data, count, state["unconsumed_count"]) == ({"value": 7}, 1, 1)
    assert points[0].enqueued_at > before


# The published engine gave the hexadecimal id of the object instead.
def test_emitted_from_is_the_routine_id(runtime, chain, forward):
    seen = []

    def policy(slots, worker_state):
        seen.extend(point.emitted_from for point in slots["input"].peek_points())
        return True, {"input": slots["input"].consume_all_new()}, None

    flow = chain(forward, None)
    flow.routines["b"].set_activation_policy(policy)
    runtime.exec(flow)
    runtime.post(flow, "a", "input", {"value": 1}).job.wait(WAIT)
    runtime.post(flow, "b", "input", {"value": 2}).job.wait(WAIT)
    assert seen == ["a", ""]


@pytest.mark.parametrize("wait", [None, 60.0])
def test_slot_keeps_times_where_it_is_asked_to(runtime, stage, wait):
    from routilux import Flow, Routine

    routine = Routine()
    routine.add_slot("input", timestamps=True)
    routine.set_logic(lambda slot_data, policy_message, worker_state: None)
    routine.set_activation_policy(batch_size_policy(5, max_wait=wait))
    flow = Flow()
    flow.add_routine(routine, "work")
    worker = runtime.exec(flow)
    for n in range(3):
        runtime.post(flow, "work", "input", n)
    times = [p.enqueued_at for p in worker.get_slot("work", "input").peek_points()]
    now = datetime.now(timezone.utc)
    assert times == sorted(times)
    assert all(abs(now - when) < timedelta(seconds=5) for when in times)


def test_times_are_not_kept_where_nobody_asks(runtime, stage):
    from routilux import Flow

    flow = Flow()
    flow.add_routine(stage(policy=batch_size_policy(5)), "work")
    worker = runtime.exec(flow)
    runtime.post(flow, "work", "input", 1)
    point = worker.get_slot("work", "input").peek_points()[0]
    assert (point.data, point.enqueued_at, point.emitted_at) == (1, None, None)


def test_slot_of_a_running_worker_is_filled_by_posts_only(runtime, stage):
    from routilux import Flow

    flow = Flow()
    flow.add_routine(stage(), "work")
    worker = runtime.exec(flow)
    with pytest.raises(RuntimeError, match="belongs to a running worker"):
        worker.get_slot("work", "input").enqueue(1)


# The published engine kept queues on the routine, so workers took each other's items.
def test_workers_of_one_flow_do_not_share_queues(runtime, stage):
    from routilux import Flow, all_slots_ready_policy

    got = []
    routine = stage(policy=all_slots_ready_policy())
    routine.add_slot("other")
    routine.set_logic(lambda slot_data, policy_message, worker_state: got.append(1))
    flow = Flow()
    flow.add_routine(routine, "work")
    first, second = runtime.exec(flow), runtime.exec(flow)
    runtime.post(flow, "work", "input", 1, worker_id=first.worker_id)
    runtime.post(flow, "work", "other", 2, worker_id=second.worker_id)
    runtime.shutdown()
    assert got == []


def test_slot_prints_its_name_and_how_much_is_queued():
    slot = Slot("input")
    slot.enqueue(1)
    assert repr(slot) == "<Slot 'input': 1 queued>"
