"""Chapter 3: policies in Python that name a time, and that take part in a flush."""

import threading

import pytest

from routilux import Runtime, batch_size_policy
from routilux.activation_policies import ask_again

WAIT = 20.0


class Patient:
    """Take all once the first item has waited; answer a flush as `answers` says."""

    def __init__(self, seconds, **answers):
        self.seconds = seconds
        self.answers = answers
        self.since = {}
        self.asked = []

    def __call__(self, slots, worker_state):
        self.asked.append("plain")
        now = worker_state.monotonic()
        left = self.since.setdefault(worker_state.worker_id, now) + self.seconds - now
        if left > 0:
            return False, {}, ask_again(left)
        return self.take(slots, worker_state, "patience")

    def flush(self, slots, worker_state, reason):
        self.asked.append(reason)
        answer = self.answers.get(reason, "plain")
        if answer == "no":
            return False, {}, None
        if answer == "plain":
            return self(slots, worker_state)
        return self.take(slots, worker_state, reason)

    def take(self, slots, worker_state, reason):
        self.since.pop(worker_state.worker_id, None)
        data = {name: slot.consume_all_new() for name, slot in slots.items()}
        return True, data, {"reason": reason}


def post(runtime, flow, count, start=0):
    return [
        runtime.post(flow.flow_id, "work", "input", start + n)[1] for n in range(count)
    ]


def reasons(calls):
    return [message["reason"] for _, message in calls]


def test_policy_is_asked_again_after_the_time_it_named(
    runtime, solo, record, calls, finish, now
):
    flow = solo(record, policy=Patient(0.05))
    runtime.exec(flow)
    begun = now(runtime)
    jobs = post(runtime, flow, 3)
    finish(runtime)
    assert now(runtime) - begun >= 0.05
    assert [(data["input"], m["reason"]) for data, m in calls] == [
        ([0, 1, 2], "patience")
    ]
    assert {job.status for job in jobs} == {"completed"}


def test_the_named_time_needs_nobody_who_waits(threaded, solo):
    ran = threading.Event()
    runtime = threaded()
    flow = solo(lambda *_: ran.set(), policy=Patient(0.05))
    runtime.exec(flow)
    post(runtime, flow, 1)
    assert ran.wait(WAIT)


def test_each_worker_has_timers_of_its_own(runtime, solo, record, calls, finish):
    flow = solo(record, policy=Patient(0.05))
    for name in ("a", "b"):
        runtime.exec(flow, worker_id=name)
    for n in range(4):
        worker = "ab"[n % 2]
        runtime.post(flow.flow_id, "work", "input", n, worker_id=worker)
    finish(runtime)
    assert sorted(data["input"] for data, _ in calls) == [[0, 2], [1, 3]]


def test_a_shorter_time_named_later_counts(threaded, solo, record, calls, finish):
    asked = threading.Event()

    def policy(slots, worker_state):
        newest = slots["input"].peek_latest()
        if newest == "long":
            asked.set()
            return False, {}, ask_again(3600.0)
        if newest == "short" and slots["input"].get_total_count() == 2:
            slots["input"].consume_all_new()
            return True, {"input": ["both"]}, {"reason": "in time"}
        return False, {}, None

    runtime = threaded()
    flow = solo(record, policy=policy)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", "long")
    assert asked.wait(WAIT)
    runtime.post(flow.flow_id, "work", "input", "short")
    finish(runtime)
    assert reasons(calls) == ["in time"]


def test_an_earlier_timer_is_set_beside_a_later_one(threaded, solo):
    asked, ran = threading.Event(), threading.Event()
    seconds = iter([3600.0, 0.02])

    def policy(slots, worker_state):
        left = next(seconds, None)
        if left is None:
            return True, {"input": slots["input"].consume_all_new()}, None
        asked.set()
        return False, {}, ask_again(left)

    runtime = threaded()
    flow = solo(lambda *_: ran.set(), policy=policy)
    runtime.exec(flow)
    post(runtime, flow, 1)
    assert asked.wait(WAIT)
    post(runtime, flow, 1)
    assert ran.wait(WAIT)


@pytest.mark.parametrize("kind", ["runtime", "flow", "routine"])
def test_flush_asks_the_policy(threaded, solo, kind):
    got = []
    ran = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        got.append((slot_data["input"], policy_message["reason"]))
        ran.set()

    runtime = threaded()
    flow = solo(logic, policy=Patient(3600.0, flush="take"))
    worker = runtime.exec(flow)
    post(runtime, flow, 2)
    if kind == "runtime":
        runtime.flush()
    elif kind == "flow":
        runtime.flush(flow.flow_id)
    else:
        worker.flush("work")
    assert ran.wait(WAIT)
    assert got == [([0, 1], "flush")]


