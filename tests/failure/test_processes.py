"""Forks, exits and a limit of memory, each in a process of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PRELUDE = (Path(__file__).parents[1] / "contract" / "lifecycle_prelude.py").read_text()


def run_script(script: str) -> str:
    """Run a program in a process of its own; it has to end by itself and well."""
    quiet = ["-X", "faulthandler", "-W", "ignore::DeprecationWarning"]  # of os.fork
    done = subprocess.run(
        [sys.executable, *quiet, "-c", PRELUDE + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_child_of_a_fork_gets_a_clear_error_and_the_parent_goes_on():
    out = run_script("""
        runtime = started(block)
        job = post(runtime, 1)
        assert entered.wait(10)
        child = os.fork()
        if child == 0:
            said = set()
            for call in (
                lambda: post(runtime, 2),
                lambda: runtime.exec(chain(stage(record), name="other")),
                lambda: job.wait(10),
                lambda: runtime.wait_until_all_jobs_finished(10),
            ):
                try:
                    call()
                except RuntimeError as error:
                    said.add(str(error))
            runtime.shutdown()
            os._exit(0 if said == {
                "Runtime belongs to the parent of this process, where its threads are:"
                " make another Runtime after the fork"
            } else 1)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
        gate.set()
        second = post(runtime, 2)
        assert runtime.wait_until_all_jobs_finished(10)
        print(job.status, second.status)
        runtime.shutdown()
    """)
    assert out == "0\ncompleted completed\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_child_of_a_fork_reads_what_was_and_is_told_whose_it_is():
    out = run_script("""
        runtime = started(block)
        job = post(runtime, 1)
        assert entered.wait(10)
        child = os.fork()
        if child == 0:
            found = runtime.get_job(job.job_id)
            told = {runtime.explain(), runtime.explain(job)}
            try:
                runtime.add_breakpoint("a")
            except RuntimeError as error:
                told.add(str(error))
            os._exit(0 if found is job and job.status == "running" and told == {
                "Runtime belongs to the parent of this process, where its threads are:"
                " make another Runtime after the fork"
            } else 1)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
        gate.set()
        runtime.shutdown()
    """)
    assert out == "0\n"


def test_interpreter_exits_while_a_timeout_and_a_deadline_are_pending():
    out = run_script("""
        flow = chain(stage(record))
        flow.routines["a"].set_timeout(3600)
        runtime = Runtime(thread_pool_size=2)
        runtime.exec(flow)
        for n in range(3):
            runtime.post("flow", "a", "input", n, deadline=3600)
        import atexit
        atexit.register(lambda: print(len(ran)))
    """)
    assert out == "3\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of address space")
def test_work_waits_for_a_thread_that_can_not_be_started_yet():
    """It is logged once, and the threads are as many as before when it is over."""
    out = run_script("""
        import resource

        said = []
        handler = logging.Handler()
        handler.emit = lambda entry: said.append(entry.getMessage())
        logging.getLogger("routilux").addHandler(handler)
        runtime = started(record)
        limits = resource.getrlimit(resource.RLIMIT_AS)
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        threading.stack_size(512 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (used + (128 << 20), limits[1]))
        jobs = [post(runtime, n) for n in range(3)]
        print(jobs[0].wait(0.3), said)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        threading.stack_size(0)
        print([job.wait(10) for job in jobs], ran, len(said))
        least = 0
        end = time.monotonic() + 10
        while runtime.core.debug()["pumps"] and time.monotonic() < end:
            least = min(least, runtime.core.debug()["pumps"])
            time.sleep(0.01)
        print(runtime.core.debug()["pumps"], least)
        runtime.shutdown()
    """)
    assert out.splitlines() == [
        "False ['routilux: no pump could be started']",
        "[True, True, True] [[0], [1], [2]] 1",
        "0 0",
    ]
