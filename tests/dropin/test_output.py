"""Captured output: each job's own, whatever runs beside it."""

import asyncio
import io
import sys
import threading
import time

import pytest

from routilux import (
    Flow,
    RoutedStdout,
    Routine,
    clear_job_output,
    get_current_job_id,
    get_job_output,
    get_routed_stdout,
    immediate_policy,
    install_routed_stdout,
    uninstall_routed_stdout,
)

WAIT = 20.0


@pytest.fixture
def real():
    """Give a stream to stand in for the real stdout, which pytest sets anew."""
    yield io.StringIO()
    uninstall_routed_stdout()


def test_prints_of_jobs_are_their_own_under_any_concurrency(
    runtime, chain, forward, real, monkeypatch
):
    def talk(routine, item):
        for n in range(20):
            print(get_current_job_id(), n)
        routine.emit("output", value=item["value"])

    monkeypatch.setattr(sys, "stdout", real)
    install_routed_stdout(keep_default=False)
    flow = chain(talk, talk)
    for name in "ab":
        flow.routines[name].set_concurrency(None)
    runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", {"value": n}).job for n in range(40)]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    for job in jobs:
        lines = get_job_output(job.job_id).splitlines()
        assert lines == [f"{job.job_id} {n}" for n in range(20)] * 2
    assert real.getvalue() == ""


def test_prints_of_async_logic_and_its_threads(runtime, real):
    routine = Routine()
    routine.add_slot("input")

    async def logic(slot_data, policy_message, worker_state):
        await asyncio.sleep(0)
        print("async", slot_data["input"][0])
        await asyncio.to_thread(print, "thread")

    routine.set_logic(logic)
    routine.set_activation_policy(immediate_policy())
    flow = Flow()
    flow.add_routine(routine, "work")
    install_routed_stdout()
    runtime.exec(flow)
    job = runtime.post(flow, "work", "input", 1).job
    assert job.wait(WAIT)
    assert get_job_output(job.job_id) == "async 1\nthread\n"


def test_output_is_popped_or_read_as_a_whole(runtime, chain, real, monkeypatch):
    def talk(routine, item):
        print("hello", item)

    monkeypatch.setattr(sys, "stdout", real)
    install_routed_stdout()
    flow = chain(talk)
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1, job_id="mine").job
    assert job.wait(WAIT)
    assert get_job_output("mine") == "hello 1\n"
    assert get_job_output("mine") == ""
    assert get_job_output("mine", incremental=False) == "hello 1\n"
    assert get_routed_stdout().list_jobs() == ["mine"]
    clear_job_output("mine")
    assert get_job_output("mine", incremental=False) == ""
    assert "hello 1" in real.getvalue()


# Completing a job by hand erased what it had printed.
def test_output_outlives_its_job(runtime, chain, real):
    install_routed_stdout(keep_default=False)
    flow = chain(lambda routine, item: print("still here"))
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    runtime.complete_job(job.job_id)
    assert get_job_output(job.job_id) == "still here\n"


@pytest.mark.parametrize(("keep", "text"), [(True, "outside\n"), (False, "")])
def test_output_outside_of_jobs_goes_to_the_real_stream(real, monkeypatch, keep, text):
    monkeypatch.setattr(sys, "stdout", real)
    install_routed_stdout(keep_default=keep)
    print("outside")
    assert real.getvalue() == text


def test_installing_twice_keeps_the_first(real, monkeypatch):
    monkeypatch.setattr(sys, "stdout", real)
    routed = install_routed_stdout()
    assert install_routed_stdout(keep_default=False) is routed
    assert sys.stdout is routed is get_routed_stdout()
    uninstall_routed_stdout()
    uninstall_routed_stdout()
    assert (sys.stdout, get_routed_stdout()) == (real, None)


# It took five seconds, and left a thread that could not be joined.
def test_uninstalling_takes_no_time_and_leaves_no_thread(real):
    before = set(threading.enumerate())
    begun = time.perf_counter()
    for _ in range(50):
        install_routed_stdout()
        uninstall_routed_stdout()
    assert time.perf_counter() - begun < 1.0
    assert set(threading.enumerate()) == before


def said_by(job_id, routed, *texts):
    import contextvars

    from routilux import JobContext, set_current_job

    def body():
        set_current_job(JobContext(job_id))
        for text in texts:
            routed.write(text)

    contextvars.Context().run(body)


def test_newest_characters_are_kept():
    routed = RoutedStdout(io.StringIO(), False, max_buffer_chars=10)
    said_by("j", routed, "0123", "4567", "89ab")
    assert routed.get_buffer("j") == "23456789ab"
    assert routed.pop_chunks("j") == ["23", "4567", "89ab"]
    said_by("j", routed, "x" * 25)
    assert routed.get_buffer("j") == "x" * 10
    assert routed.pop_chunks("j") == ["x" * 10]
    assert routed.get_stats()["total_buffer_chars"] == 10


def test_chunks_that_were_popped_are_not_popped_again():
    routed = RoutedStdout(io.StringIO(), False, max_buffer_chars=10)
    said_by("j", routed, "0123")
    assert routed.pop_chunks("j") == ["0123"]
    said_by("j", routed, "4567", "89ab")
    assert routed.pop_chunks("j") == ["4567", "89ab"]
    assert routed.get_buffer("j") == "23456789ab"


def test_output_of_old_jobs_is_dropped_in_passing():
    routed = RoutedStdout(
        io.StringIO(), False, job_ttl_seconds=0.001, cleanup_interval=0.001
    )
    said_by("old", routed, "text")
    time.sleep(0.01)
    said_by("new", routed, "text")
    assert "old" not in routed.list_jobs()
    kept = RoutedStdout(io.StringIO(), False, job_ttl_seconds=0.001)
    said_by("old", kept, "text")
    assert kept.list_jobs() == ["old"]


def test_stream_looks_like_one():
    stream = io.StringIO()
    routed = RoutedStdout(stream)
    routed.writelines(["a", "b"])
    routed.flush()
    assert (stream.getvalue(), routed.isatty(), routed.writable()) == (
        *("ab", False, True),
    )
    assert routed.encoding == "utf-8"
    assert routed.get_stats() == {
        "job_count": 0,
        "total_queue_items": 0,
        "total_buffer_chars": 0,
        "oldest_job_age_seconds": 0.0,
    }
    assert routed.errors is None
    with pytest.raises(AttributeError, match="_missing"):
        routed._missing  # noqa: B018
    with pytest.raises(TypeError, match="takes a str"):
        routed.write(b"bytes")
    with pytest.raises(ValueError, match="max_buffer_chars"):
        RoutedStdout(stream, max_buffer_chars=0)
    routed.shutdown(timeout=5)


def test_the_rest_of_a_stream_is_that_of_the_real_one():
    real = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="replace")
    routed = RoutedStdout(real)
    assert (routed.encoding, routed.errors) == ("latin-1", "replace")
    assert routed.buffer is real.buffer
