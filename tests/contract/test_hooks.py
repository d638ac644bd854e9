"""Execution hooks: what is reported, in which order, and what a hook may do."""

import logging
import threading

import pytest

from routilux import Runtime, batch_size_policy, get_current_job
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    get_execution_hooks,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0
STEPS = [name for name in vars(ExecutionHooksInterface) if name.startswith("on_")]


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


class Recorder(ExecutionHooksInterface):
    """Writes down what it is told; an answer of a step can be replaced."""

    def __init__(self):
        self.log = []
        self.answers = {}
        self.lock = threading.Lock()

    def told(self, step, *facts):
        with self.lock:
            self.log.append((step, *facts))
        return self.answers.get(step, True)

    def of(self, *steps):
        return [entry for entry in self.log if entry[0] in steps]

    def on_worker_start(self, flow, worker_state):
        self.told("worker start", flow, worker_state)

    def on_worker_stop(self, flow, worker_state, status):
        self.told("worker stop", flow, worker_state)

    def on_job_start(self, job, worker_state):
        self.told("job start", job)

    def on_job_end(self, job, worker_state, status="completed", error=None):
        self.told("job end", job, str(status), error is None)

    def on_routine_start(self, routine_id, worker_state, job=None):
        return self.told("routine start", routine_id, job)

    def on_routine_end(
        self, routine_id, worker_state, job=None, status="completed", error=None
    ):
        self.told("routine end", routine_id, job, str(status))

    def on_event_emit(
        self, event, source_routine_id, worker_state, job=None, data=None
    ):
        return self.told("emit", event.name, source_routine_id, job, data)

    def on_slot_before_enqueue(self, slot, routine_id, job_context, data, flow_id):
        answer = self.told("enqueue", slot.name, routine_id, job_context, data, flow_id)
        return answer, "as the test wants it"


@pytest.fixture
def hooks():
    recorder = Recorder()
    set_execution_hooks(recorder)
    yield recorder
    reset_execution_hooks()


@pytest.fixture
def two_stages(stage, make_flow, calls):
    """Build "work", which emits what it gets, and "next", which records it."""
    routines = {
        "work": stage(lambda emit, item: emit("output", n=item)),
        "next": stage(lambda emit, item: calls.append(item["n"])),
    }
    return make_flow(routines, ("work", "output", "next", "input"))


def fail(slot_data, policy_message, worker_state):
    raise ValueError("bad item")


def test_hooks_in_force_are_the_ones_that_were_set(hooks):
    assert get_execution_hooks() is hooks
    reset_execution_hooks()
    assert get_execution_hooks() is not hooks


def test_hooks_serve_every_runtime_of_the_process(hooks, solo, record):
    for _ in range(2):
        with Runtime(thread_pool_size=1) as runtime:
            poster(runtime, solo(record))()
    assert len(hooks.of("job end")) == 2


def test_worker_start_and_stop_are_told_with_flow_and_state(
    hooks, runtime, solo, record
):
    flow = solo(record)
    worker = runtime.exec(flow)
    assert hooks.log == [("worker start", flow, worker)]
    runtime.shutdown()
    assert hooks.log[1:] == [("worker stop", flow, worker)]


def test_way_of_a_message_is_told_step_by_step(hooks, runtime, two_stages):
    job = poster(runtime, two_stages)(7)
    runtime.shutdown()
    steps = [entry[:2] for entry in hooks.log]
    expected_once = [
        ("job start", job),
        ("routine start", "work"),
        ("emit", "output"),
        ("routine start", "next"),
        ("routine end", "next"),
        ("job end", job),
    ]
    assert [step for step in steps if step in expected_once] == expected_once
    assert steps.index(("routine end", "work")) < steps.index(("job end", job))
    assert steps[0][0] == "worker start"
    assert steps[-1][0] == "worker stop"


def test_routine_and_job_are_named_in_each_step(hooks, runtime, two_stages):
    job = poster(runtime, two_stages)(7)
    runtime.shutdown()
    assert hooks.of("routine start") == [
        ("routine start", "work", job),
        ("routine start", "next", job),
    ]
    assert ("routine end", "work", job, "completed") in hooks.log
    assert hooks.of("emit") == [("emit", "output", "work", job, {"n": 7})]
    assert hooks.of("job end") == [("job end", job, "completed", True)]


def test_item_is_told_before_it_enters_a_slot(hooks, runtime, two_stages):
    job = poster(runtime, two_stages)(7)
    runtime.shutdown()
    flow_id = two_stages.flow_id
    assert hooks.of("enqueue")[-1] == (
        *("enqueue", "input", "next", job),
        *({"n": 7}, flow_id),
    )


def test_failure_is_told_of_routine_and_job(hooks, runtime, solo):
    job = poster(runtime, solo(fail))()
    runtime.shutdown()
    assert hooks.of("routine end") == [("routine end", "work", job, "failed")]
    assert hooks.of("job end") == [("job end", job, "failed", False)]


def test_end_of_every_job_of_a_batch_is_told_once(hooks, runtime, solo, record):
    post = poster(runtime, solo(record, policy=batch_size_policy(3)))
    jobs = [post() for _ in range(3)]
    runtime.shutdown()
    told = hooks.of("job end")
    assert len(told) == 3
    assert {entry[1] for entry in told} == set(jobs)


def test_end_of_a_cancelled_job_is_told(hooks, threaded, solo, gate):
    entered = threading.Event()

    def block(slot_data, policy_message, worker_state):
        entered.set()
        assert gate.wait(WAIT)

    runtime = threaded()
    post = poster(runtime, solo(block))
    post()
    queued = post()
    assert entered.wait(WAIT)
    queued.cancel()
    gate.set()
    runtime.shutdown()
    assert [entry[2] for entry in hooks.of("job end") if entry[1] is queued] == [
        "cancelled"
    ]


