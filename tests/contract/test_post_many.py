"""Chapter 2: post_many, the bulk path."""

import pytest

from routilux import (
    JobCancelledError,
    JobFailedError,
    JobStatus,
    QueueFullError,
    SlotQueueFullError,
    WorkerNotRunningError,
    batch_size_policy,
    get_current_job_id,
)

WAIT = 20.0


@pytest.fixture
def flow_of(solo):
    """Build a flow of one routine that keeps (item, job id) of each activation."""

    def build(got, **options):
        def logic(slot_data, policy_message, worker_state):
            for item in slot_data["input"]:
                got.append((item, get_current_job_id()))

        return solo(logic, **options)

    return build


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 3000])
def test_each_item_is_a_job_and_the_jobs_come_back_in_order(runtime, flow_of, count):
    got = []
    flow = flow_of(got)
    runtime.exec(flow)
    jobs = runtime.post_many(flow.flow_id, "work", "input", range(count))
    assert all(job.wait(WAIT) for job in jobs)
    assert got == list(enumerate_ids(jobs))
    assert len({job.job_id for job in jobs}) == count
    assert {job.status for job in jobs} == {JobStatus.COMPLETED}


def enumerate_ids(jobs):
    return ((index, job.job_id) for index, job in enumerate(jobs))


@pytest.mark.parametrize("count", [1, 256, 257, 3000])
def test_one_job_for_all_items(runtime, flow_of, count):
    got = []
    flow = flow_of(got)
    runtime.exec(flow)
    job = runtime.post_many(flow.flow_id, "work", "input", range(count), jobs="one")
    assert job.wait(WAIT)
    assert got == [(index, job.job_id) for index in range(count)]
    assert job.status == "completed"
    assert runtime.get_job(job.job_id) is job


def test_one_job_does_not_end_between_two_of_its_items(threaded, flow_of):
    # The items are read one chunk at a time; the job is idle before the second.
    got = []
    flow = flow_of(got)
    runtime = threaded()
    runtime.exec(flow)
    seen = []

    def items():
        for index in range(512):
            if index == 256:
                while len(got) < 256:
                    pass
                seen.append(runtime.list_jobs())
            yield index

    job = runtime.post_many(flow.flow_id, "work", "input", items(), jobs="one")
    assert job.wait(WAIT)
    assert seen == [[job]]
    assert len(got) == 512


@pytest.mark.parametrize("jobs", ["each", "one"])
def test_no_items(runtime, flow_of, jobs):
    flow = flow_of([])
    runtime.exec(flow)
    made = runtime.post_many(flow.flow_id, "work", "input", [], jobs=jobs)
    if jobs == "each":
        assert made == []
    else:
        assert made.result(WAIT) is None
        assert made.status == "completed"
    assert runtime.list_jobs() == []


def test_metadata_is_copied_into_each_job(runtime, flow_of, finish):
    flow = flow_of([])
    runtime.exec(flow)
    given = {"source": "file"}
    first, second = runtime.post_many(
        flow.flow_id, "work", "input", [1, 2], metadata=given
    )
    first.metadata["source"] = "other"
    assert second.metadata == given == {"source": "file"}
    finish(runtime)


def test_worker_state_knows_the_last_job(runtime, flow_of, finish):
    flow = flow_of([])
    worker = runtime.exec(flow)
    jobs = runtime.post_many(flow.flow_id, "work", "input", [1, 2, 3])
    assert worker.job_id == jobs[-1].job_id
    job = runtime.post_many(flow.flow_id, "work", "input", [1], jobs="one")
    assert worker.job_id == job.job_id
    finish(runtime)


def test_job_id_names_the_one_job_or_joins_it(runtime, make_flow, make_routine, finish):
    flow = make_flow(
        {"work": make_routine(lambda *_: None, policy=batch_size_policy(5))}
    )
    runtime.exec(flow)
    post = runtime.post_many
    first = post(flow.flow_id, "work", "input", [1, 2], jobs="one", job_id="mine")
    again = post(flow.flow_id, "work", "input", [3, 4], jobs="one", job_id="mine")
    assert first is again
    assert first.job_id == "mine"
    assert first.status == "pending"
    post(flow.flow_id, "work", "input", [5], jobs="one", job_id="mine")
    finish(runtime)
    assert first.status == "completed"
    with pytest.raises(ValueError, match="finished job"):
        post(flow.flow_id, "work", "input", [6], jobs="one", job_id="mine")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"jobs": "all"}, ValueError, "'each' or 'one'"),
        ({"job_id": "mine"}, TypeError, "jobs='one'"),
        ({"items": 3}, TypeError, "items must be iterable, not 3"),
        ({"routine_id": "wrok"}, ValueError, r"wrok.*work"),
        ({"slot": "inptu"}, ValueError, r"inptu.*input"),
        ({"worker_id": "w9"}, ValueError, "w9"),
        ({"metadata": 3}, TypeError, "metadata must be a dict"),
        ({"timeout": "1"}, TypeError, "timeout"),
    ],
)
def test_bad_arguments_are_refused_by_name(runtime, flow_of, options, error, match):
    got = []
    flow = flow_of(got)
    runtime.exec(flow)
    given = {"routine_id": "work", "slot": "input", "items": [1]} | options
    with pytest.raises(error, match=match):
        runtime.post_many(flow.flow_id, **given)
    assert runtime.list_jobs() == []
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert got == []


