"""Chapters 4 and 5: what logic can ask for, and the threads that may ask too."""

import contextvars
import threading

import pytest

from routilux import (
    batch_size_policy,
    get_current_job,
    get_current_job_id,
    get_current_jobs,
    get_current_routine_id,
    get_current_worker_state,
)

WAIT = 20.0
ASKERS = [
    get_current_job,
    get_current_jobs,
    get_current_job_id,
    get_current_worker_state,
    get_current_routine_id,
]


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


def ask_all():
    job, jobs, job_id, worker, routine_id = (ask() for ask in ASKERS)
    return job, list(jobs), job_id, worker, routine_id


def in_thread(context, function, *args, **kwargs):
    """Call the function in a thread of its own, inside the context."""
    outcome = []

    def call():
        try:
            outcome.append((function(*args, **kwargs), None))
        except RuntimeError as error:
            outcome.append((None, error))

    thread = threading.Thread(target=context.run, args=(call,))
    thread.start()
    thread.join(WAIT)
    ((value, error),) = outcome
    if error is not None:
        raise error
    return value


@pytest.fixture
def two_stages(stage, make_flow):
    """Build "work", which calls `body(emit, item)`, and "next", which records."""

    def build(body, seen):
        after = stage(lambda emit, item: seen.append(item))
        routines = {"work": stage(body), "next": after}
        return make_flow(routines, ("work", "output", "next", "input"))

    return build


# --- asking


def test_outside_of_logic_there_is_nothing_current():
    assert ask_all() == (None, [], None, None, None)


def test_inside_logic_all_of_it_is_current(runtime, solo, calls, finish):
    flow = solo(lambda slot_data, policy_message, worker_state: calls.append(ask_all()))
    worker = runtime.exec(flow)
    job = runtime.post(flow.flow_id, "work", "input", 1)[1]
    finish(runtime)
    assert calls == [(job, [job], job.job_id, worker, "work")]


@pytest.mark.parametrize("error", [None, ValueError])
def test_after_the_logic_nothing_is_current(runtime, solo, finish, error):
    def logic(slot_data, policy_message, worker_state):
        if error:
            raise error

    poster(runtime, solo(logic))()
    finish(runtime)
    assert ask_all() == (None, [], None, None, None)


def test_each_activation_has_its_own_context(threaded, solo, finish):
    both, seen = threading.Barrier(4), {}

    def look(slot_data, policy_message, worker_state):
        both.wait(WAIT)
        seen[slot_data["input"][0]] = get_current_job()
        both.wait(WAIT)

    flow = solo(look)
    flow.routines["work"].set_concurrency(4)
    runtime = threaded(thread_pool_size=4)
    post = poster(runtime, flow)
    jobs = [post(n) for n in range(4)]
    finish(runtime)
    assert seen == dict(enumerate(jobs))


def test_context_of_a_batch_names_the_newest_and_all(runtime, solo, calls, finish):
    flow = solo(
        lambda slot_data, policy_message, worker_state: calls.append(ask_all()),
        policy=batch_size_policy(3),
    )
    post = poster(runtime, flow)
    jobs = [post() for _ in range(3)]
    finish(runtime)
    ((job, all_jobs, job_id, _, _),) = calls
    assert (job, all_jobs, job_id) == (jobs[2], jobs, jobs[2].job_id)


# --- other threads that carry the context


@pytest.mark.parametrize("ask", ASKERS[:4], ids=lambda ask: ask.__name__)
def test_thread_that_carries_the_context_may_ask(runtime, solo, calls, finish, ask):
    def logic(slot_data, policy_message, worker_state):
        context = contextvars.copy_context()
        calls.append((ask(), in_thread(context, ask)))

    job = poster(runtime, solo(logic))()
    finish(runtime)
    assert job.status == "completed", job.error
    ((here, there),) = calls
    assert here == there
    assert here


def test_thread_that_carries_the_context_is_told_the_only_routine_at_work(
    runtime, two_stages, calls, finish
):
    def body(emit, item):
        calls.append(in_thread(contextvars.copy_context(), get_current_routine_id))

    poster(runtime, two_stages(body, []))()
    finish(runtime)
    assert calls == ["work"]


@pytest.fixture
def overlapping(stage, make_flow, gate):
    """Build a flow where logic asks from a thread of its own, when it may.

    "work" emits to "next", whose logic waits for the gate, waits for `ready`, and asks.
    """

    class Overlapping:
        def __init__(self):
            self.ready, self.asked = threading.Event(), []
            self.next_began = threading.Event()
            self.work = stage(self.ask)
            routines = {"work": self.work, "next": stage(self.wait)}
            self.flow = make_flow(routines, ("work", "output", "next", "input"))

        def ask(self, emit, item):
            if item == "other":
                self.ready.set()
                gate.wait(WAIT)
                return
            emit("output")
            assert self.next_began.wait(WAIT)
            assert self.ready.wait(WAIT)
            context = contextvars.copy_context()
            self.asked.append(in_thread(context, get_current_routine_id))
            gate.set()

        def wait(self, emit, item):
            self.next_began.set()
            gate.wait(WAIT)

    return Overlapping()


def test_thread_is_told_no_routine_while_its_job_has_two_at_work(
    threaded, overlapping, finish
):
    runtime = threaded()
    post = poster(runtime, overlapping.flow)
    post("one")
    overlapping.ready.set()
    finish(runtime)
    assert overlapping.asked == [None]


