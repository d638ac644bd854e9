"""Chapters 3 and 8: what runs in parallel, what never does, and the build."""

import logging
import os
import subprocess
import sys
import threading
from importlib.metadata import PackageNotFoundError, metadata

import pytest

WAIT = 20.0
SHORT = 0.05  # long enough to see that something does not happen


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


@pytest.fixture
def meet():
    """Build logic that returns once n activations are inside at the same time."""

    def build(n):
        barrier = threading.Barrier(n)

        def logic(slot_data, policy_message, worker_state):
            barrier.wait(WAIT)

        return logic

    return build


@pytest.fixture
def counted(peak):
    """Build logic that counts how many threads are inside, and works a little."""

    def logic(slot_data, policy_message, worker_state):
        with peak:
            sum(range(2000))

    return logic


def all_completed(jobs):
    return all(job.wait(WAIT) for job in jobs) and {job.status for job in jobs} == {
        "completed"
    }


# --- in parallel


def test_different_routines_run_in_parallel(threaded, make_routine, make_flow, meet):
    logic = meet(2)
    flow = make_flow({"one": make_routine(logic), "two": make_routine(logic)})
    runtime = threaded(thread_pool_size=2)
    runtime.exec(flow)
    jobs = [
        runtime.post(flow.flow_id, routine_id, "input", 1)[1]
        for routine_id in ("one", "two")
    ]
    assert all_completed(jobs)


def test_different_routines_of_one_job_run_in_parallel(
    threaded, make_routine, make_flow, stage, meet
):
    logic = meet(3)
    ends = {f"end{n}": make_routine(logic) for n in range(3)}
    fork = stage(lambda emit, item: emit("output", n=item))
    links = [("work", "output", end, "input") for end in ends]
    flow = make_flow({"work": fork, **ends}, *links)
    assert all_completed([poster(threaded(thread_pool_size=3), flow)()])


def test_different_workers_of_one_flow_run_in_parallel(threaded, solo, meet):
    flow = solo(meet(2))
    runtime = threaded(thread_pool_size=2)
    workers = [runtime.exec(flow, worker_id=name) for name in ("one", "two")]
    jobs = [
        runtime.post(flow.flow_id, "work", "input", 1, worker_id=worker.worker_id)[1]
        for worker in workers
    ]
    assert all_completed(jobs)


def test_workers_of_different_flows_run_in_parallel(threaded, solo, meet):
    logic = meet(4)
    runtime = threaded(thread_pool_size=4)
    assert all_completed([poster(runtime, solo(logic))() for _ in range(4)])


def test_different_runtimes_run_in_parallel(threaded, solo, meet):
    logic = meet(3)
    runtimes = [threaded(thread_pool_size=1) for _ in range(3)]
    assert all_completed([poster(runtime, solo(logic))() for runtime in runtimes])


def test_stages_of_a_chain_run_in_parallel_on_different_items(
    threaded, make_routine, make_flow
):
    barrier = threading.Barrier(2)

    def first(slot_data, policy_message, worker_state):
        (n,) = slot_data["input"]
        if n == 1:
            barrier.wait(WAIT)
        source.emit("output", n=n)

    def second(slot_data, policy_message, worker_state):
        if slot_data["input"][0]["n"] == 0:
            barrier.wait(WAIT)

    source = make_routine(first, events=["output"])
    routines = {"work": source, "next": make_routine(second)}
    flow = make_flow(routines, ("work", "output", "next", "input"))
    post = poster(threaded(thread_pool_size=2), flow)
    assert all_completed([post(0), post(1)])


def test_routine_that_blocks_holds_back_no_other_while_threads_are_free(
    threaded, solo, record, gate, calls
):
    entered = threading.Event()

    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    runtime = threaded(thread_pool_size=2)
    blocking = poster(runtime, solo(block))
    held = [blocking() for _ in range(10)]
    assert entered.wait(WAIT)
    posts = [poster(runtime, solo(record)) for _ in range(5)]
    assert all_completed([post() for post in posts for _ in range(20)])
    assert len(calls) == 100
    assert held[0].status == "running"
    gate.set()
    assert all_completed(held)


