"""What a type checker finds before anything runs: an error in every line marked."""

from typing import Any

from routilux import (
    ErrorHandler,
    Flow,
    FunctionRoutine,
    JobContext,
    PostResult,
    Routine,
    Runtime,
    Slot,
    WorkerState,
    batch_size_policy,
    custom_policy,
    get_current_job,
    immediate_policy,
    pipeline,
    run_async,
    run_sync,
)
from routilux.monitoring import ExecutionHooksInterface


def ready(slots: dict[str, Slot]) -> bool:
    return bool(slots)


def wishful(slots: dict[str, Slot], worker_state: WorkerState) -> bool:
    return bool(slots)


class Wrong(Routine):
    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input", overflow="drop")  # error
        self.add_slot("input", 10, 0.8, "block")  # error
        self.add_event("output", [1])  # error
        self.set_activation_policy(immediate_policy)  # error
        self.set_activation_policy(wishful)  # error
        self.set_activation_policy(custom_policy(ready))  # error
        self.set_activation_policy(batch_size_policy("10"))  # error
        self.set_concurrency("all")  # error
        self.set_concurrency(2, "user")  # error
        self.set_concurrency(2, key=3)  # error
        self.set_concurrency(2, key=lambda: "user")  # error
        self.set_error_handler(ErrorHandler("again"))  # error
        self.slots["input"] = Slot("input")  # error

    def logic(self, slot_data: Any, policy_message: Any, worker: WorkerState) -> None:
        self.emit(result=1)  # error
        self.emit("output", 1)  # error
        get_current_job().set_result(1)  # error
        worker.worker_id = "mine"  # error
        worker.update_routine_state("wrong", [])  # error
        worker.update_routine_state_with("wrong", dict.clear)  # error


class Hooks(ExecutionHooksInterface):
    def on_routine_start(self, routine_id: str) -> bool:  # error
        return True


def build(flow: Flow) -> None:
    flow.add_routine(Wrong)  # error
    flow.connect("a", "output", "b")  # error
    flow.routines["a"] = Wrong()  # error


def run(runtime: Runtime) -> None:
    Runtime(engine="thread")  # error
    Runtime(2, 100, True, "inline")  # error
    runtime.exec(Wrong())  # error
    runtime.post("flow", "wrong", "input", {}, timeout="1 s")  # error
    runtime.post("flow", "wrong", "input", {}, None, None, None, False)  # error
    runtime.get_job("id").wait()  # error
    runtime.wait_until_all_jobs_finished("1 s")  # error


def look(job: JobContext, result: PostResult) -> str:
    job.job_id = "other"  # error
    print(job.error.message)  # error
    print(job.finished)  # error
    job.add_done_callback(look)  # error
    _worker, _job, _state = result  # error
    if job.started_at > job.created_at:  # error
        return job.status.value
    return job.job_id + 1  # error


async def wait(job: JobContext) -> None:
    await job.wait()  # error
    await job.done()  # error


async def stream(runtime: Runtime, flow: Flow) -> None:
    pipeline()(1)  # error
    pipeline(str, "upper")  # error
    run_sync(flow, 1, timeout="1 s")  # error
    run_async(flow, 1, "callback")  # error
    runtime.map(flow, 3)  # error
    runtime.map(flow, [3], errors="ignore")  # error
    runtime.map(flow, [3], progress=lambda done: None)  # error
    runtime.post_async(flow, "a", "input", 1, block=False)  # error
    for _ in runtime.map_async(flow, [3]):  # error
        pass
    FunctionRoutine(str, 10)  # error
