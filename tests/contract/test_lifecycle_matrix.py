"""Every state a process can be in, times everything that can end it there.

A script is three parts: bring the runtime into a state, let one thing happen to it,
and come to the end. It has to end by itself, with exit code 0 and no stderr.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HARD_TIMEOUT = 20.0
PRELUDE = Path(__file__).with_name("lifecycle_prelude.py").read_text("utf-8")

# The call that keeps a thread busy in each state; it returns once the gate is open.
STATES = {
    "blocked in post": """
        runtime = started(block, max_queue_size=1)
        post(runtime, 1)
        assert entered.wait(10)
        def busy(runtime):
            post(runtime, 2)
    """,
    "blocked in wait": """
        runtime = started(block)
        post(runtime, 1)
        assert entered.wait(10)
        def busy(runtime):
            runtime.wait_until_all_jobs_finished(15)
    """,
    "logic blocked in emit": """
        def flood(slot_data, policy_message, worker_state):
            for n in range(10):
                source.emit("output", n=n)

        source = stage(flood)
        runtime = Runtime(thread_pool_size=2)
        runtime.exec(chain(source, stage(block, max_queue_length=1)))
        post(runtime)
        assert entered.wait(10)
        def busy(runtime):
            gate.wait(15)
    """,
    "logic running": """
        runtime = started(block)
        post(runtime, 1)
        post(runtime, 2)
        assert entered.wait(10)
        def busy(runtime):
            gate.wait(15)
    """,
    "timer pending": """
        runtime = Runtime(thread_pool_size=2)
        runtime.exec(chain(stage(record, batch_size_policy(5, max_wait=3600))))
        post(runtime, 1)
        def busy(runtime):
            gate.wait(15)
    """,
}

IN_A_THREAD = """
        def occupy(runtime):
            try:
                busy(runtime)
            except RuntimeError:
                pass

        occupant = threading.Thread(target=occupy, args=(runtime,), daemon=True)
        occupant.start()
"""

IN_MAIN = {
    "KeyboardInterrupt": """
        def interrupt():
            os.kill(os.getpid(), signal.SIGINT)

        threading.Timer(0.2, interrupt).start()
        try:
            busy(runtime)
        except KeyboardInterrupt:
            print("interrupted")
        gate.set()
        runtime.shutdown(timeout=5, cancel_pending=True)
    """,
    "SIGTERM handler that shuts down": """
        def handle(number, frame):
            gate.set()
            runtime.shutdown(timeout=5, cancel_pending=True)
            print("interrupted")

        def interrupt():
            os.kill(os.getpid(), signal.SIGTERM)

        signal.signal(signal.SIGTERM, handle)
        threading.Timer(0.2, interrupt).start()
        try:
            busy(runtime)
        except RuntimeError:
            pass
    """,
}

BESIDE = {
    "fork": """
        child = os.fork()
        if child == 0:
            with Runtime(thread_pool_size=1) as fresh:
                fresh.exec(chain(stage(record), name="child"))
                assert fresh.post("child", "a", "input", "child")[1].wait(10)
            assert ["child"] in ran
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        gate.set()
        runtime.shutdown(timeout=10)
    """,
    "sys.exit in logic": """
        def leave(slot_data, policy_message, worker_state):
            sys.exit(3)

        with Runtime(thread_pool_size=1) as other:
            other.exec(chain(stage(leave), name="bad"))
            job = other.post("bad", "a", "input", 0)[1]
            assert job.wait(10)
            assert job.status == "failed", job.status
        gate.set()
        runtime.shutdown(timeout=10)
    """,
    "exception in a policy": """
        def fail(slots, worker_state):
            raise ValueError("policy")

        runtime.exec(chain(stage(record, custom_policy(fail)), name="bad"))
        gate.set()
        job = runtime.post("bad", "a", "input", 0)[1]
        assert job.wait(10)
        assert job.status == "failed", job.status
        runtime.shutdown(timeout=10)
    """,
    "garbage collection of the runtime": """
        del runtime
        gc.collect()
        gate.set()
        join_threads({threading.main_thread()})
    """,
    "interpreter finalisation": """
        open_gate_soon()
    """,
    "double shutdown": """
        gate.set()
        second = threading.Thread(target=runtime.shutdown)
        second.start()
        runtime.shutdown()
        runtime.shutdown()
        second.join(10)
        assert not second.is_alive()
    """,
    "shutdown from a worker": """
        def end(slot_data, policy_message, worker_state):
            runtime.shutdown()

        gate.set()
        runtime.exec(chain(stage(end), name="end"))
        runtime.post("end", "a", "input", 0)
        join_threads({threading.main_thread()})
    """,
}


def run_script(*parts: str) -> str:
    """Run one case; its standard output, when it ended as it has to."""
    quiet = ["-X", "faulthandler", "-W", "ignore::DeprecationWarning"]  # of os.fork
    script = PRELUDE + "".join(textwrap.dedent(part) for part in parts)
    done = subprocess.run(
        [sys.executable, *quiet, "-c", script],
        capture_output=True,
        text=True,
        timeout=HARD_TIMEOUT,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("what", IN_MAIN)
@pytest.mark.parametrize("state", STATES)
def test_signal_while_the_main_thread_is(state, what):
    out = run_script(STATES[state], IN_MAIN[what], 'print("end")')
    assert out == "interrupted\nend\n"


@pytest.mark.parametrize("what", BESIDE)
@pytest.mark.parametrize("state", STATES)
def test_another_thread_is(state, what):
    if what == "fork" and not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    out = run_script(STATES[state], IN_A_THREAD, BESIDE[what], 'print("end")')
    assert out == "end\n"
