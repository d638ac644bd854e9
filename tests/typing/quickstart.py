"""Two routines, one flow, one job; and what a type checker knows of each of them."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import assert_type

from routilux import (
    Connection,
    Event,
    Flow,
    JobContext,
    JobStatus,
    PostResult,
    Routine,
    Runtime,
    Slot,
    WorkerState,
    WorkerStatus,
    get_current_job,
    immediate_policy,
)


class Doubler(Routine):
    """Doubles each value."""

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.set_config(factor=factor)
        assert_type(self.add_slot("input"), Slot)
        assert_type(self.add_event("output", ["result"]), Event)
        self.set_activation_policy(immediate_policy())

    def logic(
        self,
        slot_data: dict[str, list[dict[str, int]]],
        policy_message: dict[str, Any],
        worker_state: WorkerState,
    ) -> None:
        assert policy_message["reason"] == "immediate"
        for item in slot_data["input"]:
            factor = self.get_config("factor", 1)
            self.emit("output", result=factor * item["value"])


def total(values: list[dict[str, int]], worker_state: WorkerState) -> None:
    """Adds up, in the routine state; takes one list per slot."""
    state = worker_state.get_routine_state("total", {})
    assert_type(state, dict[str, Any])
    before = state.get("sum", 0)
    after = before + sum(item["result"] for item in values)
    worker_state.update_routine_state("total", {"sum": after})
    job = get_current_job()
    assert_type(job, JobContext | None)
    if job is not None:
        job.set_result(after)


def build() -> Flow:
    """Connects the two."""
    target = Routine().set_logic(total).set_concurrency(1)
    target.set_activation_policy(immediate_policy())
    target.add_slot("values")
    flow = Flow("doubled")
    assert_type(flow.add_routine(Doubler(3), "double"), str)
    flow.add_routine(target, "total")
    assert_type(flow.connect("double", "output", "total", "values"), Connection)
    assert_type(flow.routines, Mapping[str, Routine])
    assert flow.validate() == [
        "Warning: Slot 'input' of routine 'double' is not connected: only post() can"
        " feed it"
    ]
    return flow


def main() -> None:
    """Posts a job, waits for it, looks at it."""
    flow = build()
    with Runtime(thread_pool_size=2) as runtime:
        assert_type(runtime, Runtime)
        assert_type(runtime.exec(flow), WorkerState)
        result = runtime.post("doubled", "double", "input", {"value": 7})
        assert_type(result, PostResult)
        worker, job = result
        assert_type(worker, WorkerState)
        assert_type(job, JobContext)
        assert_type(job.wait(timeout=10.0), bool)
        assert job.result() == 21
        assert_type(job.status, JobStatus)
        assert job.status == "completed"
        assert job.status is JobStatus.COMPLETED
        assert_type(worker.status, WorkerStatus)
        assert worker.get_slot("double", "input").get_unconsumed_count() == 0
        assert_type(runtime.get_job(job.job_id), JobContext | None)
        assert_type(runtime.list_jobs(), list[JobContext])
        runtime.post(
            flow_name="doubled",
            routine_name="double",
            slot_name="input",
            data={"value": 1},
            metadata={"user": "ada"},
        )
        assert runtime.wait_until_all_jobs_finished(timeout=10.0)
    assert worker.get_routine_state("total") == {"sum": 24}


if __name__ == "__main__":
    main()
