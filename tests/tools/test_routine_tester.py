"""RoutineTester."""

import threading

import pytest

from routilux import ConfigurationError, JobFailedError, Routine, immediate_policy
from routilux.builtin_routines import (
    Aggregator,
    Batcher,
    ConditionalRouter,
    Debouncer,
    Filter,
)
from routilux.tools.testing import RoutineTester
from routilux.tools.testing.routine_tester import RoutineTester as SameTester


class Raising(Routine):
    def setup(self):
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        raise ValueError("no")


def test_what_a_routine_emits_is_kept_by_event():
    with RoutineTester(Filter(), {"condition": "data > 1"}) as tester:
        jobs = tester.run("input", 1, 2, 3)
        assert tester.emitted("passed") == [{"data": 2}, {"data": 3}]
        assert [item["data"] for item in tester.emitted("rejected")] == [1]
        assert {job.status for job in jobs} == {"completed"}
        assert tester.jobs == jobs
    assert SameTester is RoutineTester


@pytest.mark.parametrize("engine", ["inline", "threads"])
def test_nothing_outlives_it(engine):
    before = set(threading.enumerate())
    with RoutineTester(Filter(), engine=engine) as tester:
        tester.run("input", 1)
    assert set(threading.enumerate()) == before


def test_the_routine_runs_on_the_thread_of_the_test():
    class Where(Raising):
        def logic(self, slot_data, policy_message, worker_state):
            seen.append(threading.current_thread())

    seen = []
    with RoutineTester(Where()) as tester:
        tester.run("input", 1)
    assert seen == [threading.current_thread()]


def test_a_job_that_fails_raises_out_of_run():
    with (
        RoutineTester(Raising()) as tester,
        pytest.raises(JobFailedError, match="ValueError: no"),
    ):
        tester.run("input", 1)


def test_post_and_wait_leave_a_failed_job_to_look_at():
    with RoutineTester(Raising()) as tester:
        job = tester.post("input", 1)
        tester.wait()
        assert job.status == "failed"


def test_state_is_what_the_routine_keeps():
    routine = ConditionalRouter().add_route("a", True)
    with RoutineTester(routine) as tester:
        assert tester.state == {}
        tester.run("input", 1, 2)
        assert tester.state["stats"]["routes"] == {"a": 2}


def test_timers_run_too():
    with RoutineTester(Debouncer(), {"wait": 0.01}) as tester:
        tester.run("input", 1, 2)
        assert tester.emitted("debounced") == [{"data": 2}]


def test_clear_forgets_what_was():
    with RoutineTester(Batcher(), {"batch_size": 1}) as tester:
        tester.run("input", 1)
        tester.clear()
        assert (tester.emitted("batch"), tester.jobs) == ([], [])


def test_a_wait_that_is_not_over_is_a_timeout_error():
    routine = Filter().set_activation_policy(lambda slots, worker: (False, {}, None))
    with RoutineTester(routine) as tester:
        tester.post("input", 1)
        with pytest.raises(TimeoutError, match=r"0\.01"):
            tester.wait(timeout=0.01)


def test_an_unknown_event_is_named_with_the_valid_ones():
    with (
        RoutineTester(Filter()) as tester,
        pytest.raises(ValueError, match=r"'pased'.*'passed'"),
    ):
        tester.emitted("pased")


def test_only_a_routine_can_be_tested():
    with pytest.raises(TypeError, match="Routine"):
        RoutineTester(Filter)


def test_a_routine_that_can_not_run_is_reported_at_once():
    before = set(threading.enumerate())
    with pytest.raises(ConfigurationError, match="setup_slots"):
        RoutineTester(Aggregator())
    assert set(threading.enumerate()) == before
