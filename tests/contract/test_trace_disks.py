"""A trace on a disk that is full or too slow."""

import errno
import itertools
import os
import re
import threading
import time

import pytest


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
def test_a_full_disk_is_logged_and_the_run_goes_on(make_runtime, two, finish, caplog):
    runtime = make_runtime(trace="/dev/full")
    runtime.exec(two)
    jobs = [runtime.post("two", "first", "input", {"n": n}).job for n in range(1, 6)]
    finish(runtime)
    runtime.shutdown()
    assert {job.status for job in jobs} == {"completed"}
    (text,) = [entry.getMessage() for entry in caplog.records]
    assert text.startswith("the trace '/dev/full' could not be written: ")
    assert os.strerror(errno.ENOSPC) in text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes with names")
def test_what_the_disk_is_too_slow_for_is_left_out_and_counted(
    threaded, solo, finish, warned, tmp_path
):
    """A pipe that nobody reads stands for the disk; the ring has a million places."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    flow = solo(lambda *args: None, max_queue_length=1, overflow="drop_oldest")
    runtime = threaded()
    worker = runtime.exec(flow)
    worker.pause()
    trace = runtime.trace(path)
    items = itertools.repeat(None, 1 << 19)  # each is a post, and drops another one
    runtime.post_many(flow, "work", "input", items, jobs="one")
    times = [0.0, 0.0]
    while min(times[-2:]) < 0.2:  # until a post has to wait for each of its records
        began = time.monotonic()
        runtime.post(flow, "work", "input", None)
        times.append(time.monotonic() - began)
    content, goes_on = bytearray(), threading.Event()

    def read():
        while part := os.read(reader, 65536):
            content.extend(part)
            if len(content) > 1 << 20:
                goes_on.set()

    os.set_blocking(reader, True)
    disk = threading.Thread(target=read)
    disk.start()
    assert goes_on.wait(20)  # there is room again
    worker.resume()
    finish(runtime)
    last = runtime.post(flow, "work", "input", None).job
    finish(runtime)
    trace.end()
    disk.join(20)
    os.close(reader)
    ends = re.findall(rb'"job completed".*"(job_\w+)"', content)
    assert last.job_id.encode() in ends  # what comes after a gap is there
    (text,) = warned("the trace", "misses", "the disk was too slow")
    missed = int(re.search(r"misses (\d+) records", text)[1])
    assert 4 <= missed <= sum(t for t in times if t >= 0.1) / 0.1
