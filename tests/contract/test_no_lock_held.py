"""Chapter 8: no lock is held while user code runs.

Each test lets one kind of user code call back into the runtime, from the thread that
calls it and from another thread that it waits for: with a lock held, one of them
would never come back. Tests run on a thread of their own, so that a deadlock fails.
"""

import logging
import threading

import pytest

from routilux import (
    ErrorHandler,
    all_slots_ready_policy,
    custom_policy,
    get_current_job,
    get_current_worker_state,
)
from routilux.monitoring.hooks import (
    ExecutionHooksInterface,
    reset_execution_hooks,
    set_execution_hooks,
)

WAIT = 20.0
SHORT = 0.05  # long enough to see that something does not end
STEPS = [name for name in vars(ExecutionHooksInterface) if name.startswith("on_")]


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


class CallBack:
    """Callable that uses the runtime, here and in another thread, the first time."""

    def __init__(self, runtime, flow, spawn):
        self.runtime, self.flow, self.spawn = runtime, flow, spawn
        self.worker = runtime.exec(flow)
        self.first = threading.Semaphore(1)
        self.called = threading.Event()
        self.uses = 0

    def __call__(self, *_, **__):
        if self.first.acquire(blocking=False):
            self.use_the_runtime()
            self.spawn(self.use_the_runtime).result(WAIT)
            self.called.set()

    def use_the_runtime(self):
        job = self.runtime.post(self.flow.flow_id, "work", "input", 1)[1]
        assert self.runtime.get_job(job.job_id) in (job, None)
        self.runtime.list_jobs()
        self.runtime.metrics()
        self.runtime.cancel_job("nobody")
        self.runtime.flush(self.flow.flow_id)
        self.worker.update_routine_state("work", {"used": True})
        self.worker.get_routine_state("work")
        self.uses += 1


@pytest.fixture
def runtime(make_runtime):
    return make_runtime(enable_monitoring=True, job_history=1)


@pytest.fixture
def call_back(runtime, solo, record, spawn):
    return CallBack(runtime, solo(record), spawn)


@pytest.fixture
def drive(runtime, spawn, call_back):
    """Post items to a flow from another thread, wait, and check the call back.

    The items come from an iterable, so that nothing here keeps them alive.
    """

    def run(flow, items, expected=True):
        def post_and_wait():
            post = poster(runtime, flow)
            jobs = [post(item) for item in items]
            assert runtime.wait_until_all_jobs_finished(WAIT)
            return [(job.status, job.error) for job in jobs]

        ends = spawn(post_and_wait).result(WAIT)
        if expected:
            assert call_back.called.wait(WAIT)
            assert runtime.wait_until_all_jobs_finished(WAIT)
            assert call_back.uses == 2
        return ends

    return run


def test_no_lock_is_held_in_logic(drive, solo, call_back):
    ((status, error),) = drive(solo(call_back), [1])
    assert (status, error) == ("completed", None)


def test_no_lock_is_held_in_logic_that_emits_from_a_call_back(
    drive, stage, make_flow, call_back
):
    seen = []

    def emit_around(emit, item):
        emit("output", when="before")
        call_back()
        emit("output", when="after")

    after = stage(lambda emit, item: seen.append(item["when"]))
    flow = make_flow(
        {"work": stage(emit_around), "next": after},
        ("work", "output", "next", "input"),
    )
    ((status, error),) = drive(flow, [1])
    assert (status, error, seen) == ("completed", None, ["before", "after"])


def test_no_lock_is_held_in_a_policy(drive, solo, record, call_back):
    def policy(slots, worker_state):
        call_back()
        items = slots["input"].consume_all_new()
        return bool(items), {"input": items}, {"reason": "mine"}

    ((status, error),) = drive(solo(record, policy=policy), [1])
    assert (status, error) == ("completed", None)


def test_no_lock_is_held_in_the_check_of_a_custom_policy(
    drive, solo, record, call_back
):
    def check(slots, worker_state):
        call_back()
        return True

    ((status, error),) = drive(solo(record, policy=custom_policy(check)), [1])
    assert (status, error) == ("completed", None)


@pytest.mark.parametrize("step", STEPS)
def test_no_lock_is_held_in_a_hook(
    runtime, drive, stage, make_flow, call_back, spawn, step
):
    def hook(self, *args, **options):
        call_back()
        return (True, None) if step == "on_slot_before_enqueue" else True

    routines = {
        "work": stage(lambda emit, item: emit("output", n=item)),
        "next": stage(lambda emit, item: None),
    }
    flow = make_flow(routines, ("work", "output", "next", "input"))
    set_execution_hooks(type("Hooks", (ExecutionHooksInterface,), {step: hook})())
    try:
        if step == "on_worker_stop":
            call_back.use_the_runtime = runtime.list_jobs
            drive(flow, [1], expected=False)
            spawn(runtime.shutdown).result(WAIT)
            assert call_back.called.is_set()
        else:
            drive(flow, [1])
    finally:
        reset_execution_hooks()


@pytest.mark.parametrize("where", ["in logic", "after logic", "at a full slot"])
def test_no_lock_is_held_in_del_of_an_item(drive, solo, call_back, where):
    class Item:
        def __del__(self):
            call_back()

    def consume(slot_data, policy_message, worker_state):
        if where == "in logic":
            slot_data["input"].clear()

    if where == "at a full slot":  # without a policy, the oldest falls out
        flow = solo(consume, policy=None, max_queue_length=1)
    else:
        flow = solo(consume)
    drive(flow, (Item() for _ in range(2)))


