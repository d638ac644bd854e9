"""Logic that is a coroutine function, and a job that is awaited."""

import asyncio
from typing import Any

from typing_extensions import assert_type

from routilux import (
    Flow,
    JobContext,
    Routine,
    Runtime,
    WorkerState,
    get_current_job,
    get_current_routine_id,
    immediate_policy,
)


class Fetch(Routine):
    """Stands for a request."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("url")
        self.add_event("page", ["text"])
        self.set_activation_policy(immediate_policy())
        self.set_concurrency(None, key=self.host)

    @staticmethod
    def host(url: str) -> str:
        return url.partition("/")[0]

    async def logic(
        self,
        slot_data: dict[str, list[str]],
        policy_message: dict[str, Any],
        worker_state: WorkerState,
    ) -> None:
        for url in slot_data["url"]:
            await asyncio.sleep(0)
            assert_type(get_current_routine_id(), str | None)
            self.emit("page", text=url.upper())


def keep(page: list[dict[str, str]]) -> None:
    """Ends the job with the page."""
    job = get_current_job()
    assert job is not None
    job.trace("keep", "kept", {"length": len(page[0]["text"])})
    job.set_result(page[0]["text"])


async def result_of(job: JobContext) -> str:
    """Sleeps on the event loop until the job is finished."""
    text = await job
    return str(text)


async def main() -> None:
    """Posts and awaits."""
    flow = Flow("pages")
    flow.pipe(Fetch(), "fetch").pipe(keeper(), "keep", from_event="page", to_slot="in")
    ended: list[JobContext] = []
    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        posted = runtime.post("pages", "fetch", "url", "a.example", block=False)
        posted.job.add_done_callback(ended.append)
        text: str = await asyncio.wait_for(result_of(posted.job), 10.0)
        assert text == "A.EXAMPLE"
    assert ended == [posted.job]


def keeper() -> Routine:
    """Makes the routine at the end."""
    routine = Routine().set_logic(keep).set_activation_policy(immediate_policy())
    routine.add_slot("in")
    return routine


if __name__ == "__main__":
    asyncio.run(main())
