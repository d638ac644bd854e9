"""Chapter 5: the status of a job, when it is finished, and where it is found."""

import threading

import pytest

from routilux import (
    JobStatus,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    get_current_job,
    get_current_jobs,
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
def pair(solo, record):
    """Build a flow whose routine waits for one item in each of two slots."""
    return solo(record, policy=all_slots_ready_policy(), slots=("left", "right"))


@pytest.fixture
def two_stages(make_flow):
    def build(first, second):
        routines = {"work": first, "next": second}
        return make_flow(routines, ("work", "output", "next", "input"))

    return build


@pytest.fixture
def batcher(make_routine):
    """Build a routine that forwards batches of n."""

    def build(n):
        def forward(slot_data, policy_message, worker_state):
            routine.emit("output", items=slot_data["input"])

        routine = make_routine(forward, policy=batch_size_policy(n), events=["output"])
        return routine

    return build


@pytest.fixture
def blocker(gate, entered):
    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    return block


@pytest.fixture
def entered():
    return threading.Event()


def fail(slot_data, policy_message, worker_state):
    raise ValueError("bad item")


# --- status


@pytest.mark.parametrize(
    "word", ["pending", "running", "completed", "failed", "cancelled"]
)
def test_status_is_a_str_enum_that_prints_the_bare_word(word, capsys):
    status = JobStatus(word)
    print(status)
    assert capsys.readouterr().out == f"{word}\n"
    assert f"{status}" == status == word
    assert isinstance(status, str)


def test_status_has_no_sixth_value():
    assert len(JobStatus) == 5


def test_job_is_pending_while_nothing_of_it_ran(runtime, pair):
    job = poster(runtime, pair)(slot="left")
    assert not job.wait(SHORT)
    assert job.status is JobStatus.PENDING


def test_job_is_pending_behind_a_busy_routine(threaded, solo, blocker, entered):
    post = poster(threaded(), solo(blocker))
    post()
    second = post()
    assert entered.wait(WAIT)
    assert second.status is JobStatus.PENDING


def test_job_is_running_while_its_logic_runs(runtime, solo):
    seen = []

    def look(slot_data, policy_message, worker_state):
        seen.append(get_current_job().status)

    assert poster(runtime, solo(look))().wait(WAIT)
    assert seen == [JobStatus.RUNNING]


def test_job_is_running_while_its_item_waits_in_a_later_slot(
    runtime, stage, make_routine, make_flow, record
):
    first = stage(lambda emit, item: emit("output", n=item))
    join = make_routine(record, policy=all_slots_ready_policy(), slots=("one", "two"))
    flow = make_flow({"work": first, "join": join}, ("work", "output", "join", "one"))
    job = poster(runtime, flow)()
    assert not runtime.wait_until_all_jobs_finished(SHORT)
    assert job.status is JobStatus.RUNNING


def test_job_without_an_error_ends_completed(runtime, solo, record):
    job = poster(runtime, solo(record))()
    assert job.wait(WAIT)
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)


def test_job_whose_logic_raises_ends_failed(runtime, solo):
    job = poster(runtime, solo(fail))()
    assert job.wait(WAIT)
    assert job.status is JobStatus.FAILED


def test_job_that_is_cancelled_ends_cancelled(runtime, pair):
    job = poster(runtime, pair)(slot="left")
    job.cancel()
    assert job.wait(WAIT)
    assert job.status is JobStatus.CANCELLED


@pytest.mark.parametrize("raises", [False, True])
def test_end_of_a_job_is_final(runtime, solo, record, raises):
    job = poster(runtime, solo(fail if raises else record))()
    assert job.wait(WAIT)
    before = (job.status, job.completed_at, job.error)
    assert job.cancel() is False
    assert (job.status, job.completed_at, job.error) == before


def test_cancelled_job_whose_logic_then_raises_stays_cancelled(runtime, solo, finish):
    def cancel_and_raise(slot_data, policy_message, worker_state):
        assert get_current_job().cancel() is True
        raise ValueError("too late")

    job = poster(runtime, solo(cancel_and_raise))()
    finish(runtime)
    assert (job.status, job.error.type) == ("cancelled", "Cancelled")


def test_job_that_fails_twice_ends_once(runtime, stage, two_stages, finish):
    def twice(emit, item):
        emit("output", n=1)
        emit("output", n=2)

    def fail_with_number(emit, item):
        raise ValueError(str(item["n"]))

    ends = []
    job = poster(runtime, two_stages(stage(twice), stage(fail_with_number)))()
    job.add_done_callback(ends.append)
    finish(runtime)
    assert (job.error.message, ends) == ("1", [job])


# --- when a job is finished


def test_job_is_not_finished_while_an_item_of_it_executes(
    threaded, stage, make_routine, two_stages, blocker, entered, gate
):
    first = stage(lambda emit, item: emit("output", n=item))
    job = poster(threaded(), two_stages(first, make_routine(blocker)))()
    assert entered.wait(WAIT)
    assert not job.wait(SHORT)
    gate.set()
    assert job.wait(WAIT)


def test_job_is_not_finished_while_an_item_of_it_is_queued(runtime, pair):
    post = poster(runtime, pair)
    left = post(slot="left")
    assert not left.wait(SHORT)
    right = post(slot="right")
    assert left.wait(WAIT)
    assert right.wait(WAIT)


def test_post_that_joins_a_job_holds_it_open(runtime, pair, calls):
    post = poster(runtime, pair)
    job = post(slot="left", job_id="shared")
    assert post(slot="left", job_id="shared") is job
    assert post(slot="right").wait(WAIT)
    assert not job.wait(SHORT)
    post(slot="right")
    assert job.wait(WAIT)
    assert len(calls) == 2


