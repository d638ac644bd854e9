"""Chapter 2: exec() starts a worker and returns its WorkerState."""

import logging
import threading

import pytest

from routilux import (
    Flow,
    Routine,
    WorkerNotRunningError,
    WorkerState,
    WorkerStatus,
    immediate_policy,
)

WAIT = 20.0


def test_exec_returns_the_worker_state(runtime, solo, record):
    flow = solo(record)
    worker = runtime.exec(flow)
    assert isinstance(worker, WorkerState)
    assert worker.flow_id == flow.flow_id
    assert isinstance(worker.worker_id, str)


def test_exec_starts_a_running_worker(runtime, solo, record):
    worker = runtime.exec(solo(record))
    assert isinstance(worker.status, WorkerStatus)
    assert worker.status == "running"
    assert f"{worker.status}" == "running"


def test_exec_of_a_runtime_that_ends_meanwhile_raises_and_leaves_the_flow_free(
    runtime, solo
):
    class Ends(logging.Handler):
        def emit(self, record):
            if "never run" in record.getMessage():
                runtime.shutdown()

    flow = solo(None)  # without logic, which exec() warns about
    logger, handler = logging.getLogger("routilux"), Ends()
    logger.addHandler(handler)
    try:
        with pytest.raises(RuntimeError, match="shut down"):
            runtime.exec(flow)
    finally:
        logger.removeHandler(handler)
    flow.add_routine(Routine(), "another")  # as none may while a worker runs it


def test_exec_accepts_a_flow(runtime, solo, finish, record, calls):
    flow = solo(record)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert len(calls) == 1


def test_exec_accepts_a_registered_name(runtime, solo, register, finish, record, calls):
    register("exec_by_name", solo(record))
    runtime.exec("exec_by_name")
    runtime.post("exec_by_name", "work", "input", 1)
    finish(runtime)
    assert len(calls) == 1


def test_exec_accepts_the_keyword_flow_name(runtime, solo, register, record):
    flow = register("exec_by_keyword", solo(record))
    assert runtime.exec(flow_name="exec_by_keyword").flow_id == flow.flow_id


def test_exec_accepts_the_keyword_flow_id(runtime, solo, register, record):
    flow = register("exec_by_flow_id", solo(record))
    assert runtime.exec(flow_id="exec_by_flow_id").flow_id == flow.flow_id


def test_flow_that_runs_by_name_can_be_posted_to_by_its_id(
    runtime, solo, register, finish, record, calls
):
    flow = register("exec_name_and_id", solo(record))
    runtime.exec("exec_name_and_id")
    runtime.post(flow.flow_id, "work", "input", 1)
    finish(runtime)
    assert len(calls) == 1


def test_exec_uses_the_worker_id_that_it_is_given(runtime, solo, record):
    flow = solo(record)
    assert runtime.exec(flow, "mine").worker_id == "mine"
    assert runtime.exec(flow, worker_id="yours").worker_id == "yours"


def test_every_exec_starts_a_worker_of_its_own(runtime, solo, record):
    flow = solo(record)
    assert len({runtime.exec(flow).worker_id for _ in range(20)}) == 20


def test_worker_id_of_a_live_worker_is_refused(runtime, solo, record):
    flow = solo(record)
    runtime.exec(flow, "mine")
    with pytest.raises(ValueError, match="'mine'"):
        runtime.exec(flow, "mine")


def test_unknown_flow_is_a_value_error_that_lists_near_names(
    runtime, solo, register, record
):
    register("orders_near", solo(record))
    with pytest.raises(ValueError, match=r"(?s)^Flow 'ordrs_near' not found.*orders_n"):
        runtime.exec("ordrs_near")


def test_unknown_flow_without_near_names_is_a_value_error(runtime):
    with pytest.raises(ValueError, match="Flow 'zzzzqqqq' not found"):
        runtime.exec("zzzzqqqq")


@pytest.mark.parametrize("wrong", [3, None, object, ["flow"]])
def test_exec_of_something_else_is_a_type_error(runtime, wrong):
    with pytest.raises(TypeError):
        runtime.exec(wrong)


def test_exec_after_shutdown_is_a_runtime_error(make_runtime, solo, record):
    runtime = make_runtime()
    runtime.shutdown(timeout=WAIT)
    with pytest.raises(RuntimeError, match="shut down"):
        runtime.exec(solo(record))


def test_exec_alone_runs_nothing(runtime, solo, finish, record, calls):
    runtime.exec(solo(record))
    finish(runtime)
    assert calls == []
    assert runtime.list_jobs() == []


def test_exec_of_a_flow_without_routines_gives_a_worker(runtime, finish):
    worker = runtime.exec(Flow())
    finish(runtime)
    assert worker.status == "running"


def test_exec_starts_no_thread_a_worker(threaded, solo, record):
    before = threading.active_count()
    runtime = threaded(thread_pool_size=2)
    flow = solo(record)
    for _ in range(100):
        runtime.exec(flow)
    assert threading.active_count() - before <= 4


def appender(target, value):
    return lambda slot_data, policy_message, worker_state: target.append(value)


def test_flows_with_the_same_shape_are_apart(runtime, solo, finish):
    got = []
    flows = [solo(appender(got, n)) for n in range(2)]
    for flow in flows:
        runtime.exec(flow)
    runtime.post(flows[1].flow_id, "work", "input", None)
    finish(runtime)
    assert got == [1]


def test_worker_is_stopped_after_shutdown(make_runtime, solo, record):
    runtime = make_runtime()
    worker = runtime.exec(solo(record))
    runtime.shutdown(timeout=WAIT)
    assert worker.status == "stopped"


def test_refused_exec_leaves_no_worker(runtime, solo, record):
    flow = solo(record)
    with pytest.raises(TypeError):
        runtime.exec(flow, worker_id=7)
    with pytest.raises(WorkerNotRunningError):
        runtime.post(flow.flow_id, "work", "input", 1)


def test_same_flow_runs_in_two_runtimes(make_runtime, solo, finish, record, calls):
    flow = solo(record)
    runtimes = [make_runtime(), make_runtime()]
    for runtime in runtimes:
        runtime.exec(flow, "same")
        runtime.post(flow.flow_id, "work", "input", 1)
        finish(runtime)
    assert len(calls) == 2


def test_worker_state_is_started_once_however_many_start_it_at_once(
    threaded, make_routine, make_flow, solo, record, gate, spawn
):
    """The second call comes while the first one looks at its flow."""
    looked = threading.Event()

    class Slow(Routine):
        @property
        def logic(self):
            looked.set()
            assert gate.wait(WAIT)
            return record

    slow = Slow()
    slow.add_slot("input")
    slow.set_activation_policy(immediate_policy())
    runtime, state = threaded(), WorkerState()
    late, flow = make_flow({"work": slow}), solo(record)
    refused = spawn(runtime.exec, late, "another id", worker_state=state)
    assert looked.wait(WAIT)
    assert runtime.exec(flow, worker_state=state) is state
    gate.set()
    with pytest.raises(ValueError, match="was started before"):
        refused.result(WAIT)
    assert (state.flow, state.flow_id, state.status) == (flow, flow.flow_id, "running")
    late.add_routine(make_routine(record), "free to change")
    job = runtime.post(flow.flow_id, "work", "input", 1).job
    assert job.wait(WAIT)
