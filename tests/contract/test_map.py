"""`runtime.map`: results in the order of the items, a bounded number on their way."""

import threading
import time

import pytest

from routilux import (
    SKIP,
    Flow,
    FunctionRoutine,
    JobCancelledError,
    JobFailedError,
    Routine,
    batch_size_policy,
    get_current_job,
    immediate_policy,
    pipeline,
)

WAIT = 20.0


def inc(x):
    return x + 1


def fail_on_three(x):
    if x == 3:
        raise ValueError("three")
    return x


def test_results_come_in_the_order_of_the_items(runtime):
    assert list(runtime.map(pipeline(inc, str), range(2000))) == [
        str(n + 1) for n in range(2000)
    ]


def test_results_come_in_order_though_jobs_end_in_another(threaded):
    def wait_for_the_next(n):
        assert n == 7 or ended[n + 1].wait(WAIT)
        order.append(n)
        ended[n].set()
        return n

    ended = [threading.Event() for _ in range(8)]
    order = []
    flow = pipeline(wait_for_the_next)
    flow.routines["wait_for_the_next"].set_concurrency(8)
    runtime = threaded(thread_pool_size=8)
    assert list(runtime.map(flow, range(8))) == list(range(8))
    assert order == list(range(7, -1, -1))


def test_no_items_give_no_results(runtime):
    assert list(runtime.map(pipeline(inc), [])) == []


def test_map_starts_a_worker_only_if_there_is_none(runtime):
    flow = pipeline(inc)
    worker = runtime.exec(flow)
    assert list(runtime.map(flow, [1])) == [2]
    assert runtime.core.all_workers() == [worker]
    assert list(runtime.map(pipeline(inc), [1])) == [2]
    assert len(runtime.core.all_workers()) == 2


def test_map_runs_the_flow_that_it_is_given_though_another_has_its_id(runtime):
    first, second = pipeline(inc, flow_id="same"), pipeline(str, flow_id="same")
    assert list(runtime.map(first, [1, 2])) == [2, 3]
    assert list(runtime.map(second, [1, 2])) == ["1", "2"]
    assert list(runtime.map(first, [1, 2])) == [2, 3]
    assert len(runtime.core.all_workers()) == 2


def test_flow_may_be_named(runtime, register):
    register("increase", pipeline(inc))
    assert list(runtime.map("increase", [1, 2])) == [2, 3]


