"""Chapter 5: waiting for one job, its result, cancelling it, and its callbacks."""

import asyncio
import threading

import pytest

from routilux import (
    JobCancelledError,
    JobFailedError,
    all_slots_ready_policy,
    get_current_job,
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
def parked(runtime, solo, record):
    """Give a job that stays unfinished."""
    flow = solo(record, policy=all_slots_ready_policy(), slots=("left", "right"))
    return poster(runtime, flow)(slot="left")


def fail(slot_data, policy_message, worker_state):
    raise ValueError("bad item")


def give_sum(slot_data, policy_message, worker_state):
    get_current_job().set_result({"sum": sum(slot_data["input"][0])})


# --- wait


def test_job_wait_answers_true_when_the_job_is_finished(runtime, solo, record, calls):
    assert poster(runtime, solo(record))().wait(WAIT) is True
    assert len(calls) == 1


def test_job_wait_answers_true_for_a_job_that_failed(runtime, solo):
    assert poster(runtime, solo(fail))().wait(WAIT) is True


@pytest.mark.parametrize("timeout", [0, SHORT])
def test_job_wait_answers_false_at_the_timeout(parked, timeout):
    assert parked.wait(timeout) is False


def test_job_wait_without_a_timeout_waits_for_the_end(
    threaded, solo, spawn, gate, calls
):
    def block(slot_data, policy_message, worker_state):
        assert gate.wait(WAIT)
        calls.append("ran")

    job = poster(threaded(), solo(block))()
    waiter = spawn(lambda: (job.wait(), list(calls)))
    gate.set()
    assert waiter.result(WAIT) == (True, ["ran"])


def test_job_wait_inside_logic_of_the_job_is_a_runtime_error(runtime, solo):
    def wait_for_itself(slot_data, policy_message, worker_state):
        with pytest.raises(RuntimeError):
            get_current_job().wait(WAIT)

    job = poster(runtime, solo(wait_for_itself))()
    assert job.wait(WAIT)
    assert job.status == "completed", job.error


# --- await


def test_await_of_a_job_ends_when_the_job_is_finished(runtime, solo, record, calls):
    post = poster(runtime, solo(record))

    async def main():
        job = post()
        await asyncio.wait_for(job, WAIT)
        return job.status, len(calls)

    assert asyncio.run(main()) == ("completed", 1)


def test_await_of_a_finished_job_ends_at_once(runtime, solo, record):
    job = poster(runtime, solo(record))()
    assert job.wait(WAIT)

    async def main():
        await asyncio.wait_for(job, WAIT)

    asyncio.run(main())


def test_await_of_a_job_answers_its_result(runtime, solo):
    post = poster(runtime, solo(give_sum))

    async def main():
        return await asyncio.wait_for(post((1, 2)), WAIT)

    assert asyncio.run(main()) == {"sum": 3}


def test_await_of_a_failed_job_raises_its_error(runtime, solo):
    post = poster(runtime, solo(fail))

    async def main():
        await asyncio.wait_for(post(), WAIT)

    with pytest.raises(JobFailedError, match="bad item"):
        asyncio.run(main())


def test_many_jobs_may_be_awaited_at_once(runtime, solo):
    post = poster(runtime, solo(give_sum))

    async def main():
        jobs = [post((n, n)) for n in range(100)]
        return await asyncio.wait_for(asyncio.gather(*jobs), WAIT)

    assert asyncio.run(main()) == [{"sum": 2 * n} for n in range(100)]


# --- result


def test_result_is_what_the_logic_gave_to_set_result(runtime, solo):
    assert poster(runtime, solo(give_sum))((20, 22)).result(WAIT) == {"sum": 42}


def test_result_of_a_job_that_gave_none_is_none(runtime, solo, record):
    assert poster(runtime, solo(record))().result(WAIT) is None


def test_result_of_a_failed_job_raises_with_its_id_and_error(runtime, solo):
    job = poster(runtime, solo(fail))()
    with pytest.raises(JobFailedError, match="bad item") as caught:
        job.result(WAIT)
    assert caught.value.job_id == job.job_id
    assert caught.value.error is job.error


def test_result_of_a_cancelled_job_raises(parked):
    parked.cancel()
    with pytest.raises(JobCancelledError):
        parked.result(WAIT)


def test_result_of_an_unfinished_job_times_out(parked):
    with pytest.raises(TimeoutError):
        parked.result(SHORT)


# --- cancel


@pytest.mark.parametrize("through", ["runtime", "job"])
def test_cancel_answers_true_for_a_live_job(runtime, parked, through):
    if through == "runtime":
        assert runtime.cancel_job(parked.job_id) is True
    else:
        assert parked.cancel() is True
    assert parked.wait(WAIT)
    assert parked.status == "cancelled"


def test_cancel_answers_false_for_a_finished_job(runtime, solo, record):
    job = poster(runtime, solo(record))()
    assert job.wait(WAIT)
    assert runtime.cancel_job(job.job_id) is False
    assert job.status == "completed"


def test_cancel_of_an_unknown_job_answers_false(runtime):
    assert runtime.cancel_job("nobody") is False


def test_cancelled_job_never_runs_what_it_has_queued(threaded, solo, gate, finish):
    entered, seen = threading.Event(), []

    def block(slot_data, policy_message, worker_state):
        seen.append(slot_data["input"][0])
        entered.set()
        assert gate.wait(WAIT)

    runtime = threaded()
    post = poster(runtime, solo(block))
    jobs = [post(n) for n in range(3)]
    assert entered.wait(WAIT)
    assert runtime.cancel_job(jobs[1].job_id) is True
    assert jobs[1].wait(WAIT)
    gate.set()
    finish(runtime)
    assert seen == [0, 2]
    assert [job.status for job in jobs] == ["completed", "cancelled", "completed"]


def test_job_that_cancels_itself_runs_nothing_more(runtime, stage, make_flow):
    seen = []

    def cancel_then_emit(emit, item):
        seen.append(get_current_job().cancel())
        emit("output", n=1)

    routines = {
        "work": stage(cancel_then_emit),
        "next": stage(lambda emit, item: seen.append("ran")),
    }
    flow = make_flow(routines, ("work", "output", "next", "input"))
    job = poster(runtime, flow)()
    assert job.wait(WAIT)
    assert (seen, job.status) == ([True], "cancelled")


# --- callbacks


@pytest.mark.parametrize("finished_before", [True, False])
def test_done_callback_gets_the_finished_job_once(
    runtime, solo, record, finish, finished_before
):
    called, calls = threading.Event(), []

    def note(job):
        calls.append((job, job.status))
        called.set()

    job = poster(runtime, solo(record))()
    if finished_before:
        assert job.wait(WAIT)
    job.add_done_callback(note)
    finish(runtime)
    assert called.wait(WAIT)
    assert calls == [(job, "completed")]


@pytest.mark.parametrize("finished_before", [True, False])
def test_done_callback_that_raises_harms_nothing(
    runtime, solo, record, finish, finished_before
):
    called, post = threading.Event(), poster(runtime, solo(record))
    job = post()
    if finished_before:
        assert job.wait(WAIT)
    job.add_done_callback(lambda job: 1 / 0)
    job.add_done_callback(lambda job: called.set())
    finish(runtime)
    assert called.wait(WAIT)
    assert post().wait(WAIT)
