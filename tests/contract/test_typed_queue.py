"""Chapter 2 and 3: the queue of a typed slot against a plain model of it."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routilux import (
    Flow,
    JobCancelledError,
    QueueFullError,
    Routine,
    Runtime,
    Slot,
    SlotQueueFullError,
    batch_size_policy,
    custom_policy,
    immediate_policy,
)

WAIT = 20.0
SIZES = st.lists(st.integers(0, 150), min_size=1, max_size=12)


class Relay(Routine):
    """Emit the arrays of a typed slot as blocks of other sizes; keep their sizes."""

    def __init__(self, policy, length, cuts=(), **options):
        super().__init__()
        self.add_slot("input", length, dtype=np.int64, **options)
        self.add_event("output", ["value"])
        self.set_activation_policy(policy)
        self.cuts = cuts
        self.got = []

    def logic(self, slot_data, policy_message, worker_state):
        items = slot_data["input"]
        self.got.append(items)
        if self.cuts is None:
            for item in items:
                self.emit("output", value=item)
            return
        for part in np.split(items, [cut for cut in self.cuts if cut < len(items)]):
            self.emit_many("output", part)

    def joined(self):
        return np.concatenate(self.got or [np.empty(0)]).tolist()


def run(routines, blocks, jobs="one", pool=2, engine="inline"):
    flow = Flow()
    for index, routine in enumerate(routines):
        flow.add_routine(routine, f"r{index}")
        if index:
            flow.connect(f"r{index - 1}", "output", f"r{index}", "input")
    with Runtime(pool, engine=engine) as runtime:
        worker = runtime.exec(flow)
        posted = [
            runtime.post_many(flow.flow_id, "r0", "input", block, jobs=jobs)
            for block in blocks
        ]
        assert runtime.wait_until_all_jobs_finished(WAIT)
        for made in posted:
            for job in [made] if jobs == "one" else made:
                assert job.status == "completed"
        for index in range(len(routines)):
            status = worker.get_slot(f"r{index}", "input").get_queue_status()
            assert (status["unconsumed_count"], status["dropped_count"]) == (0, 0)
    return routines


def numbered(sizes):
    ends = np.cumsum(sizes)
    return [
        np.arange(end - size, end, dtype=np.int64)
        for size, end in zip(sizes, ends, strict=True)
    ]


def policy_of(choice):
    if choice is None:
        return immediate_policy()
    if choice == "all":
        return custom_policy(lambda slots, worker: len(slots["input"]) > 0)
    return batch_size_policy(choice)


@settings(max_examples=150, deadline=None)
@given(
    sizes=SIZES,
    first=st.integers(1, 140),
    second=st.one_of(st.none(), st.just("all"), st.integers(1, 140)),
    bounds=st.tuples(st.integers(0, 60), st.integers(1, 60)),
    cuts=st.one_of(st.none(), st.lists(st.integers(0, 140), max_size=4).map(sorted)),
    jobs=st.sampled_from(["one", "each"]),
)
def test_all_items_arrive_once_in_order_and_in_full_batches(
    sizes, first, second, bounds, cuts, jobs
):
    length = second if isinstance(second, int) else 0
    one = Relay(batch_size_policy(first), first + bounds[0], cuts)
    two = Relay(policy_of(second), length + bounds[1])
    run([one, two], numbered(sizes), jobs)
    total = sum(sizes)
    assert one.joined() == list(range(total))
    assert two.joined() == list(range(total))
    # A flush while a block waits for room may cut once more; else only the end does.
    if first + bounds[0] >= total:
        assert {len(part) for part in one.got[:-1]} <= {first}
    if second is None:
        assert {len(part) for part in two.got} <= {1}
    assert not any(part.flags.writeable for part in one.got + two.got)


@settings(max_examples=25, deadline=None)
@given(
    sizes=SIZES,
    batches=st.lists(st.integers(1, 140), min_size=1, max_size=4),
    room=st.integers(0, 60),
    jobs=st.sampled_from(["one", "each"]),
)
def test_the_same_on_threads(sizes, batches, room, jobs):
    chain = [Relay(batch_size_policy(size), size + room) for size in batches]
    run(chain, numbered(sizes), jobs, engine="threads")
    for routine in chain:
        assert routine.joined() == list(range(sum(sizes)))


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(1, 90)),
            st.tuples(st.just("one"), st.just(1)),
            st.tuples(st.just("take"), st.integers(0, 120)),
            st.tuples(st.just("peek"), st.just(0)),
            st.tuples(st.just("cancel"), st.integers(0, 30)),
        ),
        max_size=40,
    ),
    rule=st.sampled_from(["error", "drop_oldest", "drop_newest"]),
    bound=st.integers(1, 150),
)
def test_the_queue_follows_the_model_of_its_rule(steps, rule, bound):
    # Nothing fires: the batch waits for the other slot.
    routine = Relay(batch_size_policy(1), bound, overflow=rule)
    routine.add_slot("other")
    flow = Flow()
    flow.add_routine(routine, "work")
    model, jobs, count = [], [], 0
    with Runtime(engine="inline", max_queue_size=10_000) as runtime:
        slot = runtime.exec(flow).get_slot("work", "input")
        for step, size in steps:
            block = np.arange(count, count + size, dtype=np.int64)
            if step in ("put", "one"):
                fits = len(model) + size <= bound
                try:
                    if step == "one":
                        job = runtime.post(flow, "work", "input", count)[1]
                    else:
                        job = runtime.post_many(
                            flow, "work", "input", block, jobs="one"
                        )
                except SlotQueueFullError:
                    assert rule == "error"
                    assert not fits
                    continue
                assert fits or rule != "error"
                fresh = [(number, job) for number in block.tolist()]
                model = model + fresh
                if rule == "drop_newest":
                    model = model[:bound]
                model = model[-bound:]
                jobs.append(job)
                count += size
            elif step == "take":
                taken = [number for number, _ in model[:size]]
                assert slot.take(size).tolist() == taken
                model = model[size:]
            elif step == "cancel" and jobs:
                job = jobs[size % len(jobs)]
                runtime.cancel_job(job.job_id)
                model = [pair for pair in model if pair[1] is not job]
            assert slot.peek_all_new().tolist() == [number for number, _ in model]
            assert len(slot) == len(model)
            alive = {id(job) for _, job in model}
            assert {id(job) for job in runtime.list_jobs()} == alive


@pytest.fixture
def flow_of(make_flow):
    def build(*routines, **connected):
        flow = make_flow({f"r{i}": routine for i, routine in enumerate(routines)})
        for index in range(1, len(routines)):
            flow.connect(f"r{index - 1}", "output", f"r{index}", "input")
        return flow

    return build


def test_a_block_above_the_bound_goes_in_by_parts(runtime, flow_of):
    first, second = (
        Relay(batch_size_policy(100), 130, []),
        Relay(batch_size_policy(70), 75),
    )
    flow = flow_of(first, second)
    worker = runtime.exec(flow)
    data = np.arange(10_000)
    job = runtime.post_many(flow, "r0", "input", data, jobs="one")
    assert job.wait(WAIT)
    assert second.joined() == data.tolist()
    assert {len(part) for part in first.got} == {100}
    assert worker.get_slot("r1", "input").get_queue_status()["unconsumed_count"] == 0


@pytest.fixture
def parking(flow_of):
    """Build a flow whose items stay queued: they wait for those of another slot."""

    def build(length, **options):
        routine = Relay(batch_size_policy(1), length, **options)
        routine.add_slot("other")
        return flow_of(routine)

    return build


@pytest.mark.parametrize("overflow", ["block", "error"])
@pytest.mark.parametrize("jobs", ["one", "each"])
def test_without_blocking_a_block_goes_in_whole_or_not_at_all(
    runtime, parking, overflow, jobs
):
    flow = parking(100, overflow=overflow)
    worker = runtime.exec(flow)
    runtime.post_many(flow, "r0", "input", np.arange(60), jobs=jobs, block=False)
    before = runtime.list_jobs()
    with pytest.raises(SlotQueueFullError, match=r"'input'.*'r0'"):
        runtime.post_many(flow, "r0", "input", np.arange(41), jobs=jobs, block=False)
    assert runtime.list_jobs() == before
    assert len(worker.get_slot("r0", "input")) == 60
    runtime.post_many(flow, "r0", "input", np.arange(40), jobs=jobs, block=False)
    assert len(worker.get_slot("r0", "input")) == 100


def test_a_timeout_cancels_the_job_of_a_block_that_is_half_in(runtime, parking):
    flow = parking(100)
    worker = runtime.exec(flow)
    with pytest.raises(QueueFullError):
        runtime.post_many(
            flow, "r0", "input", np.arange(300), jobs="one", job_id="b", timeout=0.01
        )
    with pytest.raises(JobCancelledError):
        runtime.get_job("b").result(WAIT)
    assert len(worker.get_slot("r0", "input")) == 0


def test_max_wait_counts_from_the_oldest_item(threaded, flow_of):
    routine = Relay(batch_size_policy(100, max_wait=0.01), 1000)
    flow = flow_of(routine)
    runtime = threaded()
    runtime.exec(flow)
    first = runtime.post_many(flow, "r0", "input", np.arange(250), jobs="one")
    rest = [runtime.post(flow, "r0", "input", number)[1] for number in range(250, 260)]
    assert first.wait(WAIT)
    assert all(job.wait(WAIT) for job in rest)
    assert routine.joined() == list(range(260))
    assert [len(part) for part in routine.got[:2]] == [100, 100]


def test_a_policy_takes_arrays_through_its_views(runtime, flow_of, finish):
    seen = []

    def policy(slots, worker_state):
        slot = slots["input"]
        seen.append((len(slot), len(slot.peek_all_new()), slot.dtype))
        if len(slot) < 40:
            return False, {}, None
        taken = np.concatenate([slot.take(30), [slot.consume_one_new()], slot.take(9)])
        return True, {"input": taken}, "forty"

    routine = Relay(policy, 1000, [])
    routine.add_slot("other", dtype="f4", shape=2)
    messages = []
    routine.set_logic(
        lambda slot_data, message, _: messages.append((slot_data, message))
    )
    flow = flow_of(routine)
    runtime.exec(flow)
    jobs = [
        runtime.post_many(flow, "r0", "input", block, jobs="one")
        for block in numbered([25, 25, 70])
    ]
    finish(runtime)
    assert [message for _, message in messages] == ["forty"] * 3
    joined = np.concatenate([data["input"] for data, _ in messages])
    assert joined.tolist() == list(range(120))
    assert [data["other"].shape for data, _ in messages] == [(0, 2)] * 3
    assert {job.status for job in jobs} == {"completed"}
    assert {count == peeked for count, peeked, _ in seen} == {True}


def test_a_policy_that_raises_fails_the_jobs_of_its_slots(runtime, flow_of, finish):
    def policy(slots, worker_state):
        slots["input"].take(10)
        raise ValueError("no")

    flow = flow_of(Relay(policy, 1000))
    worker = runtime.exec(flow)
    job = runtime.post_many(flow, "r0", "input", np.arange(100), jobs="one")
    finish(runtime)
    assert (job.status, job.error.message) == ("failed", "no")
    assert len(worker.get_slot("r0", "input")) == 0


@pytest.mark.parametrize("jobs", ["one", "each"])
def test_a_routine_that_never_runs_keeps_the_newest_items(runtime, make_flow, jobs):
    routine = Routine()
    routine.add_slot("input", 50, dtype=np.int64)
    flow = make_flow({"r0": routine})
    worker = runtime.exec(flow)
    for block in numbered([30, 200, 10]):
        runtime.post_many(flow, "r0", "input", block, jobs=jobs)
    runtime.post(flow, "r0", "input", 240)
    slot = worker.get_slot("r0", "input")
    assert slot.peek_all_new().tolist() == list(range(191, 241))
    assert slot.get_queue_status()["dropped_count"] == 191
    assert slot.take(20).tolist() == list(range(191, 211))
    assert runtime.list_jobs() == []


def test_arrays_are_let_go_when_their_items_are_done(runtime, flow_of, finish):
    routine = Relay(batch_size_policy(50), 1000)
    routine.got = type("Sink", (), {"append": lambda self, items: None})()
    flow = flow_of(routine)
    runtime.exec(flow)
    refs = []
    for size in (50, 120, 30, 300):
        data = np.arange(size)
        refs.append(weakref.ref(data))
        runtime.post_many(flow, "r0", "input", data, jobs="one")
        del data
    finish(runtime)
    gc.collect()
    assert [ref() for ref in refs] == [None] * 4


def test_a_view_keeps_its_array_after_everything_else_is_gone():
    routine = Relay(batch_size_policy(100), 1000)
    flow = Flow()
    flow.add_routine(routine, "work")
    with Runtime(2) as runtime:
        runtime.exec(flow)
        runtime.post_many(flow, "work", "input", np.arange(300), jobs="one")
        for number in range(300, 400):
            runtime.post(flow, "work", "input", number)
    del runtime, flow
    gc.collect()
    assert routine.joined() == list(range(400))


def test_a_queue_that_is_dropped_lets_its_arrays_go():
    slot = Slot("input", dtype=np.float64, shape=(100,))
    data, queued = np.arange(100.0), np.arange(100)
    refs = [weakref.ref(data), weakref.ref(queued)]
    slot.enqueue(data)
    flow = Flow()
    flow.add_routine(Relay(batch_size_policy(500), 1000), "work")
    runtime = Runtime(engine="inline")
    runtime.exec(flow)
    runtime.post_many(flow, "work", "input", queued, jobs="one")
    del data, slot, queued
    runtime.shutdown(cancel_pending=True)
    gc.collect()
    assert [ref() for ref in refs] == [None, None]
