"""Jobs that are not finished at their deadline."""

import asyncio
import threading

import pytest

from routilux import DeadlineExceeded, JobFailedError, Runtime, batch_size_policy

WAIT = 20.0
SHORT, LONG = 0.05, 0.4


@pytest.fixture
def two(stage, make_flow, linger, calls):
    """A flow whose first routine takes long and emits three items to the second."""

    def body(emit, item):
        for n in range(3):
            emit("output", n=n)
        linger(LONG)

    routines = {
        "work": stage(body),
        "next": stage(lambda emit, item: (calls.append(item), linger(LONG))),
    }
    return make_flow(routines, ("work", "output", "next", "input"))


def test_job_fails_at_its_deadline(one_by_one, engine, two, finish):
    runtime = one_by_one(engine)
    runtime.exec(two)
    job = runtime.post(two.flow_id, "work", "input", 1, deadline=SHORT).job
    finish(runtime)
    assert (job.status, job.error.type) == ("failed", "DeadlineExceeded")
    with pytest.raises(JobFailedError) as caught:
        job.result()
    assert isinstance(caught.value.__cause__, DeadlineExceeded)
    assert isinstance(caught.value.__cause__, TimeoutError)


def test_queued_items_of_the_job_are_dropped_and_counted(
    one_by_one, engine, two, finish, dropped, calls
):
    runtime = one_by_one(engine)
    worker = runtime.exec(two)
    runtime.post(two.flow_id, "work", "input", 1, deadline=SHORT)
    finish(runtime)
    assert dropped(worker, "next", "input") == 3
    assert calls == []


def test_job_in_time_is_left_alone(runtime, solo, record, finish):
    flow = solo(record)
    runtime.exec(flow)
    jobs = [
        runtime.post(flow.flow_id, "work", "input", n, deadline=60).job
        for n in range(20)
    ]
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}


def test_deadline_ends_a_job_that_only_waits_for_its_batch(threaded, solo, record):
    flow = solo(record, policy=batch_size_policy(10))
    runtime = threaded()
    runtime.exec(flow)
    ended = threading.Event()
    job = runtime.post(flow.flow_id, "work", "input", 1, deadline=SHORT).job
    job.add_done_callback(lambda job: ended.set())  # a wait would flush the batch
    assert ended.wait(WAIT)
    assert job.error.type == "DeadlineExceeded"


def test_earliest_deadline_of_a_job_counts(one_by_one, engine, two, finish):
    runtime = one_by_one(engine)
    runtime.exec(two)
    job = runtime.post(two.flow_id, "work", "input", 1, job_id="a", deadline=60).job
    runtime.post(two.flow_id, "work", "input", 2, job_id="a", deadline=SHORT)
    finish(runtime)
    assert job.error.type == "DeadlineExceeded"


@pytest.mark.parametrize("jobs", ["each", "one"])
def test_post_many_gives_every_job_the_deadline(one_by_one, engine, two, finish, jobs):
    runtime = one_by_one(engine)
    runtime.exec(two)
    made = runtime.post_many(
        two.flow_id, "work", "input", [1, 2, 3], jobs=jobs, deadline=SHORT
    )
    finish(runtime)
    made = made if jobs == "each" else [made]
    assert [job.error.type for job in made] == ["DeadlineExceeded"] * len(made)


def test_post_async_takes_a_deadline(threaded, two):
    async def main():
        async with threaded(thread_pool_size=1) as runtime:
            runtime.exec(two)
            _, job = await runtime.post_async(
                two.flow_id, "work", "input", 1, deadline=SHORT
            )
            with pytest.raises(JobFailedError, match="DeadlineExceeded"):
                await job

    asyncio.run(main())


@pytest.mark.parametrize(
    ("deadline", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError)]
)
def test_deadline_that_is_no_time_is_refused_and_nothing_is_posted(
    runtime, solo, record, deadline, error
):
    flow = solo(record)
    runtime.exec(flow)
    with pytest.raises(error, match="deadline must be"):
        runtime.post(flow.flow_id, "work", "input", 1, deadline=deadline)
    with pytest.raises(error, match="deadline must be"):
        runtime.post_many(flow.flow_id, "work", "input", [1], deadline=deadline)
    assert runtime.list_jobs() == []


def test_deadlines_of_ended_jobs_do_not_pile_up(threaded, solo, record, finish):
    flow = solo(lambda slot_data, policy_message, worker_state: None)
    runtime = threaded(job_history=10)
    runtime.exec(flow)
    for _ in range(6):
        runtime.post_many(flow.flow_id, "work", "input", range(1000), deadline=3600)
        finish(runtime)
    runtime.post(flow.flow_id, "work", "input", 1, deadline=3600)
    assert runtime.core.debug()["deadlines"] < 5000


