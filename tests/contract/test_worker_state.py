"""Chapter 5: routine state in WorkerState belongs to the user alone."""

import copy
import pickle
import threading

import pytest

from routilux import ErrorHandler, WorkerState, WorkerStatus, get_current_worker_state

WAIT = 20.0


@pytest.fixture
def worker(runtime, solo, record):
    return runtime.exec(solo(record))


def run(runtime, flow, *items):
    """Run the flow with the items; the worker, when all jobs are finished."""
    worker = runtime.exec(flow)
    for item in items:
        runtime.post(flow.flow_id, "work", "input", item)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    return worker


# --- update and get


def test_update_replaces_the_state(worker):
    worker.update_routine_state("work", {"a": 1, "b": 2})
    worker.update_routine_state("work", {"c": 3})
    assert worker.get_routine_state("work") == {"c": 3}


def test_state_of_an_unknown_routine_is_the_default(worker):
    assert worker.get_routine_state("nobody") is None
    assert worker.get_routine_state("nobody", {}) == {}


def test_empty_state_is_not_the_default(worker):
    worker.update_routine_state("work", {})
    assert worker.get_routine_state("work", {"default": True}) == {}


@pytest.mark.parametrize("state", [None, [("a", 1)], "a", 1], ids=repr)
def test_update_with_a_non_dict_is_a_type_error(worker, state):
    worker.update_routine_state("work", {"kept": 1})
    with pytest.raises(TypeError, match="dict"):
        worker.update_routine_state("work", state)
    assert worker.get_routine_state("work") == {"kept": 1}


def test_get_answers_a_copy(worker):
    worker.update_routine_state("work", {"n": 1})
    worker.get_routine_state("work")["n"] = 2
    assert worker.get_routine_state("work") == {"n": 1}


def test_copy_is_shallow(worker):
    inner = []
    worker.update_routine_state("work", {"inner": inner})
    assert worker.get_routine_state("work")["inner"] is inner


@pytest.mark.parametrize(
    "value",
    [threading.Lock(), lambda: None, iter("ab"), object()],
    ids=["lock", "function", "iterator", "object"],
)
def test_any_value_is_legal(worker, value):
    worker.update_routine_state("work", {"value": value})
    assert worker.get_routine_state("work")["value"] is value


def test_states_of_routines_are_apart(worker):
    worker.update_routine_state("one", {"n": 1})
    worker.update_routine_state("two", {"n": 2})
    assert worker.get_routine_state("one") == {"n": 1}
    assert worker.routine_states["two"] == {"n": 2}


def test_states_of_workers_are_apart(runtime, solo, record):
    flow = solo(record)
    one, two = runtime.exec(flow), runtime.exec(flow)
    one.update_routine_state("work", {"n": 1})
    assert two.get_routine_state("work") is None


# --- who writes


def test_engine_never_writes_there(runtime, solo, record):
    worker = run(runtime, solo(record), 1, 2, 3)
    assert worker.get_routine_state("work") is None
    assert dict(worker.routine_states) == {}


@pytest.mark.parametrize("strategy", ["stop", "continue", "skip"])
def test_engine_never_writes_there_when_logic_raises(runtime, solo, strategy):
    def fail(slot_data, policy_message, worker_state):
        worker_state.update_routine_state("work", {"mine": 1})
        raise ValueError

    flow = solo(fail)
    flow.set_error_handler(ErrorHandler(strategy))
    assert run(runtime, flow, 1).get_routine_state("work") == {"mine": 1}


def test_state_survives_from_job_to_job(runtime, solo):
    def count(slot_data, policy_message, worker_state):
        state = worker_state.get_routine_state("work") or {}
        worker_state.update_routine_state("work", {"n": state.get("n", 0) + 1})

    worker = run(runtime, solo(count), *range(1000))
    assert worker.get_routine_state("work") == {"n": 1000}


# --- atomic update


def test_update_with_a_function_answers_the_new_state(worker):
    worker.update_routine_state("work", {"n": 1})
    new = worker.update_routine_state_with("work", lambda old: {"n": old["n"] + 1})
    assert new == worker.get_routine_state("work") == {"n": 2}


def test_update_with_a_function_that_raises_changes_nothing(worker):
    def spoil(state):
        state["n"] = 2
        raise ValueError("no")

    worker.update_routine_state("work", {"n": 1})
    with pytest.raises(ValueError, match="no"):
        worker.update_routine_state_with("work", spoil)
    assert worker.get_routine_state("work") == {"n": 1}


def test_update_with_a_function_is_atomic_for_concurrent_routines(threaded, solo):
    def count(slot_data, policy_message, worker_state):
        for _ in range(50):
            worker_state.update_routine_state_with("work", add_one)

    def add_one(state):
        return {"n": (state or {}).get("n", 0) + 1}

    flow = solo(count)
    flow.routines["work"].set_concurrency(4)
    worker = run(threaded(), flow, *range(100))
    assert worker.get_routine_state("work") == {"n": 5000}


