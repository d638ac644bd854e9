"""Leaving a runtime in a program of asyncio: cancelled meanwhile, or with an error."""

import asyncio
import logging
import threading

import pytest

from routilux import Runtime, pipeline

WAIT = 20.0


def run(main):
    return asyncio.run(asyncio.wait_for(main, 2 * WAIT))


def test_shutdown_goes_on_when_its_await_is_cancelled(gate):
    async def use():
        async with Runtime(thread_pool_size=1) as runtime:
            flow = pipeline(lambda item: gate.wait(WAIT))
            runtime.exec(flow)
            jobs.append(runtime.post(flow, "step_0", "input", 1).job)

    async def main():
        task = asyncio.create_task(use())
        while not (ending := [t for t in threading.enumerate() if t.name == name]):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await asyncio.to_thread(ending[0].join, WAIT)
        assert not ending[0].is_alive()

    jobs, name = [], "routilux-shutdown"
    run(main())
    assert str(jobs[0].status) == "completed"


def test_what_a_shutdown_raises_is_raised_by_async_with(gate):
    class Raises(logging.Handler):
        def emit(self, record):
            if "left behind" in record.getMessage():
                raise OSError("the log is full")

    async def main():
        with pytest.raises(OSError, match="the log is full"):
            async with Runtime(thread_pool_size=1) as runtime:
                flow = pipeline(lambda item: gate.wait(WAIT))
                flow.routines["step_0"].set_timeout(0.05)
                runtime.exec(flow)
                await runtime.post(flow, "step_0", "input", 1).job

    logger, handler = logging.getLogger("routilux"), Raises()
    logger.addHandler(handler)
    try:
        run(main())
    finally:
        gate.set()
        logger.removeHandler(handler)