def test_routine_that_blocks_after_its_emits_holds_back_no_target(
    threaded, make_routine, stage, make_flow, gate, calls
):
    done = threading.Event()

    def emit_then_block(slot_data, policy_message, worker_state):
        for n in range(10):
            source.emit("output", n=n)
        assert done.wait(WAIT)

    def note(emit, item):
        calls.append(item["n"])
        if item["n"] == 9:
            done.set()

    source = make_routine(emit_then_block, events=["output"])
    flow = make_flow(
        {"work": source, "next": stage(note)}, ("work", "output", "next", "input")
    )
    assert all_completed([poster(threaded(thread_pool_size=2), flow)()])
    assert calls == list(range(10))


def test_post_inside_logic_runs_beside_the_logic_that_posted(threaded, solo):
    done = threading.Event()

    def post_then_wait(slot_data, policy_message, worker_state):
        other(1)
        assert done.wait(WAIT)

    runtime = threaded(thread_pool_size=2)
    other = poster(runtime, solo(lambda slot_data, *rest: done.set()))
    assert all_completed([poster(runtime, solo(post_then_wait))()])


def test_thread_that_helps_at_a_full_slot_never_blocks_itself(
    threaded, stage, make_flow, gate, calls
):
    fifth = threading.Event()

    def forward(emit, item):
        if item == 4:
            fifth.set()
        emit("output", n=item)

    def hold(emit, item):
        gate.wait(WAIT)
        calls.append(item)

    routines = {
        "work": stage(forward),
        "next": stage(forward, max_queue_length=1),
        "last": stage(hold, max_queue_length=1),
    }
    flow = make_flow(
        routines,
        ("work", "output", "next", "input"),
        ("next", "output", "last", "input"),
    )
    post = poster(threaded(thread_pool_size=2), flow)
    jobs = [post(n) for n in range(20)]
    fifth.wait(SHORT * 10)  # a helper that takes work from upstream gets there
    gate.set()
    assert all(job.wait(WAIT) for job in jobs)
    assert {str(job.error) for job in jobs} == {"None"}
    assert calls == [{"n": {"n": n}} for n in range(20)]


# --- never in parallel


def test_one_activation_of_a_routine_at_a_time(threaded, solo, counted, peak, spawn):
    runtime = threaded(thread_pool_size=4)
    post = poster(runtime, solo(counted))
    posting = [spawn(lambda: [post() for _ in range(200)]) for _ in range(4)]
    assert all_completed([job for jobs in posting for job in jobs.result(WAIT)])
    assert peak.most == 1


@pytest.fixture
def blocking(peak):
    """Build logic that gives a second one of its kind time to begin."""
    again = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        with peak:
            if peak.most > 1:
                again.set()
            again.wait(SHORT)

    return logic


def test_logic_that_blocks_is_not_begun_again_meanwhile(threaded, solo, blocking, peak):
    post = poster(threaded(thread_pool_size=4), solo(blocking))
    assert all_completed([post() for _ in range(5)])
    assert peak.most == 1


def test_logic_that_blocks_is_not_begun_again_for_its_key(
    threaded, keyed, blocking, peak
):
    post = poster(threaded(thread_pool_size=4), keyed(blocking))
    assert all_completed([post({"key": 1}) for _ in range(5)])
    assert peak.most == 1


def test_read_modify_write_of_routine_state_needs_no_lock(threaded, solo, spawn):
    def count(slot_data, policy_message, worker_state):
        state = worker_state.get_routine_state("work") or {"n": 0}
        worker_state.update_routine_state("work", {"n": state["n"] + 1})

    runtime = threaded(thread_pool_size=4)
    flow = solo(count)
    worker = runtime.exec(flow)

    def post_many():
        for _ in range(500):
            runtime.post(flow.flow_id, "work", "input", 1)

    for posting in [spawn(post_many) for _ in range(4)]:
        posting.result(WAIT)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert worker.get_routine_state("work") == {"n": 2000}


