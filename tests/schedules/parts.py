"""What the scenarios are made of: stages, flows, jobs that are counted, threads."""

from itertools import pairwise

from turns import Thread, alone, point, wait

import routilux
from routilux import Flow, Routine
from routilux._core import audit_core

OVER = {"completed", "failed", "cancelled"}
FOREVER = 1000.0
BROKEN: list[str] = []  # what logic saw, which can only fail its job


def stage(logic, *, policy=None, length=1000, limit=1, key=None, handler=None):
    """Return a routine with a slot `input` and an event `output`."""
    routine = Routine()
    routine.add_slot("input", max_queue_length=length)
    routine.add_event("output")
    routine.set_activation_policy(policy or routilux.immediate_policy())

    inside = []

    def run(slot_data, policy_message, worker_state):
        inside.append(1)
        if len(inside) > limit:
            BROKEN.append("activations of a routine overlap")
        point()
        try:
            logic(routine, slot_data["input"])
        finally:
            inside.pop()

    routine.set_logic(run)
    if key is not None:
        routine.set_concurrency(limit, key=key)
    elif limit != 1:
        routine.set_concurrency(limit)
    if handler is not None:
        routine.set_error_handler(handler)
    return routine


def line(*stages, flow_id="flow"):
    """Return a flow of stages `a`, `b`, ... that follow each other."""
    flow = Flow(flow_id)
    names = "abcdefgh"[: len(stages)]
    for name, routine in zip(names, stages, strict=True):
        flow.add_routine(routine, name)
    for source, target in pairwise(names):
        flow.connect(source, "output", target, "input")
    return flow


def nothing(routine, items):
    """Do nothing."""


def pass_on(routine, items):
    """Emit once."""
    routine.emit("output", n=1)


class Jobs:
    """Posts, and what became of them."""

    def __init__(self, runtime, flow_id="flow"):
        self.runtime = runtime
        self.flow_id = flow_id
        self.jobs = []
        self.ends = []
        self.refused = 0

    def post(self, count=1, **options):
        """Post to the first stage; a refusal after a shutdown is fine."""
        for n in range(count):
            try:
                _, job = self.runtime.post(
                    self.flow_id, "a", "input", {"n": n}, **options
                )
            except (RuntimeError, routilux.QueueFullError):
                self.refused += 1
                continue
            self.jobs.append(job)
            job.add_done_callback(self.ends.append)

    def check(self, allowed=OVER):
        """Every accepted job ended once, as one of `allowed`."""
        assert BROKEN == []
        states = [str(job.status) for job in self.jobs]
        assert set(states) <= set(allowed), states
        assert sorted(map(id, self.ends)) == sorted(map(id, self.jobs)), "ended once"


def beside(*calls):
    """Run each call in a thread of its own; return the threads."""
    failed = []

    def guarded(call):
        try:
            call()
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    return threads, failed


def join(threads, failed):
    """Wait for threads; what they raised is raised here."""
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def finish(runtime, jobs, allowed=OVER):
    """Wait for all, count everything again, end, and check the jobs."""
    assert runtime.wait_until_all_jobs_finished(FOREVER)
    core = runtime._machine.core
    while core.counts()["pumps"] or not core.debug()["keeper_asleep"]:
        wait(core, 0.01)
    with alone():
        found = audit_core(core)
    assert found == [], found
    runtime.shutdown()
    jobs.check(allowed)
