"""Chapters 3, 4, 5 and 7 for routines with a key: bounds, cancelling, the end."""

import threading

import pytest

from routilux import (
    QueueFullError,
    Routine,
    SlotQueueFullError,
    all_slots_ready_policy,
)

WAIT = 20.0
SHORT = 0.05  # long enough to see that something does not end


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


@pytest.fixture
def blocked(threaded, keyed, gate, spawn):
    """Start a flow whose key "a" blocks with its first item until the gate opens.

    Of the pool's two threads one blocks; `settle` waits until the other one has looked
    at all that arrived.
    """

    class Blocked:
        def __init__(self, logic, **options):
            self.entered = threading.Event()
            self.runtime = threaded(thread_pool_size=2)
            self.flow = keyed(self.logic, 2, **options)
            self.inner = logic
            self.worker = self.runtime.exec(self.flow)
            self.first = self.post({"key": "a", "n": 0})
            assert self.entered.wait(WAIT)

        def logic(self, slot_data, policy_message, worker_state):
            if not self.entered.is_set():
                self.entered.set()
                gate.wait(WAIT)
            self.inner(slot_data, policy_message, worker_state)

        def post(self, item, **options):
            flow_id = self.flow.flow_id
            return self.runtime.post(flow_id, "work", "input", item, **options)[1]

        def settle(self):
            assert self.post({"key": "other", "n": -1}).wait(WAIT)

        @property
        def slot(self):
            return self.worker.get_slot("work", "input")

    return Blocked


# --- bounds


def test_what_waits_for_its_key_counts_for_the_bound_of_the_slot(
    blocked, numbers, gate, calls
):
    work = blocked(numbers, max_queue_length=4)
    jobs = []
    for n in range(1, 4):
        jobs.append(work.post({"key": "a", "n": n}))
        work.settle()
    jobs.append(work.post({"key": "a", "n": 4}))
    with pytest.raises(SlotQueueFullError, match="max_queue_length=4"):
        work.post({"key": "b", "n": 5}, block=False)
    with pytest.raises(QueueFullError):
        work.post({"key": "b", "n": 5}, timeout=SHORT)
    assert work.slot.get_unconsumed_count() == len(work.slot) == 4
    status = work.slot.get_queue_status()
    assert (status["is_full"], status["max_length"]) == (True, 4)
    gate.set()
    assert all(job.wait(WAIT) for job in jobs)
    assert [n for n in calls if n >= 0] == [0, 1, 2, 3, 4]
    assert len(work.slot) == 0


def test_post_goes_on_when_a_key_makes_room(blocked, numbers, gate, spawn, calls):
    work = blocked(numbers, max_queue_length=2)
    work.settle()
    jobs = [work.post({"key": "a", "n": n}) for n in (1, 2)]
    waiting = [spawn(work.post, {"key": "a", "n": n}) for n in (3, 4)]
    gate.set()
    jobs += [future.result(WAIT) for future in waiting]
    assert all(job.wait(WAIT) for job in jobs)
    assert sorted(n for n in calls if n >= 0) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("n", [1, 3])
def test_block_loses_nothing_and_keeps_the_order_of_keys(
    runtime, stage, keyed, make_flow, calls, finish, length, n
):
    def burst(emit, item):
        for number in range(300):
            emit("output", key=number % 5, n=number)

    def note(slot_data, policy_message, worker_state):
        calls.append(slot_data["input"][0])

    target = keyed(note, n, max_queue_length=length).routines["work"]
    flow = make_flow(
        {"source": stage(burst), "target": target},
        ("source", "output", "target", "input"),
    )
    job = poster(runtime, flow, "source")()
    finish(runtime)
    assert str(job.error) == "None"
    for key in range(5):
        seen = [item["n"] for item in calls if item["key"] == key]
        assert seen == list(range(key, 300, 5))


@pytest.mark.parametrize(
    ("overflow", "kept"), [("drop_oldest", [3, 4]), ("drop_newest", [1, 2])]
)
def test_drop_rules_know_what_waits_for_its_key(
    blocked, numbers, gate, calls, dropped, overflow, kept
):
    asked = threading.Semaphore(0)

    def key(item):
        asked.release()
        return item["key"]

    work = blocked(numbers, key=key, max_queue_length=2, overflow=overflow)
    assert asked.acquire(timeout=WAIT)
    jobs = []
    for n in range(1, 5):
        jobs.append(work.post({"key": "a", "n": n}))
        if n in kept or overflow == "drop_oldest":
            assert asked.acquire(timeout=WAIT)
    assert dropped(work.worker, "work", "input") == 2
    gate.set()
    assert all(job.wait(WAIT) for job in jobs)
    assert calls == [0, *kept]
    lost = [job for n, job in enumerate(jobs, 1) if n not in kept]
    assert {job.status for job in lost} == {"cancelled"}
    assert all("'input'" in str(job.error) for job in lost)


def test_item_that_is_dropped_while_its_key_is_asked_for_never_runs(
    threaded, keyed, numbers, calls, gate
):
    asked = threading.Event()

    def key(item):
        asked.set()
        assert gate.wait(WAIT)
        return 1

    flow = keyed(numbers, 2, key=key, max_queue_length=1, overflow="drop_oldest")
    post = poster(threaded(thread_pool_size=2), flow)
    jobs = [post({"n": 0})]
    assert asked.wait(WAIT)
    jobs += [post({"n": 1}), post({"n": 2})]
    gate.set()
    assert all(job.wait(WAIT) for job in jobs)
    assert [job.status for job in jobs] == ["cancelled", "cancelled", "completed"]
    assert calls == [2]


