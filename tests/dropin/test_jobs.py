"""Jobs: made by hand and by a runtime, lists of them, and their early end."""

import asyncio
import copy
import pickle
from datetime import datetime

import pytest

from routilux import (
    ErrorHandler,
    JobContext,
    JobStatus,
    all_slots_ready_policy,
    get_current_job,
)
from routilux.monitoring.hooks import ExecutionHooksInterface, set_execution_hooks

WAIT = 20.0


def test_job_made_by_hand_has_the_published_fields():
    job = JobContext("j1", "w1", "f1", metadata={"user": "ada"})
    assert (job.job_id, job.worker_id, job.flow_id) == ("j1", "w1", "f1")
    assert (job.status, job.error, job.data, job.trace_log) == ("pending", None, {}, [])
    assert job.metadata == {"user": "ada"}
    assert isinstance(job.created_at, datetime)
    assert JobContext().job_id != JobContext().job_id


def test_job_made_by_hand_goes_its_way_by_calls():
    job = JobContext()
    ended = []
    job.add_done_callback(ended.append)
    job.start()
    assert job.status is JobStatus.RUNNING
    job.complete("failed", "boom")
    assert (job.status, job.error, ended) == ("failed", "boom", [job])
    assert job.completed_at >= job.started_at
    job.complete()
    assert job.status == "failed"
    assert job.wait() is True


def test_job_made_by_hand_is_waited_for_by_nobody():
    with pytest.raises(RuntimeError, match="belongs to no runtime"):
        JobContext().wait(1.0)


def test_job_made_by_hand_is_awaited_once_it_ended():
    async def outcome(job):
        return await job

    with pytest.raises(RuntimeError, match="'mine' belongs to no runtime"):
        asyncio.run(outcome(JobContext("mine")))
    job = JobContext()
    job.set_result(7)
    job.complete()
    assert asyncio.run(outcome(job)) == 7


def test_end_of_a_job_made_by_hand_may_be_set_as_its_status():
    job = JobContext()
    told = []
    job.add_done_callback(told.append)
    job.status = "completed"
    job.add_done_callback(told.append)  # it has ended: at once
    assert told == [job, job]
    assert job.completed_at is not None
    job.status = "failed"
    assert job.status == "completed"


@pytest.mark.parametrize("job_id", ["", 7, b"id"])
def test_id_of_a_job_is_a_text(job_id):
    with pytest.raises(
        TypeError, match=f"job_id must be a non-empty str, not {job_id!r}"
    ):
        JobContext(job_id)


def test_fields_of_a_job_may_be_set():
    job = JobContext()
    job.status = "running"
    job.metadata = {"a": 1}
    job.data = {"b": 2}
    job.error = "why"
    assert (job.status, job.metadata, job.data, job.error) == (
        *("running", {"a": 1}, {"b": 2}, "why"),
    )
    with pytest.raises(TypeError):
        job.data = [1]
    with pytest.raises(ValueError, match="odd"):
        job.status = "odd"


def test_end_of_a_job_made_by_hand_is_told():
    told = []

    class Ends(ExecutionHooksInterface):
        def on_job_end(self, job, worker_state, status="completed", error=None):
            told.append((job.job_id, status, error))

    set_execution_hooks(Ends())
    JobContext("mine").complete("failed", "boom")
    assert told == [("mine", "failed", "boom")]


def test_trace_has_the_published_keys():
    job = JobContext()
    job.trace("reader", "read", {"lines": 3})
    entry = job.trace_log[0]
    assert set(entry) == {"timestamp", "routine_id", "action", "details"}
    assert (entry["routine_id"], entry["details"]) == ("reader", {"lines": 3})
    datetime.fromisoformat(entry["timestamp"])


def test_data_of_routines_is_kept_apart():
    job = JobContext()
    job.set_routine_data("a", "n", 1)
    job.set_routine_data("b", "n", 2)
    assert (job.get_routine_data("a", "n"), job.get_routine_data("b")) == (1, {"n": 2})
    assert job.data == {"a_n": 1, "b_n": 2}


# Jobs of the published engine could be neither pickled nor copied.
@pytest.mark.parametrize(
    "again", [lambda job: pickle.loads(pickle.dumps(job)), copy.deepcopy, copy.copy]
)
def test_copy_of_a_job_is_a_picture_of_the_moment(runtime, chain, again):
    def note(routine, item):
        job = get_current_job()
        job.set_data("seen", [item])
        job.trace("a", "seen")
        job.set_result(42)

    flow = chain(note)
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 7, metadata={"user": "ada"}).job
    assert job.wait(WAIT)
    picture = again(job)
    assert picture is not job
    assert picture.to_dict() == job.to_dict()
    assert (picture.started_at, picture.result()) == (job.started_at, 42)


