"""Chapter 5: what a JobContext carries."""

import json
import pickle
from datetime import datetime, timedelta, timezone

import pytest

from routilux import all_slots_ready_policy, get_current_job

WAIT = 20.0


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


@pytest.fixture
def done(runtime, solo, finish):
    """Run one job with the logic `use(job)` and give the finished job."""

    def run(use=lambda job: None, **options):
        def logic(slot_data, policy_message, worker_state):
            use(get_current_job())

        job = poster(runtime, solo(logic))(**options)
        finish(runtime)
        return job

    return run


def fail(job):
    raise LookupError("no such item")


def test_job_knows_its_id_its_flow_and_its_worker(runtime, solo, record):
    flow = solo(record)
    worker = runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1)[1]
    assert job.wait(WAIT)
    assert (job.flow_id, job.worker_id) == (flow.flow_id, worker.worker_id)
    assert isinstance(job.job_id, str)
    assert runtime.get_job(job.job_id) is job


def test_every_job_has_an_id_of_its_own(runtime, solo, record, finish):
    post = poster(runtime, solo(record))
    jobs = [post() for _ in range(500)]
    finish(runtime)
    assert len({job.job_id for job in jobs}) == 500


def test_job_id_may_be_chosen(done):
    assert done(job_id="order-7").job_id == "order-7"


# --- metadata, data


def test_metadata_is_what_the_post_gave(done):
    assert done(metadata={"user": "ann"}).metadata == {"user": "ann"}


def test_metadata_is_an_empty_dict_when_the_post_gave_none(done):
    assert done().metadata == {}


def test_metadata_can_be_read_inside_logic(done):
    seen = []
    done(lambda job: seen.append(job.metadata["user"]), metadata={"user": "ann"})
    assert seen == ["ann"]


def test_data_set_inside_logic_can_be_read_after_the_job(done):
    job = done(lambda job: job.set_data("answer", [42]))
    assert job.get_data("answer") == [42]
    assert job.data == {"answer": [42]}


def test_data_set_before_the_logic_runs_can_be_read_inside(runtime, solo, finish):
    seen = []

    def look(slot_data, policy_message, worker_state):
        seen.append(get_current_job().get_data("given"))

    flow = solo(look, policy=all_slots_ready_policy(), slots=("left", "right"))
    post = poster(runtime, flow)
    job = post(slot="left", job_id="one")
    job.set_data("given", 7)
    post(slot="right", job_id="one")
    finish(runtime)
    assert seen == [7]


def test_data_is_shared_by_all_routines_of_the_job(runtime, stage, make_flow, finish):
    def first(emit, item):
        get_current_job().set_data("route", ["first"])
        emit("output", n=1)

    def second(emit, item):
        get_current_job().get_data("route").append("second")

    routines = {"work": stage(first), "next": stage(second)}
    job = poster(runtime, make_flow(routines, ("work", "output", "next", "input")))()
    finish(runtime)
    assert job.get_data("route") == ["first", "second"]


def test_data_of_one_job_is_not_seen_by_another(done):
    done(lambda job: job.set_data("secret", 1))
    assert done().data == {}


def test_get_data_of_a_missing_key_answers_the_default(done):
    job = done()
    assert job.get_data("missing") is None
    assert job.get_data("missing", 5) == 5


# --- trace


def test_trace_log_is_empty_without_a_trace(done):
    assert done().trace_log == []


def test_trace_writes_routine_action_details_and_time_in_order(done):
    def use(job):
        job.trace("work", "begin", {"n": 1})
        job.trace("work", "end")

    begin, end = done(use).trace_log
    assert (begin["routine_id"], begin["action"]) == ("work", "begin")
    assert begin["details"] == {"n": 1}
    assert end["action"] == "end"
    first, second = (datetime.fromisoformat(at["timestamp"]) for at in (begin, end))
    assert first <= second


# --- times


def test_created_started_and_completed_follow_each_other_in_utc(done):
    job = done()
    times = [job.created_at, job.started_at, job.completed_at]
    assert times == sorted(times)
    assert all(time.utcoffset() == timedelta(0) for time in times)


