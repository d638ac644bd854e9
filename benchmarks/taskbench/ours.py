"""The graphs as flows: a routine for each point, an activation for each task.

A routine has a slot for each point that it needs, and `all_slots_ready_policy` joins
them. The steps of a pattern repeat, so the flow is a cycle, one lap for each period;
the last step emits nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from routilux import (
    Flow,
    Routine,
    Runtime,
    all_slots_ready_policy,
    immediate_policy,
)

from .kernel import Kernel, kernels
from .patterns import Pattern
from .system import Prepare, Run, System

WAIT = 120.0


class Point(Routine):
    """Run the kernel once for each step, then let go those that need this point."""

    def __init__(self, slots: Sequence[str], work: Kernel, last: int) -> None:
        super().__init__()
        for slot in slots:
            self.add_slot(slot)
        self.add_event("done", ["step"])
        self.set_activation_policy(
            all_slots_ready_policy() if len(slots) > 1 else immediate_policy()
        )
        self.first = slots[0]
        self.work = work
        self.last = last
        self.seen = 0

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        step = slot_data[self.first][0]["step"]
        self.work()
        self.seen += 1
        if step != self.last:
            self.emit("done", step=step + 1)


class Start(Routine):
    """Give the first step what it has no other source for."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input")
        self.add_event("go", ["step"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        self.emit("go", step=0)


def flow_of(pattern: Pattern, steps: int, work: Sequence[Kernel]) -> Flow:
    """Build the flow: one routine for each point and phase of the pattern."""
    flow = Flow()
    # The second lap shows what the first step of a cycle depends on.
    horizon = min(steps, pattern.growth + pattern.period + 1)
    needs: dict[str, set[str]] = {}
    wires: set[tuple[str, str, str]] = set()
    for step, point in pattern.points(horizon):
        name = name_of(pattern, step, point)
        needs.setdefault(name, set())
        for source in pattern.sources(step, point) if step else ():
            needs[name].add(str(source))
            wires.add((name_of(pattern, step - 1, source), name, str(source)))
    for name, sources in needs.items():
        slots = sorted(sources) or ["start"]
        kernel = work[int(name.partition(".")[2])]
        flow.add_routine(Point(slots, kernel, steps - 1), name)
    for source, name, slot in sorted(wires):
        flow.connect(source, "done", name, slot)
    if wires:
        flow.add_routine(Start(), "start")
        for point in range(pattern.width_at(0)):
            name = name_of(pattern, 0, point)
            for slot in flow.routines[name].slots:
                flow.connect("start", "go", name, slot)
    return flow


def name_of(pattern: Pattern, step: int, point: int) -> str:
    """Return the id of the routine that runs a task."""
    return f"{pattern.phase_at(step)}.{point}"


@contextmanager
def with_routilux(workers: int) -> Iterator[Prepare]:
    """A runtime for each graph; one job is a whole graph."""

    @contextmanager
    def prepare(pattern: Pattern, steps: int, size: int) -> Iterator[Run]:
        flow = flow_of(pattern, steps, kernels(pattern.width, size))
        points = [r for r in flow.routines.values() if isinstance(r, Point)]
        with Runtime(thread_pool_size=workers) as runtime:
            runtime.exec(flow)

            def run() -> int:
                before = sum(point.seen for point in points)
                start(runtime, flow, pattern, steps)
                if not runtime.wait_until_all_jobs_finished(timeout=WAIT):
                    raise TimeoutError(f"the graph is unfinished after {WAIT} s")
                return sum(point.seen for point in points) - before

            yield run

    yield prepare


def start(runtime: Runtime, flow: Flow, pattern: Pattern, steps: int) -> None:
    """Post what the graph starts from: a token, or each task if none needs another."""
    if "start" in flow.routines:
        runtime.post(flow.flow_id, "start", "input", {})
        return
    items = [{"step": steps - 1}] * steps
    for point in range(pattern.width):
        name = name_of(pattern, 0, point)
        runtime.post_many(flow.flow_id, name, "start", items, jobs="one")


SYSTEM = System("routilux", with_routilux)