def test_overflow_error_knows_what_waits_for_its_key(blocked, numbers):
    work = blocked(numbers, max_queue_length=2, overflow="error")
    work.post({"key": "a", "n": 1})
    work.settle()
    work.post({"key": "a", "n": 2})
    with pytest.raises(SlotQueueFullError):
        work.post({"key": "a", "n": 3})


def test_view_shows_all_that_waits_oldest_first(blocked, numbers, gate, calls):
    work = blocked(numbers)
    jobs = []
    for n in range(1, 6):
        jobs.append(work.post({"key": "a", "n": n}))
        if n < 4:
            work.settle()
    assert [item["n"] for item in work.slot.peek_all_new()] == [1, 2, 3, 4, 5]
    assert work.slot.peek_one_new()["n"] == 1
    assert work.slot.peek_latest()["n"] == 5
    assert work.slot.consume_one_new()["n"] == 1
    assert jobs[0].wait(WAIT)
    gate.set()
    assert all(job.wait(WAIT) for job in jobs)
    assert [n for n in calls if n >= 0] == [0, 2, 3, 4, 5]


def test_metrics_count_what_waits_for_its_key(threaded, keyed, gate):
    entered = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        entered.set()
        gate.wait(WAIT)

    runtime = threaded(thread_pool_size=2, enable_monitoring=True)
    post = poster(runtime, keyed(logic, 2))
    first = post({"key": "a"})
    assert entered.wait(WAIT)
    jobs = [post({"key": "a"}) for _ in range(10)]
    row = runtime.metrics().routine("work")
    assert (row.queue_depth, row.queue_peak) == (10, 10)
    gate.set()
    assert all(job.wait(WAIT) for job in [first, *jobs])
    row = runtime.metrics().routine("work")
    assert (row.queue_depth, row.queue_peak, row.items_in) == (0, 10, 11)


# --- cancelling and the end


def test_cancelled_job_loses_what_waits_for_its_key(blocked, numbers, gate, calls):
    work = blocked(numbers)
    jobs = []
    for n in range(1, 6):
        jobs.append(work.post({"key": "a", "n": n}))
        work.settle()
    for n in (1, 3, 5):
        assert jobs[n - 1].cancel() is True
        assert jobs[n - 1].wait(WAIT)
    assert len(work.slot) == 2
    gate.set()
    assert all(job.wait(WAIT) for job in jobs)
    assert [n for n in calls if n >= 0] == [0, 2, 4]
    ends = ["cancelled", "completed"] * 2 + ["cancelled"]
    assert [job.status for job in jobs] == ends


def test_job_that_is_cancelled_while_its_key_is_asked_for_never_runs(
    threaded, keyed, numbers, calls, gate
):
    asked = threading.Event()

    def key(item):
        if item["n"] == 0:
            asked.set()
            assert gate.wait(WAIT)
        return 1

    post = poster(threaded(thread_pool_size=2), keyed(numbers, 2, key=key))
    first = post({"n": 0})
    assert asked.wait(WAIT)
    rest = [post({"n": n}) for n in (1, 2)]
    assert first.cancel() is True
    assert first.wait(WAIT)
    gate.set()
    assert all(job.wait(WAIT) for job in rest)
    assert calls == [1, 2]


def test_shutdown_finishes_what_waits_for_its_key(blocked, numbers, gate, spawn, calls):
    work = blocked(numbers)
    jobs = [work.post({"key": "a", "n": n}) for n in range(1, 50)]
    ended = spawn(work.runtime.shutdown)
    assert not ended.done()
    gate.set()
    ended.result(WAIT)
    assert {job.status for job in jobs} == {"completed"}
    assert calls == list(range(50))


def test_shutdown_that_cancels_drops_what_waits_for_its_key(
    blocked, numbers, gate, spawn, calls
):
    work = blocked(numbers)
    jobs = [work.post({"key": "a", "n": n}) for n in range(1, 50)]
    work.settle()
    work.runtime.shutdown(wait=False, cancel_pending=True)
    gate.set()
    assert all(job.wait(WAIT) for job in [work.first, *jobs])
    assert {job.status for job in jobs} == {"cancelled"}
    assert [n for n in calls if n >= 0] == [0]


@pytest.mark.parametrize("n", [2, 4])
def test_shutdown_gives_up_what_async_logic_can_never_take(
    runtime, make_routine, record, make_flow, n
):
    """Its target is a join that stays full; slot, routine and reason are named.

    Two at a time leave the keys of the rest unasked, four have them wait in lanes.
    """
    join = Routine()
    join.add_slot("a", max_queue_length=1)
    join.add_slot("b")
    join.set_activation_policy(all_slots_ready_policy())
    join.set_logic(record)
    source = make_routine(events=["output"])
    source.set_concurrency(n, key="key")

    async def forward(slot_data, policy_message, worker_state):
        source.emit("output")

    source.set_logic(forward)
    flow = make_flow({"work": source, "join": join}, ("work", "output", "join", "a"))
    post = poster(runtime, flow)
    jobs = [post({"key": n % 2}) for n in range(6)]
    assert runtime.wait_until_all_jobs_finished(SHORT) is False
    runtime.shutdown(timeout=WAIT)
    assert {job.status for job in jobs} == {"cancelled"}
    full = "slot 'a' of routine 'join' (all_slots_ready waits"
    held = "slot 'input' of routine 'work' (its async logic waits for room in a full"
    given_up = [job for job in jobs if held in job.error]
    assert given_up and jobs[0] not in given_up  # several may have begun side by side
    assert all(full in job.error for job in jobs if job not in given_up)
