"""RetryHandler."""

import asyncio
import threading
import time

import pytest

from routilux import (
    ConfigurationError,
    ErrorHandler,
    Flow,
    Runtime,
    batch_size_policy,
)
from routilux.builtin_routines import RetryHandler

WAIT = 20.0


class Flaky:
    """Fail so many times for each argument, then answer it doubled."""

    def __init__(self, failures, error=None):
        self.failures = failures
        self.error = OSError("down") if error is None else error
        self.calls = {}
        self.lock = threading.Lock()

    def __call__(self, data):
        with self.lock:
            self.calls[data] = self.calls.get(data, 0) + 1
            count = self.calls[data]
        if count <= self.failures:
            raise self.error
        return 2 * data


class CodeError(Exception):
    def __init__(self, code):
        super().__init__(f"code {code}")
        self.status_code = code


def configured(**config):
    routine = RetryHandler()
    routine.set_config(**{"base_delay": 0.01, "backoff": "fixed", **config})
    return routine


def test_an_operation_that_works_is_called_once(bench):
    operation = Flaky(0)
    bench = bench(configured())
    [job] = bench.run({"operation": operation, "data": 3})
    assert bench.got("success") == [{"data": 6, "attempts": 1}]
    assert (operation.calls, job.status) == ({3: 1}, "completed")


def test_an_operation_that_fails_is_called_again(bench):
    bench = bench(configured(operation=Flaky(2)))
    [job] = bench.run(3)
    assert bench.got("success") == [{"data": 6, "attempts": 3}]
    assert bench.got("retry") == [
        {"data": 3, "attempt": n, "error": "OSError: down", "delay": 0.01}
        for n in (1, 2)
    ]
    assert job.status == "completed"


def test_after_the_last_attempt_it_is_exhausted(bench):
    operation = Flaky(99)
    bench = bench(configured(operation=operation, max_attempts=2))
    [job] = bench.run(3)
    assert bench.got("exhausted") == [
        {"data": 3, "attempts": 2, "errors": ["OSError: down"] * 2}
    ]
    assert (operation.calls, job.status) == ({3: 2}, "completed")


def test_exhausted_that_nobody_listens_to_fails_the_job(bench):
    bench = bench(configured(operation=Flaky(99)), deaf_to=["exhausted"])
    [job] = bench.run(3)
    assert job.status == "failed"
    assert str(job.error) == "OSError: down"


def test_what_is_not_to_be_retried_is_an_error_event(bench):
    operation = Flaky(1, ValueError("bad"))
    bench = bench(configured(operation=operation, retryable_exceptions=[OSError]))
    bench.run(3)
    assert bench.got("error") == [{"error": "ValueError: bad", "data": 3}]
    assert operation.calls == {3: 1}


def test_an_error_that_nobody_listens_to_fails_the_job(bench):
    routine = configured(
        operation=Flaky(1, ValueError("bad")), retryable_exceptions="OSError"
    )
    bench = bench(routine, deaf_to=["error"])
    [job] = bench.run(3)
    assert (job.status, str(job.error)) == ("failed", "ValueError: bad")


@pytest.mark.parametrize(
    ("config", "error", "attempts"),
    [
        ({"retryable_exceptions": OSError}, ConnectionError(), 2),
        ({"retryable_exceptions": "ConnectionError"}, OSError(), 1),
        ({"retryable_exceptions": ["KeyError", "builtins:OSError"]}, OSError(), 2),
        ({"retryable_error_codes": [503]}, CodeError(503), 2),
        ({"retryable_error_codes": 503}, CodeError(404), 1),
        ({"retryable_error_codes": [2]}, FileNotFoundError(2, "no"), 2),
        (
            {"retryable_error_codes": [503], "retryable_exceptions": KeyError},
            KeyError(),
            2,
        ),
        (
            {"retryable_error_codes": [503], "retryable_exceptions": KeyError},
            OSError(),
            1,
        ),
    ],
)
def test_which_exceptions_are_retried(bench, config, error, attempts):
    operation = Flaky(99, error)
    bench = bench(configured(operation=operation, max_attempts=2, **config))
    bench.run(3)
    assert operation.calls == {3: attempts}


