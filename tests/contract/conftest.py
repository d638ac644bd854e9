"""Set-up that the contract tests share.

Each test reads as its sentence: a flow is built with `solo`, `stage` and `make_flow`,
a runtime comes from `make_runtime` (runs on every engine) or `threaded` (only where
the sentence speaks about threads), and `finish` waits for all jobs or fails the test.
"""

import logging
import os
import threading
import time
import zlib
from concurrent.futures import Future

import pytest

from routilux import Flow, Routine, Runtime, custom_policy, immediate_policy
from routilux.monitoring.flow_registry import FlowRegistry

WAIT = 20.0
SEED = int(os.environ.get("ROUTILUX_SEED", "0"))
LEVEL = os.environ.get("ROUTILUX_INTERLEAVE", "")
IMMEDIATE = object()


@pytest.fixture(autouse=True)
def no_thread_outlives_a_test(request):
    before = set(threading.enumerate())
    yield
    if "shared_pool" in request.fixturenames:
        return
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(WAIT)
    assert [thread.name for thread in left if thread.is_alive()] == []


@pytest.fixture
def shared_pool():
    """Say that the process-wide pool, and so its threads, outlives the test."""


@pytest.fixture(params=["threads", "inline", "sim"])
def engine(request):
    return request.param


@pytest.fixture
def runtimes():
    started = []
    yield started
    for runtime in reversed(started):
        runtime.shutdown(wait=True, timeout=WAIT, cancel_pending=True)


@pytest.fixture
def make_runtime(engine, runtimes, request):
    """Start runtimes on the engine of the parameter.

    A simulation has its seed from the name of the test and ROUTILUX_SEED. Where logic
    waits for a gate, it may not run inside the calls of the thread that opens the gate.
    """
    seed = zlib.crc32(request.node.name.encode()) + SEED

    def start(**options):
        if engine == "sim":
            options.setdefault("seed", seed)
            if "gate" in request.fixturenames or LEVEL:
                options.setdefault("interleave", LEVEL or "waits")
        options.setdefault("thread_pool_size", 4)
        runtimes.append(Runtime(engine=engine, **options))
        return runtimes[-1]

    return start


@pytest.fixture
def runtime(make_runtime):
    return make_runtime()


@pytest.fixture
def now():
    """Answer the seconds of a runtime's clock; those of a simulation are virtual."""

    def read(runtime):
        simulation = runtime.simulation
        return time.monotonic() if simulation is None else simulation.time

    return read


@pytest.fixture
def threaded(runtimes):
    """Start runtimes on the threads engine, for sentences about threads."""

    def start(**options):
        options.setdefault("thread_pool_size", 4)
        runtimes.append(Runtime(**options))
        return runtimes[-1]

    return start


@pytest.fixture
def finish():
    """Wait for all jobs of a runtime and fail when they do not finish."""

    def wait(runtime):
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT) is True

    return wait


