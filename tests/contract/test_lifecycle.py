"""Exit, interrupts and forgotten shutdowns, each in a process of its own.

Every case is a small script. It has to end by itself within the hard timeout, with
exit code 0 and without one character on stderr.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HARD_TIMEOUT = 20.0

PRELUDE = Path(__file__).with_name("lifecycle_prelude.py").read_text("utf-8")


def run_script(body: str) -> str:
    """Run one case; its standard output, when it ended as it has to."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PRELUDE + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=HARD_TIMEOUT,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_forgotten_shutdown_of_an_idle_runtime_lets_the_process_end():
    out = run_script("""
        runtime = started(record)
        assert post(runtime).wait(10)
        print("end")
    """)
    assert out == "end\n"


def test_exit_while_busy_finishes_the_jobs():
    out = run_script("""
        def logic(slot_data, policy_message, worker_state):
            entered.set()
            assert gate.wait(15)
            print("ran", slot_data["input"][0], flush=True)

        runtime = started(logic)
        for n in range(3):
            post(runtime, n)
        assert entered.wait(10)
        open_gate_soon()
    """)
    assert out.splitlines() == ["ran 0", "ran 1", "ran 2"]


def test_exit_flushes_a_partial_batch_of_a_forgotten_runtime():
    out = run_script("""
        def logic(slot_data, policy_message, worker_state):
            print(slot_data["input"], policy_message["reason"], flush=True)

        runtime = Runtime(thread_pool_size=2)
        runtime.exec(chain(stage(logic, batch_size_policy(5))))
        post(runtime, 1), post(runtime, 2)
    """)
    assert out == "[1, 2] batch_flush\n"


def test_forgotten_runtime_on_the_shared_pool_lets_the_process_end():
    out = run_script("""
        runtime = Runtime(thread_pool_size=0)
        runtime.exec(chain(stage(record)))
        assert post(runtime).wait(10)
        print("end")
    """)
    assert out == "end\n"


def test_system_exit_of_the_main_thread_keeps_its_exit_code():
    code = "runtime = started(record); assert post(runtime).wait(10); sys.exit(7)"
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        capture_output=True,
        text=True,
        timeout=HARD_TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (7, "")


def test_shutdown_without_waiting_lets_an_endless_cycle_end():
    out = run_script("""
        def logic(slot_data, policy_message, worker_state):
            ran.append(1)
            if len(ran) == 100:
                entered.set()
            loop.emit("output", n=1)

        loop = stage(logic)
        flow = Flow("flow")
        flow.add_routine(loop, "a")
        flow.connect("a", "output", "a", "input")
        runtime = Runtime(thread_pool_size=2)
        runtime.exec(flow)
        post(runtime)
        assert entered.wait(10)
        start = time.monotonic()
        runtime.shutdown(wait=False)
        assert time.monotonic() - start < 2
        print("end")
    """)
    assert out == "end\n"


def test_shutdown_without_waiting_cancels_what_is_queued_at_exit():
    out = run_script("""
        def logic(slot_data, policy_message, worker_state):
            entered.set()
            assert gate.wait(15)
            print("ran", slot_data["input"][0], flush=True)

        runtime = started(logic)
        for n in range(3):
            post(runtime, n)
        assert entered.wait(10)
        runtime.shutdown(wait=False)
        open_gate_soon()
    """)
    assert out == "ran 0\n"


def test_shutdown_without_waiting_lets_a_coroutine_that_never_ends_go():
    out = run_script("""
        import asyncio

        async def logic(slot_data, policy_message, worker_state):
            entered.set()
            await asyncio.Event().wait()

        runtime = started(logic)
        post(runtime)
        assert entered.wait(10)
        runtime.shutdown(wait=False)
        print("end")
    """)
    assert out == "end\n"


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "GeneratorExit"])
def test_base_exception_in_logic_ends_its_job_and_not_the_process(error):
    out = run_script(f"""
        def logic(slot_data, policy_message, worker_state):
            if slot_data["input"][0] == 0:
                raise {error}("from logic")
            ran.append(1)

        with started(logic) as runtime:
            bad, good = post(runtime, 0), post(runtime, 1)
            assert runtime.wait_until_all_jobs_finished(10)
            print(bad.status, bad.error.type, good.status, ran)
    """)
    assert out == f"failed {error} completed [1]\n"


def test_shutdown_from_logic_ends_the_runtime():
    out = run_script("""
        before = set(threading.enumerate())

        def logic(slot_data, policy_message, worker_state):
            runtime.shutdown()
            entered.set()

        runtime = started(logic)
        post(runtime)
        assert entered.wait(10)
        try:
            post(runtime)
        except RuntimeError:
            print("refused")
        join_threads(before)
    """)
    assert out == "refused\n"


