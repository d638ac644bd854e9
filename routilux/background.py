"""The runtimes of `run_async`: one for each flow that it runs right now.

Calls for one flow share a runtime, so that a thousand calls do not start a thousand
thread pools. A thread of its own waits for the jobs, as a caller of `run_sync` would,
and ends the runtime when there is none left.

`lock` guards the table and, through the conditions made of it, all counts. It is held
for these alone: posts, callbacks and the start of a runtime happen outside of it.
"""

from __future__ import annotations

import threading
from typing import Any

from routilux.flow import Flow
from routilux.runtime import JobContext, Runtime

__all__ = ["Background"]

lock = threading.Lock()
running: dict[int, Background] = {}  # by id(flow); each keeps its flow alive


class Background:
    """A runtime that ends when its last job has.

    Args:
        flow: The one flow that it runs.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._news = threading.Condition(lock)
        self._posts = 0  # that were begun
        self._open = 0  # those whose job is not finished
        self._runtime = Runtime()
        self._runtime.exec(flow)

    @classmethod
    def post(cls, flow: Flow, routine_id: str, slot: str, data: Any) -> JobContext:
        """Post an item, to the runtime that runs the flow or to a new one.

        Args:
            flow: The flow.
            routine_id: The routine to start with.
            slot: Its slot.
            data: The item.
        """
        self = cls._claim(flow)
        try:
            job = self._runtime.post(flow, routine_id, slot, data).job
        except BaseException:
            self._release(None)
            raise
        with lock:
            self._posts += 1
            self._news.notify_all()
        job.add_done_callback(self._release)
        return job

    @classmethod
    def _claim(cls, flow: Flow) -> Background:
        made: Background | None = None
        while True:
            with lock:
                self = running.get(id(flow)) or made
                if self is not None:
                    first = self is made and id(flow) not in running
                    running[id(flow)] = self
                    self._open += 1
                    break
            made = cls(flow)
        if first:
            self._start()
        elif made is not None:
            made._runtime.shutdown()  # another thread was faster
        return self

    def _start(self) -> None:
        try:
            threading.Thread(target=self._attend, name="routilux-async").start()
        except BaseException:
            with lock:
                running.pop(id(self._flow), None)
            self._release(None)
            self._runtime.shutdown(wait=False, cancel_pending=True)
            raise

    def _release(self, job: JobContext | None) -> None:
        with lock:
            self._open -= 1
            self._news.notify_all()

    def _attend(self) -> None:
        while True:
            with lock:
                if self._open == 0:
                    del running[id(self._flow)]
                    break
                seen = self._posts
            self._runtime.wait_until_all_jobs_finished()
            with lock:
                while self._open and self._posts == seen:
                    self._news.wait()
        self._runtime.shutdown()
