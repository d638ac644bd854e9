"""What is told of a job that failed, and what a handler may change about it."""

from typing import Any

from typing_extensions import assert_type

from routilux import (
    ErrorHandler,
    ErrorStrategy,
    Flow,
    JobCancelledError,
    JobContext,
    JobFailedError,
    QueueFullError,
    Routine,
    Runtime,
    WorkerNotRunningError,
    WorkerState,
    immediate_policy,
)


class Divide(Routine):
    """Fails on zero."""

    def __init__(self, handler: ErrorHandler | None = None) -> None:
        super().__init__()
        self.add_slot("input", max_queue_length=10, overflow="error")
        self.set_activation_policy(immediate_policy())
        self.set_error_handler(handler)

    def logic(
        self, slot_data: dict[str, list[int]], policy_message: Any, worker: WorkerState
    ) -> None:
        for number in slot_data["input"]:
            _ = 1 / number


def describe(job: JobContext) -> str:
    """Tells in a line how a job ended."""
    if job.error is None:
        return str(job.status)
    assert_type(job.error.type, str)
    assert_type(job.error.routine_id, str | None)
    return f"{job.error.routine_id}: {job.error.message} ({job.error})"


def outcome(job: JobContext) -> str:
    """Asks for the result."""
    try:
        job.result(timeout=10.0)
    except JobFailedError as failure:
        assert failure.error is not None
        return failure.error.type
    except (JobCancelledError, TimeoutError) as error:
        return type(error).__name__
    return "fine"


def main() -> None:
    """Lets one job fail, and one pass."""
    flow = Flow("divisions", execution_timeout=60)
    flow.add_routine(Divide(), "strict")
    flow.add_routine(Divide(ErrorHandler(ErrorStrategy.CONTINUE)), "lenient")
    flow.set_error_handler(
        ErrorHandler(
            "retry", 1, retry_delay=0.001, retryable_exceptions=(ZeroDivisionError,)
        )
    )
    with Runtime(thread_pool_size=1) as runtime:
        try:
            runtime.post(flow, "strict", "input", 1)
        except WorkerNotRunningError:
            worker = runtime.exec(flow)
        _, failed = runtime.post(flow, "strict", "input", 0)
        assert outcome(failed) == "ZeroDivisionError"
        assert describe(failed).startswith("strict: division by zero")
        try:
            _, passed = runtime.post(flow, "lenient", "input", 0, block=False)
        except QueueFullError as error:
            raise AssertionError("there is room for one") from error
        assert outcome(passed) == "fine"
        assert describe(passed) == "completed"
        (entry,) = worker.get_execution_history("lenient")
        assert entry.event_name == "error_continued"


if __name__ == "__main__":
    main()