@pytest.mark.parametrize(
    ("config", "delays"),
    [
        ({"backoff": "fixed"}, [2.0, 2.0, 2.0]),
        ({"backoff": "linear"}, [2.0, 4.0, 6.0]),
        ({"backoff": "exponential"}, [2.0, 4.0, 8.0]),
        ({"backoff": "exponential", "max_delay": 5.0}, [2.0, 4.0, 5.0]),
    ],
)
def test_backoffs(config, delays):
    routine = configured(base_delay=2.0, **config)
    assert [routine._backoff.delay(n) for n in (1, 2, 3)] == delays


def test_jitter_stays_between_half_and_all_of_the_delay():
    backoff = configured(base_delay=2.0, backoff="exponential_jitter")._backoff
    assert all(2.0 <= backoff.delay(2) <= 4.0 for _ in range(100))
    assert len({backoff.delay(2) for _ in range(10)}) > 1
    assert backoff.delay(10_000) <= 60.0


def test_the_delay_holds_no_thread():
    """With one thread, other items pass while many wait for their retry."""
    seen = []
    operation = Flaky(1)
    routine = configured(operation=operation, base_delay=0.2)
    flow = Flow()
    flow.add_routine(routine, "work")
    with Runtime(thread_pool_size=1) as runtime:
        runtime.exec(flow)
        begun = time.monotonic()
        jobs = [runtime.post(flow.flow_id, "work", "input", n).job for n in range(50)]
        for job in jobs:
            job.add_done_callback(lambda job: seen.append(time.monotonic() - begun))
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert len(seen) == 50
    assert min(seen) >= 0.2
    assert max(seen) < 50 * 0.2  # not one after the other


def test_set_concurrency_of_one_keeps_the_order(bench):
    bench = bench(configured(operation=Flaky(1)).set_concurrency(1))
    bench.run(1, 2, 3)
    assert [item["data"] for item in bench.got("success")] == [2, 4, 6]


def test_max_items_is_how_many_are_tried_at_once():
    routine = configured(max_items=7)
    assert routine._concurrency == 7
    routine.set_concurrency(2).set_config(max_items=9)
    assert routine._concurrency == 2


@pytest.mark.parametrize("key", ["args", "kwargs"])
def test_an_item_that_can_not_be_called_is_an_error_event(bench, key):
    bench = bench(configured())
    wrong, right = {"operation": int, key: 5}, {"operation": int, "args": [3]}
    jobs = bench.run(wrong, right)
    [error] = bench.got("error")
    assert error["data"] == wrong and key in error["error"]
    assert [item["data"] for item in bench.got("success")] == [3]
    assert [job.status for job in jobs] == ["completed", "completed"]


def test_an_item_without_an_operation_passes_as_it_is(bench):
    bench = bench(configured())
    bench.run(5, {"x": 1})
    passed = [item["data"] for item in bench.got("success")]
    assert sorted(passed, key=repr) == [5, {"x": 1}]


def test_args_and_kwargs_of_an_item_are_passed_on(bench):
    bench = bench(configured())
    bench.run(
        {"operation": max, "args": [3, 4]},
        {"operation": round, "data": 1.26, "kwargs": {"ndigits": 1}},
    )
    assert sorted(item["data"] for item in bench.got("success")) == [1.3, 4]


def test_an_operation_may_be_async(bench):
    calls = []

    async def fetch(data):
        await asyncio.sleep(0)
        calls.append(data)
        if len(calls) < 3:
            raise OSError("down")
        return data + 1

    bench = bench(configured(operation=fetch))
    [job] = bench.run(1)
    assert bench.got("success") == [{"data": 2, "attempts": 3}]
    assert job.status == "completed"


def test_async_operations_of_one_batch_follow_each_other(bench):
    async def fetch(data):
        await asyncio.sleep(0)
        return data + 1

    routine = configured(operation=fetch)
    bench = bench(routine.set_activation_policy(batch_size_policy(3)))
    jobs = bench.run(1, 2, 3)
    assert [item["data"] for item in bench.got("success")] == [2, 3, 4]
    assert {job.status for job in jobs} == {"completed"}


def test_callbacks_hear_of_retries_and_of_the_end(bench):
    heard = []
    routine = configured(
        operation=Flaky(99),
        max_attempts=2,
        on_retry=lambda *args: heard.append(args),
        on_exhausted=lambda *args: heard.append(args),
    )
    bench = bench(routine)
    bench.run(1)
    (retry, exhausted) = heard
    assert (retry[0], retry[1], str(retry[2]), retry[3]) == (1, 1, "down", 0.01)
    assert exhausted == (1, 2, ["OSError: down"] * 2)


