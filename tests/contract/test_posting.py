"""Chapter 2: post(), its names, its refusals, and the data by reference."""

import copy

import pytest

from routilux import RoutiluxError, Runtime, WorkerNotRunningError

WAIT = 20.0


@pytest.fixture
def flow(solo, record):
    return solo(record, slots=("input", "other"))


@pytest.fixture
def same_id(make_flow, stage):
    """Build a flow of the id "same" that keeps what it gets in a list."""

    def build(got):
        keep = stage(lambda emit, item: got.append(item))
        return make_flow({"work": keep}, flow_id="same")

    return build


def test_a_flow_object_gets_its_own_jobs_though_another_has_its_id(
    runtime, same_id, finish
):
    got, others = [], []
    flow, other = same_id(got), same_id(others)
    runtime.exec(flow)
    runtime.exec(other)
    runtime.post(flow, "work", "input", 1)
    runtime.post_many(flow, "work", "input", [2, 3])
    runtime.post("same", "work", "input", 4)  # by the id: the newest
    finish(runtime)
    assert (got, others) == ([1, 2, 3], [4])


def test_a_flow_object_that_does_not_run_is_not_taken_for_another(runtime, same_id):
    runtime.exec(same_id([]))
    with pytest.raises(WorkerNotRunningError, match="another one with the id 'same'"):
        runtime.post(same_id([]), "work", "input", 1)
    assert runtime.list_jobs() == []


class Hostile:
    """An object that may be carried but neither looked at nor copied."""

    __hash__ = None

    def refuse(self, *args):
        raise AssertionError("the engine looked at the data")

    __eq__ = __ne__ = __bool__ = __len__ = __iter__ = refuse
    __copy__ = __deepcopy__ = __reduce_ex__ = __repr__ = __str__ = refuse


ANYTHING = [
    None,
    0,
    "",
    b"bytes",
    (),
    [1, 2],
    {"key": "value"},
    object(),
    ValueError("as data"),
    int,
    print,
    Hostile(),
]


@pytest.mark.parametrize("data", ANYTHING, ids=lambda data: type(data).__name__)
def test_any_object_is_legal_data_and_arrives_by_reference(
    runtime, flow, finish, calls, data
):
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", data)
    finish(runtime)
    assert job.status == "completed"
    assert len(calls) == 1
    assert calls[0][0]["input"][0] is data


def test_data_is_never_mutated(runtime, flow, finish):
    data = {"a": [1, {"b": 2}], "c": {"d": (3,)}}
    before = copy.deepcopy(data)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", data)
    finish(runtime)
    assert data == before


def test_same_object_posted_twice_arrives_twice(runtime, flow, finish, calls):
    data = {}
    runtime.exec(flow)
    for _ in range(2):
        runtime.post(flow.flow_id, "work", "input", data)
    finish(runtime)
    assert [call[0]["input"][0] is data for call in calls] == [True, True]


def test_published_keyword_names_work(runtime, flow, finish, calls):
    runtime.exec(flow)
    runtime.post(flow_name=flow.flow_id, routine_name="work", slot_name="input", data=1)
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [[1]]


def test_keyword_names_of_the_document_work(runtime, flow, finish, calls):
    runtime.exec(flow)
    runtime.post(flow_id=flow.flow_id, routine_id="work", slot="input", data=1)
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [[1]]


def test_positions_of_all_seven_parameters_work(runtime, flow):
    runtime.exec(flow, "w")
    worker, job = runtime.post(
        flow.flow_id, "work", "input", 1, "w", "the-job", {"m": 1}
    )
    assert (worker.worker_id, job.job_id, job.metadata) == ("w", "the-job", {"m": 1})


def test_block_and_timeout_are_keyword_only(runtime, flow):
    runtime.exec(flow)
    with pytest.raises(TypeError):
        runtime.post(flow.flow_id, "work", "input", 1, None, None, None, False)


def test_unknown_keyword_of_post_is_a_type_error(runtime, flow):
    runtime.exec(flow)
    with pytest.raises(TypeError, match="routine_nam"):
        runtime.post(flow.flow_id, routine_nam="work", slot="input", data=1)


def test_missing_argument_of_post_is_a_type_error(runtime, flow):
    runtime.exec(flow)
    with pytest.raises(TypeError, match="slot"):
        runtime.post(flow.flow_id, "work", data=1)


def test_worker_id_chooses_among_the_workers(runtime, flow, finish):
    workers = [runtime.exec(flow) for _ in range(3)]
    jobs = [
        runtime.post(flow.flow_id, "work", "input", 1, worker_id=worker.worker_id)
        for worker in workers
    ]
    finish(runtime)
    assert [job.worker_id for job in jobs] == [w.worker_id for w in workers]


def test_newest_running_worker_gets_the_job_without_worker_id(runtime, flow, finish):
    got = []
    for _ in range(3):
        worker = runtime.exec(flow)
        result = runtime.post(flow.flow_id, "work", "input", 1)
        got.append((result.worker_id, result[0].worker_id) == (worker.worker_id,) * 2)
    finish(runtime)
    assert got == [True] * 3


def test_newest_worker_is_of_the_same_flow(runtime, flow, solo, record, finish):
    first = runtime.exec(flow)
    runtime.exec(solo(record))
    job = runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert job.worker_id == first.worker_id


