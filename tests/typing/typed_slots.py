"""Typed slots: arrays are posted, emitted, received and looked at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

from routilux import (
    Flow,
    JobContext,
    Routine,
    Runtime,
    Slot,
    WorkerState,
    batch_size_policy,
)


class Halve(Routine):
    """Halves blocks of four points."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("points", dtype=np.float64, shape=(2,))
        self.add_slot("flags", dtype="bool", overflow="drop_oldest")
        self.add_event("halves", ["point"])
        self.set_activation_policy(blocks_of_four)

    def logic(
        self,
        slot_data: dict[str, NDArray[Any]],
        policy_message: dict[str, Any],
        worker_state: WorkerState,
    ) -> None:
        self.emit_many("halves", slot_data["points"] / 2, copy=True)
        self.emit_many("halves", [[1.0, 2.0]])
        self.emit("halves", point=(3, 4.5))


class Keep(Routine):
    """Keeps what comes."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("points", dtype=float, shape=2)
        self.set_activation_policy(batch_size_policy(6))
        self.kept: list[list[float]] = []

    def logic(
        self,
        slot_data: dict[str, NDArray[np.float64]],
        policy_message: dict[str, Any],
        worker_state: WorkerState,
    ) -> None:
        self.kept += slot_data["points"].tolist()


def blocks_of_four(
    slots: dict[str, Slot], worker_state: WorkerState
) -> tuple[bool, dict[str, NDArray[Any]] | None, str]:
    """Says yes to four points at a time."""
    if len(slots["points"]) < 4:
        return False, None, ""
    return True, {"points": slots["points"].take(4)}, "four"


keep = Keep()
flow = Flow("typing")
flow.add_routine(Halve(), "halve")
flow.add_routine(keep, "keep")
flow.connect("halve", "halves", "keep", "points")
with Runtime(engine="inline") as runtime:
    worker = runtime.exec(flow)
    slot = worker.get_slot("halve", "points")
    assert_type(slot.dtype, np.dtype[Any] | None)
    assert_type(slot.shape, tuple[int, ...] | None)
    data = np.arange(8.0).reshape(4, 2)
    job = runtime.post_many("typing", "halve", "points", data, jobs="one", copy=True)
    assert_type(job, JobContext)
assert keep.kept == [*(data / 2).tolist(), [1.0, 2.0], [3.0, 4.5]]
