"""`Runtime.dump_on_signal` writes what executes, whatever blocks meanwhile."""

import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from standing import NEEDS_GIL, Gate, flow_of, nothing, routine

from routilux import Runtime

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGUSR1"), reason="the system has no SIGUSR1"
)


class Paper(io.StringIO):
    """A text file that says when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Semaphore(0)

    def flush(self) -> None:
        self.written.release()


@NEEDS_GIL
def test_a_signal_writes_places_and_stacks(gate: Gate) -> None:
    paper = Paper()
    with Runtime(1) as runtime, runtime.dump_on_signal(file=paper):
        runtime.exec(flow_of("stuck", slow=routine(gate.hold)))
        job = runtime.post("stuck", "slow", "input", 1).job
        gate.wait_for()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert paper.written.acquire(timeout=10.0)
        text = paper.getvalue()
        gate.open()
    assert f"in process {os.getpid()} at " in text
    assert "- 'slow' executes for at most " in text and repr(job.job_id) in text
    assert "thread 'routilux_0' executes 'slow':\n" in text
    assert "in hold\n    assert self.opened.wait(20.0)" in text


def test_each_signal_writes_a_dump_to_the_end_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "dump.txt"
    paper = Paper()
    # Both runtimes hear the same signal; the second one tells when it was written.
    with Runtime(1) as runtime, Runtime(1) as other:
        runtime.dump_on_signal(file=path)
        other.dump_on_signal(file=paper)
        runtime.exec(flow_of("idle", one=routine(nothing)))
        for n in (1, 2):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert paper.written.acquire(timeout=10.0)
            assert path.read_text().count("0 jobs unfinished") == n


def test_the_thread_ends_with_the_runtime() -> None:
    with Runtime(1) as runtime:
        runtime.dump_on_signal(file=Paper())
        assert "routilux-dump" in [thread.name for thread in threading.enumerate()]
    assert "routilux-dump" not in [thread.name for thread in threading.enumerate()]


@NEEDS_GIL
def test_it_comes_while_the_main_thread_and_all_logic_block(tmp_path: Path) -> None:
    program = """
import os, signal, sys, threading
from routilux import Flow, Routine, Runtime, immediate_policy

lock = threading.Lock()
lock.acquire()
slow = Routine()
slow.add_slot("input")
slow.set_activation_policy(immediate_policy())

def logic(slot_data, policy_message, worker_state):
    print("here", flush=True)
    lock.acquire()

slow.set_logic(logic)
flow = Flow("stuck")
flow.add_routine(slow, "slow")
runtime = Runtime(1)
runtime.exec(flow)
runtime.dump_on_signal()
runtime.post("stuck", "slow", "input", 1)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
runtime.wait_until_all_jobs_finished()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline() == "here\n"
        child.send_signal(signal.SIGUSR1)
        lines = [child.stderr.readline()]
        while "lock.acquire()" not in lines[-1] and "in logic" not in lines[-1]:
            assert lines[-1], "the child ended"
            lines.append(child.stderr.readline())
    finally:
        child.kill()
        child.communicate(timeout=10.0)
    assert any("'slow' executes for at most" in line for line in lines)
    assert any("thread 'routilux_0' executes 'slow':" in line for line in lines)
