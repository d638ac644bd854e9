"""Chapter 2: what post() returns, and WorkerState.job_id."""

import inspect
import threading

import pytest

from routilux import JobContext, PostResult, WorkerState, pipeline

WAIT = 20.0

ATTRIBUTES = [
    "job_id",
    "flow_id",
    "worker_id",
    "status",
    "data",
    "metadata",
    "trace_log",
    "created_at",
    "started_at",
    "completed_at",
    "error",
]


@pytest.fixture
def flow(solo, record):
    return solo(record)


@pytest.fixture
def post(runtime, flow):
    runtime.exec(flow)

    def one(data=None, **options):
        return runtime.post(flow.flow_id, "work", "input", data, **options)

    return one


def test_post_returns_a_tuple_of_worker_state_and_job_context(post):
    result = post()
    assert isinstance(result, PostResult)
    assert isinstance(result, tuple)
    assert len(result) == 2
    assert isinstance(result[0], WorkerState)
    assert isinstance(result[1], JobContext)


def test_post_result_unpacks_to_worker_state_and_job_context(runtime, flow):
    worker = runtime.exec(flow)
    worker_state, job = runtime.post(flow.flow_id, "work", "input", {})
    assert worker_state.worker_id == worker.worker_id
    assert job.worker_id == worker.worker_id
    assert job.flow_id == flow.flow_id


def test_post_result_serves_as_the_job_context(post):
    job_context = post()
    assert job_context.job_id == job_context[1].job_id


def test_polling_example_of_the_document_finds_its_job(runtime, flow, finish):
    runtime.exec(flow)
    job_ctx, _ = runtime.post(flow.flow_id, "work", "input", {"value": 42})
    job_id = job_ctx.job_id
    finish(runtime)
    assert runtime.get_job(job_id).status in ("completed", "failed")


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_post_result_answers_every_attribute_of_the_job(post, runtime, finish, name):
    result = post(1, metadata={"k": "v"})
    finish(runtime)
    assert getattr(result, name) == getattr(result[1], name)


def test_post_result_answers_by_asking_the_job(runtime, solo, finish, gate):
    flow = solo(lambda slot_data, policy_message, worker_state: gate.wait(WAIT))
    runtime.exec(flow)
    result = runtime.post(flow.flow_id, "work", "input", 1)
    before = result.status
    gate.set()
    finish(runtime)
    assert before in ("pending", "running")
    assert result.status == "completed"


def test_post_result_waits_as_the_job_does(post):
    assert post().wait(timeout=WAIT) is True


def test_post_result_without_such_an_attribute_is_an_attribute_error(post):
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = post().no_such_thing


def test_post_result_passes_no_question_of_python_itself_on_to_the_job(post):
    result = post()
    assert inspect.unwrap(result) is result  # it looks for `__wrapped__`
    with pytest.raises(AttributeError, match="__wrapped__"):
        _ = result.__wrapped__


def test_get_job_answers_the_job_of_the_post(post, runtime):
    result = post()
    assert runtime.get_job(result.job_id).job_id == result.job_id


def test_worker_job_id_is_none_before_the_first_post(runtime, flow):
    assert runtime.exec(flow).job_id is None


def test_worker_job_id_is_the_job_that_this_thread_posted_last(runtime, flow):
    worker = runtime.exec(flow)
    for _ in range(3):
        job = runtime.post(flow.flow_id, "work", "input", 1)[1]
        assert worker.job_id == job.job_id


def test_worker_job_id_survives_the_end_of_the_job(runtime, flow, finish):
    worker = runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1)[1]
    finish(runtime)
    assert worker.job_id == job.job_id


def test_worker_job_id_is_of_the_calling_thread(runtime, flow, spawn):
    worker = runtime.exec(flow)
    mine = runtime.post(flow.flow_id, "work", "input", 1)[1]

    def elsewhere():
        before = worker.job_id
        job = runtime.post(flow.flow_id, "work", "input", 2)[1]
        return before, job.job_id, worker.job_id

    before, theirs, after = spawn(elsewhere).result(WAIT)
    assert before is None
    assert after == theirs
    assert worker.job_id == mine.job_id


def test_worker_job_id_is_of_that_worker(runtime, flow):
    first, second = runtime.exec(flow), runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1, first.worker_id)[1]
    assert (first.job_id, second.job_id) == (job.job_id, None)


def test_worker_state_of_the_result_answers_the_job_id_too(post):
    worker_state, job = post()
    assert worker_state.job_id == job.job_id


def test_post_gives_the_metadata_to_the_job(post):
    assert post(1, metadata={"source": "test"})[1].metadata == {"source": "test"}


def test_post_without_metadata_gives_an_empty_dict(post):
    assert post()[1].metadata == {}


def test_post_uses_the_job_id_that_it_is_given(post, runtime):
    assert post(job_id="mine").job_id == "mine"
    assert runtime.get_job("mine").job_id == "mine"


def test_post_with_the_id_of_a_live_job_joins_it(runtime, solo, finish, gate):
    got = []

    def logic(slot_data, policy_message, worker_state):
        gate.wait(WAIT)
        got.extend(slot_data["input"])

    flow = solo(logic)
    runtime.exec(flow)
    first = runtime.post(flow.flow_id, "work", "input", 1)[1]
    second = runtime.post(flow.flow_id, "work", "input", 2, job_id=first.job_id)[1]
    live = [job.job_id for job in runtime.list_jobs()]
    gate.set()
    finish(runtime)
    assert second.job_id == first.job_id
    assert live == [first.job_id]
    assert got == [1, 2]
    assert first.status == "completed"


def test_post_with_the_id_of_a_finished_job_is_a_value_error(post, runtime, finish):
    job = post()[1]
    finish(runtime)
    with pytest.raises(ValueError, match=job.job_id):
        post(job_id=job.job_id)


def test_result_is_that_of_its_own_post_though_a_del_posts_meanwhile(make_runtime):
    class Poster:
        def __del__(self):
            inner.append(runtime.post(flow, "step_0", "input", None).job_id)

    runtime, inner = make_runtime(job_history=0), []
    flow = pipeline(lambda x: Poster() if x == 1 else x)
    runtime.exec(flow)
    for _ in range(3):
        runtime.post(flow, "step_0", "input", 1)
        runtime.wait_until_all_jobs_finished(WAIT)
        # What is posted next drops the job before it, and so its result.
        _, job = runtime.post(flow, "step_0", "input", 2)
        assert job.result(WAIT) == 2
        assert job.job_id not in inner
    while len(inner) < 3:  # without a GIL it dies when its own thread goes on
        runtime.post(flow, "step_0", "input", 2).job.wait(WAIT)
    assert len(inner) == 3


def test_each_of_many_posting_threads_gets_its_own_job(threaded):
    runtime = threaded(max_queue_size=100)
    flow = pipeline(lambda x: x)
    runtime.exec(flow)
    wrong = []

    def post(start):
        for n in range(start, start + 300):
            if runtime.post(flow, "step_0", "input", n).job.result(WAIT) != n:
                wrong.append(n)

    threads = [threading.Thread(target=post, args=(1000 * n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert wrong == []