def test_any_flow_can_be_mapped(runtime):
    class Square(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input")
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            get_current_job().set_result(slot_data["input"][0]["x"] ** 2)

    flow = Flow().pipe(Square(), "square")
    assert list(runtime.map(flow, [{"x": 2}, {"x": 3}])) == [4, 9]


def test_partial_batch_at_the_end_is_run(runtime):
    flow = pipeline(inc, sum)
    flow.routines["sum"].set_activation_policy(batch_size_policy(4))
    assert list(runtime.map(flow, range(6))) == [10] * 4 + [11] * 2


def test_a_job_with_several_values_gives_a_list(runtime):
    def spread(x):
        yield from range(x)

    assert list(runtime.map(pipeline(spread, inc), [2, 0, 1])) == [[1, 2], [], [1]]


def test_skipped_item_gives_none(runtime):
    flow = pipeline(lambda x: SKIP if x == 1 else x)
    assert list(runtime.map(flow, range(3))) == [0, None, 2]


# --- the bound


def test_no_more_than_in_flight_are_read_ahead(runtime):
    read = []

    def items():
        for n in range(100):
            read.append(n)
            yield n

    for done, _ in enumerate(runtime.map(pipeline(inc), items(), in_flight=5)):
        assert len(read) <= done + 5
    assert len(read) == 100


def test_in_flight_may_be_more_than_max_queue_size(make_runtime):
    runtime = make_runtime(max_queue_size=3)
    assert len(list(runtime.map(pipeline(inc), range(50), in_flight=20))) == 50


def test_endless_iterable_can_be_mapped(runtime):
    def count():
        n = 0
        while True:
            yield n
            n += 1

    results = runtime.map(pipeline(inc), count())
    assert [next(results) for _ in range(3000)] == list(range(1, 3001))
    results.close()


def test_result_of_a_slow_iterable_does_not_wait_for_many_more(threaded):
    read = []

    def items():
        for n in range(5):
            read.append(n)
            time.sleep(0.02)
            yield n

    behind = [len(read) - n for n in threaded().map(pipeline(lambda x: x), items())]
    assert max(behind) <= 3


# --- progress


def test_progress_is_told_after_each_job(runtime):
    told = []
    items = [1, 2, 3]
    list(runtime.map(pipeline(inc), items, progress=lambda *args: told.append(args)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_progress_has_no_total_for_what_has_no_length(runtime):
    told = []
    items = (n for n in range(2))
    list(runtime.map(pipeline(inc), items, progress=lambda *args: told.append(args)))
    assert told == [(1, None), (2, None)]


# --- failures


def test_failed_job_raises_at_its_turn_and_cancels_the_rest(threaded, gate):
    def hold(x):
        if x > 3:
            assert gate.wait(WAIT)
        return fail_on_three(x)

    runtime = threaded()
    results = runtime.map(pipeline(hold), range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(JobFailedError, match="ValueError: three"):
        next(results)
    assert next(results, "ended") == "ended"
    live = runtime.list_jobs()
    assert {str(job.status) for job in live} <= {"cancelled"}
    gate.set()
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT)


def test_failed_job_may_be_returned(runtime):
    found = list(runtime.map(pipeline(fail_on_three), range(5), errors="return"))
    assert [found[n] for n in (0, 1, 2, 4)] == [0, 1, 2, 4]
    assert isinstance(found[3], JobFailedError)
    assert found[3].error.message == "three"


def test_failed_job_may_be_skipped(runtime):
    told = []
    found = runtime.map(
        pipeline(fail_on_three),
        range(5),
        errors="skip",
        progress=lambda done, total: told.append(done),
    )
    assert list(found) == [0, 1, 2, 4]
    assert told == [1, 2, 3, 4, 5]


def test_cancelled_job_counts_as_an_error(threaded, gate):
    def hold(x):
        assert gate.wait(WAIT)

    runtime = threaded()
    results = runtime.map(pipeline(hold), [1], errors="return")

    def cancel():
        while not runtime.list_jobs():
            time.sleep(0.001)
        runtime.list_jobs()[0].cancel()
        gate.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    [found] = list(results)
    thread.join(WAIT)
    assert isinstance(found, JobCancelledError)


def test_error_of_the_iterable_comes_after_the_results_before_it(runtime):
    def items():
        yield 1
        yield 2
        raise OSError("no more")

    results = runtime.map(pipeline(inc), items())
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(OSError, match="no more"):
        next(results)


def test_closing_early_cancels_what_is_on_its_way(threaded, gate):
    def hold(x):
        if x:
            assert gate.wait(WAIT)
        return x

    runtime = threaded(thread_pool_size=1)
    results = runtime.map(pipeline(hold), range(50))
    assert next(results) == 0
    jobs = runtime.list_jobs()
    assert len(jobs) > 10
    results.close()
    assert {str(job.status) for job in jobs} == {"cancelled"}
    gate.set()
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT)


def test_timeout_raises_and_cancels(threaded, gate):
    runtime = threaded()
    results = runtime.map(pipeline(lambda x: gate.wait(WAIT)), [1], timeout=0.01)
    with pytest.raises(TimeoutError):
        next(results)
    [job] = runtime.list_jobs()
    assert job.status == "cancelled"


# --- arguments


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"errors": "ignore"}, ValueError, "'raise', 'return' or 'skip'"),
        ({"in_flight": 0}, ValueError, "in_flight must be at least 1"),
        ({"in_flight": 1.5}, TypeError, "in_flight must be an int"),
        ({"progress": 3}, TypeError, "progress must be callable"),
        ({"worker_id": "nobody"}, ValueError, "Worker 'nobody' not found"),
        ({"routine_id": "nobody"}, ValueError, "no slot that items could enter by"),
    ],
)
def test_wrong_argument_is_named(runtime, wrong, error, text):
    with pytest.raises(error, match=text):
        list(runtime.map(pipeline(inc), [1], **wrong))
    assert runtime.list_jobs() == []


def test_items_that_are_no_iterable_are_refused_at_once(runtime):
    with pytest.raises(TypeError, match="items must be iterable, not 3"):
        runtime.map(pipeline(inc), 3)


def test_map_inside_logic_is_refused(runtime):
    flow = pipeline(lambda x: list(runtime.map(flow, [1])))
    runtime.exec(flow)
    job = runtime.post(flow, "step_0", "input", 1)[1]
    with pytest.raises(JobFailedError, match="map\\(\\) inside logic"):
        job.result(WAIT)


@pytest.fixture
def fork(make_routine, make_flow):
    return make_flow(
        {
            "one": FunctionRoutine(inc),
            "two": FunctionRoutine(lambda x: -x),
            "last": FunctionRoutine(inc),
        },
        ("one", "output", "last", "input"),
        ("two", "output", "last", "input"),
    )


def test_flow_with_two_entries_asks_for_one(runtime, fork):
    with pytest.raises(ValueError, match=r"more than one slot .* it has one\.input"):
        runtime.map(fork, [1])
    assert list(runtime.map(fork, [1], routine_id="two")) == [0]


def test_slot_that_is_fed_can_be_named(runtime, fork):
    found = runtime.map(fork, [1], routine_id="last", slot="input")
    assert list(found) == [2]


def test_slot_called_trigger_is_the_entry(runtime, make_routine, make_flow):
    def logic(slot_data, policy_message, worker_state):
        get_current_job().set_result(slot_data["trigger"][0])

    routine = make_routine(logic, slots=("trigger", "extra"))
    flow = make_flow({"work": routine})
    assert list(runtime.map(flow, [5])) == [5]