def test_update_with_a_function_is_atomic_for_threads_of_the_user(worker, spawn):
    start = threading.Barrier(4)

    def count():
        start.wait(WAIT)
        for _ in range(500):
            worker.update_routine_state_with("work", add_one)

    def add_one(state):
        return {"n": (state or {}).get("n", 0) + 1}

    for future in [spawn(count) for _ in range(4)]:
        future.result(WAIT)
    assert worker.get_routine_state("work") == {"n": 2000}


# --- who runs


def test_update_with_a_function_is_made_again_when_another_was_faster(worker, spawn):
    def add_one(state):
        return {"n": state.get("n", 0) + 1}

    def add_one_slowly(state):
        if not seen:
            seen.append(state)
            spawn(worker.update_routine_state_with, "work", add_one).result(WAIT)
        return add_one(state)

    seen = []
    assert worker.update_routine_state_with("work", add_one_slowly) == {"n": 2}


def test_current_routine_id_answers_inside_logic(runtime, stage, make_flow, calls):
    def look(emit, item):
        calls.append(get_current_worker_state().current_routine_id)
        emit("output", n=1)

    def look_and_stop(emit, item):
        calls.append(get_current_worker_state().current_routine_id)

    routines = {"work": stage(look), "next": stage(look_and_stop)}
    run(runtime, make_flow(routines, ("work", "output", "next", "input")), 1)
    assert calls == ["work", "next"]


def test_current_routine_id_is_none_outside_of_logic(runtime, solo, record, worker):
    assert worker.current_routine_id is None
    assert run(runtime, solo(record), 1).current_routine_id is None


def test_current_routine_id_is_the_own_one_in_each_of_parallel_routines(
    threaded, make_routine, make_flow, calls
):
    both = threading.Barrier(2)

    def look(slot_data, policy_message, worker_state):
        both.wait(WAIT)
        calls.append(worker_state.current_routine_id)
        both.wait(WAIT)

    runtime = threaded(thread_pool_size=2)
    flow = make_flow({"one": make_routine(look), "two": make_routine(look)})
    runtime.exec(flow)
    for routine_id in ("one", "two"):
        runtime.post(flow.flow_id, routine_id, "input", 1)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert sorted(calls) == ["one", "two"]


def test_worker_knows_its_id_its_flow_and_its_status(runtime, solo, record):
    flow = solo(record)
    worker = runtime.exec(flow, worker_id="first")
    assert (worker.worker_id, worker.flow_id) == ("first", flow.flow_id)
    assert worker.status is WorkerStatus.RUNNING
    assert f"{worker.status}" == "running"


def test_logic_gets_the_worker_state_that_exec_returned(runtime, solo, calls):
    def look(slot_data, policy_message, worker_state):
        calls.append(worker_state)

    worker = run(runtime, solo(look), 1)
    assert calls == [worker]


def test_record_execution_writes_the_history(worker):
    worker.record_execution("work", "noted", {"n": 1})
    (entry,) = worker.execution_history
    assert (entry.routine_id, entry.event_name) == ("work", "noted")
    assert entry.data == {"n": 1}


# --- job_id, and a worker that was made by hand


def test_job_id_is_of_the_last_post_of_its_thread_however_many_others_post(
    threaded, solo, record
):
    flow = solo(record)
    runtime = threaded()
    worker = runtime.exec(flow)
    seen = []

    def post():
        job = runtime.post(flow.flow_id, "work", "input", None).job
        seen.append(worker.job_id == job.job_id)

    for _ in range(200):
        mine = runtime.post(flow.flow_id, "work", "input", None).job
        for _ in range(3):  # threads that were never seen before
            thread = threading.Thread(target=post)
            thread.start()
            thread.join(WAIT)
        assert worker.job_id == mine.job_id
    assert seen == [True] * 600


@pytest.mark.parametrize("answer", [None, 3, [("n", 1)]], ids=repr)
def test_update_with_a_function_that_answers_no_dict_changes_nothing(worker, answer):
    worker.update_routine_state("work", {"n": 1})
    with pytest.raises(TypeError, match="'work' must be a dict, not"):
        worker.update_routine_state_with("work", lambda state: answer)
    assert worker.get_routine_state("work") == {"n": 1}


def test_worker_that_never_ran_has_a_clock_and_states_but_no_queues():
    worker = WorkerState("flow", "by hand")
    before = worker.monotonic()
    assert before <= worker.monotonic()
    worker.update_routine_state("work", {"n": 1})
    assert worker.routine_states == {"work": {"n": 1}}
    for look in (worker.get_slot, worker.get_event_count):
        with pytest.raises(RuntimeError, match=r"started by Runtime\.exec"):
            look("work", "input")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_worker_can_not_be_copied(worker, copied):
    with pytest.raises(TypeError, match="can't be pickled or copied"):
        copied(worker)