def test_errors_are_kept_up_to_a_bound(bench):
    bench = bench(configured(operation=Flaky(99), max_attempts=5, max_errors_kept=2))
    bench.run(1)
    [item] = bench.got("exhausted")
    assert (item["attempts"], len(item["errors"])) == (5, 2)


def test_several_workers_count_attempts_apart(bench):
    bench = bench(configured(operation=Flaky(1)), workers=3)
    for worker in range(3):
        for n in range(20):
            bench.post(100 * worker + n, worker=worker)
    bench.finish()
    for worker in range(3):
        got = bench.got("success", worker)
        assert {item["attempts"] for item in got} == {2}
        assert sorted(item["data"] for item in got) == [
            2 * (100 * worker + n) for n in range(20)
        ]


async def fail(data):
    raise OSError("down")


@pytest.mark.parametrize("operation", [Flaky(99), fail], ids=["plain", "async"])
@pytest.mark.parametrize("where", ["routine", "flow"])
def test_an_error_handler_decides_on_what_is_not_retried(runtime, where, operation):
    routine = configured(operation=operation, max_attempts=2)
    flow = Flow()
    handler = ErrorHandler("continue")
    (routine if where == "routine" else flow).set_error_handler(handler)
    flow.add_routine(routine, "work")
    worker = runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1)
    assert job.wait(WAIT)
    assert job.status == "completed"
    names = [record.event_name for record in worker.execution_history]
    assert names == ["error_continued"]


def test_a_cancelled_job_waits_for_no_retry(threaded_bench):
    bench = threaded_bench(
        configured(operation=Flaky(99), base_delay=3600.0, max_delay=3600.0)
    )
    failed = threading.Event()
    job = bench.post(1)
    while not bench.got("retry"):
        failed.wait(0.001)
    assert job.cancel() is True
    assert job.wait(WAIT)
    assert job.status == "cancelled"


def test_execute_with_retry_needs_no_runtime():
    operation = Flaky(2)
    assert configured().execute_with_retry(operation, 4) == 8
    assert operation.calls == {4: 3}


def test_execute_with_retry_raises_what_the_last_attempt_raised():
    operation = Flaky(99)
    with pytest.raises(OSError, match="down"):
        configured().execute_with_retry(operation, 4)
    assert operation.calls == {4: 3}


def test_execute_with_retry_tells_the_callbacks():
    heard = []
    handler = configured(
        max_attempts=2,
        on_retry=lambda *args: heard.append(args),
        on_exhausted=lambda *args: heard.append(args),
    )
    with pytest.raises(OSError, match="down") as caught:
        handler.execute_with_retry(Flaky(99), 4)
    assert heard == [
        ((4,), 1, caught.value, 0.01),
        ((4,), 2, ["OSError: down"] * 2),
    ]


def test_execute_with_retry_raises_at_once_what_is_not_to_be_retried():
    operation = Flaky(99, ValueError("bad"))
    with pytest.raises(ValueError, match="bad"):
        configured(retryable_exceptions=OSError).execute_with_retry(operation, 4)
    assert operation.calls == {4: 1}


def test_wrap_operation_returns_a_function_that_retries():
    operation = Flaky(1)
    wrapped = configured().wrap_operation(operation)
    assert wrapped(5) == 10
    assert operation.calls == {5: 2}
    with pytest.raises(TypeError, match="callable"):
        RetryHandler().wrap_operation(3)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"max_attempts": 0}, ["'max_attempts'"]),
        ({"backoff": "quadratic"}, ["'backoff'", "exponential_jitter"]),
        ({"base_delay": -1}, ["'base_delay'"]),
        ({"retryable_exceptions": int}, ["'retryable_exceptions'", "exception"]),
        ({"retryable_exceptions": ["Nope"]}, ["'retryable_exceptions'", "Nope"]),
        ({"retryable_error_codes": [1.5]}, ["'retryable_error_codes'"]),
        ({"operation": 3}, ["'operation'", "callable"]),
        ({"operation": "a:b"}, ["'operation'", "'a:b'"]),
        ({"on_retry": "x"}, ["'on_retry'"]),
        ({"max_atempts": 3}, ["'max_atempts'", "'max_attempts'"]),
    ],
    ids=repr,
)
def test_wrong_configuration_names_the_key_and_what_is_valid(config, words):
    with pytest.raises(ConfigurationError) as caught:
        RetryHandler().set_config(**config)
    assert all(word in str(caught.value) for word in words)
