"""Defects of the 1.x series, group D: threads, leaks, waits, and what was swallowed.

The letters and numbers are those of its list of known defects; each test shows that the
defect is not here. Of D19, the part about the HTTP server's keys is not, since the
server is no part of this package.
"""

import copy
import gc
import io
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref

import pytest

from routilux import (
    ExecutionHooksInterface,
    JobStatus,
    NullExecutionHooks,
    Runtime,
    get_current_job,
    get_job_output,
    get_routed_stdout,
    get_worker_manager,
    get_worker_registry,
    install_routed_stdout,
    reset_worker_manager,
    set_execution_hooks,
    uninstall_routed_stdout,
)
from routilux.builtin_routines import ConditionalRouter, Mapper, SchemaValidator
from routilux.errors import ConfigurationError
from routilux.monitoring import MonitoringRegistry
from routilux.tools import RoutineTester

WAIT = 20.0
QUICK = 4.0  # seconds; what is meant took 5 or more, and takes none


def test_d1_size_of_the_pool_meant_nothing(chain):
    """No more activations run at once than the pool has threads; that many do."""
    lock, now, most = threading.Lock(), [0], [0]
    meet = threading.Barrier(3)

    def body(routine, item):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        meet.wait(WAIT)
        with lock:
            now[0] -= 1

    flow = chain(body)
    flow.routines["a"].set_concurrency(9)
    with Runtime(thread_pool_size=3) as runtime:
        runtime.exec(flow)
        for n in range(9):
            runtime.post(flow, "a", "input", n)
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert most == [3]


def test_d2_each_post_started_a_thread(chain):
    """Three hundred posts to one worker run on the threads of the pool."""
    before = threading.active_count()
    flow = chain(None)
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        for n in range(300):
            runtime.post(flow, "a", "input", n)
            assert threading.active_count() <= before + 3
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert threading.active_count() == before


def test_d3_workers_outlived_their_runtime(chain):
    """A runtime that was shut down and let go takes its workers with it."""
    runtime = Runtime(thread_pool_size=1)
    flow = chain(None)
    workers = weakref.WeakSet(runtime.exec(flow) for _ in range(100))
    assert len(workers) == 100
    runtime.shutdown()
    assert runtime.list_workers() == []
    del runtime
    gc.collect()
    assert len(workers) == 0


def test_d4_finished_activations_stayed_in_a_list(runtime, chain):
    """Of two thousand finished jobs no item is held any more."""

    class Item:
        pass

    flow = chain(None)
    runtime.exec(flow)
    items = weakref.WeakSet()
    for _ in range(2000):
        item = Item()
        items.add(item)
        runtime.post(flow, "a", "input", item)
    del item
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert runtime.wait_until_all_workers_idle(WAIT)
    gc.collect()
    assert len(items) == 0


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="POSIX clocks")
def test_d5_idle_workers_woke_ten_times_a_second(chain):
    """Fifty idle workers use no processor time worth the name."""
    with Runtime(thread_pool_size=2) as runtime:
        flow = chain(None)
        for _ in range(50):
            worker = runtime.exec(flow)
        assert runtime.post(flow, "a", "input", 1).job.wait(WAIT)
        assert worker.wait_until_idle(WAIT)
        pumps = [t for t in threading.enumerate() if t.name.startswith("routilux")]
        clocks = [time.pthread_getcpuclockid(t.ident) for t in pumps]
        before = sum(map(time.clock_gettime, clocks))
        threading.Event().wait(0.5)
        assert sum(map(time.clock_gettime, clocks)) - before < 0.05


def test_d6_uninstalling_captured_output_took_five_seconds():
    """It takes no time and leaves no thread."""
    before = set(threading.enumerate())
    begun = time.monotonic()
    install_routed_stdout(cleanup_interval=300)
    uninstall_routed_stdout()
    assert time.monotonic() - begun < QUICK
    assert set(threading.enumerate()) == before


def test_d7_resetting_the_manager_took_five_seconds(chain):
    """It takes as long as its jobs do."""
    get_worker_manager().start_worker(chain(None))
    begun = time.monotonic()
    reset_worker_manager()
    assert time.monotonic() - begun < QUICK


def test_d8_shutdown_returned_while_logic_ran_and_dropped_the_queue(chain):
    """`shutdown(wait=True)` returns when every job is completed."""
    done, gate = [], threading.Event()

    def body(routine, item):
        gate.wait(WAIT)
        done.append(item)

    flow = chain(body)
    runtime = Runtime(thread_pool_size=1)
    runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", n).job for n in range(20)]
    closer = threading.Thread(target=runtime.shutdown)
    closer.start()
    gate.set()
    closer.join(WAIT)
    assert done == list(range(20))
    assert {job.status for job in jobs} == {"completed"}


def test_d8_timeout_of_shutdown_was_not_looked_at(chain):
    """A shutdown with a timeout returns although logic hangs."""
    gate = threading.Event()
    flow = chain(lambda routine, item: gate.wait(WAIT))
    runtime = Runtime(thread_pool_size=1)
    runtime.exec(flow)
    jobs = [runtime.post(flow, "a", "input", n).job for n in range(2)]
    runtime.shutdown(wait=True, timeout=0.05)
    assert jobs[1].status == "cancelled"
    assert not gate.is_set()
    gate.set()
    assert jobs[0].wait(WAIT)


def test_d9_register_of_workers_kept_a_thread_that_did_nothing(chain):
    """It needs no thread, and a worker leaves it when its runtime ends."""
    before = set(threading.enumerate())
    registry = get_worker_registry()
    assert set(threading.enumerate()) == before
    with Runtime(thread_pool_size=1) as runtime:
        worker_id = runtime.exec(chain(None)).worker_id
        assert registry.get(worker_id) is not None
    assert registry.get(worker_id) is None


