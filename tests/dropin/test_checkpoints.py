"""Checkpoints: a paused worker goes to a file and goes on, in another process too."""

import json
import sys
import threading

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    get_current_job,
    get_current_jobs,
    immediate_policy,
)
from routilux.serialization import take_checkpoint

WAIT = 20.0


class Step(Routine):
    """Adds one and passes on; remembers what it saw in its state."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output", ["n"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        name = worker_state.current_routine_id
        seen = (worker_state.get_routine_state(name) or {"seen": []})["seen"]
        item = slot_data["input"][0]
        worker_state.update_routine_state(name, {"seen": [*seen, item["n"]]})
        get_current_job().set_data(name, item["n"])
        self.emit("output", n=item["n"] + 1)


class Batch(Routine):
    """Sums what it gets, so many at a time."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output", ["n"])
        self.set_activation_policy(batch_size_policy(3))

    def logic(self, slot_data, policy_message, worker_state):
        self.emit("output", n=sum(item["n"] for item in slot_data["input"]))


class PausingBatch(Batch):
    """Pauses its worker before it emits, if its state says so."""

    def logic(self, slot_data, policy_message, worker_state):
        name = worker_state.current_routine_id
        if (worker_state.get_routine_state(name) or {}).get("pause"):
            worker_state.pause("in the middle", wait=False)
        super().logic(slot_data, policy_message, worker_state)


class CountedBatch(Batch):
    """Says when it has emitted."""

    emitted = threading.Semaphore(0)

    def logic(self, slot_data, policy_message, worker_state):
        super().logic(slot_data, policy_message, worker_state)
        self.emitted.release()


class Sink(Routine):
    """Keeps what comes, with the jobs that it came for."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        entry = [slot_data["input"][0]["n"], [job.job_id for job in get_current_jobs()]]
        worker_state.update_routine_state_with(
            "sink", lambda state: {"kept": [*state.get("kept", []), entry]}
        )


class Flaky(Routine):
    """Fails until its state says that it need not."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())
        self.set_error_handler(ErrorHandler("retry", retry_delay=3600))

    def logic(self, slot_data, policy_message, worker_state):
        if not (worker_state.get_routine_state("flaky") or {}).get("fine"):
            raise OSError("not yet")
        get_current_job().set_result(slot_data["input"][0])


@pytest.fixture
def line():
    """Build the flow: step -> batch -> sink."""
    flow = Flow("line")
    flow.add_routine(Step(), "step")
    flow.add_routine(Batch(), "batch")
    flow.add_routine(Sink(), "sink")
    flow.connect("step", "output", "batch", "input")
    flow.connect("batch", "output", "sink", "input")
    return flow


def move(runtime, worker, path):
    """Pause a worker, write it, stop its runtime, and go on in another."""
    assert worker.pause(timeout=WAIT)
    worker.checkpoint(path)
    runtime.shutdown(timeout=WAIT)
    other = Runtime(thread_pool_size=2)
    return other, other.resume(path)


def test_queued_items_and_jobs_go_on(runtime, line, tmp_path):
    worker = runtime.exec(line, "w1")
    worker.pause()
    jobs = [
        runtime.post(line, "step", "input", {"n": n}, metadata={"n": n}).job
        for n in range(7)
    ]
    other, back = move(runtime, worker, tmp_path / "work.json")
    with other:
        assert (back.worker_id, back.flow_id) == ("w1", "line")
        revived = [other.get_job(job.job_id) for job in jobs]
        assert other.wait_until_all_jobs_finished(WAIT)
        assert {str(job.status) for job in revived} == {"completed"}
        assert [job.metadata["n"] for job in revived] == list(range(7))
        assert [job.data["step"] for job in revived] == list(range(7))
        assert back.get_routine_state("step") == {"seen": list(range(7))}
        kept = back.get_routine_state("sink")["kept"]
    assert [n for n, _ in kept] == [6, 15, 7]
    assert [ids for _, ids in kept] == [
        [job.job_id for job in jobs[start : start + 3]] for start in (0, 3, 6)
    ]
    assert {str(job.status) for job in jobs} == {"cancelled"}


def test_states_history_and_counts_go_along(runtime, line, tmp_path):
    worker = runtime.exec(line)
    for n in range(4):
        runtime.post(line, "step", "input", {"n": n})
    runtime.wait_until_all_jobs_finished(WAIT)
    worker.record_execution("step", "noted", {"n": 1})
    other, back = move(runtime, worker, tmp_path / "work.json")
    with other:
        assert back.routine_states == worker.routine_states
        assert "noted" in [r.event_name for r in back.execution_history]
        assert back.jobs_processed == 4
        assert back.pause_points[0]["reason"] == ""
        assert other.list_jobs() == []


