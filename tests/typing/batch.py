"""Policies: a batch, a predicate, one from scratch; slots, metrics and hooks."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import assert_type

from routilux import (
    Flow,
    JobContext,
    Routine,
    Runtime,
    Slot,
    WorkerState,
    batch_size_policy,
    custom_policy,
    get_current_jobs,
    time_interval_policy,
)
from routilux.monitoring import (
    ExecutionHooksInterface,
    RoutineMetrics,
    reset_execution_hooks,
    set_execution_hooks,
)


class Count(ExecutionHooksInterface):
    """Counts the activations, and forbids none."""

    def __init__(self) -> None:
        self.started = 0

    def on_routine_start(
        self,
        routine_id: str,
        worker_state: WorkerState,
        job: JobContext | None = None,
    ) -> bool:
        self.started += 1
        return True


def last_is_here(slots: Mapping[str, Slot], worker_state: WorkerState) -> bool:
    """Says yes when the item that marks the end is queued."""
    newest: str | None = slots["input"].peek_latest()
    return newest == "end"


def in_pairs(
    slots: dict[str, Slot], worker_state: WorkerState
) -> tuple[bool, dict[str, list[str]], str | None]:
    """Takes two at a time."""
    slot = slots["input"]
    if slot.get_unconsumed_count() < 2:
        return False, {}, None
    return True, {"input": [slot.consume_one_new(), slot.consume_one_new()]}, "pair"


def gather(
    slot_data: dict[str, list[str]], policy_message: object, worker_state: WorkerState
) -> None:
    """Gives every job of the batch the whole of it."""
    for job in get_current_jobs():
        assert_type(job, JobContext)
        job.set_result(slot_data["input"])


def main() -> None:
    """Posts four items to each of the routines."""
    batch = batch_size_policy(2, max_wait=5.0)
    assert_type(batch.batch_size, int | None)
    assert batch.kind == "batch_size"
    flow = Flow("gathering")
    for name, policy in {
        "batch": batch,
        "pause": time_interval_policy(0.01),
        "end": custom_policy(last_is_here),
    }.items():
        routine = Routine().set_logic(gather).set_activation_policy(policy)
        routine.add_slot("input", 100, watermark=0.9)
        flow.add_routine(routine, name)
    pairs = Routine().set_logic(gather).set_activation_policy(in_pairs)
    pairs.add_slot("input", overflow="drop_oldest")
    flow.add_routine(pairs, "pairs")
    hooks = Count()
    set_execution_hooks(hooks)
    try:
        run(flow)
    finally:
        reset_execution_hooks()
    assert hooks.started >= 6


def run(flow: Flow) -> None:
    """Runs it with metrics."""
    with Runtime(2, enable_monitoring=True, engine="inline") as runtime:
        runtime.exec(flow)
        jobs: dict[str, list[JobContext]] = {}
        for name in flow.routines:
            jobs[name] = [
                runtime.post(flow, name, "input", item).job
                for item in ("a", "b", "c", "end")
            ]
        runtime.flush(flow)
        assert runtime.wait_until_all_jobs_finished(10.0)
        for name in ("batch", "pairs"):
            results: list[Any] = [job.result() for job in jobs[name]]
            assert results == [["a", "b"]] * 2 + [["c", "end"]] * 2
        assert jobs["end"][0].result() == ["a", "b", "c", "end"]
        row = runtime.metrics().routine("batch")
        assert_type(row, RoutineMetrics)
        assert row.activations == 2


if __name__ == "__main__":
    main()
