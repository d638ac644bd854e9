"""Nothing that waits is forgotten: flushes, logic given up, names, checkpoints."""

import threading
import time

import numpy as np
import pytest

from routilux import (
    Flow,
    QueueFullError,
    Routine,
    Runtime,
    SlotQueueFullError,
    all_slots_ready_policy,
    batch_size_policy,
    immediate_policy,
)
from routilux.monitoring.hooks import ExecutionHooksInterface

WAIT = 20.0

pytestmark = pytest.mark.timeout(60)


def routine_of(logic, policy=None, slots=("input",), **slot):
    """Make a routine; its logic is called with the routine and its slot_data."""
    routine = Routine()
    for name in slots:
        routine.add_slot(name, **slot)
    routine.add_event("output")
    routine.set_activation_policy(policy or immediate_policy())
    routine.set_logic(
        lambda slot_data, policy_message, worker_state: logic(routine, slot_data)
    )
    return routine


def flow_of(routines, *connections):
    """Make a flow of {id: routine} and (source, target, slot)."""
    flow = Flow("flow")
    for routine_id, routine in routines.items():
        flow.add_routine(routine, routine_id)
    for source, target, slot in connections:
        flow.connect(source, "output", target, slot)
    return flow


def nothing(routine, slot_data):
    """Do nothing."""


def test_logic_that_was_given_up_may_wait_for_room_in_a_full_slot(gate):
    # Its thread span for ever, and kept all others from running.
    told, late = [], threading.Event()

    def overdue(routine, slot_data):
        if late.is_set():
            return
        late.set()
        while str(first.status) != "failed":  # given up
            time.sleep(0.001)
        runtime.post("flow", "middle", "input", 0)
        runtime.post("flow", "above", "input", 1)
        try:
            runtime.post("flow", "middle", "input", 0, timeout=0.1)
        except SlotQueueFullError:
            told.append(True)
        finally:
            gate.set()

    below = routine_of(overdue)
    below.set_timeout(0.05)
    middle = routine_of(lambda routine, slot_data: gate.wait(WAIT), max_queue_length=1)
    above = routine_of(lambda routine, slot_data: routine.emit("output"))
    flow = flow_of(
        {"above": above, "below": below, "middle": middle}, ("above", "below", "input")
    )
    with Runtime(4) as runtime:
        runtime.exec(flow)
        busy = runtime.post("flow", "middle", "input", 0).job
        while str(busy.status) != "running":
            time.sleep(0.001)
        first = runtime.post("flow", "above", "input", 0).job
        assert gate.wait(WAIT)
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert told == [True]


class Work(Routine):
    """Takes items one by one."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        pass


class Keeper(Routine):
    """Has no policy, so it keeps what it gets."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")

    def logic(self, slot_data, policy_message, worker_state):
        pass


class Batches(Keeper):
    """Waits for five texts."""

    def __init__(self):
        super().__init__()
        self.set_activation_policy(batch_size_policy(5))


class Numbers(Batches):
    """Waits for five numbers."""

    def __init__(self):
        super().__init__()
        self._slots.clear()
        self.add_slot("input", dtype=np.float64)


@pytest.mark.parametrize("before, after", [(Keeper, Work), (Batches, Numbers)])
def test_checkpoint_that_can_not_be_put_back_leaves_no_job(tmp_path, before, after):
    path = tmp_path / "worker.json"
    with Runtime(2) as runtime:
        worker = runtime.exec(flow_of({"work": Work(), "keep": before()}))
        worker.pause()
        runtime.post("flow", "work", "input", 1)
        runtime.post("flow", "keep", "input", "text")
        worker.checkpoint(path)
        worker.cancel()
    runtime = Runtime(2)
    with pytest.raises((ValueError, TypeError)):
        runtime.resume(path, flow=flow_of({"work": Work(), "keep": after()}))
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    runtime.shutdown()


def test_flush_goes_on_where_a_batch_is_held_by_a_full_slot():
    class Later(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input")
            self.add_event("output")
            self.set_activation_policy(batch_size_policy(3))

        async def logic(self, slot_data, policy_message, worker_state):
            self.emit("output", n=1)

    pair = routine_of(
        nothing, batch_size_policy(1), ("input", "other"), max_queue_length=1
    )
    flow = flow_of(
        {"later": Later(), "pair": pair},
        ("later", "pair", "input"),
        ("later", "pair", "other"),
    )
    with Runtime(2) as runtime:
        runtime.exec(flow)
        runtime.post("flow", "pair", "other", 1)
        runtime.post("flow", "later", "input", {"n": 1})
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)