@pytest.fixture
def gate(runtimes):
    """Give an event that logic waits on; opened before the runtimes shut down."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def spawn(gate):
    """Run a function on a thread of the test and answer a future for it."""
    threads = []

    def start(function, *args, **kwargs):
        future = Future()

        def run():
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return future

    yield start
    gate.set()
    for thread in threads:
        thread.join(WAIT)


@pytest.fixture
def calls():
    """Give the list that `record` fills: (slot_data, policy_message) a call."""
    return []


@pytest.fixture
def record(calls):
    def logic(slot_data, policy_message, worker_state):
        calls.append((slot_data, policy_message))

    return logic


@pytest.fixture
def numbers(calls):
    """Give logic that notes the "n" of each item in `calls`."""

    def logic(slot_data, policy_message, worker_state):
        calls.extend(item["n"] for items in slot_data.values() for item in items)

    return logic


@pytest.fixture
def make_routine():
    """Build a routine; `policy=None` leaves it without one."""

    def build(logic=None, *, policy=IMMEDIATE, slots=("input",), events=(), **options):
        routine = Routine()
        for name in slots:
            routine.add_slot(name, **options)
        for name in events:
            routine.add_event(name)
        if policy is not None:
            chosen = immediate_policy() if policy is IMMEDIATE else policy
            routine.set_activation_policy(chosen)
        if logic is not None:
            routine.set_logic(logic)
        return routine

    return build


@pytest.fixture
def stage(make_routine):
    """Build a routine whose logic calls `body(emit, item)` for each item."""

    def build(body, *, events=("output",), **options):
        routine = make_routine(events=events, **options)

        def logic(slot_data, policy_message, worker_state):
            for items in slot_data.values():
                for item in items:
                    body(routine.emit, item)

        routine.set_logic(logic)
        return routine

    return build


@pytest.fixture
def make_flow():
    """Build a flow from {id: routine} and (source, event, target, slot) tuples."""

    def build(routines, *connections, flow_id=None):
        flow = Flow(flow_id)
        for routine_id, routine in routines.items():
            flow.add_routine(routine, routine_id)
        for connection in connections:
            flow.connect(*connection)
        return flow

    return build


@pytest.fixture
def solo(make_routine, make_flow):
    """Build a flow of one routine, "work"."""

    def build(logic, **options):
        return make_flow({"work": make_routine(logic, **options)})

    return build


@pytest.fixture
def keyed(make_routine, make_flow):
    """Build a flow of one routine, "work", with a key."""

    def build(logic, n=4, key="key", **options):
        routine = make_routine(logic, **options)
        return make_flow({"work": routine.set_concurrency(n, key=key)})

    return build


@pytest.fixture
def register():
    """Register flows by name for the length of a test."""
    names = []

    def add(name, flow):
        FlowRegistry.get_instance().register_by_name(name, flow)
        names.append(name)
        return flow

    yield add
    for name in names:
        FlowRegistry.get_instance().unregister_by_name(name)


@pytest.fixture
def peak():
    """Give a context manager that counts how many threads are inside at once."""

    class Peak:
        def __init__(self):
            self.lock = threading.Lock()
            self.inside = 0
            self.most = 0

        def __enter__(self):
            with self.lock:
                self.inside += 1
                self.most = max(self.most, self.inside)

        def __exit__(self, *exc_info):
            with self.lock:
                self.inside -= 1

    return Peak()


@pytest.fixture
def warned(caplog):
    """Answer the warnings logged so far whose text has all the words."""

    def find(*words):
        texts = [
            entry.getMessage()
            for entry in caplog.records
            if entry.levelno == logging.WARNING
        ]
        return [text for text in texts if all(word in text for word in words)]

    return find


@pytest.fixture
def dropped():
    """Answer how many items a slot of a worker has dropped."""

    def count(worker, routine_id, slot):
        return worker.get_slot(routine_id, slot).get_queue_status()["dropped_count"]

    return count


@pytest.fixture
def source(make_routine):
    """Build a routine that calls `body(emit, emit_many)` for each post."""

    def build(body, events=("output",)):
        routine = make_routine(events=events)
        routine.set_logic(lambda *args: body(routine.emit, routine.emit_many))
        return routine

    return build


@pytest.fixture
def sink(make_routine):
    """Build a routine that keeps its slot_data; a typed slot if it has a dtype."""

    def build(got, policy=None, **options):
        policy = policy or custom_policy(lambda slots, worker: True)
        logic = keep(got)
        return make_routine(logic, policy=policy, **options)

    def keep(got):
        return lambda slot_data, message, worker: got.append(slot_data["input"])

    return build


@pytest.fixture
def fan(make_flow, source):
    """Build "source" -> each of the given sinks."""

    def build(body, *sinks, **options):
        routines = {f"sink{i}": routine for i, routine in enumerate(sinks)}
        return make_flow(
            {"source": source(body, **options), **routines},
            *(("source", "output", name, "input") for name in routines),
        )

    return build


@pytest.fixture
def two(stage, make_flow):
    """Build a flow of "first", which fails for a 7, and "second"."""

    def forward(emit, item):
        if item["n"] == 7:
            raise ValueError("seven")
        emit("output", **item)

    return make_flow(
        {"first": stage(forward), "second": stage(lambda emit, item: None, events=())},
        ("first", "output", "second", "input"),
        flow_id="two",
    )