def test_d10_publisher_of_events_kept_a_thread(chain):
    """Monitoring starts no thread, so none is left when it is switched off."""
    before = set(threading.enumerate())
    MonitoringRegistry.enable()
    try:
        with Runtime(thread_pool_size=1) as runtime:
            flow = chain(None)
            runtime.exec(flow)
            assert runtime.post(flow, "a", "input", 1).job.wait(WAIT)
            pool = [t for t in threading.enumerate() if t not in before]
            assert all(thread.name.startswith("routilux") for thread in pool)
    finally:
        MonitoringRegistry.disable()
    assert set(threading.enumerate()) == before


def test_d11_worker_died_by_its_execution_timeout_when_idle(runtime, chain):
    """A worker that is older than the timeout of its flow still does its jobs."""
    flow = chain(None)
    flow.execution_timeout = 0.01
    runtime.exec(flow)
    threading.Event().wait(0.05)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    assert job.status == "completed"


def test_d12_hooks_ran_under_a_lock(runtime, chain):
    """A hook may start workers, post, and ask for jobs while it runs."""
    seen = []
    flow, other = chain(None), chain(None)

    class Busy(NullExecutionHooks):
        def on_worker_start(self, flow, worker_state):
            if not seen:
                seen.append("start")
                runtime.exec(other)

        def on_job_start(self, job, worker_state):
            if len(seen) == 1:
                seen.append("job")
                runtime.post(other, "a", "input", 2)
                runtime.list_jobs()

    assert issubclass(Busy, ExecutionHooksInterface)
    set_execution_hooks(Busy())
    runtime.exec(flow)
    runtime.post(flow, "a", "input", 1)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert seen == ["start", "job"]


def test_d13_captured_output_grew_without_bound(runtime, chain, monkeypatch):
    """Of what is never read the newest characters are kept, and no more."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    install_routed_stdout(keep_default=False, max_buffer_chars=1000)

    def talk(routine, item):
        for n in range(5000):
            print(n)

    flow = chain(talk)
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    stats = get_routed_stdout().get_stats()
    assert stats["total_buffer_chars"] <= 1000
    assert stats["total_queue_items"] <= 1000
    assert get_job_output(job.job_id).endswith("4999\n")


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_d14_job_could_not_be_pickled_or_copied(runtime, chain, again):
    """Both give a picture of the job."""
    flow = chain(None)
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1, metadata={"a": [1]}).job
    assert job.wait(WAIT)
    made = again(job)
    assert (made.job_id, made.status, made.metadata) == (
        *(job.job_id, "completed", {"a": [1]}),
    )


def test_d15_errors_of_logic_were_swallowed(runtime, chain, caplog):
    """The job fails with type, text and traceback, and the log has a line."""

    def fail(routine, item):
        raise LookupError("nothing there")

    flow = chain(fail)
    runtime.exec(flow)
    job = runtime.post(flow, "a", "input", 1).job
    assert job.wait(WAIT)
    assert (job.status, job.error.type, job.error.message) == (
        *("failed", "LookupError", "nothing there"),
    )
    assert "raise LookupError" in job.error.traceback
    assert "LookupError: nothing there" in caplog.text


def test_d16_queued_work_was_never_kept(runtime, chain, forward, tmp_path):
    """A checkpoint holds queued items and deferred events, and both go on."""
    got = []

    def keep(routine, item):
        got.append((get_current_job().flow_id, item["value"]))

    flow = chain(forward, keep)
    worker = runtime.exec(flow)
    worker.pause()
    job = runtime.post(flow, "a", "input", {"value": 1}).job
    worker.add_deferred_event("a", "output", {"value": 2})
    assert job.flow_id == flow.flow_id
    worker.resume()
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert sorted(got) == [(flow.flow_id, 1), (flow.flow_id, 2)]


@pytest.mark.parametrize(
    "text", ["data.__class__.__mro__", "().__class__", "__import__('os').getcwd()"]
)
def test_d17_expressions_reached_attributes_and_imports(text):
    """An expression that tries is refused, when it is set or when it runs."""
    pytest.importorskip("simpleeval")
    router = ConditionalRouter()
    try:
        router.set_config(routes=[("out", text)])
    except ConfigurationError:
        return
    with RoutineTester(router) as tester:
        job = tester.post("input", {"n": 1})
        job.wait(WAIT)
        assert tester.emitted("out") == []
        assert job.status is JobStatus.FAILED


def test_d18_paths_lost_letters_and_pydantic_models_raised():
    """A JSONPath keeps the first letters of its name; a strict model validates."""
    pytest.importorskip("jsonpath_ng")
    pydantic = pytest.importorskip("pydantic")
    mapping = {"x": "$.old_string", "y": "$.dolor"}
    with RoutineTester(Mapper(), {"mappings": mapping}) as tester:
        tester.run("input", {"old_string": 1, "dolor": 2})
        assert tester.emitted("output")[0]["mapped_data"] == {"x": 1, "y": 2}
    model = pydantic.create_model("Model", n=(int, ...))
    config = {"schema": model, "strict_mode": True}
    with RoutineTester(SchemaValidator(), config) as tester:
        tester.run("input", {"n": 1}, {"n": "1"})
        assert len(tester.emitted("valid")) == len(tester.emitted("invalid")) == 1


def test_d19_importing_put_a_folder_of_examples_on_the_path(tmp_path):
    """An import changes nothing of `sys.path`."""
    (tmp_path / "examples").mkdir()
    script = (
        "import sys; before = list(sys.path); import routilux, routilux.cli,"
        " routilux.tools, routilux.builtin_routines; sys.exit(sys.path != before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=os.environ, timeout=60
    )
    assert done.returncode == 0
