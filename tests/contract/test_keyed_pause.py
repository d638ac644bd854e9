"""A routine with a key that is paused, written down and taken up again."""

import json
import threading

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    SerializationError,
    immediate_policy,
)

WAIT = 20.0


def parity(item):
    """Tell even numbers from odd ones."""
    return item["n"] % 2


class Keyed(Routine):
    """Fails for 0 until its state says otherwise; notes the rest."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())
        self.set_concurrency(2, key=parity)
        self.set_error_handler(ErrorHandler("retry", retry_delay=3600))
        self.tried = threading.Event()

    def logic(self, slot_data, policy_message, worker_state):
        n = slot_data["input"][0]["n"]
        fine = (worker_state.get_routine_state("fine") or {}).get("fine")
        if n == 0 and not fine:
            self.tried.set()
            raise OSError("not yet")
        worker_state.update_routine_state_with(
            "seen", lambda state: {"numbers": [*state.get("numbers", []), n]}
        )


class Choosing(Routine):
    """Has a key that its constructor makes."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())
        self.set_concurrency(2, key=lambda item: item)

    def own(self, item):
        return item

    def logic(self, slot_data, policy_message, worker_state):
        """Do nothing."""


def flow_of(routine):
    flow = Flow("keyed")
    flow.add_routine(routine, "work")
    return flow


def test_what_waits_for_its_key_goes_on_in_another_runtime(threaded, tmp_path):
    routine = Keyed()
    flow = flow_of(routine)
    runtime = threaded(thread_pool_size=2)
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow, "work", "input", {"n": 0}).job]
    assert routine.tried.wait(WAIT)  # key 0 is at work until its retry, in an hour
    jobs += [runtime.post(flow, "work", "input", {"n": n}).job for n in range(1, 10)]
    assert all(job.wait(WAIT) for job in jobs[1::2])
    assert worker.pause(timeout=WAIT)
    assert len(worker.get_slot("work", "input")) == 4
    worker.update_routine_state("fine", {"fine": True})
    worker.checkpoint(tmp_path / "work.json")
    runtime.shutdown(timeout=WAIT)
    with Runtime(thread_pool_size=2) as other:
        back = other.resume(tmp_path / "work.json")
        assert other.wait_until_all_jobs_finished(WAIT)
        numbers = back.get_routine_state("seen")["numbers"]
        ends = [str(other.get_job(job.job_id).status) for job in jobs[::2]]
    assert [n for n in numbers if n % 2] == [1, 3, 5, 7, 9]
    assert [n for n in numbers if not n % 2] == [0, 2, 4, 6, 8]
    assert ends == ["completed"] * 5


def test_item_whose_key_is_asked_for_when_its_worker_pauses_waits(
    threaded, keyed, numbers, calls, gate
):
    asked = threading.Event()

    def key(item):
        asked.set()
        assert gate.wait(WAIT)
        return item["n"] % 2

    flow = keyed(numbers, 2, key=key)
    runtime = threaded(thread_pool_size=2)
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow, "work", "input", {"n": n}).job for n in range(6)]
    assert asked.wait(WAIT)
    worker.pause(wait=False)
    gate.set()
    assert worker.pause(timeout=WAIT)
    assert (calls, len(worker.get_slot("work", "input"))) == ([], 6)
    worker.resume()
    assert all(job.wait(WAIT) for job in jobs)
    assert [n for n in calls if n % 2] == [1, 3, 5]
    assert [n for n in calls if not n % 2] == [0, 2, 4]


def test_times_of_items_are_kept_while_they_wait_for_their_key(
    threaded, make_routine, make_flow, stage, gate
):
    entered, asked = threading.Event(), threading.Semaphore(0)

    def key(item):
        asked.release()
        return "all"

    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    work = make_routine(block, timestamps=True).set_concurrency(2, key=key)
    source = stage(lambda emit, item: [emit("output", n=n) for n in range(4)])
    flow = make_flow(
        {"source": source, "work": work}, ("source", "output", "work", "input")
    )
    runtime = threaded(thread_pool_size=3)
    worker = runtime.exec(flow)
    job = runtime.post(flow, "source", "input", None).job
    assert entered.wait(WAIT)
    for _ in range(4):
        assert asked.acquire(timeout=WAIT)
    points = worker.get_slot("work", "input").peek_points()
    assert [point.data["n"] for point in points] == [1, 2, 3]
    assert [point.emitted_from for point in points] == ["source"] * 3
    times = [point.enqueued_at for point in points]
    assert times == sorted(times)
    gate.set()
    assert job.wait(WAIT)


@pytest.mark.parametrize("key", ["user", parity, Choosing.own, None, "made"])
def test_key_goes_into_a_document_and_back(key):
    routine = Choosing()
    if key is Choosing.own:
        routine.set_concurrency(3, key=routine.own)
    elif key != "made":
        routine.set_concurrency(3, key=key)
    document = json.loads(json.dumps(flow_of(routine).serialize()))
    back = Flow.deserialize(document).routines["work"]
    assert back._concurrency == routine._concurrency
    if key is Choosing.own:
        assert back._concurrency_key == back.own
    elif key == "made":
        assert back._concurrency_key("x") == "x"
    else:
        assert back._concurrency_key == key


def test_key_without_a_name_is_a_serialization_error():
    routine = Keyed().set_concurrency(2, key=lambda item: item)
    with pytest.raises(SerializationError, match="key of"):
        flow_of(routine).serialize()
