"""Chapter 9: the engines "threads" and "inline"."""

import threading
import time

import pytest

from routilux import ErrorHandler, Runtime, batch_size_policy, time_interval_policy

WAIT = 20.0


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


@pytest.fixture
def where(solo, calls):
    """Build a flow whose logic notes the thread that it runs on."""
    return solo(lambda *_: calls.append(threading.current_thread()))


@pytest.fixture
def inline():
    runtime = Runtime(engine="inline")
    yield runtime
    runtime.shutdown(timeout=WAIT, cancel_pending=True)


# --- threads


def test_threads_is_the_default_engine(where, calls):
    with Runtime(thread_pool_size=1) as runtime:
        assert poster(runtime, where)().wait(WAIT)
    assert calls[0] is not threading.current_thread()


def test_threads_may_be_named(where, calls):
    with Runtime(thread_pool_size=1, engine="threads") as runtime:
        assert poster(runtime, where)().wait(WAIT)
    assert calls[0] is not threading.current_thread()


def test_threads_engine_runs_logic_before_anybody_waits(threaded, solo):
    ran = threading.Event()
    poster(threaded(), solo(lambda *_: ran.set()))()
    assert ran.wait(WAIT)


def test_threads_engine_uses_no_more_threads_than_the_pool_has(threaded, solo, calls):
    runtime = threaded(thread_pool_size=3)
    jobs = []
    for _ in range(10):
        flow = solo(lambda *_: calls.append(threading.get_ident()))
        flow.routines["work"].set_concurrency(None)
        post = poster(runtime, flow)
        jobs += [post() for _ in range(50)]
    assert all(job.wait(WAIT) for job in jobs)
    assert len(set(calls)) <= 3


@pytest.mark.parametrize("engine_name", ["thread", "", None, 1])
def test_unknown_engine_is_refused(engine_name):
    with pytest.raises((ValueError, TypeError), match="engine"):
        Runtime(engine=engine_name)


# --- inline


@pytest.mark.parametrize("wait", ["runtime", "job", "result"])
def test_inline_runs_activations_on_the_thread_that_waits(inline, where, calls, wait):
    job = poster(inline, where)()
    if wait == "runtime":
        assert inline.wait_until_all_jobs_finished(WAIT)
    elif wait == "job":
        assert job.wait(WAIT)
    else:
        job.result(WAIT)
    assert calls == [threading.current_thread()]


def test_inline_runs_nothing_before_a_wait(inline, where, calls):
    job = poster(inline, where)()
    assert (job.status, calls) == ("pending", [])
    assert job.wait(WAIT)
    assert len(calls) == 1


def test_inline_shutdown_runs_what_is_left_on_its_own_thread(inline, where, calls):
    job = poster(inline, where)()
    inline.shutdown()
    assert job.status == "completed"
    assert calls == [threading.current_thread()]


def test_inline_starts_no_thread(where, calls):
    before = set(threading.enumerate())
    with Runtime(thread_pool_size=4, engine="inline") as runtime:
        post = poster(runtime, where)
        for _ in range(20):
            post()
        assert runtime.wait_until_all_jobs_finished(WAIT)
        assert set(threading.enumerate()) == before


def test_inline_timers_fire_inside_the_wait(inline, solo, record, calls):
    interval = solo(record, policy=time_interval_policy(0.1))
    batch = solo(record, policy=batch_size_policy(10, max_wait=0.1))
    first, second = poster(inline, interval), poster(inline, batch)
    for n in range(3):
        first(n)
        second(n)
    assert inline.wait_until_all_jobs_finished(WAIT)
    assert sum(len(data["input"]) for data, _ in calls) == 6


def test_inline_retry_delay_passes_inside_the_wait(inline, solo, calls):
    def fail_once(slot_data, policy_message, worker_state):
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise ValueError

    flow = solo(fail_once)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.1))
    job = poster(inline, flow)()
    assert inline.wait_until_all_jobs_finished(WAIT)
    assert job.status == "completed"
    assert calls[1] - calls[0] >= 0.1


def test_inline_post_at_the_bound_makes_room_itself(solo, record, calls):
    with Runtime(max_queue_size=2, engine="inline") as runtime:
        post = poster(runtime, solo(record))
        jobs = [post(n, timeout=WAIT) for n in range(20)]
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert [data["input"] for data, _ in calls] == [[n] for n in range(20)]
    assert {job.status for job in jobs} == {"completed"}


def test_inline_emit_into_a_full_slot_makes_room_itself(
    inline, stage, make_flow, calls
):
    def flood(emit, item):
        for n in range(50):
            emit("output", n=n)

    narrow = stage(lambda emit, item: calls.append(item["n"]), max_queue_length=1)
    flow = make_flow(
        {"work": stage(flood), "next": narrow}, ("work", "output", "next", "input")
    )
    job = poster(inline, flow)()
    assert inline.wait_until_all_jobs_finished(WAIT)
    assert (calls, job.status) == (list(range(50)), "completed")


def test_inline_wait_finishes_what_another_thread_posted(inline, solo, record, spawn):
    post = poster(inline, solo(record))
    job = spawn(post, 1).result(WAIT)
    assert inline.wait_until_all_jobs_finished(WAIT)
    assert job.status == "completed"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_inline_interrupt_in_logic_reaches_who_waits(inline, solo, calls, error):
    def logic(slot_data, policy_message, worker_state):
        calls.append(slot_data["input"][0])
        if calls == [0]:
            raise error("stop")

    post = poster(inline, solo(logic))
    jobs = [post(n) for n in range(3)]
    with pytest.raises(error, match="stop"):
        inline.wait_until_all_jobs_finished(WAIT)
    assert (jobs[0].status, jobs[0].error.type) == ("failed", error.__name__)
    assert inline.wait_until_all_jobs_finished(WAIT)
    assert [job.status for job in jobs] == ["failed", "completed", "completed"]
    assert calls == [0, 1, 2]


def test_inline_gives_the_same_answers_as_threads(threaded, inline, stage, make_flow):
    def run(runtime):
        seen = []

        def double(emit, item):
            if item % 7 == 6:
                raise ValueError(str(item))
            emit("output", n=2 * item)

        routines = {
            "work": stage(double),
            "next": stage(lambda emit, item: seen.append(item["n"])),
        }
        flow = make_flow(routines, ("work", "output", "next", "input"))
        post = poster(runtime, flow)
        jobs = [post(n) for n in range(50)]
        assert runtime.wait_until_all_jobs_finished(WAIT)
        return seen, [(job.status, job.error) for job in jobs]

    assert run(inline) == run(threaded())