def test_flush_of_a_routine_leaves_the_others_alone(
    threaded, make_routine, make_flow, record, calls
):
    done = threading.Event()
    flow = make_flow(
        {
            "work": make_routine(lambda *_: done.set(), policy=batch_size_policy(9)),
            "other": make_routine(record, policy=batch_size_policy(9)),
        }
    )
    runtime = threaded()
    worker = runtime.exec(flow)
    post(runtime, flow, 1)
    job = runtime.post(flow.flow_id, "other", "input", 1)
    worker.flush("work")
    assert done.wait(WAIT)
    assert (job.status, calls) == ("pending", [])


def test_flush_of_an_unknown_routine_lists_the_routines(runtime, solo, record):
    worker = runtime.exec(solo(record))
    with pytest.raises(ValueError, match=r"'wrok' not found.*work"):
        worker.flush("wrok")


def test_wait_asks_the_policy_when_nothing_else_moves(
    runtime, solo, record, calls, finish
):
    flow = solo(record, policy=Patient(3600.0, wait="take"))
    runtime.exec(flow)
    post(runtime, flow, 2)
    finish(runtime)
    assert reasons(calls) == ["wait"]


def test_shutdown_asks_the_policy(runtime, solo, record, calls):
    flow = solo(record, policy=Patient(3600.0, shutdown="take"))
    runtime.exec(flow)
    jobs = post(runtime, flow, 2)
    runtime.shutdown()
    assert reasons(calls) == ["shutdown"]
    assert {job.status for job in jobs} == {"completed"}


def test_shutdown_asks_again_what_said_no_to_a_wait(runtime, solo, record, calls):
    policy = Patient(3600.0, wait="no", shutdown="take")
    flow = solo(record, policy=policy)
    runtime.exec(flow)
    post(runtime, flow, 1)
    assert runtime.wait_until_all_jobs_finished(timeout=0.05) is False
    runtime.shutdown()
    assert reasons(calls) == ["shutdown"]
    assert policy.asked.count("wait") == 1


def test_what_says_no_to_a_shutdown_without_naming_a_time_is_cancelled(
    runtime, solo, record, calls
):
    def never(slots, worker_state, reason="plain"):
        return False, {}, None

    never.flush = never
    flow = solo(record, policy=never)
    runtime.exec(flow)
    (job,) = post(runtime, flow, 1)
    runtime.shutdown()
    assert (calls, job.status) == ([], "cancelled")
    assert "input" in str(job.error)


def test_a_partial_batch_tells_its_cause(runtime, solo, record, calls, finish):
    flow = solo(record, policy=batch_size_policy(2))
    worker = runtime.exec(flow)
    post(runtime, flow, 3)
    finish(runtime)
    post(runtime, flow, 1)
    worker.flush("work")
    finish(runtime)
    post(runtime, flow, 1)
    runtime.shutdown()
    assert [m.get("cause") for _, m in calls][:2] == [None, "wait"]
    assert calls[-1][1]["cause"] == "shutdown"
    assert calls[2][1]["cause"] in ("flush", "wait")


def test_max_wait_is_a_cause(threaded, solo):
    got = []
    ran = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        got.append(policy_message)
        ran.set()

    flow = solo(logic, policy=batch_size_policy(5, max_wait=0.02))
    runtime = threaded()
    runtime.exec(flow)
    post(runtime, flow, 1)
    assert ran.wait(WAIT)
    assert got == [{"reason": "batch_flush", "batch_size": 5, "cause": "max_wait"}]


@pytest.mark.parametrize("seconds", [0, -1, "1", None, float("nan")])
def test_ask_again_wants_a_positive_number(seconds):
    with pytest.raises((TypeError, ValueError), match="seconds"):
        ask_again(seconds)


def test_ask_again_prints_as_it_is_written():
    assert repr(ask_again(0.5)) == "ask_again(0.5)"


def test_a_poster_at_a_full_slot_has_the_policy_flush(solo, record, calls):
    """A wait elsewhere flushes what blocks the only poster."""
    policy = Patient(3600.0, wait="take", shutdown="take")
    flow = solo(record, policy=policy, max_queue_length=2)
    with Runtime(thread_pool_size=1, max_queue_size=1000) as runtime:
        runtime.exec(flow)
        poster = threading.Thread(target=post, args=(runtime, flow, 5))
        poster.start()
        while poster.is_alive():
            runtime.wait_until_all_jobs_finished(timeout=0.05)
            poster.join(0.001)
    assert sum(len(data["input"]) for data, _ in calls) == 5