def test_items_of_several_jobs_stay_theirs(runtime, tmp_path):
    flow = Flow("batches")
    flow.add_routine(Batch(), "first")
    flow.add_routine(PausingBatch(), "second")
    flow.add_routine(Sink(), "sink")
    flow.connect("first", "output", "second", "input")
    flow.connect("second", "output", "sink", "input")
    worker = runtime.exec(flow)
    worker.update_routine_state("second", {"pause": True})
    jobs = [runtime.post(flow, "first", "input", {"n": n}).job for n in range(9)]
    other, back = move(runtime, paused(worker), tmp_path / "work.json")
    document = json.loads((tmp_path / "work.json").read_text())
    assert [item["owner"] for item in document["items"]] == ["group 3"]
    assert len(document["groups"]) == 4
    with other:
        revived = [other.get_job(job.job_id) for job in jobs]
        assert other.wait_until_all_jobs_finished(WAIT)
        assert {str(job.status) for job in revived} == {"completed"}
        assert back.get_routine_state("sink")["kept"] == [
            [36, [job.job_id for job in jobs]]
        ]


@pytest.mark.parametrize("gone", [0, 2])
def test_job_of_a_batch_that_ended_early_is_left_out(runtime, tmp_path, gone):
    flow = Flow("batches")
    flow.add_routine(PausingBatch(), "batch")
    flow.add_routine(Sink(), "sink")
    flow.connect("batch", "output", "sink", "input")
    worker = runtime.exec(flow)
    worker.update_routine_state("batch", {"pause": True})
    jobs = [runtime.post(flow, "batch", "input", {"n": n}).job for n in range(3)]
    paused(worker)
    jobs.pop(gone).cancel()
    other, back = move(runtime, worker, tmp_path / "work.json")
    with other:
        assert other.wait_until_all_jobs_finished(WAIT)
        assert back.get_routine_state("sink")["kept"] == [
            [3, [job.job_id for job in jobs]]
        ]


@pytest.fixture
def restless():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_jobs_of_batches_may_be_cancelled_while_a_checkpoint_is_taken(
    runtime, restless
):
    flow = Flow("batches")
    flow.add_routine(CountedBatch(), "batch")
    flow.add_routine(Batch().set_activation_policy(batch_size_policy(1000)), "rest")
    flow.connect("batch", "output", "rest", "input")
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow, "batch", "input", {"n": n}).job for n in range(900)]
    for _ in range(300):
        assert CountedBatch.emitted.acquire(timeout=WAIT)
    assert worker.pause(timeout=WAIT)
    canceller = threading.Thread(target=lambda: [job.cancel() for job in jobs])
    canceller.start()
    items = 300
    while items:
        document = take_checkpoint(worker)
        assert len(document["items"]) <= items
        items = len(document["items"])
        names = {f"job {n}" for n in range(len(document["jobs"]))}
        for n, group in enumerate(document["groups"]):
            assert group["members"]
            assert {*group["members"], group["newest"]} <= names
            names.add(f"group {n}")
        assert {item["owner"] for item in document["items"]} <= names
    canceller.join()
    assert take_checkpoint(worker)["jobs"] == []


def paused(worker):
    """Wait until logic of the worker has paused it."""
    while worker.status != "paused":
        worker._runtime().wait_until_all_jobs_finished(0.005)
    assert worker.pause(timeout=WAIT)
    return worker


@pytest.mark.parametrize("count", [1, 2])
def test_parked_items_wait_for_the_rest(runtime, tmp_path, count):
    flow = Flow("pairs")
    routine = Sink()
    routine.add_slot("other")
    routine.set_activation_policy(all_slots_ready_policy())
    flow.add_routine(routine, "sink")
    worker = runtime.exec(flow)
    for n in range(count):
        runtime.post(flow, "sink", "input", {"n": n})
    other, back = move(runtime, worker, tmp_path / "work.json")
    with other:
        assert other.wait_until_all_jobs_finished(0.02) is False
        for _ in range(count):
            other.post("pairs", "sink", "other", None)
        assert other.wait_until_all_jobs_finished(WAIT)
        kept = back.get_routine_state("sink")["kept"]
        assert [n for n, _ in kept] == list(range(count))