def test_no_lock_is_held_in_del_of_an_item_of_a_cancelled_job(
    runtime, solo, record, spawn, call_back
):
    class Item:
        def __del__(self):
            call_back()

    def post_and_cancel():
        flow = solo(record, policy=lambda slots, worker_state: (False, {}, None))
        assert poster(runtime, flow)(Item()).cancel() is True

    spawn(post_and_cancel).result(WAIT)
    assert call_back.called.wait(WAIT)
    assert call_back.uses == 2


def test_no_lock_is_held_in_del_of_what_a_job_carries(runtime, solo, spawn, call_back):
    class Carried:
        def __del__(self):
            call_back()

    def carry(slot_data, policy_message, worker_state):
        if slot_data["input"][0] == 0:
            get_current_job().set_data("carried", Carried())

    def post_and_wait():  # the history holds one job
        post = poster(runtime, solo(carry))
        for n in range(3):
            post(n)
        assert runtime.wait_until_all_jobs_finished(WAIT)

    spawn(post_and_wait).result(WAIT)
    assert call_back.called.wait(WAIT)
    assert call_back.uses == 2


def test_no_lock_is_held_in_del_of_a_state(drive, solo, call_back):
    class Value:
        def __del__(self):
            call_back()

    def replace(slot_data, policy_message, worker_state):
        state = {"value": Value()} if slot_data["input"][0] == 0 else {}
        get_current_worker_state().update_routine_state("work", state)

    drive(solo(replace), [0, 1])


def test_no_lock_is_held_in_eq_and_hash_of_an_item(drive, solo, record, call_back):
    class Item:
        def __eq__(self, other):
            call_back()
            return self is other

        def __hash__(self):
            call_back()
            return 1

    drive(solo(record), [Item(), Item()], expected=False)
    assert not call_back.called.is_set()  # an item is nobody's business


@pytest.mark.parametrize("where", ["function", "field", "hash", "eq", "del"])
def test_no_lock_is_held_in_the_code_of_a_key(drive, keyed, call_back, where):
    ran = []

    def reach(place):
        if place == where:
            call_back()

    class Key:
        def __hash__(self):
            reach("hash")
            return 1

        def __eq__(self, other):
            reach("eq")
            return True

        def __del__(self):
            reach("del")

    class Item:
        @property
        def key(self):
            reach("field")
            return Key()

    def key_of(item):
        reach("function")
        return Key()

    def logic(slot_data, policy_message, worker_state):
        ran.append(1)
        if len(ran) == 1:  # its lane is there until the retry: the next key finds it
            raise OSError

    flow = keyed(logic, 2, key="key" if where == "field" else key_of)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.05))
    ends = drive(flow, [Item() for _ in range(3)])
    assert (ends, len(ran)) == ([("completed", None)] * 3, 4)


@pytest.mark.parametrize("line", ["of exec", "of a wait"])
def test_no_lock_is_held_in_a_logging_handler(
    runtime, solo, record, spawn, call_back, caplog, line
):
    class Handler(logging.Handler):
        def handle(self, line):  # not emit(), around which the handler's lock is held
            call_back()

    def make_it_log():
        if line == "of exec":
            runtime.exec(solo(record, policy=None))  # it never runs: a warning
        else:
            policy = all_slots_ready_policy()
            flow = solo(record, policy=policy, slots=("input", "other"))
            poster(runtime, flow)()
            assert not runtime.wait_until_all_jobs_finished(SHORT)

    handler = Handler()
    logger = logging.getLogger("routilux")
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, logger="routilux"):
            spawn(make_it_log).result(WAIT)
            assert call_back.called.wait(WAIT)
    finally:
        logger.removeHandler(handler)


def test_no_lock_is_held_in_the_text_of_an_exception(drive, solo, call_back):
    class Speaking(Exception):
        def __str__(self):
            call_back()
            return "spoken"

    def fail(slot_data, policy_message, worker_state):
        raise Speaking

    ((status, error),) = drive(solo(fail), [1])
    assert (status, error.message) == ("failed", "spoken")


def test_no_lock_is_held_in_a_done_callback(runtime, drive, solo, record, call_back):
    def add(slot_data, policy_message, worker_state):
        get_current_job().add_done_callback(call_back)

    drive(solo(add), [1])


def test_no_lock_is_held_in_an_atomic_update(drive, solo, call_back):
    def update(slot_data, policy_message, worker_state):
        worker_state.update_routine_state_with("other", add_one)

    def add_one(state):
        call_back()
        return {"n": (state or {}).get("n", 0) + 1}

    ((status, error),) = drive(solo(update), [1])
    assert (status, error) == ("completed", None)


def test_no_lock_is_held_in_logic_that_ends_the_runtime(runtime, solo, spawn):
    def end(slot_data, policy_message, worker_state):
        spawn(runtime.shutdown, wait=False).result(WAIT)
        runtime.shutdown()

    def post_and_wait():
        job = poster(runtime, solo(end))(1)
        assert job.wait(WAIT)
        return job.status

    assert spawn(post_and_wait).result(WAIT) == "completed"
