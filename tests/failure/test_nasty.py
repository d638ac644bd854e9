"""What tears other runtimes down: no memory, no stack, forks, late generators."""

import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from routilux import (
    FunctionRoutine,
    Runtime,
    batch_size_policy,
    custom_policy,
    get_current_job,
)
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)

PRELUDE = (Path(__file__).parents[1] / "contract" / "lifecycle_prelude.py").read_text()
WAIT = 20.0


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


def outcomes(runtime, flow, *items):
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", x)[1] for x in items]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    return [(str(job.status), job.error and job.error.type) for job in jobs]


def test_logic_that_runs_out_of_memory_fails_its_job_only(runtime, solo):
    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"] == ["bad"]:
            bytearray(1 << 62)

    found = outcomes(runtime, solo(logic), "good", "bad", "good")
    done = ("completed", None)
    assert found == [done, ("failed", "MemoryError"), done]


def test_logic_that_runs_out_of_stack_fails_its_job_only(runtime, solo):
    def deeper(n):
        return deeper(n + 1)

    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"] == ["bad"]:
            deeper(0)

    found = outcomes(runtime, solo(logic), "good", "bad", "good")
    done = ("completed", None)
    assert found == [done, ("failed", "RecursionError"), done]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", ["logic", "async", "policy", "custom"])
def test_interrupt_raised_anywhere_fails_its_job_and_the_pool_goes_on(
    threaded, solo, record, error, kind
):
    def fail(*args):
        raise error

    async def fail_later(slot_data, policy_message, worker_state):
        raise error

    def logic(slot_data, policy_message, worker_state):
        fail()

    flow = {
        "logic": lambda: solo(logic),
        "async": lambda: solo(fail_later),
        "policy": lambda: solo(record, policy=lambda slots, worker_state: fail()),
        "custom": lambda: solo(record, policy=custom_policy(fail)),
    }[kind]()
    runtime = threaded(thread_pool_size=1)
    assert outcomes(runtime, flow, 1, 2) == [("failed", error.__name__)] * 2
    assert outcomes(runtime, solo(record), 1) == [("completed", None)]


class Unspeakable(Exception):
    def __str__(self):
        raise SystemExit("not even its text")

    __repr__ = __str__


def test_exception_whose_text_raises_fails_its_job(runtime, solo):
    def logic(slot_data, policy_message, worker_state):
        raise Unspeakable

    assert outcomes(runtime, solo(logic), 1, 2) == [("failed", "Unspeakable")] * 2


def nameless(attribute):
    """Make an exception whose class raises when it is asked for its name."""

    class Meta(type):
        def __getattribute__(cls, name):
            if name == attribute:
                raise KeyError(f"no {name}")
            return super().__getattribute__(name)

    class Nameless(Exception, metaclass=Meta):
        pass

    return Nameless("why")


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize(
    ("attribute", "text"),
    [("__qualname__", "Nameless: why"), ("__name__", "KeyError: 'no __name__'")],
)
def test_exception_whose_class_has_no_name_fails_its_job_only(
    runtime, solo, attribute, text, timeout
):
    def logic(slot_data, policy_message, worker_state):
        if slot_data["input"] == ["bad"]:
            raise nameless(attribute)

    flow = solo(logic)
    flow.routines["work"].set_timeout(timeout)
    items = ["good", "bad"] * 3
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "work", "input", item)[1] for item in items]
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert [job.error for job in jobs] == [None, text] * 3
    assert [str(job.status) for job in jobs] == ["completed", "failed"] * 3


def test_generator_stage_is_closed_when_its_job_was_cancelled(threaded, make_flow):
    closed, begun = threading.Event(), threading.Event()
    goes_on = threading.Event()

    def numbers(item):
        try:
            while True:
                begun.set()
                goes_on.wait(WAIT)
                yield item
        finally:
            closed.set()

    flow = make_flow({"work": FunctionRoutine(numbers)})
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1).job
    assert begun.wait(WAIT)
    assert job.cancel()
    goes_on.set()
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert closed.is_set()


def test_generator_that_logic_left_open_may_emit_when_it_is_closed_late(
    runtime, make_routine, make_flow, record, calls
):
    # Its `finally` runs after the end of the job, where an emit is refused.
    kept, refused = [], []

    def open_ended():
        try:
            yield get_current_job()
        finally:
            try:
                routine.emit("output", n=1)
            except RuntimeError as error:
                refused.append(str(error))

    def logic(slot_data, policy_message, worker_state):
        kept.append(open_ended())
        next(kept[-1])

    routine = make_routine(logic, events=("output",))
    flow = make_flow(
        {"work": routine, "next": make_routine(record)},
        ("work", "output", "next", "input"),
    )
    assert outcomes(runtime, flow, 1) == [("completed", None)]
    kept.clear()
    gc.collect()
    assert len(refused) == 1
    assert calls == []
    assert outcomes(runtime, flow, 2) == [("completed", None)]
    kept.clear()


