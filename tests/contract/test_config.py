"""Chapter 3: configuration is read-only while a worker runs the flow."""

import pytest

from routilux import Routine

WAIT = 20.0


def test_get_config_answers_what_set_config_set():
    routine = Routine()
    routine.set_config(rate=3, name="x")
    assert (routine.get_config("rate"), routine.get_config("name")) == (3, "x")


def test_get_config_without_a_value_answers_the_default():
    marker = object()
    assert Routine().get_config("rate") is None
    assert Routine().get_config("rate", marker) is marker


def test_config_that_is_none_is_not_the_default():
    routine = Routine()
    routine.set_config(rate=None)
    assert routine.get_config("rate", 3) is None


def test_set_config_keeps_the_other_values():
    routine = Routine()
    routine.set_config(a=1, b=2)
    routine.set_config(b=3)
    assert (routine.get_config("a"), routine.get_config("b")) == (1, 3)


@pytest.fixture
def inside(runtime, stage, make_flow, finish):
    """Run a function of (own routine, other routine) inside logic."""

    def run(function):
        got = []

        def body(emit, item):
            try:
                got.append(function(flow.routines["own"], flow.routines["other"]))
            except Exception as error:
                got.append(error)

        flow = make_flow({"own": stage(body), "other": stage(lambda emit, item: None)})
        for routine in flow.routines.values():
            routine.set_config(rate=3)
        runtime.exec(flow)
        runtime.post(flow.flow_id, "own", "input", None)
        finish(runtime)
        return got[0], flow

    return run


def test_get_config_inside_logic_answers(inside):
    assert inside(lambda own, other: own.get_config("rate"))[0] == 3


@pytest.mark.parametrize("whose", ["own", "other"])
def test_set_config_inside_logic_is_a_runtime_error(inside, whose):
    error, flow = inside(
        lambda own, other: {"own": own, "other": other}[whose].set_config(rate=4)
    )
    assert isinstance(error, RuntimeError)
    assert "set_config" in str(error)
    assert flow.routines[whose].get_config("rate") == 3


def test_set_config_inside_logic_fails_the_job(runtime, stage, make_flow, finish):
    routine = stage(lambda emit, item: routine.set_config(rate=4))
    flow = make_flow({"work": routine})
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", None)
    finish(runtime)
    assert (job.status, job.error.type) == ("failed", "RuntimeError")


def test_set_config_of_a_running_flow_is_a_runtime_error(runtime, solo, record):
    flow = solo(record)
    runtime.exec(flow)
    with pytest.raises(RuntimeError):
        flow.routines["work"].set_config(rate=4)
    assert flow.routines["work"].get_config("rate") is None


def test_set_config_is_free_after_the_last_worker_ended(make_runtime, solo, record):
    flow = solo(record)
    runtimes = [make_runtime(), make_runtime()]
    for runtime in runtimes:
        runtime.exec(flow)
    runtimes[0].shutdown(timeout=WAIT)
    with pytest.raises(RuntimeError):
        flow.routines["work"].set_config(rate=4)
    runtimes[1].shutdown(timeout=WAIT)
    flow.routines["work"].set_config(rate=4)
    assert flow.routines["work"].get_config("rate") == 4
