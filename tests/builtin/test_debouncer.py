"""Debouncer."""

import threading
import time

import pytest

from routilux import ConfigurationError, Flow, immediate_policy
from routilux.builtin_routines import Debouncer, Mapper
from routilux.builtin_routines.debouncer import Edges

WAIT = 20.0


class Hand:
    """A worker whose clock is moved by hand, to ask the policy at exact times."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


class Case:
    """The policy of a Debouncer with a slot and a clock of its own."""

    def __init__(self, wait=1.0, leading=False, trailing=True, max_wait=None):
        routine = Debouncer()
        self.slot = routine.get_slot("input")
        self.policy = Edges(wait, leading, trailing, max_wait)
        self.worker = Hand()
        self.out = []

    def ask(self):
        """Ask until nothing is decided any more; keep (time, message, item)."""
        while True:
            before = len(self.slot)
            yes, data, message = self.policy({"input": self.slot}, self.worker)
            if yes:
                at = round(self.worker.now - 100.0, 6)
                self.out.append((at, message, *data["input"]))
            if not yes and len(self.slot) == before:
                return getattr(message, "seconds", None)

    def at(self, when, *items):
        """Move the clock, asking when timers are due; then let items come."""
        target = 100.0 + when
        due = self.ask()
        while due is not None and self.worker.now + due <= target + 1e-9:
            self.worker.now += due
            due = self.ask()
        self.worker.now = target
        for item in items:
            self.slot.enqueue(item)
        self.ask()
        return self


def test_the_last_item_of_a_burst_passes_when_nothing_came_for_a_while():
    case = Case().at(0, "a").at(0.5, "b").at(1.2, "c").at(9)
    assert case.out == [(2.2, "trailing_edge", "c")]


def test_each_burst_has_a_last_item():
    case = Case().at(0, "a").at(3, "b").at(9)
    assert case.out == [(1.0, "trailing_edge", "a"), (4.0, "trailing_edge", "b")]


def test_leading_lets_the_first_item_pass_at_once():
    case = Case(leading=True).at(0, "a").at(0.5, "b").at(9)
    assert case.out == [(0.0, "leading_edge", "a"), (1.5, "trailing_edge", "b")]


def test_an_only_item_that_was_leading_does_not_come_again():
    case = Case(leading=True).at(0, "a").at(9)
    assert case.out == [(0.0, "leading_edge", "a")]


def test_after_a_quiet_time_the_next_item_is_leading_again():
    case = Case(leading=True, trailing=False).at(0, "a").at(0.9, "b").at(1.8, "c")
    case.at(2.7, "d").at(3.7, "e").at(9)
    assert case.out == [(0.0, "leading_edge", "a"), (3.7, "leading_edge", "e")]


def test_items_that_come_together_are_one_burst():
    case = Case(leading=True).at(0, "a", "b", "c").at(9)
    assert case.out == [(0.0, "leading_edge", "a"), (1.0, "trailing_edge", "c")]


def test_max_wait_bounds_how_long_a_burst_holds_back():
    case = Case(max_wait=2.0)
    for tenth in range(0, 50, 5):
        case.at(tenth / 10, tenth)
    case.at(9)
    assert case.out == [
        (2.0, "max_wait_reached", 15),
        (4.0, "max_wait_reached", 35),
        (5.5, "trailing_edge", 45),
    ]


def test_a_burst_keeps_no_more_than_one_item():
    case = Case()
    for number in range(100):
        case.at(number / 1000, number)
    assert len(case.slot) == 1


# --- on a runtime


def configured(**config):
    routine = Debouncer()
    routine.set_config(**config)
    return routine


def test_a_burst_of_posts_ends_as_one_item_and_all_jobs_finish(bench):
    bench = bench(configured(wait=0.05))
    jobs = bench.run(*range(20))
    assert [item["data"] for item in bench.got("debounced")][-1] == 19
    assert len(bench.got("debounced")) < 20
    assert {job.status for job in jobs} == {"completed"}


def test_the_timer_needs_nobody_who_waits(threaded_bench):
    bench = threaded_bench(configured(wait=0.05))
    done = threading.Event()
    begun = time.monotonic()
    bench.post("a").add_done_callback(lambda job: done.set())
    assert done.wait(WAIT)
    assert time.monotonic() - begun >= 0.05
    assert bench.got("debounced") == [{"data": "a"}]


def test_leading_comes_through_its_own_event(bench):
    bench = bench(configured(wait=0.05, leading=True))
    bench.run("only")
    assert bench.got("leading") == [{"data": "only"}]
    assert bench.got("debounced") == []


def test_more_items_than_the_slot_holds_are_no_problem(threaded_bench):
    bench = threaded_bench(configured(wait=0.05))
    bench.run(*range(3000))
    assert bench.got("debounced")[-1] == {"data": 2999}


def test_workers_debounce_apart(bench):
    bench = bench(configured(wait=0.05), workers=3)
    for n in range(4):
        for worker in range(3):
            bench.post((worker, n), worker=worker)
    bench.finish()
    for worker in range(3):
        assert bench.got("debounced", worker)[-1] == {"data": (worker, 3)}


def test_flush_lets_the_item_pass_now(threaded_bench):
    bench = threaded_bench(configured(wait=3600.0))
    done = threading.Event()
    bench.post("a")
    bench.post("b").add_done_callback(lambda job: done.set())
    assert bench.routine.is_pending() is True
    assert bench.routine.flush() is True
    assert done.wait(WAIT)
    assert bench.got("debounced")[-1] == {"data": "b"}
    assert bench.routine.is_pending() is False
    assert bench.routine.flush() is False


def test_flush_of_leading_items_alone_lets_the_first_pass(threaded_bench):
    bench = threaded_bench(configured(wait=3600.0, leading=True, trailing=False))
    [worker] = bench.workers
    assert worker.pause(timeout=WAIT)
    jobs = [bench.post(text) for text in "abc"]
    assert bench.routine.flush() is True
    assert worker.resume()
    bench.finish()
    assert bench.got("leading") == [{"data": "a"}]
    assert {job.status for job in jobs} == {"completed"}


def test_flush_lets_the_leading_and_the_trailing_item_pass(threaded_bench):
    bench = threaded_bench(configured(wait=3600.0, leading=True))
    [worker] = bench.workers
    assert worker.pause(timeout=WAIT)
    jobs = [bench.post(text) for text in "abc"]
    assert bench.routine.flush() is True
    assert worker.resume()
    for job in jobs:
        assert job.wait(WAIT)
    assert bench.got("leading") == [{"data": "a"}]
    assert bench.got("debounced") == [{"data": "c"}]


def test_cancel_drops_the_item_and_finishes_its_job(threaded_bench):
    bench = threaded_bench(configured(wait=3600.0))
    job = bench.post("a")
    assert bench.routine.cancel() is True
    assert job.wait(WAIT)
    assert bench.got("debounced") == []
    assert bench.routine.cancel() is False


def test_cancel_of_one_worker_leaves_the_others_alone(threaded_bench):
    bench = threaded_bench(configured(wait=3600.0), workers=2)
    bench.post("a", worker=0)
    bench.post("b", worker=1)
    bench.routine.cancel(bench.workers[0])
    pending = [bench.routine.is_pending(worker) for worker in bench.workers]
    assert pending == [False, True]


def test_a_pause_that_is_longer_than_the_wait_holds_the_item(threaded_bench):
    bench = threaded_bench(configured(wait=0.01))
    [worker] = bench.workers
    assert worker.pause(timeout=WAIT)
    job = bench.post("a")
    assert job.wait(0.1) is False
    assert worker.resume()
    assert job.wait(WAIT)
    assert bench.got("debounced") == [{"data": "a"}]


def test_a_shutdown_lets_the_item_pass(bench):
    bench = bench(configured(wait=3600.0))
    job = bench.post("a")
    bench.runtime.shutdown()
    assert bench.got("debounced") == [{"data": "a"}]
    assert job.status == "completed"


def test_helpers_inside_logic_are_about_the_worker_that_calls(runtime):
    class Asker(Mapper):
        def handle(self, data, worker_state):
            answers[worker_state.worker_id] = debouncer.is_pending()

    answers = {}
    debouncer = configured(wait=3600.0)
    flow = Flow()
    flow.add_routine(Asker(), "asker")
    flow.add_routine(debouncer, "debouncer")
    runtime.exec(flow, worker_id="busy")
    runtime.exec(flow, worker_id="idle")
    runtime.post(flow.flow_id, "debouncer", "input", 1, worker_id="busy")
    for worker in ("busy", "idle"):
        job = runtime.post(flow.flow_id, "asker", "input", 1, worker_id=worker)
        assert job.wait(WAIT)
    assert answers == {"busy": True, "idle": False}


def test_a_policy_of_your_own_stays():
    routine = Debouncer().set_activation_policy(immediate_policy())
    routine.set_config(wait=1.0)
    assert routine._activation_policy.kind == "immediate"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"wait": 0}, ["'wait'", "above 0"]),
        ({"wait": "1"}, ["'wait'"]),
        ({"leading": 1}, ["'leading'", "True or False"]),
        ({"trailing": False}, ["'leading'", "'trailing'"]),
        ({"max_wait": 0.1}, ["'max_wait'", "'wait'"]),
        ({"delay": 1}, ["'delay'", "'wait'"]),
    ],
    ids=repr,
)
def test_wrong_configuration_names_the_key_and_what_is_valid(config, words):
    with pytest.raises(ConfigurationError) as caught:
        Debouncer().set_config(**config)
    assert all(word in str(caught.value) for word in words)
