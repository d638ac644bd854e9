"""Chapter 4: a wait that can't end is a SlotQueueFullError, not a hang."""

import pytest

from routilux import SlotQueueFullError

WAIT = 20.0


@pytest.fixture(params=[1, 4])
def any_runtime(request, make_runtime):
    """Runtimes of one thread and of several, on every engine."""
    return make_runtime(thread_pool_size=request.param)


@pytest.fixture
def ring(stage, make_flow):
    """Build a cycle of `count` routines, slots of length 1, that all run `body`."""

    def build(body, count, **options):
        options = {"max_queue_length": 1, **options}
        names = [f"r{number}" for number in range(count)]
        pairs = zip(names, names[1:] + names[:1], strict=True)
        return make_flow(
            {name: stage(body, **options) for name in names},
            *[(one, "output", two, "input") for one, two in pairs],
        )

    return build


def doubling(emit, item):
    emit("output", n=item["n"] + 1)
    emit("output", n=item["n"] + 1)


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_cycle_that_is_full_fails_the_job_with_slot_queue_full_error(
    any_runtime, ring, count
):
    flow = ring(doubling, count)
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "r0", "input", {"n": 0})
    assert job.wait(timeout=WAIT) is True
    assert (job.status, job.error.type) == ("failed", "SlotQueueFullError")


def test_logic_may_catch_the_error_of_a_full_cycle(any_runtime, ring, finish):
    errors = []

    def body(emit, item):
        if item["n"] >= 5:
            return
        emit("output", n=item["n"] + 1)
        try:
            emit("output", n=item["n"] + 1)
        except SlotQueueFullError as error:
            errors.append(str(error))

    flow = ring(body, 1)
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "r0", "input", {"n": 0})
    finish(any_runtime)
    assert job.status == "completed"
    assert len(errors) == 5
    assert all("r0" in text and "input" in text for text in errors)


def test_worker_goes_on_after_a_full_cycle(any_runtime, ring, finish):
    done = []

    def body(emit, item):
        if item["n"] is None:
            done.append(1)
        else:
            doubling(emit, item)

    flow = ring(body, 2)
    any_runtime.exec(flow)
    bad = any_runtime.post(flow.flow_id, "r0", "input", {"n": 0})
    assert bad.wait(timeout=WAIT) is True
    good = any_runtime.post(flow.flow_id, "r0", "input", {"n": None})
    finish(any_runtime)
    assert (bad.status, good.status, done) == ("failed", "completed", [1])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_cycle_that_is_not_full_runs_to_its_end(any_runtime, ring, finish, count):
    seen = []

    def body(emit, item):
        seen.append(item["n"])
        if item["n"] < 1000:
            emit("output", n=item["n"] + 1)

    flow = ring(body, count)
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "r0", "input", {"n": 0})
    finish(any_runtime)
    assert job.status == "completed"
    assert seen == list(range(1001))


def test_many_jobs_in_a_cycle_end_or_fail_but_never_hang(any_runtime, ring, finish):
    def body(emit, item):
        if item["n"] < 20:
            emit("output", n=item["n"] + 1)

    flow = ring(body, 3, max_queue_length=2)
    any_runtime.exec(flow)
    jobs = [
        any_runtime.post(flow.flow_id, "r0", "input", {"n": 0}, timeout=WAIT)
        for _ in range(50)
    ]
    finish(any_runtime)
    assert {str(job.status) for job in jobs} <= {"completed", "failed"}
    failed = {job.error.type for job in jobs if job.status == "failed"}
    assert failed <= {"SlotQueueFullError"}


def test_full_cycle_with_drop_rule_neither_hangs_nor_fails(any_runtime, ring, finish):
    def body(emit, item):
        if item["n"] < 8:
            doubling(emit, item)

    flow = ring(body, 2, overflow="drop_newest")
    any_runtime.exec(flow)
    job = any_runtime.post(flow.flow_id, "r0", "input", {"n": 0})
    finish(any_runtime)
    assert job.status == "completed"
