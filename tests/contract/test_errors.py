"""Chapter 6: when logic raises, other than retries."""

import gc
import logging
import threading
import weakref

import pytest

from routilux import (
    ErrorHandler,
    ErrorStrategy,
    batch_size_policy,
    custom_policy,
)

WAIT = 20.0


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


def fail_on_bad(slot_data, policy_message, worker_state):
    if "bad" in slot_data["input"]:
        raise ValueError("bad item")


@pytest.fixture
def emit_then_fail(make_routine, stage, make_flow, calls):
    """Build a flow: "work" emits three items and raises, "next" records them."""

    def fail_after_emits(slot_data, policy_message, worker_state):
        for n in range(3):
            work.emit("output", n=n)
        raise ValueError("after the emits")

    work = make_routine(fail_after_emits, events=["output"])
    after = stage(lambda emit, item: calls.append(item["n"]))
    return make_flow({"work": work, "next": after}, ("work", "output", "next", "input"))


def handled_by(flow, strategy, where="flow", **options):
    """Set a handler on the flow or on its routine "work"."""
    target = flow if where == "flow" else flow.routines["work"]
    target.set_error_handler(ErrorHandler(strategy, **options))
    return flow


# --- without a handler, and STOP


@pytest.mark.parametrize("strategy", [None, "stop", ErrorStrategy.STOP])
def test_without_a_handler_as_with_stop_the_job_fails(runtime, solo, strategy):
    flow = solo(fail_on_bad)
    if strategy is not None:
        handled_by(flow, strategy)
    job = poster(runtime, flow)("bad")
    assert job.wait(WAIT)
    assert (job.status, job.error.message) == ("failed", "bad item")


def test_error_holds_type_message_and_traceback_text(runtime, solo):
    job = poster(runtime, solo(fail_on_bad))("bad")
    assert job.wait(WAIT)
    assert (job.error.type, job.error.message) == ("ValueError", "bad item")
    assert job.error.traceback.startswith("Traceback")
    assert "in fail_on_bad" in job.error.traceback
    assert job.error.traceback.rstrip().endswith("ValueError: bad item")


def test_traceback_text_tells_the_cause_too(runtime, solo):
    def fail_with_cause(slot_data, policy_message, worker_state):
        try:
            {}["key"]
        except KeyError as error:
            raise ValueError("wrapped") from error

    job = poster(runtime, solo(fail_with_cause))()
    assert job.wait(WAIT)
    assert "KeyError: 'key'" in job.error.traceback
    assert "direct cause" in job.error.traceback