def test_activation_holds_all_jobs_whose_items_it_consumes(
    threaded, solo, blocker, entered, gate
):
    post = poster(threaded(), solo(blocker, policy=batch_size_policy(3)))
    jobs = [post() for _ in range(3)]
    assert entered.wait(WAIT)
    assert [job.status for job in jobs] == ["running"] * 3
    assert not any(job.wait(SHORT) for job in jobs)
    gate.set()
    assert all(job.wait(WAIT) for job in jobs)
    assert [job.status for job in jobs] == ["completed"] * 3


def test_what_a_batch_emits_belongs_to_all_its_jobs(
    threaded, batcher, make_routine, two_stages, blocker, entered, gate
):
    post = poster(threaded(), two_stages(batcher(3), make_routine(blocker)))
    jobs = [post() for _ in range(3)]
    assert entered.wait(WAIT)
    assert not any(job.wait(SHORT) for job in jobs)
    gate.set()
    assert all(job.wait(WAIT) for job in jobs)


def test_current_job_is_the_job_of_the_newest_item(runtime, solo):
    seen = []

    def look(slot_data, policy_message, worker_state):
        seen.append((get_current_job(), list(get_current_jobs())))

    post = poster(runtime, solo(look, policy=batch_size_policy(3)))
    jobs = [post() for _ in range(3)]
    assert all(job.wait(WAIT) for job in jobs)
    assert seen == [(jobs[-1], jobs)]


def test_current_jobs_after_a_batch_are_all_jobs_of_the_batch(
    runtime, batcher, stage, two_stages
):
    seen = []

    def look(emit, item):
        seen.append((get_current_job(), list(get_current_jobs())))

    post = poster(runtime, two_stages(batcher(2), stage(look)))
    jobs = [post() for _ in range(4)]
    assert all(job.wait(WAIT) for job in jobs)
    assert seen == [(jobs[1], jobs[:2]), (jobs[3], jobs[2:])]


# --- get_job, list_jobs


def test_get_job_answers_for_a_live_job(runtime, pair):
    job = poster(runtime, pair)(slot="left")
    assert runtime.get_job(job.job_id) is job
    assert runtime.list_jobs() == [job]


def test_get_job_answers_for_a_finished_job(runtime, solo, record, finish):
    job = poster(runtime, solo(record))()
    finish(runtime)
    assert runtime.get_job(job.job_id) is job
    assert runtime.list_jobs() == []


def test_get_job_answers_none_for_an_unknown_id(runtime):
    assert runtime.get_job("nobody") is None


def test_get_job_answers_for_the_last_job_history_finished_jobs(
    make_runtime, solo, record, finish
):
    runtime = make_runtime(job_history=2)
    post = poster(runtime, solo(record))
    jobs = []
    for _ in range(5):
        jobs.append(post())
        finish(runtime)
    found = [runtime.get_job(job.job_id) for job in jobs]
    assert found == [None, None, None, *jobs[3:]]
    assert [job.status for job in jobs] == ["completed"] * 5


def test_job_history_is_ten_thousand_by_default(solo, record):
    with Runtime(thread_pool_size=2) as runtime:
        post = poster(runtime, solo(record))
        jobs = [post() for _ in range(10_001)]
        assert runtime.wait_until_all_jobs_finished(WAIT)
        assert runtime.get_job(jobs[0].job_id) is None
        assert runtime.get_job(jobs[1].job_id) is jobs[1]


def test_live_job_is_never_forgotten_whatever_the_history(
    make_runtime, pair, make_routine, make_flow, record
):
    runtime = make_runtime(job_history=1)
    live = poster(runtime, pair)(slot="left")
    post = poster(runtime, make_flow({"work": make_routine(record)}))
    jobs = [post() for _ in range(20)]
    assert all(job.wait(WAIT) for job in jobs)
    assert runtime.get_job(live.job_id) is live
    assert runtime.get_job(jobs[0].job_id) is None


def test_job_id_is_free_again_once_the_history_forgot_it(make_runtime, solo, record):
    runtime = make_runtime(job_history=1)
    post = poster(runtime, solo(record))
    first = post(job_id="name")
    assert first.wait(WAIT)
    assert post().wait(WAIT)
    second = post(job_id="name")
    assert second.wait(WAIT)
    assert second is not first


@pytest.mark.parametrize("tail", ["", "zz", "-1", "f" * 40, "1_", " 1", "000002"])
def test_id_that_no_job_has_is_unknown(runtime, solo, record, tail):
    """All of them begin like the ids of this runtime."""
    flow = solo(record)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", None).job
    prefix = job.job_id.rpartition("_")[0]
    assert runtime.get_job(f"{prefix}_{tail}") is None
    assert runtime.get_job(job.job_id) is job


def test_job_that_lives_long_is_found_however_many_end_meanwhile(
    make_runtime, solo, record
):
    runtime = make_runtime(job_history=5)
    flow = solo(record, policy=all_slots_ready_policy(), slots=("input", "other"))
    runtime.exec(flow)
    other = solo(record)
    runtime.exec(other)
    oldest = runtime.post(flow.flow_id, "work", "input", None).job
    for _ in range(300):
        last = runtime.post(other.flow_id, "work", "input", None).job
        assert last.wait(WAIT)
        assert runtime.get_job(oldest.job_id) is oldest
    assert runtime.get_job(last.job_id) is last
