"""`Runtime(trace=...)` and `runtime.trace(...)`: a file for Perfetto, at any moment."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from routilux import batch_size_policy


def lines_of(path):
    return json.loads(path.read_text("utf-8"))


def test_a_trace_has_slices_arrows_counters_and_threads(
    make_runtime, two, finish, tmp_path
):
    runtime = make_runtime(trace=tmp_path / "run.json")
    runtime.exec(two)
    for n in range(10, 20):
        runtime.post("two", "first", "input", {"n": n})
    finish(runtime)
    runtime.shutdown()
    lines = lines_of(tmp_path / "run.json")
    slices = Counter(x["name"] for x in lines if x["ph"] == "X" and x["cat"] == "logic")
    assert slices == {"first": 10, "second": 10}
    begins = Counter(x["id"] for x in lines if x["ph"] == "s")
    ends = Counter(x["id"] for x in lines if x["ph"] == "f")
    assert len(begins) == 20 and begins == ends
    assert {x["name"] for x in lines if x["ph"] == "C"} == {"first", "second"}
    threads = {x["tid"] for x in lines if x["ph"] == "X"}
    named = {x["tid"] for x in lines if x["name"] == "thread_name"}
    assert threads <= named
    assert sum(x["name"] == "job completed" for x in lines) == 10


def test_an_arrow_begins_in_the_slice_that_emits_and_ends_in_the_one_that_takes(
    make_runtime, two, finish, tmp_path
):
    runtime = make_runtime(trace=tmp_path / "run.json")
    runtime.exec(two)
    for n in range(5):
        runtime.post("two", "first", "input", {"n": n})
    finish(runtime)
    runtime.shutdown()
    lines = lines_of(tmp_path / "run.json")
    slices = [x for x in lines if x["ph"] == "X"]

    def enclosing(line):
        return [
            x["name"]
            for x in slices
            if x["tid"] == line["tid"]
            and x["ts"] - 0.002 <= line["ts"] <= x["ts"] + x["dur"] + 0.002
        ]

    arrows = {}
    for line in lines:
        if line["ph"] in "sf":
            arrows.setdefault(line["id"], {})[line["ph"]] = enclosing(line)
    assert len(arrows) == 10
    assert all(0 < int(item, 16) < 1 << 64 for item in arrows)  # as Perfetto asks
    for arrow in arrows.values():
        if "first.input" in arrow["s"]:
            assert "first" in arrow["f"]
        else:
            assert "first" in arrow["s"] and "second" in arrow["f"]


def test_a_trace_may_begin_and_end_while_a_runtime_runs(
    make_runtime, two, finish, tmp_path
):
    runtime = make_runtime()
    runtime.exec(two)
    runtime.post("two", "first", "input", {"n": 1})
    finish(runtime)
    with runtime.trace(tmp_path / "part.json"):
        runtime.post("two", "first", "input", {"n": 2})
        finish(runtime)
    runtime.post("two", "first", "input", {"n": 3})
    finish(runtime)
    lines = lines_of(tmp_path / "part.json")
    assert sum(x["ph"] == "X" and x["cat"] == "logic" for x in lines) == 2
    assert runtime.metrics().routine("first").activations == 1


def test_one_trace_follows_another(make_runtime, two, finish, tmp_path):
    runtime = make_runtime(enable_monitoring=True)
    runtime.exec(two)
    for name in ("one.json", "two.json"):
        with runtime.trace(tmp_path / name):
            runtime.post("two", "first", "input", {"n": 2})
            finish(runtime)
        lines = lines_of(tmp_path / name)
        assert sum(x["ph"] == "X" and x["cat"] == "logic" for x in lines) == 2
    runtime.post("two", "first", "input", {"n": 2})
    finish(runtime)
    assert runtime.metrics().routine("first").activations == 3


def test_two_traces_at_a_time_are_refused(make_runtime, tmp_path):
    runtime = make_runtime()
    with (
        runtime.trace(tmp_path / "one.json"),
        pytest.raises(RuntimeError, match="traced already"),
    ):
        runtime.trace(tmp_path / "two.json")


def test_a_path_that_can_not_be_written_is_refused(make_runtime, tmp_path):
    with pytest.raises(FileNotFoundError):
        make_runtime(trace=tmp_path / "nowhere" / "run.json")


def test_names_are_escaped(make_runtime, stage, make_flow, finish, tmp_path):
    name = 'a "quoted"\n<script> \u00e9 name'
    flow = make_flow({name: stage(lambda emit, item: None, events=())})
    runtime = make_runtime(trace=tmp_path / "run.json")
    runtime.exec(flow)
    runtime.post(flow, name, "input", {})
    finish(runtime)
    runtime.shutdown()
    assert name in {x["name"] for x in lines_of(tmp_path / "run.json")}


def test_a_batch_has_an_arrow_from_each_of_its_items(
    make_runtime, make_routine, make_flow, finish, tmp_path
):
    batch = make_routine(lambda *args: None, policy=batch_size_policy(5))
    runtime = make_runtime(trace=tmp_path / "run.json")
    flow = make_flow({"batch": batch})
    runtime.exec(flow)
    for n in range(10):
        runtime.post(flow, "batch", "input", n)
    finish(runtime)
    runtime.shutdown()
    lines = lines_of(tmp_path / "run.json")
    begins = {x["id"] for x in lines if x["ph"] == "s"}
    assert begins == {x["id"] for x in lines if x["ph"] == "f"}
    assert len(begins) == 10


def test_events_of_many_threads_are_all_there(threaded, two, spawn, finish, tmp_path):
    runtime = threaded(trace=tmp_path / "run.json", thread_pool_size=4)
    runtime.exec(two)

    def post():
        for n in range(500, 1000):
            runtime.post("two", "first", "input", {"n": n})

    for future in [spawn(post) for _ in range(4)]:
        future.result(20)
    finish(runtime)
    runtime.shutdown()
    lines = lines_of(tmp_path / "run.json")
    assert sum(x["ph"] == "X" and x["cat"] == "logic" for x in lines) == 4000


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
def test_a_disk_that_is_full_is_logged_and_harms_no_job(
    make_runtime, two, finish, caplog
):
    runtime = make_runtime()
    runtime.exec(two)
    with runtime.trace("/dev/full"):
        job = runtime.post("two", "first", "input", {"n": 1}).job
        finish(runtime)
    assert job.status == "completed"
    assert "the trace '/dev/full' could not be written: [Errno 28]" in caplog.text


KILLED = """
import sys
from routilux import Runtime, pipeline
runtime = Runtime(thread_pool_size=2, trace=sys.argv[1])
flow = pipeline(lambda x: x, lambda x: x)
runtime.exec(flow)
print("go", flush=True)
for _ in runtime.map(flow, iter(int, 1)):
    pass
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="has no SIGKILL")
def test_a_trace_can_be_read_after_the_process_was_killed(tmp_path):
    path = tmp_path / "run.json"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == b"go\n"
        while path.stat().st_size < 3_000_000:
            assert child.poll() is None
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait(20)
        child.stdout.close()
    text = path.read_text("utf-8").rstrip()
    lines = json.loads(text if text.endswith("]") else text + "]")
    assert sum(x["ph"] == "X" for x in lines) > 1000
