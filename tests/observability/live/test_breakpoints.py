"""`Runtime.add_breakpoint` holds items until somebody says what becomes of them."""

import threading
from typing import Any

import pytest
from standing import flow_of, nothing, routine

from routilux import (
    Flow,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
)
from routilux.errors import ConfigurationError
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)


class Keeper(Routine):
    """Keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input")
        self.seen: list[Any] = []
        self.set_activation_policy(batch_size_policy(1))

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        self.seen += slot_data["input"]


def chain(keeper: Keeper) -> Flow:
    def hand_on(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        first.emit("out", **slot_data["input"][0])

    first = routine(hand_on)
    flow = flow_of("chain", first=first, keep=keeper)
    flow.connect("first", "out", "keep", "input")
    return flow


def test_an_emitted_item_is_held_shown_changed_and_let_go() -> None:
    keeper = Keeper()
    with Runtime(2) as runtime:
        worker = runtime.exec(chain(keeper))
        with runtime.add_breakpoint("keep", "input") as stop:
            job = runtime.post("chain", "first", "input", {"n": 1}).job
            held = stop.wait(10.0)
            assert held is not None
            assert (held.job_id, held.routine_id, held.slot_name, held.item) == (
                job.job_id,
                "keep",
                "input",
                {"n": 1},
            )
            assert (runtime.held_items(), stop.held(), stop.hits) == ([held], [held], 1)
            assert worker.status == "paused"
            held.item["n"] = 2
            assert held.resume()
            assert job.wait(10.0)
            assert (held.state, held.resume(), runtime.held_items()) == (
                "resumed",
                False,
                [],
            )
    assert keeper.seen == [{"n": 2}]


def test_a_posted_item_is_held_and_the_post_returns() -> None:
    keeper = Keeper()
    with Runtime(1) as runtime:
        runtime.exec(flow_of("posted", keep=keeper))
        stop = runtime.add_breakpoint("keep")
        jobs = runtime.post_many("posted", "keep", "input", ["a", "b"])
        first, second = runtime.held_items()
        assert [first.item, second.item] == ["a", "b"]
        assert first.resume() and first.state == "resumed"
        assert not jobs[0].wait(0.0)  # the worker goes on with the last one
        assert second.resume()
        assert all(job.wait(10.0) for job in jobs)
        stop.remove()
    assert keeper.seen == ["a", "b"]


def test_a_dropped_item_never_runs_and_its_job_ends() -> None:
    keeper = Keeper()
    with Runtime(1) as runtime:
        worker = runtime.exec(flow_of("dropped", keep=keeper))
        with runtime.add_breakpoint("keep"):
            jobs = runtime.post_many("dropped", "keep", "input", ["a", "b", "c"])
            held = runtime.held_items()
            assert held[1].drop() and not held[1].drop()
            assert jobs[1].wait(10.0) and jobs[1].status == "cancelled"
            assert worker.get_slot("keep", "input").peek_all_new() == ["a", "c"]
        assert all(job.wait(10.0) for job in jobs)
    assert keeper.seen == ["a", "c"]
    assert [job.status for job in jobs] == ["completed", "cancelled", "completed"]


@pytest.mark.parametrize("item", [None, 7, {"n": 1}])
def test_a_dropped_item_is_that_of_its_own_job(item: Any) -> None:
    keeper = Keeper()
    with Runtime(1) as runtime:
        runtime.exec(flow_of("same", keep=keeper))
        with runtime.add_breakpoint("keep"):
            jobs = runtime.post_many("same", "keep", "input", [item, item, item])
            held = runtime.held_items()[1]
            assert held.job is jobs[1] and held.drop()
        assert all(job.wait(10.0) for job in jobs)
    assert [job.status for job in jobs] == ["completed", "cancelled", "completed"]
    assert keeper.seen == [item, item]


def test_a_dropped_item_of_a_batch_is_that_of_its_jobs() -> None:
    def hand_on(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        first.emit_many("out", [item] * len(slot_data["input"]))

    item = {"n": 1}
    keeper = Keeper()
    first = routine(hand_on, policy=batch_size_policy(2))
    flow = flow_of("batch", first=first, keep=keeper)
    flow.connect("first", "out", "keep", "input")
    with Runtime(1) as runtime:
        worker = runtime.exec(flow)
        with runtime.add_breakpoint("keep") as stop:
            alone = runtime.post("batch", "keep", "input", item).job
            assert runtime.held_items()[0].resume()
            assert alone.wait(10.0)
            jobs = runtime.post_many("batch", "first", "input", [1, 2])
            held = stop.wait(10.0)
            assert held is not None and held.job is jobs[1]
            assert worker.pause(timeout=10.0)  # both have entered the slot
            assert held.drop()
        assert worker.resume()  # the pause by hand
        assert all(job.wait(10.0) for job in jobs)
    assert len(keeper.seen) == 2


def test_an_item_that_waits_for_room_can_not_be_dropped_and_stays_held() -> None:
    seen: list[Any] = []

    def keep(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        seen.extend(slot_data["input"])

    with Runtime(1) as runtime:
        runtime.exec(flow_of("full", keep=routine(keep, max_queue_length=1)))
        with runtime.add_breakpoint("keep") as stop:
            assert repr(stop) == f"<Stop {stop.breakpoint_id}: keep.None, hits 0>"
            runtime.post("full", "keep", "input", 1)
            poster = threading.Thread(
                target=runtime.post, args=("full", "keep", "input", 2)
            )
            poster.start()
            while len(stop.held()) < 2:
                assert stop.wait(10.0) is not None
            first, second = stop.held()
            with pytest.raises(RuntimeError, match=r"waits for room: resume\(\) it"):
                second.drop()
            assert stop.held() == [first, second] and second.state == "held"
            assert "hits 2" in repr(stop) and seen == []
            assert first.resume() and second.resume()
        poster.join(10.0)
        assert runtime.wait_until_all_jobs_finished(10.0)
    assert seen == [1, 2]


def test_an_interrupt_while_an_item_is_shown_is_for_the_main_thread_alone() -> None:
    class Slow:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    texts: list[str] = []
    with Runtime(1) as runtime:
        runtime.exec(flow_of("slow", keep=Keeper()))
        with runtime.add_breakpoint("keep") as stop:
            runtime.post("slow", "keep", "input", Slow())
            held = stop.wait(10.0)
            with pytest.raises(KeyboardInterrupt):
                str(held)
            thread = threading.Thread(target=lambda: texts.append(str(held)))
            thread.start()
            thread.join(10.0)
    assert "<Slow whose repr raised KeyboardInterrupt>" in texts[0]


def test_dropping_a_parked_item_leaves_the_rest_paired() -> None:
    pairs: list[Any] = []

    def pair(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        pairs.append((slot_data["left"][0], slot_data["right"][0]))

    joiner = routine(pair, "left", "right", policy=all_slots_ready_policy())
    with Runtime(1) as runtime:
        runtime.exec(flow_of("pairs", joiner=joiner))
        parked = runtime.post("pairs", "joiner", "left", 1).job
        with runtime.add_breakpoint("joiner", "left"):
            later = runtime.post("pairs", "joiner", "left", 2).job
            (held,) = runtime.held_items()
            assert held.drop()
            assert later.wait(10.0) and later.status == "cancelled"
        last = runtime.post("pairs", "joiner", "left", 3).job
        rights = runtime.post_many("pairs", "joiner", "right", [1, 3])
        assert all(job.wait(10.0) for job in [parked, last, *rights])
    assert pairs == [(1, 1), (3, 3)]


@pytest.mark.parametrize("condition", ["n > 2", lambda item: item["n"] > 2])
def test_only_items_that_meet_the_condition_are_held(condition: Any) -> None:
    if isinstance(condition, str):
        pytest.importorskip("simpleeval", reason="extra 'expressions'")
    keeper = Keeper()
    with Runtime(1) as runtime:
        runtime.exec(chain(keeper))
        with runtime.add_breakpoint("keep", condition=condition) as stop:
            jobs = [
                runtime.post("chain", "first", "input", {"n": n}).job for n in range(4)
            ]
            held = stop.wait(10.0)
            assert held is not None and held.item == {"n": 3}
            assert keeper.seen == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert all(job.wait(10.0) for job in jobs)
    assert stop.hits == 1


def test_a_condition_that_raises_is_logged_and_not_met(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keeper = Keeper()
    with Runtime(1) as runtime:
        runtime.exec(flow_of("raises", keep=keeper))
        with runtime.add_breakpoint("keep", condition=lambda item: item["x"]):
            assert runtime.post("raises", "keep", "input", {}).wait(10.0)
    assert "the condition of a breakpoint raised" in caplog.text


def test_it_holds_items_of_its_own_runtime_and_job_only() -> None:
    one, two = Keeper(), Keeper()
    with Runtime(1) as here, Runtime(1) as there:
        here.exec(flow_of("here", keep=one), "worker")
        there.exec(flow_of("there", keep=two), "worker")
        with here.add_breakpoint("keep", job_id="mine") as stop:
            assert there.post("there", "keep", "input", 1, job_id="mine").wait(10.0)
            assert here.post("here", "keep", "input", 1, job_id="other").wait(10.0)
            job = here.post("here", "keep", "input", 2, job_id="mine").job
            held = stop.wait(10.0)
            assert held is not None and held.job is job and there.held_items() == []
        assert job.wait(10.0)


def test_what_is_held_is_explained() -> None:
    with Runtime(1) as runtime:
        runtime.exec(flow_of("told", keep=Keeper()))
        with runtime.add_breakpoint("keep") as stop:
            job = runtime.post("told", "keep", "input", {"n": 1}).job
            text = runtime.explain(job)
            everything = runtime.explain()
    said = (
        f"- item {{'n': 1}} of job {job.job_id!r} is held at {stop.breakpoint_id}"
        " before 'keep' takes it from slot 'input': resume() or drop() it"
    )
    assert said in text and said in everything


def test_a_job_that_ends_meanwhile_is_held_no_longer() -> None:
    with Runtime(1) as runtime:
        worker = runtime.exec(flow_of("ended", keep=Keeper()))
        with runtime.add_breakpoint("keep"):
            job = runtime.post("ended", "keep", "input", 1).job
            (held,) = runtime.held_items()
            assert job.cancel() and job.wait(10.0)
            assert (held.state, held.drop(), held.resume()) == ("gone", False, False)
            assert worker.status == "running"


def test_a_worker_that_was_paused_by_hand_stays_paused() -> None:
    keeper = Keeper()
    with Runtime(1) as runtime:
        worker = runtime.exec(flow_of("paused", keep=keeper))
        worker.pause()
        with runtime.add_breakpoint("keep"):
            job = runtime.post("paused", "keep", "input", 1).job
            (held,) = runtime.held_items()
            assert held.resume() and worker.status == "paused"
        worker.resume()
        assert job.wait(10.0)


def test_letting_go_does_not_undo_a_later_pause_by_hand() -> None:
    with Runtime(1, engine="inline") as runtime:
        worker = runtime.exec(flow_of("again", keep=Keeper()))
        with runtime.add_breakpoint("keep"):
            job = runtime.post("again", "keep", "input", 1).job
            assert worker.resume()
            worker.pause("lunch")
        assert worker.status == "paused"
        assert worker.resume() and job.wait(10.0)


def test_hooks_of_the_user_stay_in_force_beside_it() -> None:
    starts: list[str] = []
    vetoed = threading.Event()

    class Mine(ExecutionHooksInterface):
        def on_routine_start(
            self, routine_id: str, worker_state: Any, job: Any = None
        ) -> bool:
            starts.append(routine_id)
            return True

        def on_slot_before_enqueue(
            self, slot: Any, routine_id: str, job_context: Any, data: Any, flow_id: str
        ) -> tuple[bool, str | None]:
            vetoed.set()
            return (False, "not this one") if data == "no" else (True, None)

    set_execution_hooks(Mine())
    try:
        with Runtime(1) as runtime:
            runtime.exec(flow_of("both", keep=Keeper()))
            with runtime.add_breakpoint("keep") as stop:
                refused = runtime.post("both", "keep", "input", "no").job
                job = runtime.post("both", "keep", "input", "yes").job
                assert [held.item for held in stop.held()] == ["yes"]
            assert job.wait(10.0) and refused.status == "cancelled"
            assert runtime.post("both", "keep", "input", "later").wait(10.0)
    finally:
        reset_execution_hooks()
    assert vetoed.is_set() and starts == ["keep", "keep"]


def test_wait_ends_at_its_timeout_and_shutdown_cancels_what_is_held() -> None:
    with Runtime(1) as runtime:
        runtime.exec(flow_of("late", keep=Keeper()))
        stop = runtime.add_breakpoint("keep")
        assert stop.wait(0.0) is None
        job = runtime.post("late", "keep", "input", 1).job
    assert job.status == "cancelled" and runtime.held_items() == []


def test_mistakes_are_named() -> None:
    with Runtime(1) as runtime:
        with pytest.raises(ConfigurationError, match="is for a flow that runs"):
            runtime.add_breakpoint("one")
        runtime.exec(flow_of("named", one=routine(nothing)))
        with pytest.raises(ValueError, match=r"Routine 'on' runs in no .*'one'"):
            runtime.add_breakpoint("on")
        with pytest.raises(ValueError, match=r"Slot 'imput' not found.*'input'"):
            runtime.add_breakpoint("one", "imput")
        with pytest.raises(ValueError, match="condition 'n >': invalid syntax"):
            runtime.add_breakpoint("one", condition="n >")
        with pytest.raises(TypeError, match="an expression or a callable, not 7"):
            runtime.add_breakpoint("one", condition=7)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="shut down"):
        runtime.add_breakpoint("one")
