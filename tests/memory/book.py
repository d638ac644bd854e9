"""What a scenario needs, and the checks of what was left when memory ran out."""

import collections
import itertools
import threading
from collections.abc import Iterable
from typing import Any

from routilux import Flow, JobContext, Routine, Runtime, immediate_policy

PATIENCE = 5.0  # for one wait
ENDS = ("completed", "failed", "cancelled")


class Book:
    """Runtimes, and what was posted to them and seen.

    Args:
        engine: Of the runtimes that it makes.
        dry: Once memory ran out there is none until `check`.
    """

    def __init__(self, engine: str, dry: bool) -> None:
        self.engine = engine
        self.dry = dry
        self.runtimes: list[Runtime] = []
        self.accepted: dict[str, tuple[JobContext, dict[Any, int]]] = {}
        self.refused: list[Any] = []
        self.doubtful: list[Any] = []  # of calls that raised halfway
        self.seen: collections.Counter[Any] = collections.Counter()
        self.lock = threading.Lock()
        self.poor: MemoryError | None = None  # that a wait raised
        self.numbers = itertools.count()
        self.slots = ["input"]  # of the first routine
        self.ended = False  # a scenario that shuts down
        self.forgiven = False  # other things than memory may fail jobs here

    # --- What scenarios use

    def runtime(self, flow: Flow | None = None, **options: Any) -> Runtime:
        """Make a runtime; `check` expects of it that it works and ends."""
        options.setdefault("thread_pool_size", 2)
        runtime = Runtime(engine=self.engine, **options)
        self.runtimes.append(runtime)
        if flow is not None:
            runtime.exec(flow)
        return runtime

    def stage(self, logic: Any = None, policy: Any = None, **slot: Any) -> Routine:
        """Make a routine with one slot that notes what it sees."""
        routine = Routine()
        routine.add_slot("input", **slot)
        routine.set_activation_policy(policy or immediate_policy())
        routine.set_logic(logic or self.note)
        return routine

    def flow(self, *stages: Routine) -> Flow:
        """Make a flow of stages "s0", "s1", … connected by their event "out"."""
        flow = Flow("flow")
        for number, stage in enumerate(stages):
            flow.add_routine(stage, f"s{number}")
            if number:
                flow.connect(f"s{number - 1}", "out", f"s{number}", "input")
        return flow

    def source(self, policy: Any = None, times: int = 1, **slot: Any) -> Routine:
        """Make a stage that hands on each item by its event "out", `times` times."""

        def hand_on(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
            for item in slot_data["input"]:
                for copy in range(times):
                    routine.emit("out", item=item, copy=copy)

        routine = self.stage(hand_on, policy, **slot)
        routine.add_event("out")
        return routine

    def sink(self, policy: Any = None, **slot: Any) -> Routine:
        """Make a stage that notes what a `source` handed on."""

        def note(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
            self.see(item["item"] for item in slot_data["input"])

        return self.stage(note, policy, **slot)

    def see(self, items: Iterable[Any]) -> None:
        """Note that logic got these items."""
        with self.lock:
            for item in items:
                self.seen[item] += 1

    def note(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        """Be the logic of a stage: note the items."""
        self.see(slot_data["input"])

    def post(
        self, runtime: Runtime, slot: str = "input", times: int = 1, **options: Any
    ) -> JobContext | None:
        """Post the next number; None when there was no memory for it.

        Args:
            times: How often logic is to note it, if its job completes.
        """
        number = next(self.numbers)
        try:
            job = runtime.post("flow", "s0", slot, number, **options).job
        except MemoryError:
            self.refused.append(number)
            return None
        self.accept(job, [number], times)
        return job

    def accept(self, job: JobContext, items: Iterable[Any], times: int = 1) -> None:
        """Note that a job was accepted with these items."""
        known = self.accepted.setdefault(job.job_id, (job, {}))[1]
        known.update(dict.fromkeys(items, times))

    def forget(self) -> None:
        """Begin anew: what was until now belongs to the preparation."""
        self.runtimes.clear()
        self.accepted.clear()
        self.seen.clear()

    def wait(self, runtime: Runtime) -> None:
        """Wait for all jobs; the wait itself may get no memory.

        While nothing gets any, what is postponed for want of memory stays so.
        """
        try:
            done = runtime.wait_until_all_jobs_finished(0.04 if self.dry else PATIENCE)
        except MemoryError as error:
            self.poor = error
        else:
            assert done or self.dry, runtime.explain()

    # --- What holds afterwards, with memory

    def check(self) -> None:
        """Expect that nothing was lost or doubled, and that the runtimes go on."""
        for runtime in self.runtimes:
            for worker in runtime.list_workers("flow"):
                worker.resume()
            assert runtime.wait_until_all_jobs_finished(PATIENCE), "jobs are left"
        for job, items in self.accepted.values():
            self.check_job(job, items)
        for item in self.refused:
            assert not self.seen[item], f"{item} was refused, and ran"
        assert all(self.seen[item] <= 1 for item in self.doubtful), self.seen
        for runtime in self.runtimes:
            if not self.ended:
                self.check_works(runtime)
            runtime.shutdown(timeout=PATIENCE)

    def check_job(self, job: JobContext, items: dict[Any, int]) -> None:
        """Expect that what a job says of its end is true."""
        seen = {item: self.seen[item] for item in items}
        what = f"{job.status} ({job.error}), items were seen {seen} times"
        assert job.status in ENDS, what
        if job.status == "completed":
            assert seen == items, what
        else:
            assert self.forgiven or "emory" in str(job.error), what
            assert all(seen[item] <= items[item] for item in items), what

    def check_works(self, runtime: Runtime) -> None:
        """Expect that workers that ran still run, and that a new one can."""
        for worker in runtime.list_workers("flow"):
            for slot in self.slots:
                _, job = runtime.post(
                    "flow", "s0", slot, -1, worker_id=worker.worker_id
                )
            runtime.flush()
            assert job.wait(PATIENCE), (
                f"the old worker is stuck: {runtime.explain(job)}"
            )
            assert job.status == "completed", job.error
        ran = []
        routine = self.stage(lambda slot_data, policy_message, worker: ran.append(1))
        plain = Flow("plain")
        plain.add_routine(routine, "s0")
        runtime.exec(plain)
        job = runtime.post("plain", "s0", "input", 1).job
        assert job.wait(PATIENCE) and ran == [1], "a new worker is stuck"