def test_post_before_exec_raises(runtime, flow):
    with pytest.raises(WorkerNotRunningError, match=flow.flow_id):
        runtime.post(flow.flow_id, "work", "input", 1)


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, RoutiluxError])
def test_post_before_exec_is_a_runtime_error_and_a_value_error(
    runtime, solo, register, record, kind
):
    register("registered_only", solo(record))
    with pytest.raises(kind, match="exec"):
        runtime.post("registered_only", "work", "input", 1)


def test_post_to_an_unknown_flow_is_a_value_error(runtime):
    with pytest.raises(ValueError, match="zzzzqqqq"):
        runtime.post("zzzzqqqq", "work", "input", 1)


def test_post_after_exec_in_another_runtime_raises(make_runtime, flow):
    make_runtime().exec(flow)
    with pytest.raises(WorkerNotRunningError):
        make_runtime().post(flow.flow_id, "work", "input", 1)


def test_unknown_routine_is_a_value_error_that_lists_the_valid_names(runtime, flow):
    runtime.exec(flow)
    with pytest.raises(ValueError, match=r"(?s)'wrok'.*'work'"):
        runtime.post(flow.flow_id, "wrok", "input", 1)


def test_unknown_slot_is_a_value_error_that_lists_the_valid_names(runtime, flow):
    runtime.exec(flow)
    with pytest.raises(ValueError, match=r"(?s)'zzz'") as caught:
        runtime.post(flow.flow_id, "work", "zzz", 1)
    assert "'input'" in str(caught.value)
    assert "'other'" in str(caught.value)


def test_unknown_worker_is_a_value_error_that_names_it(runtime, flow):
    runtime.exec(flow)
    with pytest.raises(ValueError, match="'nobody'"):
        runtime.post(flow.flow_id, "work", "input", 1, worker_id="nobody")


def test_worker_of_another_flow_is_a_value_error(runtime, flow, solo, record):
    runtime.exec(flow)
    other = runtime.exec(solo(record))
    with pytest.raises(ValueError, match=other.worker_id):
        runtime.post(flow.flow_id, "work", "input", 1, worker_id=other.worker_id)


def test_post_after_shutdown_is_a_runtime_error(make_runtime, flow):
    runtime = make_runtime()
    runtime.exec(flow)
    runtime.shutdown(timeout=WAIT)
    with pytest.raises(RuntimeError, match="shut down"):
        runtime.post(flow.flow_id, "work", "input", 1)


REFUSALS = {
    "flow": {"flow_id": "zzzzqqqq"},
    "routine": {"routine_id": "zzz"},
    "slot": {"slot": "zzz"},
    "worker": {"worker_id": "zzz"},
}


@pytest.fixture(params=REFUSALS)
def refused(request, flow):
    """The arguments of a post that is refused, with the job id "mine"."""
    good = {"flow_id": flow.flow_id, "routine_id": "work", "slot": "input", "data": 1}
    return {**good, "job_id": "mine", **REFUSALS[request.param]}


def test_refused_post_leaves_no_job_behind(runtime, flow, refused):
    worker = runtime.exec(flow)
    with pytest.raises(ValueError):
        runtime.post(**refused)
    assert runtime.get_job("mine") is None
    assert runtime.list_jobs() == []
    assert worker.job_id is None


def test_refused_post_leaves_no_data_behind(runtime, flow, refused, finish, calls):
    worker = runtime.exec(flow)
    with pytest.raises(ValueError):
        runtime.post(**refused)
    assert worker.get_slot("work", "input").get_unconsumed_count() == 0
    finish(runtime)
    assert calls == []


def test_refused_post_leaves_its_job_id_free(runtime, flow, refused, finish, calls):
    runtime.exec(flow)
    with pytest.raises(ValueError):
        runtime.post(**refused)
    job = runtime.post(flow.flow_id, "work", "input", 2, job_id="mine")
    finish(runtime)
    assert job.status == "completed"
    assert [data["input"] for data, _ in calls] == [[2]]


def test_post_refused_after_shutdown_leaves_no_job_behind(make_runtime, flow, calls):
    runtime = make_runtime()
    worker = runtime.exec(flow)
    runtime.shutdown(timeout=WAIT)
    with pytest.raises(RuntimeError):
        runtime.post(flow.flow_id, "work", "input", 1, job_id="mine")
    assert runtime.get_job("mine") is None
    assert worker.job_id is None
    assert calls == []


@pytest.mark.parametrize(
    "wrong", [{"worker_id": 3}, {"job_id": 3}, {"metadata": [1]}, {"slot": 3}]
)
def test_wrong_type_of_an_argument_is_a_type_error(runtime, flow, wrong):
    good = {"flow_id": flow.flow_id, "routine_id": "work", "slot": "input", "data": 1}
    runtime.exec(flow)
    with pytest.raises(TypeError, match=next(iter(wrong))):
        runtime.post(**{**good, **wrong})
    assert runtime.list_jobs() == []


def test_post_without_data_is_a_type_error(runtime, solo, record, calls, finish):
    flow = solo(record)
    runtime.exec(flow)
    with pytest.raises(TypeError, match="needs data; give None to post None"):
        runtime.post(flow.flow_id, "work", "input")
    runtime.post(flow.flow_id, "work", "input", None)
    finish(runtime)
    assert [data["input"] for data, _ in calls] == [[None]]


def test_subclass_that_forgot_its_init_is_named():
    class Mine(Runtime):
        def __init__(self):
            """Do nothing."""

    with pytest.raises(RuntimeError, match=r"Mine\.__init__\(\) was not called"):
        Mine().post("flow", "work", "input", None)
