"""A short run of everything, for tools that make Python crawl: `make valgrind`.

Flows with every policy, overflow rule and ending, on threads and inline, in three
seconds of plain Python. It checks little; the tool that runs it watches the memory.
"""

import gc
import logging
import sys
import threading

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    get_current_job,
    get_current_jobs,
    immediate_policy,
    time_interval_policy,
)

WAIT = 600.0


def routine_of(policy, slots=("input",), error=None, **slot):
    routine = Routine()
    for name in slots:
        routine.add_slot(name, **slot)
    routine.add_event("output")
    routine.set_activation_policy(policy)

    def logic(slot_data, policy_message, worker_state):
        get_current_job().set_data("seen", len(get_current_jobs()))
        state = worker_state.get_routine_state("n", {"n": 0})
        worker_state.update_routine_state("n", {"n": state["n"] + 1})
        for items in slot_data.values():
            for item in items:
                routine.emit("output", **item)
                if error is not None and item["n"] % 7 == 0:
                    raise error

    routine.set_logic(logic)
    return routine


async def later(slot_data, policy_message, worker_state):
    import asyncio

    await asyncio.sleep(0)


def build():
    flow = Flow()
    retried = routine_of(immediate_policy(), error=ValueError("again"))
    retried.set_error_handler(ErrorHandler("retry", max_retries=2, retry_delay=0.0))
    wide = routine_of(immediate_policy(), max_queue_length=2)
    wide.set_concurrency(2)
    asynchronous = routine_of(immediate_policy())
    asynchronous.set_logic(later)
    parts = {
        "source": routine_of(immediate_policy()),
        "wide": wide,
        "batch": routine_of(batch_size_policy(4, max_wait=0.01)),
        "pair": routine_of(all_slots_ready_policy(), ("left", "right")),
        "timed": routine_of(time_interval_policy(0.005)),
        "asked": routine_of(custom_policy(lambda slots, worker: True)),
        "retried": retried,
        "failing": routine_of(immediate_policy(), error=RuntimeError("no")),
        "newest": routine_of(
            immediate_policy(), max_queue_length=1, overflow="drop_oldest"
        ),
        "async": asynchronous,
    }
    for name, routine in parts.items():
        flow.add_routine(routine, name)
    for source, target, slot in (
        ("source", "wide", "input"),
        ("source", "batch", "input"),
        ("source", "timed", "input"),
        ("wide", "pair", "left"),
        ("batch", "pair", "right"),
        ("pair", "asked", "input"),
        ("timed", "retried", "input"),
        ("asked", "failing", "input"),
        ("batch", "newest", "input"),
        ("source", "async", "input"),
    ):
        flow.connect(source, "output", target, slot)
    return flow


def run(engine):
    flow = build()
    with Runtime(2, max_queue_size=8, engine=engine, job_history=10) as runtime:
        runtime.exec(flow)
        for n in range(40):
            job = runtime.post(
                flow.flow_id, "source", "input", {"n": n}, metadata={"n": n}
            ).job
            job.add_done_callback(lambda job: job.to_dict())
            if n % 9 == 0:
                job.cancel()
            if n % 11 == 0:
                runtime.flush()
        runtime.wait_until_all_jobs_finished(0.5)
        runtime.shutdown(timeout=WAIT)


def main(rounds):
    logging.getLogger("routilux").addHandler(logging.NullHandler())
    for _ in range(rounds):
        for engine in ("threads", "inline"):
            run(engine)
        runtime = Runtime(1)
        runtime.exec(flow := build())
        runtime.post(flow.flow_id, "source", "input", {"n": 1})
        del runtime
        gc.collect()
    # What a thread holds that still ends when the process does counts as lost.
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(WAIT)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