def test_retry_that_waits_is_queued_again_in_front(runtime, tmp_path):
    flow = Flow("retries")
    flow.add_routine(Flaky(), "flaky")
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow, "flaky", "input", n).job for n in range(3)]
    while worker.get_slot("flaky", "input").get_unconsumed_count() != 2:
        runtime.wait_until_all_jobs_finished(0.005)
    assert worker.pause(timeout=WAIT)
    worker.update_routine_state("flaky", {"fine": True})
    other, _ = move(runtime, worker, tmp_path / "work.json")
    with other:
        assert other.wait_until_all_jobs_finished(WAIT)
        assert [other.get_job(job.job_id).result() for job in jobs] == [0, 1, 2]


def test_times_of_jobs_and_traces_go_along(runtime, line, tmp_path):
    worker = runtime.exec(line)
    worker.pause()
    job = runtime.post(line, "step", "input", {"n": 1}, job_id="mine").job
    job.trace("me", "noted", {"at": (1, 2)})
    job.set_data("keep", {1: "one"})
    other, _ = move(runtime, worker, tmp_path / "work.json")
    with other:
        back = other.get_job("mine")
        assert (back.created_at, back.trace_log) == (job.created_at, job.trace_log)
        assert back.get_data("keep") == {1: "one"}
        assert other.wait_until_all_jobs_finished(WAIT)


def test_slots_of_routines_that_never_run_keep_their_items(runtime, tmp_path):
    flow = Flow("idle")
    routine = Routine()
    routine.add_slot("input", max_queue_length=2)
    flow.add_routine(routine, "idle")
    worker = runtime.exec(flow)
    for n in range(5):
        runtime.post(flow, "idle", "input", n)
    other, back = move(runtime, worker, tmp_path / "work.json")
    with other:
        assert back.get_slot("idle", "input").peek_all_new() == [3, 4]


def test_more_items_than_the_slot_holds_come_back(runtime, tmp_path):
    flow = Flow("full")
    flow.add_routine(Step(), "step")
    routine = Sink()
    routine._slots.clear()
    routine.add_slot("input", max_queue_length=1)
    flow.add_routine(routine, "sink")
    flow.connect("step", "output", "sink", "input")
    worker = runtime.exec(flow)
    worker.pause()
    for n in range(20):
        runtime.post(flow, "step", "input", {"n": n})
    other, back = move(runtime, worker, tmp_path / "work.json")
    with other:
        assert other.wait_until_all_jobs_finished(WAIT)
        assert len(back.get_routine_state("sink")["kept"]) == 20


def test_resumed_worker_may_stay_paused(runtime, line, tmp_path):
    worker = runtime.exec(line)
    worker.pause()
    runtime.post(line, "step", "input", {"n": 1})
    worker.checkpoint(tmp_path / "work.json")
    with Runtime(thread_pool_size=1) as other:
        back = other.resume(tmp_path / "work.json", worker_id="other", paused=True)
        assert (back.status, back.worker_id) == ("paused", "other")
        assert back.get_slot("step", "input").peek_all_new() == [{"n": 1}]
        back.checkpoint(tmp_path / "again.json")
        back.resume()
        assert other.wait_until_all_jobs_finished(WAIT)
    first, second = (
        json.loads((tmp_path / name).read_text())
        for name in ("work.json", "again.json")
    )
    assert second["items"] == first["items"]
    assert second["jobs"] == first["jobs"]


class Keyed(Routine):
    """Keeps what comes by key; pauses its worker after three."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())
        self.set_concurrency(2, key="key")

    def logic(self, slot_data, policy_message, worker_state):
        item = slot_data["input"][0]
        state = worker_state.update_routine_state_with(
            "keyed", lambda state: {**state, "n": state.get("n", 0) + 1}
        )
        worker_state.update_routine_state_with(
            item["key"], lambda state: {"seen": [*state.get("seen", []), item["n"]]}
        )
        if state["n"] == 3:
            worker_state.pause("enough", wait=False)


def test_items_that_wait_for_their_key_go_along(runtime, tmp_path):
    flow = Flow("keyed")
    flow.add_routine(Keyed(), "keyed")
    worker = runtime.exec(flow)
    for n in range(10):
        for key in "ab":
            runtime.post(flow, "keyed", "input", {"key": key, "n": n})
    other, back = move(runtime, paused(worker), tmp_path / "work.json")
    with other:
        assert other.wait_until_all_jobs_finished(WAIT)
        assert [back.get_routine_state(key)["seen"] for key in "ab"] == [
            *(list(range(10)), list(range(10))),
        ]