# --- set_concurrency


def test_set_concurrency_lets_n_run_at_once(threaded, solo, meet):
    flow = solo(meet(3))
    flow.routines["work"].set_concurrency(3)
    post = poster(threaded(thread_pool_size=3), flow)
    assert all_completed([post() for _ in range(9)])


@pytest.mark.parametrize("most", [1, 2, 3])
def test_set_concurrency_never_exceeds_n(threaded, solo, peak, most):
    together = threading.Barrier(most)

    def logic(slot_data, policy_message, worker_state):
        with peak:
            together.wait(WAIT)

    flow = solo(logic)
    flow.routines["work"].set_concurrency(most)
    post = poster(threaded(thread_pool_size=4), flow)
    assert all_completed([post() for _ in range(most * 50)])
    assert peak.most == most


def test_set_concurrency_of_none_is_the_size_of_the_pool(threaded, solo, meet):
    flow = solo(meet(3))
    flow.routines["work"].set_concurrency(None)
    post = poster(threaded(thread_pool_size=3), flow)
    assert all_completed([post() for _ in range(9)])


def test_set_concurrency_counts_per_worker(threaded, solo, meet):
    flow = solo(meet(4))
    flow.routines["work"].set_concurrency(2)
    runtime = threaded(thread_pool_size=4)
    ids = [runtime.exec(flow).worker_id for _ in range(2)]
    jobs = [
        runtime.post(flow.flow_id, "work", "input", 1, worker_id=ids[n % 2])[1]
        for n in range(4)
    ]
    assert all_completed(jobs)


def test_every_item_is_seen_once_with_concurrency(threaded, solo, calls):
    flow = solo(lambda slot_data, *rest: calls.extend(slot_data["input"]))
    flow.routines["work"].set_concurrency(4)
    post = poster(threaded(thread_pool_size=4), flow)
    assert all_completed([post(n) for n in range(2000)])
    assert sorted(calls) == list(range(2000))


@pytest.mark.parametrize(
    ("n", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)]
)
def test_set_concurrency_of_a_wrong_number_raises(make_routine, n, error):
    with pytest.raises(error, match=str(n)):
        make_routine().set_concurrency(n)


def test_starved_routine_gets_one_warning_that_names_set_concurrency(threaded, solo):
    warned, naming = threading.Event(), []

    class Listener(logging.Handler):
        def emit(self, line):
            if "set_concurrency" in line.getMessage():
                naming.append(line.getMessage())
                warned.set()

    def block(slot_data, policy_message, worker_state):
        warned.wait(0.1)

    listener = Listener()
    logging.getLogger("routilux").addHandler(listener)
    try:
        post = poster(threaded(thread_pool_size=4), solo(block))
        assert all_completed([post() for _ in range(120)])
    finally:
        logging.getLogger("routilux").removeHandler(listener)
    assert len(naming) == 1
    assert "work" in naming[0]


def test_routine_that_is_not_starved_gets_no_warning(threaded, solo, record, warned):
    runtime = threaded(thread_pool_size=4)
    post = poster(runtime, solo(record))
    assert all_completed([post() for _ in range(500)])
    runtime.shutdown()
    assert warned("set_concurrency") == []


# --- builds


def test_python_of_a_release_is_3_10_or_newer():
    try:
        facts = metadata("routilux")
    except PackageNotFoundError:
        pytest.skip("routilux runs from its sources here")
    assert facts["Requires-Python"] == ">=3.10"


@pytest.mark.skipif(
    not hasattr(sys, "_is_gil_enabled"), reason="needs a CPython that can say so"
)
def test_import_leaves_the_gil_of_a_free_threaded_python_off():
    script = (
        "import sys, sysconfig, routilux;"
        "free = bool(sysconfig.get_config_var('Py_GIL_DISABLED'));"
        "sys.exit(free and sys._is_gil_enabled())"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHON_GIL"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert done.returncode == 0