# Jobs of the published engine were "running" for ever.
def test_jobs_complete_fail_and_leave_the_list(runtime, chain, forward):
    def fail(routine, item):
        raise ValueError("bad")

    flow = chain(forward, fail)
    runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", {"value": n}).job for n in range(20)]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert {str(job.status) for job in jobs} == {"failed"}
    assert (runtime.list_jobs(), runtime._active_jobs) == ([], {})
    assert runtime.get_job(jobs[0].job_id) is jobs[0]


def test_jobs_are_listed_by_worker_flow_and_status(runtime, chain):
    def fail(routine, item):
        raise ValueError("bad")

    held, failing = chain(None), chain(fail)
    held.routines["a"].add_slot("other")
    held.routines["a"].set_activation_policy(all_slots_ready_policy())
    first, second = runtime.exec(held), runtime.exec(held)
    runtime.exec(failing)
    one = runtime.post(held, "a", "input", 1, worker_id=first.worker_id).job
    two = runtime.post(held, "a", "input", 1, worker_id=second.worker_id).job
    bad = runtime.post(failing, "a", "input", 1).job
    assert bad.wait(WAIT)
    assert runtime.list_jobs() == [one, two]
    assert runtime.list_jobs(second.worker_id) == [two]
    assert runtime.list_jobs(flow_id=held.flow_id) == [one, two]
    assert runtime.list_jobs(status="failed") == [bad]
    assert runtime.list_jobs(flow_id=held.flow_id, status="pending") == [one, two]
    assert runtime._active_jobs == {one.job_id: one, two.job_id: two}
    with pytest.raises(ValueError, match="odd"):
        runtime.list_jobs(status="odd")


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_job_is_ended_early_by_hand(runtime, chain, status):
    flow = chain(None)
    flow.routines["a"].add_slot("other")
    flow.routines["a"].set_activation_policy(all_slots_ready_policy())
    worker = runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert runtime.complete_job(job.job_id, status, "enough") is True
    assert job.wait(WAIT)
    assert (job.status, job.error) == (status, "enough")
    assert worker.get_slot("a", "input").get_unconsumed_count() == 0
    assert runtime.complete_job(job.job_id) is False
    assert runtime.complete_job("unknown") is False


# The published engine forgot the job and what it had printed.
def test_job_that_was_completed_is_still_answered_for(runtime, chain):
    flow = chain(lambda routine, item: get_current_job().complete())
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    assert runtime.get_job(job.job_id) is job
    assert job.status == "completed"


def test_what_a_job_emits_after_its_early_end_is_dropped(runtime, chain):
    got = []

    def finish(routine, item):
        get_current_job().complete()
        routine.emit("output", value=1)

    flow = chain(finish, lambda routine, item: got.append(item))
    runtime.exec(flow)
    assert runtime.post(flow, "a", "input", 1).job.wait(WAIT)
    assert got == []


def test_status_of_a_running_job_is_the_runtimes_business(runtime, chain):
    flow = chain(None)
    flow.routines["a"].add_slot("other")
    flow.routines["a"].set_activation_policy(all_slots_ready_policy())
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    with pytest.raises(AttributeError, match="the runtime says"):
        job.status = "running"
    with pytest.raises(AttributeError, match="complete"):
        job.error = "why"
    job.start()
    assert job.status == "pending"
    job.status = "failed"
    assert job.wait(WAIT)


# A refused post of the published engine left a running job, a worker and a thread.
def test_refused_post_leaves_nothing(runtime, chain):
    flow = chain(None)
    runtime.exec(flow)
    for routine, slot in (("b", "input"), ("a", "inptu")):
        with pytest.raises(ValueError, match="not found"):
            runtime.post(flow, routine, slot, 1)
    assert (runtime.list_jobs(), len(runtime._active_workers)) == ([], 1)


# Its retry counter was shared by all jobs and never set back.
def test_each_job_has_its_own_retries(runtime, chain):
    calls = []

    def flaky(routine, item):
        calls.append(item)
        if calls.count(item) <= 2:
            raise OSError("not yet")

    flow = chain(flaky)
    flow.set_error_handler(ErrorHandler("retry", max_retries=2, retry_delay=0.001))
    runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", n).job for n in range(5)]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert {str(job.status) for job in jobs} == {"completed"}
    assert [calls.count(n) for n in range(5)] == [3] * 5
