"""Plain functions, decorators, maps and asyncio, with types."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from routilux import (
    SKIP,
    Flow,
    FunctionRoutine,
    JobContext,
    JobFailedError,
    PostResult,
    Routine,
    Runtime,
    pipeline,
    run_async,
    run_sync,
)
from routilux.decorators import routine, routine_class


def words(line: str) -> Iterator[str]:
    yield from line.split()


async def measure(word: str) -> int:
    await asyncio.sleep(0)
    return len(word)


def only_long(size: int) -> object:
    return size if size > 2 else SKIP


@routine
def parse(item: dict[str, str]) -> int:
    return int(item["text"])


@routine(input_slot="number", output_event="doubled", name="Doubler")
def double(item: dict[str, int]) -> int:
    return 2 * item["result"]


@routine_class(slots=["left", "right"], events=["sum"])
class Add(Routine):  # a type checker ignores what the decorator makes of it
    def process(self, left: int, right: int) -> int:
        return left + right


def build() -> Flow:
    flow = Flow("typed").pipe(parse(), "parse")
    flow.pipe(double(), "double", to_slot="number")
    flow.pipe(lambda item: item["result"], "last", from_event="doubled")
    kind: type[Routine] = double
    assert kind.__name__ == "Doubler"
    flow.add_routine(Add(), "add")
    return flow


async def numbers() -> AsyncIterator[int]:
    for number in range(3):
        yield number


async def main() -> None:
    flow = pipeline(str, flow_id="made")
    async with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        result: PostResult = await runtime.post_async(
            flow, "str", "input", 7, metadata={"from": "here"}, timeout=5.0
        )
        job: JobContext = result.job
        assert await job == "7"
        assert job.done()
        async with aclosing(runtime.map_async(flow, numbers())) as results:
            assert [value async for value in results] == ["0", "1", "2"]
        found = [x async for x in runtime.map_async(flow, [1, 2], errors="skip")]
        assert found == ["1", "2"]


def tell(done: int, total: int | None) -> None:
    assert total is None or done <= total


if __name__ == "__main__":
    flow = pipeline(words, measure, only_long)
    assert run_sync(flow, "a few words") == [3, 5]
    with Runtime(thread_pool_size=2) as runtime:
        lines = ["one", "a be", "three four"]
        values: list[list[int]] = list(runtime.map(flow, lines, progress=tell))
        assert values == [[3], [], [5, 4]]
        results = runtime.map(build(), [{"text": "4"}], routine_id="parse")
        assert next(results) == 8
        results.close()
        for value in runtime.map(pipeline(int), ["x"], in_flight=2, errors="return"):
            assert isinstance(value, JobFailedError)
    heard: list[Any] = []
    errors: list[Exception] = []
    job_id: str = run_async(pipeline(int), "4", heard.append)
    run_async(pipeline(int), "x", error_callback=errors.append)
    assert job_id.startswith("job_")
    single = FunctionRoutine(only_long, max_queue_length=10)
    assert single.slots["input"].max_queue_length == 10
    asyncio.run(main())
