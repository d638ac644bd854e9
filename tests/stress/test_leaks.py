"""Runtimes that come and go leave nothing behind: no reference, no memory, no thread.

ROUTILUX_STRESS_RUNTIMES says how many each case makes and drops (150 by default;
`make nightly` asks for 10 000). Each case runs in a process of its own, warms up, and
compares the second half of the run with the first.
"""

import json
import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = [
    pytest.mark.memory,
    pytest.mark.timeout(0),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
RUNTIMES = int(os.environ.get("ROUTILUX_STRESS_RUNTIMES", "150"))
TIMEOUT = 120 + RUNTIMES / 10

PRELUDE = """
    import gc, json, logging, sys, threading, time
    from pathlib import Path
    from routilux import *

    logging.getLogger("routilux").addHandler(logging.NullHandler())

    def tasks():
        return len(list(Path("/proc/self/task").iterdir()))

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    def stage(logic, policy=None, **slot):
        routine = Routine()
        routine.add_slot("input", **slot)
        routine.add_event("output")
        routine.set_logic(logic)
        routine.set_activation_policy(policy or immediate_policy())
        return routine

    def forward(slot_data, policy_message, worker_state):
        first.emit("output", item=slot_data["input"][0])

    def keep(slot_data, policy_message, worker_state):
        get_current_job().set_result(slot_data)
        state = worker_state.get_routine_state("b", {"n": 0})
        worker_state.update_routine_state("b", {"n": state["n"] + 1})

    policies = [immediate_policy(), batch_size_policy(3)]
    first, second = stage(forward, policies[0]), stage(keep, policies[1])
    flow = Flow("flow")
    flow.add_routine(first, "a")
    flow.add_routine(second, "b")
    flow.connect("a", "output", "b", "input")
    watched = [
        flow, first, second, forward, keep, *policies, Runtime, Flow, Routine,
        JobContext, WorkerState, JobStatus, JobStatus.COMPLETED, PostResult,
    ]
"""

COUNT = """
    def books():
        deadline = time.monotonic() + 20
        while tasks() > tasks_before and time.monotonic() < deadline:
            time.sleep(0.01)  # a runtime that was dropped ends by itself
        for _ in range(3):
            gc.collect()
        return dict(
            objects=len(gc.get_objects()),
            references=[sys.getrefcount(thing) for thing in watched],
            total=sys.gettotalrefcount() if hasattr(sys, "gettotalrefcount") else 0,
            blocks=sys.getallocatedblocks(),
            resident=resident(),
            tasks=tasks(),
        )

    runtimes = int(sys.argv[1])
    tasks_before = tasks()
    for _ in range(max(20, runtimes // 10)):
        case()
    case()
    told = [books()]
    for part in range(2):
        for _ in range(runtimes // 2):
            case()
        told.append(books())
    print(json.dumps(told))
"""

CASES = {
    "shut down": """
        def case():
            with Runtime(2) as runtime:
                runtime.exec(flow)
                for n in range(7):
                    runtime.post("flow", "a", "input", {"n": n})
    """,
    "dropped when idle": """
        def case():
            runtime = Runtime(2)
            runtime.exec(flow)
            runtime.post("flow", "a", "input", {})[1].wait(10)
    """,
    "dropped with work in its queues": """
        def case():
            runtime = Runtime(2)
            runtime.exec(flow)
            for n in range(7):
                runtime.post("flow", "a", "input", [n])
    """,
    "dropped while logic runs": """
        def wait(slot_data, policy_message, worker_state):
            began, gate = slot_data["input"][0]
            began.set()
            gate.wait(20)

        patient = Flow("patient")
        patient.add_routine(stage(wait), "a")

        def case():
            began, gate = threading.Event(), threading.Event()
            runtime = Runtime(2)
            runtime.exec(patient)
            for n in range(3):
                runtime.post("patient", "a", "input", (began, gate))
            began.wait(20)
            del runtime
            gate.set()
    """,
    "inline": """
        def case():
            with Runtime(engine="inline") as runtime:
                worker = runtime.exec(flow)
                jobs = [runtime.post("flow", "a", "input", n).job for n in range(7)]
                runtime.wait_until_all_jobs_finished(10)
                worker.update_routine_state("mine", {"runtime": runtime, "jobs": jobs})
    """,
    "with failures, retries, cancels and callbacks": """
        def fail(slot_data, policy_message, worker_state):
            raise ValueError(slot_data)

        third = stage(fail, max_queue_length=2, overflow="drop_oldest")
        third.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.0))
        flow.add_routine(third, "c")
        flow.connect("a", "output", "c", "input")
        watched.append(third)

        def case():
            told = []
            with Runtime(2, max_queue_size=4, job_history=3) as runtime:
                runtime.exec(flow)
                for n in range(9):
                    job = runtime.post(
                        "flow", "a", "input", {"n": n}, metadata={"told": told}
                    ).job
                    job.set_data("job", job)
                    job.add_done_callback(told.append)
                    if n % 3 == 0:
                        job.cancel()
                runtime.shutdown()
            assert len(told) == 9
    """,
    "with async logic": """
        async def later(slot_data, policy_message, worker_state):
            import asyncio
            await asyncio.sleep(0)
            alone.emit("output", n=1)

        alone = stage(later)
        solo = Flow("solo")
        solo.add_routine(alone, "a")
        watched.append(later)

        def case():
            with Runtime(2) as runtime:
                runtime.exec(solo)
                for n in range(3):
                    runtime.post("solo", "a", "input", n)
    """,
    "with a flow of its own": """
        def case():
            mine = stage(keep, custom_policy(lambda slots, worker: bool(slots)))
            own = Flow("own")
            own.add_routine(mine, "b")
            with Runtime(1) as runtime:
                runtime.exec(own)
                for n in range(3):
                    runtime.post("own", "b", "input", n)
    """,
    "that fail to start": """
        def case():
            wrong = Flow("wrong")
            greedy = stage(keep, batch_size_policy(9), max_queue_length=3)
            wrong.add_routine(greedy, "b")
            runtime = Runtime(1)
            for what in (wrong, "nowhere", None):
                try:
                    runtime.exec(what)
                except (ValueError, TypeError):
                    pass
            try:
                runtime.post("flow", "a", "input", 1)
            except (RuntimeError, ValueError):
                pass
            runtime.shutdown()
    """,
}


@pytest.mark.parametrize("case", CASES)
def test_runtimes_leave_nothing_behind(case):
    parts = [textwrap.dedent(part) for part in (PRELUDE, CASES[case], COUNT)]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(parts), str(RUNTIMES)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    _, first, second = json.loads(done.stdout)
    print(case, {key: second[key] - first[key] for key in first if key != "references"})
    assert second["references"] == first["references"]
    assert second["tasks"] == first["tasks"]
    # A dozen objects of Python's own come and go: caches of imports and of regexes.
    assert second["objects"] <= first["objects"] + 20
    # Blocks, not bytes: CPython's own tables are made anew with room to spare.
    assert second["blocks"] <= first["blocks"] + 100
    assert second["total"] <= first["total"] + 100
    assert second["resident"] <= first["resident"] + (1 << 20)
