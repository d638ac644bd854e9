"""Checkpoints of what is tried again, of sources of items, and beside living jobs."""

import json

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    immediate_policy,
)

WAIT = 20.0


class Flaky(Routine):
    """Fails until its state says that it need not; then keeps what comes."""

    def __init__(self, policy=None, delay=3600.0, length=1000, concurrency=1):
        super().__init__()
        self.add_slot("input", max_queue_length=length)
        self.set_activation_policy(policy or immediate_policy())
        self.set_error_handler(ErrorHandler("retry", retry_delay=delay))
        self.set_concurrency(concurrency)

    def logic(self, slot_data, policy_message, worker_state):
        state = worker_state.get_routine_state("flaky", {})
        if not state.get("fine"):
            raise OSError("not yet")
        got = [*state.get("got", []), *slot_data["input"]]
        worker_state.update_routine_state("flaky", {"fine": True, "got": got})


class Source(Routine):
    """Emits the numbers below its item."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output", ["n"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        for n in range(slot_data["input"][0]):
            self.emit("output", n=n)


class Pair(Routine):
    """Waits for its slot "right"; keeps times and sources."""

    def __init__(self):
        super().__init__()
        self.add_slot("left", timestamps=True)
        self.add_slot("right")
        self.set_activation_policy(all_slots_ready_policy())

    def logic(self, slot_data, policy_message, worker_state):
        """Do nothing."""


@pytest.fixture
def start():
    """Start a flow of one routine, or of the routines given, without threads."""
    made = []

    def run(**routines):
        flow = Flow("flow")
        for routine_id, routine in routines.items():
            flow.add_routine(routine, routine_id)
        made.append(Runtime(engine="inline", max_queue_size=10_000))
        return made[-1], flow, made[-1].exec(flow)

    yield run
    for runtime in made:
        runtime.shutdown(timeout=WAIT, cancel_pending=True)


def write(runtime, worker, path):
    """Write a paused worker whose routine need not fail any more."""
    assert worker.pause(timeout=WAIT)
    worker.update_routine_state("flaky", {"fine": True})
    worker.checkpoint(path)
    runtime.shutdown(timeout=WAIT)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_retries_that_are_due_while_a_worker_is_paused_go_along(
    start, tmp_path, concurrency
):
    routine = Flaky(delay=0.001, concurrency=concurrency)
    runtime, flow, worker = start(flaky=routine)
    jobs = [runtime.post(flow, "flaky", "input", n).job for n in range(5)]
    slot = worker.get_slot("flaky", "input")
    while len(slot) != 5 - concurrency:
        runtime.wait_until_all_jobs_finished(0.001)
    worker.pause(timeout=WAIT)
    while runtime.explain().count("its next try is due now") != concurrency:
        runtime.wait_until_all_jobs_finished(0.001)
    runtime.wait_until_all_jobs_finished(0.001)  # their timer has passed
    write(runtime, worker, tmp_path / "work.json")
    with Runtime(thread_pool_size=1) as other:
        back = other.resume(tmp_path / "work.json")
        revived = [other.get_job(job.job_id) for job in jobs]
        assert other.wait_until_all_jobs_finished(WAIT)
        assert {str(job.status) for job in revived} == {"completed"}
    assert sorted(back.get_routine_state("flaky")["got"]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("size", [100, 10_000])
def test_a_batch_that_is_tried_again_goes_along_however_large(start, tmp_path, size):
    runtime, flow, worker = start(flaky=Flaky(batch_size_policy(size), length=size))
    job = runtime.post_many(flow, "flaky", "input", range(size), jobs="one")
    while len(worker.get_slot("flaky", "input")):
        runtime.wait_until_all_jobs_finished(0.001)
    write(runtime, worker, tmp_path / "work.json")
    with Runtime(engine="inline") as other:
        back = other.resume(tmp_path / "work.json")
        revived = other.get_job(job.job_id)
        assert other.wait_until_all_jobs_finished(WAIT)
        assert str(revived.status) == "completed"
    assert back.get_routine_state("flaky")["got"] == list(range(size))


def test_items_come_back_with_the_routine_that_they_came_from(tmp_path):
    flow = Flow("flow")
    flow.add_routine(Source(), "source")
    flow.add_routine(Pair(), "pair")
    flow.connect("source", "output", "pair", "left")
    with Runtime(engine="inline") as runtime:
        worker = runtime.exec(flow)
        runtime.post(flow, "pair", "left", {"n": "posted"})
        runtime.post(flow, "source", "input", 2)
        while len(worker.get_slot("pair", "left")) != 3:
            runtime.wait_until_all_jobs_finished(0.001)
        write(runtime, worker, tmp_path / "work.json")
    with Runtime(engine="inline") as other:
        back = other.resume(tmp_path / "work.json", paused=True)
        points = back.get_slot("pair", "left").peek_points()
    assert [(p.data["n"], p.emitted_from) for p in points] == [
        ("posted", ""),
        (0, "source"),
        (1, "source"),
    ]


def test_a_checkpoint_is_not_put_back_beside_the_jobs_that_it_has(start, tmp_path):
    runtime, flow, worker = start(flaky=Flaky())
    jobs = [runtime.post(flow, "flaky", "input", n).job for n in range(3)]
    worker.pause(timeout=WAIT)
    worker.checkpoint(tmp_path / "work.json")
    with pytest.raises(ValueError, match=f"{jobs[0].job_id}.*known to this runtime"):
        runtime.resume(tmp_path / "work.json", worker_id="other")
    assert [one.worker_id for one in runtime.list_workers()] == [worker.worker_id]
    assert [job.status for job in jobs] == ["pending"] * 3
    assert len(json.loads((tmp_path / "work.json").read_text())["items"]) == 3
    assert worker.get_slot("flaky", "input").peek_all_new() == [0, 1, 2]
