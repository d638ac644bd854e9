"""A partial batch of a typed slot ends the flush that let it go."""

import numpy as np
import pytest

from routilux import Flow, Routine, Runtime, batch_size_policy

WAIT = 20.0


@pytest.mark.parametrize("dtype", [None, np.float64])
def test_flush_lets_go_of_one_partial_batch_and_says_so(dtype):
    got = []
    routine = Routine()
    routine.add_slot("input", dtype=dtype)
    routine.set_logic(
        lambda slot_data, policy_message, worker_state: got.append(
            (list(slot_data["input"]), policy_message["reason"])
        )
    )
    routine.set_activation_policy(batch_size_policy(5))
    flow = Flow("flushed")
    flow.add_routine(routine, "work")
    with Runtime(thread_pool_size=1) as runtime:
        runtime.exec(flow)

        def post(*numbers):
            return runtime.post_many(
                "flushed", "work", "input", list(numbers), jobs="one"
            )

        first = post(1.0, 2.0, 3.0)
        runtime.flush("flushed")
        assert first.wait(WAIT)
        post(4.0, 5.0)  # fewer than a batch: they wait for more
        full = post(6.0, 7.0, 8.0)
        assert full.wait(WAIT)
    assert got == [([1, 2, 3], "batch_flush"), ([4, 5, 6, 7, 8], "batch_ready")]