def test_two_threads_may_shut_down_at_once():
    out = run_script("""
        before = set(threading.enumerate())
        start = threading.Barrier(3)

        def end():
            start.wait(10)
            runtime.shutdown()
            assert len(ran) == 50
            sys.stdout.write("back\\n")

        runtime = started(record)
        enders = [threading.Thread(target=end) for _ in range(2)]
        for thread in enders:
            thread.start()
        for n in range(50):
            post(runtime, n)
        start.wait(10)
        join_threads(before)
    """)
    assert out == "back\nback\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    "wait",
    [
        "runtime.wait_until_all_jobs_finished()",
        "runtime.wait_until_all_jobs_finished(15)",
        "job.wait()",
        "job.wait(15)",
        "job.result(15)",
    ],
)
def test_sigint_in_a_wait_returns_at_once_and_leaves_the_runtime_usable(wait):
    out = run_script(f"""
        sent = []

        def interrupt():
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        runtime = started(block)
        job = post(runtime, 1)
        assert entered.wait(10)
        threading.Timer(0.3, interrupt).start()
        try:
            {wait}
        except KeyboardInterrupt:
            assert time.monotonic() - sent[0] < 2
            print("interrupted")
        gate.set()
        second = post(runtime, 2)
        assert runtime.wait_until_all_jobs_finished(10)
        print(job.status, second.status, ran)
        runtime.shutdown()
    """)
    assert out == "interrupted\ncompleted completed [[1], [2]]\n"


@pytest.mark.parametrize("held", ["", "held = (job, worker)"])
def test_dropped_idle_runtime_ends_its_threads(held):
    out = run_script(f"""
        before = set(threading.enumerate())
        runtime = Runtime(thread_pool_size=2)
        worker = runtime.exec(chain(stage(record)))
        job = post(runtime)
        assert job.wait(10)
        assert set(threading.enumerate()) != before
        {held}
        del runtime, worker, job
        gc.collect()
        join_threads(before)
        print("ended")
    """)
    assert out == "ended\n"


@pytest.mark.parametrize("held", ["", "held = (job, worker)"])
def test_dropped_busy_runtime_ends_its_threads(held):
    out = run_script(f"""
        before = set(threading.enumerate())
        runtime = Runtime(thread_pool_size=2)
        worker = runtime.exec(chain(stage(block)))
        job = post(runtime, 7)
        assert entered.wait(10)
        {held}
        del runtime, worker, job
        gc.collect()
        gate.set()
        join_threads(before)
        print(ran)
    """)
    assert out == "[[7]]\n"


def test_item_that_posts_when_it_dies_is_served():
    out = run_script("""
        class Item:
            def __del__(self):
                post(runtime, "from __del__")
                entered.set()

        with started(record) as runtime:
            def consume(slot_data, policy_message, worker_state):
                slot_data["input"].clear()

            runtime.exec(chain(stage(consume), name="other"))
            _, job = runtime.post("other", "a", "input", Item())
            assert job.wait(10)
            del job
            while not entered.wait(0.01):
                pass  # without a GIL an item dies when its own thread goes on
            assert runtime.wait_until_all_jobs_finished(10)
        print(ran)
    """)
    assert out == "[['from __del__']]\n"


def test_item_that_raises_when_it_dies_harms_nothing():
    out = run_script("""
        unraisable = []
        sys.unraisablehook = lambda info: unraisable.append(info.exc_type.__name__)

        class Item:
            def __del__(self):
                raise ValueError("from __del__")

        def logic(slot_data, policy_message, worker_state):
            ran.append(1)

        with started(logic, job_history=1) as runtime:
            for _ in range(20):
                post(runtime, Item())
            assert runtime.wait_until_all_jobs_finished(10)
        print(len(ran), set(unraisable))
    """)
    assert out == "20 {'ValueError'}\n"


def test_exception_that_cannot_be_printed_fails_its_job_quietly():
    out = run_script("""
        class Mute(Exception):
            def __str__(self):
                raise ValueError("no text")
            __repr__ = __str__

        def logic(slot_data, policy_message, worker_state):
            raise Mute()

        with started(logic) as runtime:
            job = post(runtime)
            assert runtime.wait_until_all_jobs_finished(10)
            print(job.status, job.error.type, isinstance(job.error.message, str))
    """)
    assert out == "failed Mute True\n"


def test_logging_handler_that_posts_is_served():
    out = run_script("""
        class Poster(logging.Handler):
            def emit(self, line):
                if not ran:
                    ran.append("handled")
                    post(runtime, "good")

        logging.getLogger("routilux").addHandler(Poster())

        silent = Routine()
        silent.add_slot("input")
        flow = Flow("silent")
        flow.add_routine(silent, "a")

        with started(record) as runtime:
            runtime.exec(flow)  # it never runs, and exec() says so
            assert runtime.wait_until_all_jobs_finished(10)
        print(ran)
    """)
    assert out == "['handled', ['good']]\n"
