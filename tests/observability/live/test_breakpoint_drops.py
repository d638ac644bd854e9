"""`HeldItem.drop` takes an item out wherever it lies; the others stay as they are."""

import threading
from typing import Any

import pytest
from standing import Gate, flow_of, nothing, routine

from routilux import Routine, Runtime, all_slots_ready_policy


def pairs(seen: list[Any], **options: Any) -> Routine:
    """Make a routine that notes the items of "left" and "right" that it pairs."""

    def pair(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        seen.append((slot_data["left"][0], slot_data["right"][0]))

    return routine(pair, "left", "right", policy=all_slots_ready_policy(), **options)


def burst(n: int) -> Routine:
    """Make a routine that emits so many items, numbered from 1."""

    def emit(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        for i in range(1, n + 1):
            made.emit("out", n=i)

    made = routine(emit)
    return made


def test_an_item_that_waits_for_its_key_is_taken_out_of_the_middle(gate: Gate) -> None:
    asked, knows = threading.Event(), threading.Event()
    seen: list[int] = []

    def key(item: dict[str, int]) -> str:
        if item["n"] == 1:
            asked.set()
            assert knows.wait(20.0)
        return "the same"

    def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        seen.append(slot_data["input"][0]["n"])
        if seen == [0]:
            gate.hold(slot_data, policy_message, worker_state)

    work = routine(logic).set_concurrency(2, key=key)
    with Runtime(2) as runtime:
        worker = runtime.exec(flow_of("keys", work=work))

        def post(n: int) -> Any:
            return runtime.post("keys", "work", "input", {"n": n}).job

        jobs = [post(0)]
        gate.wait_for()
        jobs.append(post(1))
        assert asked.wait(10.0)
        with runtime.add_breakpoint("work", condition=lambda item: item["n"] == 2):
            jobs += [post(2), post(3)]
            (held,) = runtime.held_items()
            knows.set()
            gate.open()
            assert worker.pause(timeout=10.0)  # by now the key of each is known
            assert held.drop()
            slot = worker.get_slot("work", "input")
            assert [item["n"] for item in slot.peek_all_new()] == [1, 3]
            worker.resume()
        assert all(job.wait(10.0) for job in jobs)
    assert seen == [0, 1, 3]
    ends = [str(job.status) for job in jobs]
    assert ends == ["completed", "completed", "cancelled", "completed"]


def test_the_others_keep_whence_they_came() -> None:
    seen: list[Any] = []
    flow = flow_of("from", first=burst(2), pair=pairs(seen, timestamps=True))
    flow.connect("first", "out", "pair", "left")
    with Runtime(1) as runtime:
        worker = runtime.exec(flow)
        runtime.post("from", "pair", "left", {"n": 0})
        with runtime.add_breakpoint("pair", "left"):
            job = runtime.post("from", "first", "input", None).job
            assert worker.pause(timeout=10.0)
            first, _ = held = runtime.held_items()
            assert [one.item["n"] for one in held] == [1, 2]
            assert first.drop()
            points = worker.get_slot("pair", "left").peek_points()
            assert [(p.data["n"], p.emitted_from) for p in points] == [
                (0, ""),
                (2, "first"),
            ]
        worker.resume()
        runtime.post_many("from", "pair", "right", "ab")
        assert job.wait(10.0)
    assert seen == [({"n": 0}, "a"), ({"n": 2}, "b")]


def test_a_slot_that_holds_more_than_its_bound_is_as_full_as_it_is() -> None:
    seen: list[int] = []

    def keep(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        seen.append(slot_data["input"][0]["n"])

    flow = flow_of("over", first=burst(3), keep=routine(keep, max_queue_length=1))
    flow.connect("first", "out", "keep", "input")
    with Runtime(1) as runtime:
        worker = runtime.exec(flow)
        with runtime.add_breakpoint("keep") as stop:
            job = runtime.post("over", "first", "input", None).job
            assert worker.pause(timeout=10.0)  # meanwhile logic may pass the bound
            slot = worker.get_slot("keep", "input")
            for left in (2, 1, 0):
                assert stop.held()[-1].drop()
                assert len(slot) == left
        worker.resume()
        assert job.wait(10.0)
        again = runtime.post("over", "first", "input", None).job
        assert again.wait(10.0)
    assert seen == [1, 2, 3]
    assert (job.status, again.status) == ("completed", "completed")


def test_of_one_object_in_two_places_the_oldest_goes() -> None:
    seen: list[Any] = []
    item = {"n": 1}
    with Runtime(1) as runtime:
        worker = runtime.exec(flow_of("twice", pair=pairs(seen)))
        job = runtime.post("twice", "pair", "left", item).job
        runtime.post("twice", "pair", "left", {"n": 2})
        with runtime.add_breakpoint("pair", "left"):
            runtime.post("twice", "pair", "left", item, job_id=job.job_id)
            (held,) = runtime.held_items()
            assert held.drop()
            left = worker.get_slot("pair", "left").peek_all_new()
            assert [one["n"] for one in left] == [2, 1]
        assert not job.wait(0.0)
        runtime.post_many("twice", "pair", "right", "ab")
        assert job.wait(10.0)
    assert seen == [({"n": 2}, "a"), ({"n": 1}, "b")]


def test_an_item_of_a_typed_slot_can_not_be_dropped_and_goes_on() -> None:
    with Runtime(1) as runtime:
        runtime.exec(flow_of("typed", work=routine(nothing, dtype="i8")))
        with runtime.add_breakpoint("work"):
            job = runtime.post("typed", "work", "input", 3).job
            (held,) = runtime.held_items()
            with pytest.raises(TypeError, match="'input' are values of an array"):
                held.drop()
            assert (held.state, runtime.held_items()) == ("held", [held])
            assert held.resume()
        assert job.wait(10.0)
    assert job.status == "completed"