def test_items_have_to_be_given(runtime, flow_of):
    flow = flow_of([])
    runtime.exec(flow)
    with pytest.raises(TypeError, match="needs items"):
        runtime.post_many(flow.flow_id, "work", "input")


def test_without_a_worker_and_after_the_end(runtime, flow_of):
    flow = flow_of([])
    with pytest.raises(WorkerNotRunningError):
        runtime.post_many(flow, "work", "input", [1])
    runtime.exec(flow)
    runtime.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        runtime.post_many(flow, "work", "input", [1])


@pytest.fixture
def parking(make_flow, make_routine):
    """Build a flow whose items stay queued: they wait for those of another slot."""

    def build(**options):
        routine = make_routine(
            lambda *_: None,
            slots=("input", "other"),
            policy=batch_size_policy(1),
            **options,
        )
        return make_flow({"work": routine})

    return build


@pytest.mark.parametrize("jobs", ["each", "one"])
@pytest.mark.parametrize("overflow", ["block", "error"])
def test_without_blocking_all_enter_or_none(runtime, parking, overflow, jobs):
    flow = parking(max_queue_length=5, overflow=overflow)
    worker = runtime.exec(flow)
    before = runtime.post_many(flow.flow_id, "work", "input", range(3), block=False)
    with pytest.raises(SlotQueueFullError, match=r"'input'.*'work'") as caught:
        runtime.post_many(
            flow.flow_id, "work", "input", range(3), block=False, jobs=jobs
        )
    assert list(caught.value.jobs) == []
    assert runtime.list_jobs() == before
    assert len(worker.get_slot("work", "input")) == 3
    runtime.post_many(flow.flow_id, "work", "input", range(2), block=False, jobs=jobs)
    assert len(worker.get_slot("work", "input")) == 5


def test_without_blocking_max_queue_size_holds_for_all(threaded, flow_of, gate, finish):
    got = []
    runtime = threaded(max_queue_size=10)

    def logic(slot_data, policy_message, worker_state):
        gate.wait(WAIT)
        got.extend(slot_data["input"])

    flow = flow_of(got)
    flow.routines["work"].set_logic(logic)
    runtime.exec(flow)
    runtime.post_many(flow.flow_id, "work", "input", range(6), block=False)
    with pytest.raises(QueueFullError, match="max_queue_size=10"):
        runtime.post_many(flow.flow_id, "work", "input", range(5), block=False)
    runtime.post_many(flow.flow_id, "work", "input", range(6, 10), block=False)
    gate.set()
    finish(runtime)
    assert got == list(range(10))


def test_timeout_keeps_what_entered_and_says_so(runtime, parking):
    flow = parking(max_queue_length=5)
    worker = runtime.exec(flow)
    with pytest.raises(QueueFullError) as caught:
        runtime.post_many(flow.flow_id, "work", "input", range(9), timeout=0.01)
    assert list(caught.value.jobs) == runtime.list_jobs()
    assert worker.get_slot("work", "input").peek_all_new() == list(range(5))


def test_timeout_cancels_the_one_job(runtime, parking):
    flow = parking(max_queue_length=5)
    worker = runtime.exec(flow)
    with pytest.raises(QueueFullError):
        runtime.post_many(
            flow.flow_id,
            "work",
            "input",
            range(9),
            jobs="one",
            job_id="mine",
            timeout=0.01,
        )
    with pytest.raises(JobCancelledError):
        runtime.get_job("mine").result(WAIT)
    assert len(worker.get_slot("work", "input")) == 0