def test_live_jobs_keep_their_deadline_when_others_are_swept(
    threaded, make_routine, make_flow, record
):
    """So do the other timers of the runtime."""
    parked = batch_size_policy(5)
    flow = make_flow(
        {
            "work": make_routine(record),
            "late": make_routine(record, policy=parked),
            "timed": make_routine(record, policy=batch_size_policy(5, max_wait=LONG)),
        }
    )
    runtime = threaded(job_history=10)
    runtime.exec(flow)
    timed = runtime.post(flow.flow_id, "timed", "input", 1).job
    ended = threading.Event()  # who waits for the job would have its batch flushed
    late = runtime.post(flow.flow_id, "late", "input", 1, deadline=LONG).job
    late.add_done_callback(lambda job: ended.set())
    for _ in range(6):
        each = runtime.post_many(flow, "work", "input", range(1000), deadline=3600)
        assert each[-1].wait(WAIT)
    assert runtime.core.debug()["deadlines"] < 6000
    assert ended.wait(WAIT)
    assert (late.status, late.error.type) == ("failed", "DeadlineExceeded")
    assert timed.result(WAIT) is None


@pytest.fixture
def short_memory():
    """Start a simulation that forgets all jobs but the last that ended."""
    with Runtime(1, engine="sim", seed=1, interleave="waits", job_history=1) as runtime:
        yield runtime


def test_deadline_of_a_job_that_is_forgotten_ends_no_other(
    short_memory, solo, record, finish
):
    runtime = short_memory
    flow = solo(record, policy=batch_size_policy(2))
    runtime.exec(flow)
    first = runtime.post_many(flow, "work", "input", [1, 2], deadline=1)
    finish(runtime)
    later = [runtime.post(flow, "work", "input", n).job for n in range(201)]
    runtime.sleep(2)
    assert {job.status for job in (*first, *later[:-1])} == {"completed"}
    assert later[-1].status == "pending"


def test_job_is_found_at_its_deadline_among_many(short_memory, solo, record):
    runtime = short_memory
    flow = solo(record, policy=lambda slots, worker_state: (False, {}, None))
    runtime.exec(flow)
    jobs = []
    for n in range(1000):  # live jobs whose numbers are far apart
        job = runtime.post(flow, "work", "input", n, deadline=1 + n % 2).job
        if n % 100:
            job.cancel()
        else:
            jobs.append(job)
    runtime.sleep(3)
    assert {(job.status, job.error.type) for job in jobs} == {
        ("failed", "DeadlineExceeded")
    }


def test_cancel_all_cancels_what_is_not_finished(threaded, solo, gate, finish, dropped):
    flow = solo(lambda slot_data, policy_message, worker_state: gate.wait())
    runtime = threaded(thread_pool_size=1)
    worker = runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", n).job for n in range(5)]
    assert runtime.cancel_all("the operator said so") == 5
    assert {job.status for job in jobs} == {"cancelled"}
    assert {job.error.message for job in jobs} == {"the operator said so"}
    assert runtime.cancel_all() == 0
    gate.set()
    finish(runtime)
    assert dropped(worker, "work", "input") in (4, 5)
    assert runtime.post(flow.flow_id, "work", "input", 1).job.wait(WAIT)


def test_cancel_all_of_one_flow_leaves_the_others(runtime, solo, record, finish):
    policy = batch_size_policy(10)
    one, other = solo(record, policy=policy), solo(record, policy=policy)
    jobs = []
    for flow in (one, other):
        runtime.exec(flow)
        jobs.append(runtime.post(flow.flow_id, "work", "input", 1).job)
    assert runtime.cancel_all(flow_id=one) == 1
    finish(runtime)
    assert [job.status for job in jobs] == ["cancelled", "completed"]
    assert jobs[0].error.message == "cancelled by cancel_all()"


def test_cancel_all_checks_its_arguments(runtime):
    with pytest.raises(TypeError, match="reason must be a str"):
        runtime.cancel_all(3)
    with pytest.raises(ValueError, match="not found"):
        runtime.cancel_all(flow_id="no such flow")


def test_cancel_job_answers_whether_it_did(runtime, solo, record, finish):
    flow = solo(record, policy=batch_size_policy(2))
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1).job
    assert runtime.cancel_job(job.job_id) is True
    assert runtime.cancel_job(job.job_id) is False
    assert runtime.cancel_job("no such job") is False
    assert job.status == "cancelled"