def test_job_is_failed_at_once_while_others_of_its_items_execute(
    threaded, make_routine, stage, make_flow, gate
):
    entered, seen = threading.Event(), []

    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    def fail_or_look(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        if item != "look":
            assert entered.wait(WAIT)
            raise ValueError
        seen.append(job.status)
        gate.set()

    fork = stage(lambda emit, item: emit("output", n=1))
    failing, blocking = make_routine(fail_or_look), make_routine(block)
    flow = make_flow(
        {"work": fork, "failing": failing, "blocking": blocking},
        ("work", "output", "failing", "input"),
        ("work", "output", "blocking", "input"),
    )
    runtime = threaded()
    job = poster(runtime, flow)()
    assert entered.wait(WAIT)
    assert runtime.post(flow.flow_id, "failing", "input", "look")[1].wait(WAIT)
    assert job.wait(WAIT)
    assert seen == ["failed"]


def test_items_of_a_failed_job_that_are_still_queued_are_dropped_and_counted(
    make_runtime, stage, make_flow, calls, finish
):
    def emit_five(emit, item):
        for n in range(5):
            emit("output", n=n)

    def fail_first(emit, item):
        calls.append(item["n"])
        raise ValueError

    routines = {"work": stage(emit_five), "next": stage(fail_first)}
    runtime = make_runtime(enable_monitoring=True)
    job = poster(runtime, make_flow(routines, ("work", "output", "next", "input")))()
    finish(runtime)
    assert (calls, job.status) == ([0], "failed")
    assert runtime.metrics().routine("next").dropped == 4


def test_worker_goes_on_with_other_jobs(runtime, solo, finish):
    post = poster(runtime, solo(fail_on_bad))
    jobs = [post("bad" if n % 3 == 0 else "good") for n in range(30)]
    finish(runtime)
    statuses = [job.status for job in jobs]
    assert statuses == ["failed", "completed", "completed"] * 10


def test_failed_batch_fails_every_job_that_it_holds(runtime, solo, finish):
    post = poster(runtime, solo(fail_on_bad, policy=batch_size_policy(3)))
    jobs = [post(item) for item in ("good", "bad", "good", "good", "good", "good")]
    finish(runtime)
    assert [job.status for job in jobs] == ["failed"] * 3 + ["completed"] * 3
    assert {job.error.message for job in jobs[:3]} == {"bad item"}


def test_failure_in_a_later_stage_fails_the_job_and_names_the_routine(
    runtime, stage, make_routine, make_flow, finish
):
    def fail(slot_data, policy_message, worker_state):
        raise ValueError

    routines = {
        "work": stage(lambda emit, item: emit("output", n=1)),
        "next": make_routine(fail),
    }
    job = poster(runtime, make_flow(routines, ("work", "output", "next", "input")))()
    finish(runtime)
    assert (job.status, job.error.routine_id) == ("failed", "next")


@pytest.fixture
def no_log():
    """Keep pytest from keeping log records, and so exceptions and frames, alive."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_failed_job_keeps_no_item_alive(runtime, solo, finish, no_log):
    class Item:
        pass

    def fail(slot_data, policy_message, worker_state):
        raise ValueError

    item = Item()
    gone = weakref.ref(item)
    job = poster(runtime, solo(fail))(item)
    finish(runtime)
    del item
    gc.collect()
    assert job.status == "failed"
    assert gone() is None


# --- CONTINUE, SKIP


@pytest.mark.parametrize("where", ["flow", "routine"])
@pytest.mark.parametrize(
    ("strategy", "word"), [("continue", "error_continued"), ("skip", "skipped")]
)
def test_continue_and_skip_record_the_error_and_complete_the_job(
    runtime, solo, finish, strategy, word, where
):
    flow = handled_by(solo(fail_on_bad), strategy, where)
    worker = runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", "bad")[1]
    finish(runtime)
    assert job.status == "completed"
    (entry,) = worker.execution_history
    assert (entry.routine_id, entry.event_name) == ("work", word)
    assert "bad item" in str(entry.data)


@pytest.mark.parametrize("strategy", ["continue", "skip"])
def test_continue_and_skip_go_on_with_the_next_items(
    runtime, solo, finish, calls, strategy
):
    def fail_odd(slot_data, policy_message, worker_state):
        (n,) = slot_data["input"]
        if n % 2:
            raise ValueError
        calls.append(n)

    post = poster(runtime, handled_by(solo(fail_odd), strategy))
    jobs = [post(n) for n in range(10)]
    finish(runtime)
    assert calls == [0, 2, 4, 6, 8]
    assert {job.status for job in jobs} == {"completed"}


@pytest.mark.parametrize("strategy", ["continue", "skip"])
def test_what_was_emitted_before_the_raise_stays_emitted(
    runtime, emit_then_fail, finish, calls, strategy
):
    job = poster(runtime, handled_by(emit_then_fail, strategy))()
    finish(runtime)
    assert (job.status, calls) == ("completed", [0, 1, 2])


def test_handler_of_the_flow_serves_later_stages(
    runtime, stage, make_routine, make_flow, finish
):
    def fail(slot_data, policy_message, worker_state):
        raise ValueError

    routines = {
        "work": stage(lambda emit, item: emit("output", n=1)),
        "next": make_routine(fail),
    }
    flow = make_flow(routines, ("work", "output", "next", "input"))
    job = poster(runtime, handled_by(flow, "continue"))()
    finish(runtime)
    assert job.status == "completed"


@pytest.mark.parametrize(
    ("of_flow", "of_routine", "status"),
    [("stop", "continue", "completed"), ("continue", "stop", "failed")],
)
def test_handler_of_the_routine_goes_before_the_one_of_the_flow(
    runtime, solo, of_flow, of_routine, status
):
    flow = handled_by(handled_by(solo(fail_on_bad), of_flow), of_routine, "routine")
    job = poster(runtime, flow)("bad")
    assert job.wait(WAIT)
    assert job.status == status


# --- nothing an exception does kills a thread, leaks a slot or hangs a wait


class Mute(Exception):
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


class Base(BaseException):
    pass


EXCEPTIONS = [ValueError, Mute, Base, StopIteration, GeneratorExit, RecursionError]
INTERRUPTS = [KeyboardInterrupt, SystemExit]


@pytest.mark.parametrize("error", EXCEPTIONS)
def test_exception_of_any_class_fails_its_job_only(runtime, solo, finish, error):
    def fail(slot_data, policy_message, worker_state):
        if slot_data["input"][0] == "bad":
            raise error

    post = poster(runtime, solo(fail))
    bad, good = post("bad"), post("good")
    finish(runtime)
    assert (bad.status, bad.error.type) == ("failed", error.__name__)
    assert good.status == "completed"


@pytest.mark.parametrize("error", [*EXCEPTIONS, *INTERRUPTS])
def test_no_exception_kills_a_pool_thread(threaded, solo, finish, error):
    seen = []

    def fail(slot_data, policy_message, worker_state):
        seen.append(threading.current_thread())
        if slot_data["input"][0] == "bad":
            raise error

    runtime = threaded(thread_pool_size=1)
    post = poster(runtime, solo(fail))
    jobs = [post(item) for item in ("good", "bad", "good", "bad", "good")]
    finish(runtime)
    assert [job.status for job in jobs] == ["completed", "failed"] * 2 + ["completed"]
    assert len(seen) == 5
    assert len(set(seen)) == 1


@pytest.mark.parametrize("error", EXCEPTIONS)
@pytest.mark.parametrize("strategy", ["stop", "continue", "skip"])
def test_no_exception_leaks_a_place_in_a_slot(
    runtime, solo, finish, calls, error, strategy
):
    def fail(slot_data, policy_message, worker_state):
        calls.append(1)
        raise error

    post = poster(runtime, handled_by(solo(fail, max_queue_length=1), strategy))
    for _ in range(20):
        post()
        finish(runtime)
    assert len(calls) == 20


def test_no_exception_leaks_a_place_for_a_job(make_runtime, solo, finish):
    runtime = make_runtime(max_queue_size=2)
    post = poster(runtime, solo(fail_on_bad))
    jobs = [post("bad", timeout=WAIT) for _ in range(50)]
    finish(runtime)
    assert {job.status for job in jobs} == {"failed"}


@pytest.mark.parametrize("error", EXCEPTIONS)
@pytest.mark.parametrize("kind", ["callable", "custom"])
def test_policy_that_raises_fails_the_job_and_hangs_no_wait(
    runtime, solo, record, finish, error, kind
):
    def fail(slots, worker_state):
        raise error

    policy = fail if kind == "callable" else custom_policy(fail)
    job = poster(runtime, solo(record, policy=policy))()
    finish(runtime)
    assert (job.status, job.error.type) == ("failed", error.__name__)