@pytest.mark.parametrize("jobs", ["each", "one"])
def test_items_that_raise_end_the_call(runtime, flow_of, finish, jobs):
    got = []
    flow = flow_of(got)
    runtime.exec(flow)

    def items():
        yield from range(300)
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        runtime.post_many(flow.flow_id, "work", "input", items(), jobs=jobs)
    finish(runtime)
    if jobs == "each":
        assert [item for item, _ in got] == list(range(256))


def test_more_items_than_all_bounds_wait_for_room(threaded, flow_of):
    got = []
    flow = flow_of(got, max_queue_length=7)
    runtime = threaded(max_queue_size=5)
    runtime.exec(flow)
    jobs = runtime.post_many(flow.flow_id, "work", "input", range(1000))
    assert all(job.wait(WAIT) for job in jobs)
    job = runtime.post_many(flow.flow_id, "work", "input", range(1000), jobs="one")
    assert job.wait(WAIT)
    assert [item for item, _ in got] == [*range(1000), *range(1000)]


def test_one_job_that_fails_drops_the_rest_and_raises_nothing(runtime, solo):
    got = []

    def logic(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        got.append(item)
        if item == 3:
            raise ValueError("three")

    flow = solo(logic, max_queue_length=10)
    runtime.exec(flow)
    job = runtime.post_many(flow.flow_id, "work", "input", range(1000), jobs="one")
    with pytest.raises(JobFailedError, match="three"):
        job.result(WAIT)
    assert got == [0, 1, 2, 3]


def test_each_job_fails_for_itself(runtime, solo, finish):
    def logic(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        if item % 2:
            raise ValueError("odd")

    flow = solo(logic)
    runtime.exec(flow)
    jobs = runtime.post_many(flow.flow_id, "work", "input", range(10))
    finish(runtime)
    assert [job.status == "failed" for job in jobs] == [False, True] * 5


@pytest.mark.parametrize("jobs", ["each", "one"])
def test_inside_logic(runtime, make_flow, make_routine, finish, jobs):
    got = []

    def spread(slot_data, policy_message, worker_state):
        runtime.post_many(flow.flow_id, "work", "input", range(3000), jobs=jobs)

    def work(slot_data, policy_message, worker_state):
        got.extend(slot_data["input"])

    flow = make_flow({"spread": make_routine(spread), "work": make_routine(work)})
    runtime.exec(flow)
    runtime.post(flow.flow_id, "spread", "input", None)
    finish(runtime)
    assert sorted(got) == list(range(3000))


@pytest.mark.parametrize("block", [True, False])
@pytest.mark.parametrize("jobs", ["each", "one"])
def test_overflow_rule_drops_and_counts(runtime, parking, jobs, block):
    flow = parking(max_queue_length=5, overflow="drop_oldest")
    worker = runtime.exec(flow)
    made = runtime.post_many(flow, "work", "input", range(8), jobs=jobs, block=block)
    slot = worker.get_slot("work", "input")
    assert slot.peek_all_new() == [3, 4, 5, 6, 7]
    assert slot.get_queue_status()["dropped_count"] == 3
    if jobs == "each":
        assert [job.status == "cancelled" for job in made] == [True] * 3 + [False] * 5


@pytest.mark.parametrize("jobs", ["each", "one"])
def test_routine_that_never_runs_keeps_the_items(runtime, solo, jobs):
    flow = solo(None, policy=None)
    worker = runtime.exec(flow)
    made = runtime.post_many(flow.flow_id, "work", "input", range(300), jobs=jobs)
    assert runtime.list_jobs() == []
    assert worker.get_slot("work", "input").peek_all_new() == list(range(300))
    for job in made if jobs == "each" else [made]:
        assert job.status == "completed"


@pytest.mark.parametrize("jobs", ["each", "one"])
def test_hooks_hear_of_each_item(runtime, flow_of, finish, hooks_seen, jobs):
    got = []
    flow = flow_of(got)
    runtime.exec(flow)
    runtime.post_many(flow.flow_id, "work", "input", range(5), jobs=jobs)
    finish(runtime)
    assert hooks_seen == [0, 1, 2, 3, 4]
    assert [item for item, _ in got] == [0, 1, 3, 4]


@pytest.fixture
def hooks_seen():
    from routilux.monitoring.hooks import (
        NullExecutionHooks,
        reset_execution_hooks,
        set_execution_hooks,
    )

    seen = []

    class Hooks(NullExecutionHooks):
        def on_slot_before_enqueue(self, slot, routine_id, job_context, data, flow_id):
            seen.append(data)
            return data != 2, "two is not wanted"

    set_execution_hooks(Hooks())
    yield seen
    reset_execution_hooks()