def test_thread_is_told_no_routine_that_another_thread_runs(
    threaded, overlapping, finish
):
    """Two jobs are in "work", and only the older one is in "next" too."""
    overlapping.work.set_concurrency(2)
    runtime = threaded()
    post = poster(runtime, overlapping.flow)
    post("one")
    assert overlapping.next_began.wait(WAIT)
    post("other")
    finish(runtime)
    assert overlapping.asked == [None]


def test_thread_without_the_context_has_nothing_current(runtime, solo, calls, finish):
    def logic(slot_data, policy_message, worker_state):
        calls.append(in_thread(contextvars.Context(), ask_all))

    poster(runtime, solo(logic))()
    finish(runtime)
    assert calls == [(None, [], None, None, None)]


def test_thread_that_carries_the_context_may_emit(runtime, two_stages, finish):
    seen = []

    def emit_from_a_thread(emit, item):
        in_thread(contextvars.copy_context(), emit, "output", n=item)

    job = poster(runtime, two_stages(emit_from_a_thread, seen))(5)
    finish(runtime)
    assert (job.status, seen) == ("completed", [{"n": 5}])


def test_what_a_thread_emitted_belongs_to_the_job_of_its_context(
    runtime, stage, make_flow, finish
):
    seen = []

    def emit_from_a_thread(emit, item):
        in_thread(contextvars.copy_context(), emit, "output")

    routines = {
        "work": stage(emit_from_a_thread),
        "next": stage(lambda emit, item: seen.append(get_current_job())),
    }
    post = poster(runtime, make_flow(routines, ("work", "output", "next", "input")))
    jobs = [post() for _ in range(5)]
    finish(runtime)
    assert seen == jobs


def test_thread_without_the_context_may_not_emit(runtime, two_stages, finish):
    seen = []

    def emit_from_a_thread(emit, item):
        with pytest.raises(RuntimeError):
            in_thread(contextvars.Context(), emit, "output", n=item)

    job = poster(runtime, two_stages(emit_from_a_thread, seen))()
    finish(runtime)
    assert (job.status, seen) == ("completed", [])


def test_emit_outside_of_an_activation_is_a_runtime_error_that_says_so(
    runtime, two_stages
):
    flow = two_stages(lambda emit, item: None, [])
    with pytest.raises(RuntimeError, match=r"outside|inside"):
        flow.routines["work"].emit("output", n=1)
    runtime.exec(flow)
    with pytest.raises(RuntimeError, match=r"outside|inside"):
        flow.routines["work"].emit("output", n=1)


def test_emit_after_the_job_finished_is_a_runtime_error(runtime, two_stages, finish):
    seen, contexts = [], []

    def keep_the_context(emit, item):
        contexts.append(contextvars.copy_context())

    flow = two_stages(keep_the_context, seen)
    job = poster(runtime, flow)()
    finish(runtime)
    assert job.status == "completed"
    with pytest.raises(RuntimeError):
        in_thread(contexts[0], flow.routines["work"].emit, "output", n=1)
    finish(runtime)
    assert seen == []


def test_emit_through_a_kept_context_after_shutdown_is_a_runtime_error(
    runtime, two_stages
):
    contexts = []
    flow = two_stages(
        lambda emit, item: contexts.append(contextvars.copy_context()), []
    )
    poster(runtime, flow)()
    runtime.shutdown()
    with pytest.raises(RuntimeError):
        contexts[0].run(flow.routines["work"].emit, "output", n=1)
    del contexts[0]


def test_kept_context_knows_job_and_no_routine_after_shutdown(runtime, two_stages):
    contexts = []
    flow = two_stages(
        lambda emit, item: contexts.append(contextvars.copy_context()), []
    )
    job = poster(runtime, flow)()
    runtime.shutdown()
    assert contexts.pop().run(ask_all) == (job, [job], job.job_id, None, None)


def test_many_threads_of_one_activation_may_emit(threaded, two_stages, finish):
    seen = []

    def fan_out(emit, item):
        contexts = [contextvars.copy_context() for _ in range(4)]

        def emit_fifty(first):
            for n in range(first, first + 50):
                emit("output", n=n)

        threads = [
            threading.Thread(target=context.run, args=(emit_fifty, 50 * k))
            for k, context in enumerate(contexts)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)

    runtime = threaded()
    job = poster(runtime, two_stages(fan_out, seen))()
    finish(runtime)
    assert job.status == "completed"
    assert sorted(item["n"] for item in seen) == list(range(200))


@pytest.mark.parametrize(
    "emit_one",
    [
        lambda routine: routine.emit("output", n=1),
        lambda routine: routine.emit_many("output", [{"n": 1}]),
    ],
    ids=["emit", "emit_many"],
)
def test_what_logic_emits_in_the_context_of_another_worker_belongs_there(
    threaded, stage, make_flow, finish, emit_one
):
    lent, ready, emitted = [], threading.Event(), threading.Event()
    got = {"one": [], "two": []}

    def lend(emit, item):
        lent.append(contextvars.copy_context())
        ready.set()
        assert emitted.wait(WAIT)

    def borrow(emit, item):
        assert ready.wait(WAIT)
        lent[0].run(emit_one, flows["one"].routines["work"])
        emitted.set()

    def build(name, body):
        note = stage(lambda emit, item: got[name].append((item, get_current_job())))
        routines = {"work": stage(body), "next": note}
        return make_flow(routines, ("work", "output", "next", "input"))

    flows = {"one": build("one", lend), "two": build("two", borrow)}
    runtime = threaded()
    post = poster(runtime, flows["one"])
    poster(runtime, flows["two"])()
    job = post()
    finish(runtime)
    assert got == {"one": [({"n": 1}, job)], "two": []}