def test_times_are_wall_clock_times(engine, done):
    if engine == "sim":
        pytest.skip("its wall clock is virtual: tests/sim")
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    job = done()
    after = datetime.now(timezone.utc) + timedelta(seconds=1)
    assert before <= job.created_at
    assert job.completed_at <= after


def test_started_at_and_completed_at_are_none_before_they_happen(runtime, solo, record):
    flow = solo(record, policy=all_slots_ready_policy(), slots=("left", "right"))
    job = poster(runtime, flow)(slot="left")
    assert job.created_at is not None
    assert (job.started_at, job.completed_at) == (None, None)


def test_completed_at_is_none_while_the_logic_runs(done):
    seen = []
    done(lambda job: seen.append((job.started_at is None, job.completed_at)))
    assert seen == [(False, None)]


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_completed_at_is_set_however_the_job_ends(runtime, done, solo, record, how):
    if how == "failed":
        job = done(fail)
    else:
        flow = solo(record, policy=all_slots_ready_policy(), slots=("left", "right"))
        job = poster(runtime, flow)(slot="left")
        job.cancel()
        assert job.wait(WAIT)
    assert job.status == how
    assert job.completed_at >= job.created_at


# --- error


def test_error_is_none_without_an_error(done):
    assert done().error is None


def test_error_holds_type_message_traceback_and_routine(done):
    error = done(fail).error
    assert (error.type, error.message) == ("LookupError", "no such item")
    assert error.routine_id == "work"
    assert "in fail" in error.traceback
    assert "LookupError: no such item" in error.traceback


def test_error_prints_as_type_and_message(done):
    assert str(done(fail).error) == "LookupError: no such item"


def test_error_that_was_pickled_is_the_same_with_all_its_parts(done):
    error = done(fail).error
    again = pickle.loads(pickle.dumps(error))
    assert again == error
    assert vars(again) == vars(error)


# --- to_dict


def test_to_dict_tells_everything_in_plain_values(done):
    def use(job):
        job.set_data("n", 1)
        job.trace("work", "begin")
        fail(job)

    told = done(use, metadata={"user": "ann"}, job_id="seven").to_dict()
    assert json.loads(json.dumps(told)) == told
    assert (told["job_id"], told["status"]) == ("seven", "failed")
    assert (told["data"], told["metadata"]) == ({"n": 1}, {"user": "ann"})
    assert told["trace_log"][0]["action"] == "begin"
    assert told["error"] == "LookupError: no such item"
    assert datetime.fromisoformat(told["completed_at"])


def test_to_dict_of_a_pending_job_has_no_times_to_tell(runtime, solo, record):
    flow = solo(record, policy=all_slots_ready_policy(), slots=("left", "right"))
    told = poster(runtime, flow)(slot="left").to_dict()
    assert told["status"] == "pending"
    assert (told["started_at"], told["completed_at"]) == (None, None)


def test_job_can_not_be_made_a_second_time(done):
    job = done()
    with pytest.raises(TypeError, match="is made already"):
        job.__init__("other")
    assert job.status == "completed"


def test_trace_log_can_be_replaced_by_a_list(done):
    job = done(lambda job: job.trace("work", "before"))
    assert [entry["action"] for entry in job.trace_log] == ["before"]
    job.trace_log = []
    job.trace("work", "after")
    assert [entry["action"] for entry in job.trace_log] == ["after"]
    with pytest.raises(TypeError):
        job.trace_log = None


def test_post_that_joins_a_job_adds_to_its_metadata(runtime, solo, record):
    flow = solo(record, policy=all_slots_ready_policy(), slots=("input", "other"))
    post = poster(runtime, flow)
    job = post(job_id="mine", metadata={"a": 1, "b": 2})
    assert post(slot="other", job_id="mine", metadata={"b": 3}) is job
    assert job.metadata == {"a": 1, "b": 3}
    assert job.wait(WAIT)
