"""Chapters 3, 6 and 8 for routines with a key: no key to be had, and user code."""

import pytest

from routilux import (
    ErrorHandler,
    QueueFullError,
    get_current_job,
    get_current_routine_id,
)

WAIT = 20.0


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


def raises(item):
    if item["n"] == 1:
        raise LookupError("no key for you")
    return item["key"]


@pytest.mark.parametrize(
    ("key", "bad", "error", "words"),
    [
        ("key", {"kye": 1, "n": 1}, "ValueError", ["'key'", "'kye'", "Did you mean"]),
        ("key", {}, "ValueError", ["'key'"]),
        ("key", 17, "ValueError", ["'key'", "int"]),
        ("key", {"key": [1], "n": 1}, "TypeError", ["list", "hash"]),
        (raises, {"key": 1, "n": 1}, "LookupError", ["no key for you"]),
    ],
)
def test_item_without_a_key_fails_its_job_and_no_other(
    runtime, keyed, numbers, calls, key, bad, error, words
):
    flow = keyed(numbers, key=key)
    post = poster(runtime, flow)
    items = [{"key": 1, "n": 0}, bad, {"key": 1, "n": 2}, {"key": 2, "n": 3}]
    jobs = [post(item) for item in items]
    assert all(job.wait(WAIT) for job in jobs)
    ends = ["completed", "failed", "completed", "completed"]
    assert [job.status for job in jobs] == ends
    assert sorted(calls) == [0, 2, 3]
    assert (jobs[1].error.type, jobs[1].error.routine_id) == (error, "work")
    if error != "LookupError":
        words = [*words, "'input'", "'work'", repr(flow.flow_id)]
    assert [word for word in words if word not in jobs[1].error.message] == []


@pytest.mark.parametrize("where", ["__hash__", "__eq__"])
def test_key_that_raises_when_it_is_compared_fails_its_job(
    runtime, keyed, calls, where
):
    class Key:
        def __init__(self, bad):
            self.bad = bad

        def __hash__(self):
            if self.bad and where == "__hash__":
                raise ArithmeticError
            return 1

        def __eq__(self, other):
            if self.bad or other.bad:
                raise ArithmeticError
            return True

    def logic(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        calls.append(item["n"])
        if item["n"] == 0 and calls.count(0) == 1:
            raise OSError

    flow = keyed(logic, key=lambda item: Key(item["n"] == 1))
    handler = ErrorHandler("retry", retry_delay=0.05, retryable_exceptions=OSError)
    flow.set_error_handler(handler)  # the first item's lane is there for 50 ms
    post = poster(runtime, flow)
    jobs = [post({"n": n}) for n in range(3)]
    assert all(job.wait(WAIT) for job in jobs)
    assert [job.status for job in jobs] == ["completed", "failed", "completed"]
    assert jobs[1].error.type == "ArithmeticError"
    assert calls == [0, 0, 2]


def test_base_exception_of_a_key_fails_its_job(runtime, keyed, numbers, calls):
    def key(item):
        if item["n"] == 0:
            raise SystemExit
        return 1

    post = poster(runtime, keyed(numbers, key=key))
    jobs = [post({"n": n}) for n in range(3)]
    assert all(job.wait(WAIT) for job in jobs)
    assert [job.status for job in jobs] == ["failed", "completed", "completed"]
    assert calls == [1, 2]


@pytest.mark.parametrize(
    ("strategy", "status", "noted"),
    [
        ("stop", "failed", ["logic_error"]),
        ("continue", "completed", ["error_continued"]),
        ("skip", "completed", ["skipped"]),
        ("retry", "failed", ["logic_error"]),
    ],
)
def test_error_of_a_key_is_judged_like_one_of_logic_but_not_retried(
    runtime, keyed, numbers, calls, strategy, status, noted
):
    asked = []

    def key(item):
        asked.append(item["n"])
        raise ValueError

    flow = keyed(numbers, key=key)
    flow.set_error_handler(ErrorHandler(strategy, retry_delay=0.01))
    worker = runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", {"n": 1})[1]
    assert job.wait(WAIT)
    assert job.status == status
    assert [entry.event_name for entry in worker.execution_history] == noted
    assert (asked, calls) == ([1], [])


def test_key_function_is_asked_once_for_each_item_in_the_order_of_arrival(
    runtime, keyed, numbers, finish
):
    asked = []

    def key(item):
        asked.append(item["n"])
        return item["n"] % 3

    post = poster(runtime, keyed(numbers, key=key))
    for n in range(200):
        post({"n": n})
    finish(runtime)
    assert asked == list(range(200))


# --- what a key function may do


def test_post_of_a_key_function_into_its_own_full_slot_is_no_hang(
    runtime, keyed, numbers, calls
):
    errors = []

    def key(item):
        assert get_current_routine_id() == "work"
        if item["n"] == 0:
            try:
                post({"n": 1})
            except QueueFullError as error:
                errors.append(error)
        return item["n"]

    post = poster(runtime, keyed(numbers, key=key, max_queue_length=1))
    assert post({"n": 0}).wait(WAIT)
    assert (len(errors), calls) == (1, [0])


def test_emit_of_a_key_function_is_a_runtime_error(runtime, make_routine, make_flow):
    routine = make_routine(lambda *_: None, events=["output"])
    routine.set_concurrency(2, key=lambda item: routine.emit("output"))
    job = poster(runtime, make_flow({"work": routine}))()
    assert job.wait(WAIT)
    assert (job.status, job.error.type) == ("failed", "RuntimeError")
    assert "outside of an activation" in job.error.message


def test_key_function_belongs_to_no_job(runtime, keyed):
    seen = []
    post = poster(
        runtime, keyed(lambda *_: None, key=lambda _: seen.append(get_current_job()))
    )
    assert [post().wait(WAIT) for _ in range(3)] == [True] * 3
    assert seen == [None] * 3