def test_routine_start_that_answers_false_skips_the_activation(
    hooks, runtime, two_stages, calls
):
    hooks.answers["routine start"] = False
    job = poster(runtime, two_stages)(7)
    assert job.wait(WAIT)
    assert (job.status, calls) == ("completed", [])


def test_emit_that_answers_false_delivers_to_nobody(hooks, runtime, two_stages, calls):
    hooks.answers["emit"] = False
    job = poster(runtime, two_stages)(7)
    assert job.wait(WAIT)
    assert (job.status, calls) == ("completed", [])


def test_enqueue_that_answers_false_drops_the_item(hooks, runtime, two_stages, calls):
    class Selective(Recorder):
        def on_slot_before_enqueue(self, slot, routine_id, job, data, flow_id):
            return data != {"n": 7}, "seven"

    set_execution_hooks(Selective())
    post = poster(runtime, two_stages)
    jobs = [post(7), post(8)]
    assert all(job.wait(WAIT) for job in jobs)
    assert calls == [8]


@pytest.mark.parametrize("step", STEPS)
def test_hook_that_raises_is_logged_and_ignored(
    runtime, two_stages, calls, caplog, step
):
    def explode(self, *args, **options):
        raise ValueError("hook went wrong")

    hooks = type("Broken", (ExecutionHooksInterface,), {step: explode})()
    set_execution_hooks(hooks)
    try:
        post = poster(runtime, two_stages)
        jobs = [post(n) for n in range(3)]
        assert runtime.wait_until_all_jobs_finished(WAIT)
        runtime.shutdown()
    finally:
        reset_execution_hooks()
    assert (calls, {job.status for job in jobs}) == ([0, 1, 2], {"completed"})
    logged = [entry for entry in caplog.records if entry.levelno >= logging.WARNING]
    assert any(step in entry.getMessage() for entry in logged)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_hook_that_raises_an_interrupt_kills_no_pool_thread(
    threaded, two_stages, calls, error
):
    class Broken(ExecutionHooksInterface):
        def on_routine_start(self, routine_id, worker_state, job=None):
            raise error

    runtime = threaded(thread_pool_size=1)
    set_execution_hooks(Broken())
    try:
        post = poster(runtime, two_stages)
        jobs = [post(n) for n in range(3)]
        assert runtime.wait_until_all_jobs_finished(WAIT)
    finally:
        reset_execution_hooks()
    assert (calls, {job.status for job in jobs}) == ([0, 1, 2], {"completed"})


def test_hooks_may_be_set_while_jobs_run(threaded, two_stages, calls, spawn):
    runtime = threaded()
    post = poster(runtime, two_stages)

    def toggle():
        for _ in range(200):
            set_execution_hooks(Recorder())
            reset_execution_hooks()

    toggling = spawn(toggle)
    for n in range(2000):
        post(n)
    toggling.result(WAIT)
    assert runtime.wait_until_all_jobs_finished(WAIT)
    assert calls == list(range(2000))


def test_logic_runs_in_its_context_with_hooks_too(hooks, runtime, solo, calls, finish):
    def look(slot_data, policy_message, worker_state):
        calls.append(get_current_job())

    job = poster(runtime, solo(look))()
    finish(runtime)
    assert calls == [job]


@pytest.mark.parametrize("wrong", [object(), ExecutionHooksInterface, "hooks"], ids=str)
def test_hooks_of_the_wrong_kind_are_a_type_error(wrong):
    with pytest.raises(TypeError, match="ExecutionHooksInterface"):
        set_execution_hooks(wrong)


class Ids(ExecutionHooksInterface):
    """Asks each job for its id at its start, before the job is known to anyone."""

    def __init__(self):
        self.seen = []

    def on_job_start(self, job, worker_state):
        self.seen.append(job.job_id)


def test_a_hook_sees_the_id_that_a_job_keeps(runtime, solo, finish):
    hooks = Ids()
    set_execution_hooks(hooks)
    try:
        flow = solo(lambda slot_data, policy_message, worker_state: None)
        post = poster(runtime, flow)
        jobs = [post() for _ in range(3)]
        jobs += runtime.post_many(flow.flow_id, "work", "input", [1, 2])
        finish(runtime)
    finally:
        reset_execution_hooks()
    assert len(set(hooks.seen)) == 5
    assert [job.job_id for job in jobs] == hooks.seen
    assert [runtime.get_job(job_id) for job_id in hooks.seen] == jobs


@pytest.mark.parametrize("many", [False, True], ids=["emit", "emit_many"])
def test_item_that_waits_for_room_is_asked_about_once(
    runtime, hooks, stage, make_flow, make_routine, calls, finish, many
):
    source = make_routine(events=["output"])

    def logic(slot_data, policy_message, worker_state):
        if many:
            source.emit_many("output", [{"n": n} for n in range(9)])
        else:
            for n in range(9):
                source.emit("output", n=n)

    sink = stage(lambda emit, item: calls.append(item["n"]), max_queue_length=1)
    flow = make_flow(
        {"work": source.set_logic(logic), "sink": sink},
        ("work", "output", "sink", "input"),
    )
    poster(runtime, flow)()
    finish(runtime)
    asked = [
        data["n"] for _, _, name, _, data, _ in hooks.of("enqueue") if name == "sink"
    ]
    assert asked == calls == list(range(9))
