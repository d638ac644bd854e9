"""A log that raises whatever it is told harms nothing."""

import logging
import threading

import pytest

from routilux import batch_size_policy

WAIT = 20.0


@pytest.fixture
def broken_log():
    """Have each line of the log raise in a handler; answer an event for a word."""
    logger, word = logging.getLogger("routilux"), ["?"]
    told = threading.Event()

    class Broken(logging.Handler):
        def emit(self, line):
            if word[0] in line.getMessage():
                told.set()
            raise SystemExit("from a handler")

    def listen(text):
        word[0] = text
        return told

    handler = Broken()
    logger.addHandler(handler)
    yield listen
    logger.removeHandler(handler)


def test_logging_handler_that_raises_harms_no_timeout(
    runtime, solo, linger, broken_log
):
    def logic(slot_data, policy_message, worker_state):
        linger(0.2)

    flow = solo(logic)
    flow.routines["work"].set_timeout(0.02)
    runtime.exec(flow)
    jobs = [runtime.post(flow, "work", "input", n).job for n in range(2)]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert [job.error.type for job in jobs] == ["ActivationTimeout"] * 2


def test_logging_handler_that_raises_stops_no_timer(
    threaded, make_routine, make_flow, broken_log
):
    """Who warns of a routine that blocks is who watches the clock."""
    warned, ran = broken_log("set_concurrency"), threading.Event()
    flow = make_flow(
        {
            "work": make_routine(lambda *_: warned.wait(0.1)),
            "late": make_routine(
                lambda *_: ran.set(), policy=batch_size_policy(5, max_wait=0.01)
            ),
        }
    )
    runtime = threaded(stall_warning=None)
    runtime.exec(flow)
    runtime.post_many(flow, "work", "input", range(120))
    assert warned.wait(WAIT)
    runtime.post(flow, "late", "input", 1)
    assert ran.wait(WAIT)  # nobody waits for jobs, which would flush the batch


def test_log_that_raises_does_not_keep_a_job_from_ending(
    runtime, solo, record, broken_log
):
    told = []

    def fail(job):
        told.append(job.status)
        raise LookupError

    flow = solo(record)
    runtime.exec(flow)
    job = runtime.post(flow, "work", "input", 1).job
    job.add_done_callback(fail)
    job.add_done_callback(fail)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    job.add_done_callback(fail)
    assert told == ["completed"] * 3