def test_many_posts_at_once_are_flushed_for_who_waits_already():
    batch = routine_of(
        lambda routine, slot_data: routine.emit("output", n=1), batch_size_policy(10)
    )
    pair = routine_of(nothing, all_slots_ready_policy(), ("a", "b"))
    with Runtime(2) as runtime:
        runtime.exec(flow_of({"batch": batch, "pair": pair}, ("batch", "pair", "b")))
        job = runtime.post("flow", "pair", "a", 1).job
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(job.wait(WAIT)))
        waiter.start()
        while not runtime.core.debug()["wanted"]:
            time.sleep(0.001)
        runtime.post_many("flow", "batch", "input", [1, 2, 3], block=False)
        waiter.join()
    assert answers == [True]


# --- hooks


def test_ids_of_jobs_are_unique_where_hooks_are_set(hooked, gate):
    hooked(ExecutionHooksInterface())
    began = threading.Event()

    def work(routine, slot_data):
        began.set()
        assert gate.wait(WAIT)

    routines = {
        "slow": routine_of(work, max_queue_length=1),
        "fast": routine_of(nothing),
    }
    with Runtime(3, job_history=0) as runtime:
        runtime.exec(flow_of(routines))
        runtime.post("flow", "slow", "input", 1)
        assert began.wait(WAIT)
        runtime.post("flow", "slow", "input", 2)
        ids = []
        with pytest.raises(QueueFullError):
            runtime.post("flow", "slow", "input", 3, timeout=0.01)
        for _ in range(3):
            job = runtime.post("flow", "fast", "input", 0).job
            assert job.wait(WAIT)
            ids.append(job.job_id)
        gate.set()
    assert len(set(ids)) == 3


def test_a_job_that_a_hook_posts_keeps_its_name(hooked, gate):
    class Again(ExecutionHooksInterface):
        def on_job_end(self, job, worker, status, error):
            if status == "cancelled" and not more:
                more.append(runtime.post("flow", "other", "input", 1).job)

    more, began = [], threading.Event()

    def work(routine, slot_data):
        began.set()
        assert gate.wait(WAIT)

    routines = {"slow": routine_of(work, max_queue_length=1), "other": routine_of(work)}
    with Runtime(2) as runtime:
        runtime.exec(flow_of(routines))
        runtime.post("flow", "slow", "input", 1)
        assert began.wait(WAIT)
        runtime.post("flow", "slow", "input", 2)
        hooked(Again())
        with pytest.raises(QueueFullError):
            runtime.post_many("flow", "slow", "input", [1], jobs="one", timeout=0.01)
        assert runtime.get_job(more[0].job_id) is more[0]
        gate.set()


@pytest.mark.parametrize("is_hooked", [False, True])
def test_what_follows_in_a_job_that_failed_is_dropped(hooked, is_hooked):
    def work(routine, slot_data):
        if slot_data["input"][0] == 1:
            raise KeyError("x")

    if is_hooked:
        hooked(ExecutionHooksInterface())
    with Runtime(2) as runtime:
        runtime.exec(flow_of({"work": routine_of(work, max_queue_length=1)}))
        job = runtime.post_many("flow", "work", "input", iter(range(900)), jobs="one")
        assert job.wait(WAIT)
    assert job.status == "failed"


def test_one_job_of_many_items_has_its_deadline_while_the_items_are_made():
    def slowly():
        while not job_ended.is_set():
            yield 1
            time.sleep(0.0005)

    job_ended = threading.Event()
    with Runtime(2) as runtime:
        runtime.exec(flow_of({"work": routine_of(nothing)}))
        ending = threading.Timer(WAIT, job_ended.set)
        ending.start()
        job = runtime.post_many(
            "flow", "work", "input", slowly(), jobs="one", deadline=0.2
        )
        ended_by_itself = not job_ended.is_set()
        ending.cancel()
        assert job.wait(WAIT)
    assert (job.status, ended_by_itself) == ("failed", True)


def test_a_worker_that_is_paused_while_a_breakpoint_holds_it_stays_paused():
    seen = []
    flow = flow_of({"work": routine_of(lambda routine, data: seen.append(data))})
    with Runtime(2) as runtime:
        worker = runtime.exec(flow)
        with runtime.add_breakpoint("work") as stop:
            runtime.post("flow", "work", "input", 1)
            held = stop.wait(timeout=WAIT)
            worker.pause("maintenance", checkpoint={"k": 1})
            held.resume()
        assert (worker.status, seen) == ("paused", [])
        point = worker.pause_points[-1]
        assert (point["reason"], point["checkpoint"]) == ("maintenance", {"k": 1})
        worker.resume()
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert len(seen) == 1
