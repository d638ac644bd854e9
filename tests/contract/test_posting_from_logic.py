"""Chapters 2 and 4: posting from inside logic."""

import pytest

from routilux import QueueFullError, get_current_job_id

WAIT = 20.0


@pytest.fixture
def countdown(solo):
    """Build a flow that posts n - 1 to itself as a new job until 0 is reached."""

    def build(runtime, got, **options):
        def logic(slot_data, policy_message, worker_state):
            (number,) = slot_data["input"]
            got.append((number, get_current_job_id()))
            if number:
                runtime.post(flow.flow_id, "work", "input", number - 1, **options)

        flow = solo(logic)
        return flow

    return build


def test_post_inside_logic_makes_a_job_of_its_own(runtime, countdown, finish):
    got = []
    flow = countdown(runtime, got)
    runtime.exec(flow)
    first = runtime.post(flow.flow_id, "work", "input", 2)
    finish(runtime)
    assert [number for number, _ in got] == [2, 1, 0]
    assert len({job_id for _, job_id in got}) == 3
    assert got[0][1] == first.job_id


def test_wait_for_all_jobs_sees_jobs_posted_inside_logic(runtime, countdown, finish):
    got = []
    flow = countdown(runtime, got)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", 1000)
    finish(runtime)
    assert len(got) == 1001


def test_post_inside_logic_with_its_own_job_id_joins_the_job(runtime, solo, finish):
    got = []

    def logic(slot_data, policy_message, worker_state):
        (number,) = slot_data["input"]
        got.append((number, get_current_job_id()))
        if number:
            runtime.post(
                flow.flow_id,
                "work",
                "input",
                number - 1,
                job_id=get_current_job_id(),
            )

    flow = solo(logic)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 5)
    finish(runtime)
    assert got == [(number, job.job_id) for number in (5, 4, 3, 2, 1, 0)]
    assert job.status == "completed"


def test_post_inside_logic_reaches_another_flow(runtime, solo, record, calls, finish):
    target = solo(record)
    source = solo(
        lambda slot_data, policy_message, worker_state: runtime.post(
            target.flow_id, "work", "input", "from source"
        )
    )
    runtime.exec(target)
    runtime.exec(source)
    runtime.post(source.flow_id, "work", "input", None)
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [["from source"]]


def test_post_inside_logic_reaches_another_runtime(
    make_runtime, solo, record, calls, finish
):
    first, second = make_runtime(), make_runtime()
    target = solo(record)
    source = solo(
        lambda slot_data, policy_message, worker_state: second.post(
            target.flow_id, "work", "input", "across"
        )
    )
    first.exec(source)
    second.exec(target)
    first.post(source.flow_id, "work", "input", None)
    finish(first)
    finish(second)
    assert [data["input"] for data, _ in calls] == [["across"]]


def test_post_inside_logic_does_not_run_inside_of_it(runtime, solo, peak, finish):
    def logic(slot_data, policy_message, worker_state):
        with peak:
            if slot_data["input"][0] < 50:
                number = slot_data["input"][0] + 1
                runtime.post(flow.flow_id, "work", "input", number)

    flow = solo(logic)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", 0)
    finish(runtime)
    assert peak.most == 1


def test_worker_job_id_inside_logic_is_what_that_thread_posted(runtime, solo, finish):
    got = []

    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"][0]:
            job = runtime.post(flow.flow_id, "work", "input", 0)
            got.append((job.job_id, job[0].job_id))

    flow = solo(logic)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert len(got) == 1
    assert got[0][0] == got[0][1]


def test_post_inside_logic_at_the_bound_with_block_false_raises(
    make_runtime, solo, finish
):
    errors = []

    def logic(slot_data, policy_message, worker_state):
        try:
            runtime.post(flow.flow_id, "work", "input", 1, block=False)
        except QueueFullError as error:
            errors.append(error)

    flow = solo(logic)
    runtime = make_runtime(max_queue_size=1)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 0)
    finish(runtime)
    assert (job.status, len(errors)) == ("completed", 1)


@pytest.mark.parametrize("options", [{}, {"timeout": WAIT}])
def test_post_inside_logic_at_the_bound_does_not_wait_for_its_own_job(
    make_runtime, countdown, options, finish
):
    """The only job that could make room is the one that posts."""
    got = []
    runtime = make_runtime(max_queue_size=1)
    flow = countdown(runtime, got, **options)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", 3)
    finish(runtime)
    assert [number for number, _ in got] == [3, 2, 1, 0]


def test_refused_post_inside_logic_fails_only_its_job(runtime, solo, finish):
    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"][0] == "bad":
            runtime.post(flow.flow_id, "work", "zzz", 1)

    flow = solo(logic)
    runtime.exec(flow)
    bad = runtime.post(flow.flow_id, "work", "input", "bad")
    good = runtime.post(flow.flow_id, "work", "input", "good")
    finish(runtime)
    assert (bad.status, bad.error.type) == ("failed", "ValueError")
    assert good.status == "completed"


def test_exec_inside_logic_starts_a_worker(runtime, solo, record, calls, finish):
    target = solo(record)

    def logic(slot_data, policy_message, worker_state):
        worker = runtime.exec(target)
        runtime.post(target.flow_id, "work", "input", 1, worker.worker_id)

    flow = solo(logic)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", None)
    finish(runtime)
    assert (job.status, len(calls)) == ("completed", 1)
