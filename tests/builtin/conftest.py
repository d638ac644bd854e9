"""A bench for the built-in routines: one of them in a flow, on the real runtime.

`bench(routine)` starts workers of a flow in which every event of the routine has a
listener; `bench.got("output")` is what came out there.
"""

import pytest

from routilux import Flow, Routine, Runtime, immediate_policy

WAIT = 20.0


class Listener(Routine):
    """Keep (worker id, item) of what comes."""

    def __init__(self):
        super().__init__()
        self.add_slot("input", max_queue_length=100_000)
        self.set_activation_policy(immediate_policy())
        self.heard = []

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            self.heard.append((worker_state.worker_id, item))


class Bench:
    """A routine under test, as "work" in a flow with a listener for each event."""

    def __init__(self, runtime, routine, *, workers=1, deaf_to=(), flow=None):
        self.runtime = runtime
        self.routine = routine
        self.flow = Flow() if flow is None else flow
        self.flow.add_routine(routine, "work")
        self.listeners = {}
        for name in list(routine.events):
            if name not in deaf_to:
                self.listeners[name] = Listener()
                self.flow.add_routine(self.listeners[name], f"on_{name}")
                self.flow.connect("work", name, f"on_{name}", "input")
        self.workers = [runtime.exec(self.flow) for _ in range(workers)]

    def post(self, data, slot="input", worker=-1):
        """Post an item and answer its job."""
        return self.runtime.post(
            self.flow.flow_id,
            "work",
            slot,
            data,
            worker_id=self.workers[worker].worker_id,
        ).job

    def finish(self):
        """Wait for all jobs."""
        assert self.runtime.wait_until_all_jobs_finished(timeout=WAIT) is True

    def run(self, *items, **options):
        """Post items, wait, and answer their jobs."""
        jobs = [self.post(item, **options) for item in items]
        self.finish()
        return jobs

    def got(self, event, worker=None):
        """Answer the items that came through an event, of all workers or of one."""
        wanted = None if worker is None else self.workers[worker].worker_id
        return [
            item
            for worker_id, item in self.listeners[event].heard
            if wanted in (None, worker_id)
        ]


@pytest.fixture(params=["threads", "inline"])
def runtime(request):
    runtime = Runtime(thread_pool_size=4, engine=request.param)
    yield runtime
    runtime.shutdown(wait=True, timeout=WAIT, cancel_pending=True)


@pytest.fixture
def threaded():
    """A runtime with threads, for sentences about time that passes by itself."""
    runtime = Runtime(thread_pool_size=4)
    yield runtime
    runtime.shutdown(wait=True, timeout=WAIT, cancel_pending=True)


@pytest.fixture
def bench(runtime):
    """Answer a function that puts a routine on the bench."""

    def build(routine, **options):
        return Bench(runtime, routine, **options)

    return build


@pytest.fixture
def threaded_bench(threaded):
    def build(routine, **options):
        return Bench(threaded, routine, **options)

    return build


@pytest.fixture
def simulated_bench():
    """A bench in virtual time, for sentences about how long something takes."""
    with Runtime(engine="sim", seed=1) as runtime:

        def build(routine, **options):
            return Bench(runtime, routine, **options)

        yield build