@pytest.mark.skipif(sys.platform != "linux", reason="a huge stack is refused late")
@pytest.mark.parametrize("kind", ["logic", "function"])
def test_async_logic_fails_its_job_while_the_loop_can_not_start(
    threaded, solo, make_flow, kind
):
    class NoMoreThreads(ExecutionHooksInterface):
        def on_routine_start(self, *args):
            threading.stack_size(2**60)
            return True

    async def logic(slot_data, policy_message, worker_state):
        seen.extend(slot_data["input"])

    async def function(item):
        seen.append(item)

    seen, runtime = [], threaded(thread_pool_size=1)
    stage = make_flow({"work": FunctionRoutine(function)})
    flow = stage if kind == "function" else solo(logic)
    set_execution_hooks(NoMoreThreads())
    try:
        assert outcomes(runtime, flow, 1) == [("failed", "RuntimeError")]
    finally:
        threading.stack_size(0)
        reset_execution_hooks()
    gc.collect()  # a coroutine that never began would be warned about
    assert outcomes(runtime, flow, 2) == [("completed", None)]
    assert seen == [2]


def test_async_function_whose_time_is_over_before_it_begins_never_does(
    threaded, make_flow, gate
):
    async def block(item):
        started.set()
        gate.wait(WAIT)  # and the event loop with it

    async def work(item):
        seen.append(item)

    seen, started = [], threading.Event()
    flow = make_flow({"block": FunctionRoutine(block), "work": FunctionRoutine(work)})
    flow.routines["work"].set_timeout(0.05)
    runtime = threaded(thread_pool_size=1)
    runtime.exec(flow)
    runtime.post(flow.flow_id, "block", "input", 1)
    assert started.wait(WAIT)
    job = runtime.post(flow.flow_id, "work", "input", 1).job
    assert job.wait(WAIT)
    assert (str(job.status), job.error.type) == ("failed", "ActivationTimeout")
    gate.set()
    runtime.shutdown()
    gc.collect()  # a coroutine that never began would be warned about
    assert seen == []


def test_generator_that_fails_as_it_is_closed_harms_nothing(runtime, make_flow):
    def numbers(item):
        try:
            yield item
            raise ValueError("in the middle")
        finally:
            raise KeyError("in finally")

    flow = make_flow({"work": FunctionRoutine(numbers)})
    assert outcomes(runtime, flow, 1, 2) == [("failed", "KeyError")] * 2


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
    assert outcomes(runtime, flow, 1, 2) == [("failed", "ActivationTimeout")] * 2


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


def test_interrupt_reaches_who_waits_where_that_thread_does_the_work(
    solo, record, runtimes
):
    def interrupt(slot_data, policy_message, worker_state):
        raise KeyboardInterrupt

    runtimes.append(runtime := Runtime(engine="inline"))
    flow = solo(interrupt)
    runtime.exec(flow)
    job = runtime.post(flow, "work", "input", 1).job
    with pytest.raises(KeyboardInterrupt):
        runtime.wait_until_all_jobs_finished(WAIT)
    assert (job.status, job.error.type) == ("failed", "KeyboardInterrupt")
    assert outcomes(runtime, solo(record), 1) == [("completed", None)]


def test_interrupt_in_logic_that_an_emit_runs_reaches_who_waits(
    stage, make_flow, runtimes
):
    def burst(emit, item):
        for n in range(3):
            emit("output", n=n)

    def interrupt(emit, item):
        raise KeyboardInterrupt

    runtimes.append(runtime := Runtime(engine="inline"))
    flow = make_flow(
        {"source": stage(burst), "sink": stage(interrupt, max_queue_length=1)},
        ("source", "output", "sink", "input"),
    )
    runtime.exec(flow)
    job = runtime.post(flow, "source", "input", 1).job
    with pytest.raises(KeyboardInterrupt):
        runtime.wait_until_all_jobs_finished(WAIT)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert (job.status, job.error.type) == ("failed", "KeyboardInterrupt")


def test_log_that_raises_does_not_keep_a_job_from_ending(runtime, solo, record):
    class Broken(logging.Handler):
        def emit(self, record):
            raise SystemExit("the log is broken")

    told = []

    def fail(job):
        told.append(job.status)
        raise LookupError

    flow = solo(record)
    runtime.exec(flow)
    handler = Broken()
    logging.getLogger("routilux").addHandler(handler)
    try:
        job = runtime.post(flow, "work", "input", 1).job
        job.add_done_callback(fail)
        job.add_done_callback(fail)
        assert runtime.wait_until_all_jobs_finished(WAIT)
        job.add_done_callback(fail)
    finally:
        logging.getLogger("routilux").removeHandler(handler)
    assert told == ["completed"] * 3
