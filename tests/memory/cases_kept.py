"""The scenarios with checkpoints; see cases.py."""

import tempfile
from pathlib import Path

from routilux import Routine, batch_size_policy


class Kept(Routine):
    """A routine that a checkpoint can name."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(batch_size_policy(4))
        self.set_logic(self.note)
        self.book = None

    def note(self, slot_data, policy_message, worker_state):
        self.book.see(slot_data["input"])


def kept_flow(book):
    routine = Kept()
    routine.book = book
    return book.flow(routine)


def checkpoints(book):
    runtime = book.runtime(kept_flow(book))
    (worker,) = runtime.list_workers()
    worker.pause()
    for _ in range(6):
        book.post(runtime)
    with tempfile.TemporaryDirectory() as folder:
        yield
        worker.checkpoint(Path(folder) / "point.json")
        yield


def resumes(book):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "point.json"
        first = book.runtime(kept_flow(book))
        (worker,) = first.list_workers()
        worker.pause()
        for _ in range(6):
            book.post(first)
        worker.checkpoint(path)
        first.cancel_all()
        first.shutdown()
        book.forget()
        runtime = book.runtime()
        flow = kept_flow(book)
        yield
        try:
            runtime.resume(path, flow=flow)
        except MemoryError:
            assert runtime.list_workers("flow") == []
            raise
        book.wait(runtime)
        yield
        assert runtime.wait_until_all_jobs_finished(5)
        failed = runtime.list_jobs(status="failed")
        assert all("emory" in str(job.error) for job in failed), failed
        assert set(book.seen.values()) <= {1}
        assert len(book.seen) + len(failed) == 6, book.seen
