"""A long run leaves nothing behind: memory stays flat, threads go home.

Once with a plain routine, once with one that has a key, another key for each item.

ROUTILUX_STRESS_POSTS lengthens the run (100 000 by default, 1000000 for a million).
"""

import json
import os
import subprocess
import sys
import textwrap

import pytest

# The first test to ask for `told` of a kind does the whole run.
pytestmark = [pytest.mark.memory, pytest.mark.timeout(0)]
POSTS = int(os.environ.get("ROUTILUX_STRESS_POSTS", "100000"))
TIMEOUT = 60 + POSTS / 5_000

SCRIPT = """
    import gc, json, resource, sys, threading, time
    from pathlib import Path
    from routilux import Flow, Routine, Runtime, immediate_policy

    def resident():
        gc.collect()
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def threads():
        return {task.name for task in Path("/proc/self/task").iterdir()}

    def logic(slot_data, policy_message, worker_state):
        with lock:
            total[0] += slot_data["input"][0]["n"]

    total, samples, posts = [0], [], int(sys.argv[1])
    lock = threading.Lock()
    routine = Routine()
    routine.add_slot("input")
    routine.set_logic(logic)
    routine.set_activation_policy(immediate_policy())
    if sys.argv[2] == "keyed":
        routine.set_concurrency(2, key=lambda item: f"key {item['n']}")
    flow = Flow("flow")
    flow.add_routine(routine, "work")
    threads_before = threads()
    runtime = Runtime(thread_pool_size=2)
    runtime.exec(flow)
    for n in range(posts):
        if n >= 20_000 and n % (posts // 10) == 0:  # the history is full
            assert runtime.wait_until_all_jobs_finished(30)
            samples.append(resident())
        runtime.post("flow", "work", "input", {"n": n})
    assert runtime.wait_until_all_jobs_finished(30)
    samples.append(resident())
    runtime.shutdown()
    known_to_python = threading.active_count()
    deadline = time.monotonic() + 5  # the system lets go of a thread when it likes
    while threads() != threads_before and time.monotonic() < deadline:
        pass
    told = dict(
        samples=samples,
        same_threads=known_to_python == 1 and threads() == threads_before,
        complete=total[0] == posts * (posts - 1) // 2,
    )
    print(json.dumps(told))
"""


@pytest.fixture(scope="module", params=["plain", "keyed"])
def told(request):
    """Run the posts in a process of its own; what it measured."""
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(POSTS), request.param],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_memory_is_flat_once_the_history_is_full(told):
    samples = told["samples"]
    assert len(samples) >= 5
    assert max(samples) <= min(samples) * 1.05


def test_threads_are_back_to_the_ones_before(told):
    assert told["same_threads"]


def test_every_post_was_processed_once(told):
    assert told["complete"]
