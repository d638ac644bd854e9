"""Chapter 3 for routines with a key: very many keys, pausing, full slots."""

import asyncio
import threading

import pytest

from routilux import Routine, all_slots_ready_policy

WAIT = 20.0
SHORT = 0.01


@pytest.mark.parametrize("count", [65, 300])
def test_hundreds_of_keys_at_work_at_once_keep_their_order(
    runtime, keyed, finish, calls, count
):
    begun, everybody = [], asyncio.Event()

    async def logic(slot_data, policy_message, worker_state):
        item = slot_data["input"][0]
        begun.append(item["key"])
        if len(begun) == count:
            everybody.set()
        await everybody.wait()
        calls.append((item["key"], item["n"]))

    flow = keyed(logic, count)
    runtime.exec(flow)
    items = [{"key": key, "n": n} for n in range(3) for key in range(count)]
    jobs = runtime.post_many(flow.flow_id, "work", "input", items)
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}
    assert sorted(begun[:count]) == list(range(count))
    for wanted in (0, 1, count - 1):
        assert [n for key, n in calls if key == wanted] == [0, 1, 2]
    assert len(calls) == 3 * count


@pytest.mark.parametrize("gone", ["a", "b", "c"])
def test_cancelling_in_a_paused_worker_takes_one_key_out_and_leaves_the_others(
    threaded, keyed, calls, gate, gone
):
    """Each key has one item more than what is at work when the worker pauses."""
    gates = {key: threading.Event() for key in "abc"}
    begun = threading.Semaphore(0)

    def logic(slot_data, policy_message, worker_state):
        item = slot_data["input"][0]
        if item["n"] == 0:
            begun.release()
            assert gates[item["key"]].wait(WAIT)
        calls.append((item["key"], item["n"]))

    flow = keyed(logic, 4)
    runtime = threaded(thread_pool_size=4)
    worker = runtime.exec(flow)

    def post(key, n):
        return runtime.post(flow.flow_id, "work", "input", {"key": key, "n": n}).job

    first = {key: post(key, 0) for key in "abc"}
    assert all(begun.acquire(timeout=WAIT) for _ in "abc")
    second = {key: post(key, 1) for key in "abc"}
    assert post("d", 1).wait(WAIT)  # the keys of what came before are known by now
    worker.pause(wait=False)
    for key in "abc":
        gates[key].set()
        assert first[key].wait(WAIT)
    assert worker.pause(timeout=WAIT)
    assert second[gone].cancel() is True
    left = [item["key"] for item in worker.get_slot("work", "input").peek_all_new()]
    assert left == [key for key in "abc" if key != gone]
    worker.resume()
    assert all(job.wait(WAIT) for job in second.values())
    assert post(gone, 2).wait(WAIT)
    seen = {key: [n for k, n in calls if k == key] for key in "abc"}
    assert seen == {key: [0, 2] if key == gone else [0, 1] for key in "abc"}
    assert second[gone].status == "cancelled"


@pytest.fixture
def held(runtime, make_routine, make_flow, record):
    """Run async logic whose items of one key wait for it, and then for a full slot."""
    asked = []
    join = Routine()
    join.add_slot("a", max_queue_length=1)
    join.add_slot("b")
    join.set_activation_policy(all_slots_ready_policy())
    join.set_logic(record)
    source = make_routine(events=["output"])

    def key(item):
        asked.append(item)
        return "one for all"

    async def forward(slot_data, policy_message, worker_state):
        while len(asked) < 4:  # until the others wait for this one
            await asyncio.sleep(0)
        source.emit("output", n=slot_data["input"][0])

    source.set_concurrency(2, key=key).set_logic(forward)
    flow = make_flow({"work": source, "join": join}, ("work", "output", "join", "a"))
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", n).job for n in range(4)]
    place = "3 items parked in slot 'input' of 'work': async logic of 'work' waits"
    while place not in runtime.explain():
        assert runtime.wait_until_all_jobs_finished(SHORT) is False
    return flow, jobs


def test_what_waits_for_its_key_behind_a_full_slot_goes_on_when_that_has_room(
    runtime, held, finish, calls
):
    flow, jobs = held
    for _ in jobs:
        runtime.post(flow.flow_id, "join", "b", None)
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}
    assert [data["a"][0]["n"] for data, _ in calls] == [0, 1, 2, 3]


def test_what_waits_for_its_key_behind_a_full_slot_is_given_up_at_a_shutdown(
    runtime, held
):
    _, jobs = held
    runtime.shutdown(timeout=WAIT)
    assert {job.status for job in jobs} == {"cancelled"}
    assert "slot 'a' of routine 'join'" in str(jobs[0].error)
    for job in jobs[1:]:
        assert "slot 'input' of routine 'work'" in str(job.error)
