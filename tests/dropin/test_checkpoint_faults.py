"""Checkpoints that can't be written or read: clear errors, and nothing left behind."""

import json
import threading

import pytest

from routilux import (
    Flow,
    Routine,
    Runtime,
    SerializationError,
    WorkerState,
    immediate_policy,
)
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0


class Step(Routine):
    """Passes on what it gets."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output", ["n"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        self.emit("output", n=slot_data["input"][0]["n"])


class Fails(Step):
    """Pauses its worker and fails."""

    def logic(self, slot_data, policy_message, worker_state):
        worker_state.pause("before a letter", wait=False)
        raise OSError("no")


class Reads(Step):
    """Counts letters, and passes them on."""

    def logic(self, slot_data, policy_message, worker_state):
        worker_state.update_routine_state_with(
            "dead", lambda state: {"read": state.get("read", 0) + 1}
        )
        self.emit("output", n=str(slot_data["input"][0]["error"]))


class FailsToo(Step):
    """Fails with what it gets."""

    def logic(self, slot_data, policy_message, worker_state):
        raise ValueError(slot_data["input"][0]["n"])


@pytest.fixture
def line():
    """Build the flow: one step."""
    flow = Flow("line")
    flow.add_routine(Step(), "step")
    return flow


def test_flow_that_the_file_can_not_name_is_refused(runtime, tmp_path):
    class Inside(Step):
        pass

    flow = Flow("inside")
    flow.add_routine(Inside(), "step")
    worker = runtime.exec(flow)
    worker.pause()
    with pytest.raises(SerializationError, match="can't be named"):
        worker.checkpoint(tmp_path / "work.json")
    assert list(tmp_path.iterdir()) == []


def test_resume_with_another_flow_of_the_same_shape(runtime, line, tmp_path):
    worker = runtime.exec(line)
    worker.pause()
    job = runtime.post(line, "step", "input", {"n": 1}).job
    worker.checkpoint(tmp_path / "work.json")
    other_flow = Flow("another")
    other_flow.add_routine(Step(), "step")
    with Runtime(thread_pool_size=1) as other:
        back = other.resume(tmp_path / "work.json", flow=other_flow)
        assert other.wait_until_all_jobs_finished(WAIT)
        assert other.get_job(job.job_id).status == "completed"
        assert back.flow is other_flow


def test_dead_letter_of_a_checkpoint_writes_no_other_letter(runtime, tmp_path):
    flow = Flow("letters")
    flow.add_routine(Fails(), "work")
    flow.add_routine(Reads(), "dead")
    flow.add_routine(FailsToo(), "next")
    flow.connect("dead", "output", "next", "input")
    flow.set_dead_letter("dead", "input")
    worker = runtime.exec(flow)
    job = runtime.post(flow, "work", "input", 1).job
    assert job.wait(WAIT)
    assert worker.pause(timeout=WAIT)
    worker.checkpoint(tmp_path / "work.json")
    with Runtime(thread_pool_size=1) as other:
        back = other.resume(tmp_path / "work.json")
        assert other.wait_until_all_jobs_finished(WAIT)
        assert back.get_routine_state("dead") == {"read": 1}


def test_checkpoint_needs_a_pause(runtime, line, tmp_path, chain):
    worker = runtime.exec(line)
    with pytest.raises(RuntimeError, match=r"not paused: call pause\(\)"):
        worker.checkpoint(tmp_path / "work.json")


def test_checkpoint_waits_for_logic_that_runs(runtime, tmp_path):
    gate, entered = threading.Event(), threading.Event()

    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    flow = Flow("blocked")
    routine = Routine()
    routine.add_slot("input")
    routine.set_logic(block)
    routine.set_activation_policy(immediate_policy())
    flow.add_routine(routine, "work")
    worker = runtime.exec(flow)
    runtime.post(flow, "work", "input", 1)
    assert entered.wait(WAIT)
    worker.pause(wait=False)
    try:
        with pytest.raises(TimeoutError, match="still runs"):
            worker.checkpoint(tmp_path / "work.json", timeout=0.01)
    finally:
        gate.set()


def test_item_that_can_not_be_written_is_named_and_the_file_stays(
    runtime, line, tmp_path
):
    worker = runtime.exec(line)
    worker.pause()
    path = tmp_path / "work.json"
    path.write_text("good")
    runtime.post(line, "step", "input", {"n": object()})
    with pytest.raises(
        SerializationError, match=r"item of slot 'input' of routine 'step'.*\['n'\]"
    ):
        worker.checkpoint(path)
    assert path.read_text() == "good"


def item(routine="step", slot="input", owner=None):
    """Write an item as a checkpoint has it."""
    return {"routine": routine, "slot": slot, "item": 1, "owner": owner, "source": ""}


def damaged(path, **changes):
    """Write a checkpoint with other values."""
    document = json.loads(path.read_text())
    document.update(changes)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"version": 2}, "version 2 of checkpoints is not supported"),
        ({"version": None}, "version None of checkpoints"),
        ({"format": "other"}, "holds no checkpoint"),
        ({"jobs": 7}, "damaged"),
        ({"items": [{"routine": "step"}]}, "damaged"),
        ({"groups": [{"members": ["job 9"], "newest": "job 9"}]}, "damaged: group 0"),
        (
            {
                "items": [
                    dict(routine="stp", slot="input", item=1, owner=None, source="")
                ]
            },
            "has no routine 'stp'.*Did you mean 'step'",
        ),
        (
            {"items": [dict(routine="step", slot="in", item=1, owner=None, source="")]},
            "has no slot 'in'",
        ),
        (
            {
                "items": [
                    dict(routine="step", slot="input", item=1, owner="x", source="")
                ]
            },
            "damaged: no 'x'",
        ),
    ],
)
def test_damaged_checkpoints_are_refused_and_leave_nothing(
    runtime, line, tmp_path, changes, text
):
    worker = runtime.exec(line)
    worker.pause()
    runtime.post(line, "step", "input", {"n": 1})
    path = tmp_path / "work.json"
    worker.checkpoint(path)
    damaged(path, **changes)
    with Runtime(thread_pool_size=1) as other:
        with pytest.raises(SerializationError, match=text):
            other.resume(path)
        assert (other.list_workers(), other.list_jobs()) == ([], [])


def test_file_that_is_cut_short_is_refused(runtime, line, tmp_path):
    worker = runtime.exec(line)
    worker.pause()
    path = tmp_path / "work.json"
    worker.checkpoint(path)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(SerializationError, match="is no document"):
        runtime.resume(path)


def test_job_that_is_known_already_is_refused(runtime, line, tmp_path):
    worker = runtime.exec(line)
    worker.pause()
    runtime.post(line, "step", "input", {"n": 1})
    worker.checkpoint(tmp_path / "work.json")
    with pytest.raises(ValueError, match="known to this runtime"):
        runtime.resume(tmp_path / "work.json", worker_id="second")
    assert runtime.list_workers() == [worker]


@pytest.mark.parametrize(
    ("routine_id", "event_name"), [("stpe", "output"), ("step", "outptu")]
)
def test_deferred_event_that_the_flow_has_not_is_refused_and_leaves_nothing(
    runtime, line, tmp_path, routine_id, event_name
):
    worker = WorkerState("line")
    worker.add_deferred_event(routine_id, event_name, {"n": 1})
    runtime.exec(line, worker_state=worker)
    worker.pause()
    worker.checkpoint(tmp_path / "work.json")
    with Runtime(thread_pool_size=1) as other:
        with pytest.raises(SerializationError, match=r"deferred event .* not found in"):
            other.resume(tmp_path / "work.json")
        assert (other.list_workers(), other.list_jobs()) == ([], [])


class Typed(Step):
    """Takes numbers only."""

    def __init__(self):
        super().__init__()
        self.add_slot("numbers", dtype="f8")


def test_deferred_event_that_its_slot_refuses_leaves_no_worker(runtime, tmp_path):
    flow = Flow("typed")
    flow.add_routine(Typed(), "step")
    flow.connect("step", "output", "step", "numbers")
    worker = runtime.exec(flow)
    worker.pause()
    worker.add_deferred_event("step", "output", {"n": "no number"})
    worker.checkpoint(tmp_path / "work.json")
    with Runtime(thread_pool_size=1) as other:
        with pytest.raises((TypeError, ValueError), match="no number"):
            other.resume(tmp_path / "work.json")
        assert other.list_workers() == []


def test_checkpoint_with_two_jobs_of_one_id_is_damaged(runtime, line, tmp_path):
    worker = runtime.exec(line)
    worker.pause()
    path = tmp_path / "work.json"
    for n in range(2):
        runtime.post(line, "step", "input", {"n": n}, job_id=f"mine {n}")
    worker.checkpoint(path)
    path.write_text(path.read_text().replace('"mine 1"', '"mine 0"', 1))
    with Runtime(thread_pool_size=1) as other:
        with pytest.raises(SerializationError, match="damaged: two jobs 'mine 0'"):
            other.resume(path)
        assert other.list_workers() == []
        other.exec(line)
        assert other.post(line, "step", "input", {"n": 1}, job_id="mine 0").wait(WAIT)


def test_ids_of_a_checkpoint_are_free_again_when_one_of_them_is_taken_meanwhile(
    runtime, line, tmp_path
):
    """A hook that is told of the new worker posts a job of that id."""
    worker = runtime.exec(line)
    worker.pause()
    for n in range(3):
        runtime.post(line, "step", "input", {"n": n}, job_id=f"mine {n}")
    worker.checkpoint(tmp_path / "work.json")

    class Posts(ExecutionHooksInterface):
        def on_worker_start(self, flow, worker_state):
            other.post(another, "step", "input", {"n": 0}, job_id="mine 1")

    another = Flow("another")
    another.add_routine(Step(), "step")
    with Runtime(thread_pool_size=1) as other:
        other.exec(another)
        set_execution_hooks(Posts())
        with pytest.raises(ValueError, match="'mine 1' is known to this runtime"):
            other.resume(tmp_path / "work.json")
        reset_execution_hooks()
        assert other.wait_until_all_jobs_finished(WAIT)
        assert [one.flow_id for one in other.list_workers()] == ["another"]
        for n in (0, 2):
            again = other.post(another, "step", "input", {"n": n}, job_id=f"mine {n}")
            assert again.wait(WAIT)
