"""Chapter 2: the parameters of Runtime."""

import inspect
import os
import threading

import pytest

from routilux import QueueFullError, Runtime

WAIT = 20.0


@pytest.fixture
def crowd(solo, peak, finish):
    """Answer how many activations run at once on a runtime, given a barrier's size."""

    def measure(runtime, size):
        barrier = threading.Barrier(size)

        def logic(slot_data, policy_message, worker_state):
            with peak:
                barrier.wait(WAIT)

        flow = solo(logic)
        flow.routines["work"].set_concurrency(None)
        runtime.exec(flow)
        jobs = [
            runtime.post(flow.flow_id, "work", "input", number)
            for number in range(3 * size)
        ]
        finish(runtime)
        assert {str(job.status) for job in jobs} == {"completed"}
        return peak.most

    return measure


def test_defaults_are_those_of_the_document():
    parameters = inspect.signature(Runtime).parameters
    names = ("thread_pool_size", "max_queue_size", "enable_monitoring")
    assert [parameters[name].default for name in names] == [None, 1000, False]
    assert list(parameters)[:3] == list(names)


def test_pool_size_none_means_the_cpu_count(threaded, crowd):
    size = os.cpu_count()
    assert crowd(threaded(thread_pool_size=None), size) == size


@pytest.mark.parametrize("size", [1, 3])
def test_pool_size_is_the_number_of_threads(threaded, crowd, size):
    assert crowd(threaded(thread_pool_size=size), size) == size


def test_pool_size_zero_shares_one_pool_among_runtimes(
    threaded, solo, finish, shared_pool
):
    threads = set()
    flow = solo(lambda slot_data, *rest: threads.add(threading.current_thread()))
    for _ in range(50):
        runtime = threaded(thread_pool_size=0)
        runtime.exec(flow)
        runtime.post(flow.flow_id, "work", "input", 1)
        finish(runtime)
    assert 1 <= len(threads) < 50


def test_shutdown_of_one_sharing_runtime_leaves_the_others_running(
    threaded, solo, finish, record, calls, shared_pool
):
    flow = solo(record)
    first, second = threaded(thread_pool_size=0), threaded(thread_pool_size=0)
    second.exec(flow)
    first.shutdown(timeout=WAIT)
    job = second.post(flow.flow_id, "work", "input", 1)
    finish(second)
    assert (job.status, len(calls)) == ("completed", 1)


@pytest.mark.parametrize("name", ["thread_pool_size", "max_queue_size"])
def test_negative_size_is_a_value_error_that_names_parameter_and_value(name):
    with pytest.raises(ValueError, match=rf"(?s){name}.*-3"):
        Runtime(**{name: -3})


@pytest.mark.parametrize("name", ["thread_pool_size", "max_queue_size"])
@pytest.mark.parametrize("value", ["4", 2.5, [1]])
def test_non_int_size_is_a_type_error_that_names_parameter_and_value(name, value):
    with pytest.raises(TypeError) as caught:
        Runtime(**{name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_unknown_engine_is_a_value_error_that_lists_the_engines():
    with pytest.raises(ValueError, match="'threads', 'inline' or 'sim', not 'thread'"):
        Runtime(engine="thread")


def test_parameters_past_the_third_are_keyword_only():
    with pytest.raises(TypeError):
        Runtime(2, 10, False, "threads")


def test_max_queue_size_is_a_thousand_by_default(runtimes, solo, record):
    runtimes.append(Runtime(engine="inline"))
    flow = solo(record, max_queue_length=5000)
    runtimes[0].exec(flow)
    for number in range(1000):
        runtimes[0].post(flow.flow_id, "work", "input", number, block=False)
    with pytest.raises(QueueFullError):
        runtimes[0].post(flow.flow_id, "work", "input", 1000, block=False)
