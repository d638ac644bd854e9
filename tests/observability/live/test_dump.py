"""`Runtime.dump_on_signal` writes what executes, whatever blocks meanwhile."""

import asyncio
import gc
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

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


def test_a_runtime_that_was_shut_down_hears_no_signal() -> None:
    late, paper = Paper(), Paper()
    with Runtime(1) as runtime:
        pass
    runtime.dump_on_signal(file=late)
    with Runtime(1) as other, other.dump_on_signal(file=paper):
        os.kill(os.getpid(), signal.SIGUSR1)
        assert paper.written.acquire(timeout=10.0)
    assert late.getvalue() == ""


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


@NEEDS_GIL
def test_a_coroutine_is_shown_to_where_it_awaits() -> None:
    begun = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def wait_for_payment() -> None:
        event = asyncio.Event()
        loops.append((asyncio.get_running_loop(), event))
        asyncio.get_running_loop().call_soon(begun.set)
        await event.wait()

    async def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        await wait_for_payment()

    paper = Paper()
    with Runtime(1) as runtime, runtime.dump_on_signal(file=paper):
        runtime.exec(flow_of("async", one=routine(logic)))
        job = runtime.post("async", "one", "input", 1).job
        assert begun.wait(10.0)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert paper.written.acquire(timeout=10.0)
        loop, event = loops[0]
        loop.call_soon_threadsafe(event.set)
        assert job.wait(10.0)
    stack = paper.getvalue().partition("coroutine 1 on the event loop:\n")[2]
    assert "in logic\n    await wait_for_payment()\n" in stack
    assert "in wait_for_payment\n    await event.wait()\n" in stack


def test_a_dump_that_can_not_be_written_says_so_and_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = Paper()
    with Runtime(1) as broken, Runtime(1) as runtime:
        broken.dump_on_signal(file=tmp_path)
        runtime.dump_on_signal(file=paper)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert paper.written.acquire(timeout=10.0)
    assert paper.getvalue().count("0 jobs unfinished") == 2
    assert capsys.readouterr().err.count(f"{str(tmp_path)!r}\n") == 2


def test_a_dump_may_be_asked_for_by_hand_while_its_runtime_lives() -> None:
    paper = Paper()
    runtime = Runtime(1)
    dump = runtime.dump_on_signal(file=paper)
    dump.write()
    assert paper.getvalue().startswith(f"routilux: {runtime!r} in process ")
    size = len(paper.getvalue())
    del runtime
    gc.collect()
    dump.write()
    assert len(paper.getvalue()) == size
    dump.close()


def test_a_signal_that_no_program_may_take_is_refused() -> None:
    with Runtime(1) as runtime:
        before = os.dup(0)
        os.close(before)
        with pytest.raises(OSError):
            runtime.dump_on_signal(signal.SIGKILL)
        after = os.dup(0)  # nothing that was opened for it is left open
        os.close(after)
        assert after == before
        assert "routilux-dump" not in [one.name for one in threading.enumerate()]
