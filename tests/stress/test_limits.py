"""Back-pressure at size: memory stays under its bound, nothing is lost, nothing hangs.

Each load runs in a process of its own, which samples its memory and prints what it saw.
ROUTILUX_STRESS_ITEMS lengthens the loads (20 000 items by default; `make nightly` asks
for 10 000 000).
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
ITEMS = int(os.environ.get("ROUTILUX_STRESS_ITEMS", "20000"))
TIMEOUT = 120 + ITEMS / 2_000
MEGABYTE = 1 << 20

PRELUDE = """
    import gc, json, sys, threading, time
    from pathlib import Path
    from routilux import *

    ITEMS = int(sys.argv[1])
    samples, clock = [], time.perf_counter

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    def sample():
        samples.append(resident())

    def stage(logic, policy=None, slots=("input",), events=("output",), **slot):
        routine = Routine()
        for name in slots:
            routine.add_slot(name, **slot)
        for name in events:
            routine.add_event(name)
        routine.set_logic(logic)
        routine.set_activation_policy(policy or immediate_policy())
        return routine

    def flow_of(routines, *connections):
        flow = Flow("flow")
        for routine_id, routine in routines.items():
            flow.add_routine(routine, routine_id)
        for source, target, slot in connections:
            flow.connect(source, "output", target, slot)
        return flow

    def tell(**told):
        print(json.dumps(dict(told, growth=max(samples) - samples[0])))
"""


def measure(script, items=ITEMS):
    """Run a load; what it told."""
    code = textwrap.dedent(PRELUDE) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", code, str(items)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    print({key: value for key, value in told.items() if key != "statuses"})
    return told


# The consumer takes a hundred times as long as a post that finds room.
SLOW = """
    got, busy = [0, 0], [0.0]

    def spin(seconds):
        end = clock() + seconds
        while clock() < end:
            pass

    def consume(slot_data, policy_message, worker_state):
        begin = clock()
        spin(PACE)
        for item in slot_data["input"]:
            got[0] += 1
            got[1] += item["n"]
        if got[0] % (ITEMS // 10) == 0:
            sample()
        busy[0] += clock() - begin

    PACE = 0.0
    flow = flow_of({"consume": stage(consume)})
    with Runtime(1) as runtime:
        runtime.exec(flow)
        begin = clock()
        for n in range(1000):
            runtime.post("flow", "consume", "input", {"n": 0})
        post_cost = (clock() - begin) / 1000
        runtime.wait_until_all_jobs_finished(30)
    got[:], busy[:] = [0, 0], [0.0]
    PACE = min(100 * post_cost, 100e-6)
"""


def check_paced(told, items):
    assert told["count"] == items
    assert told["sum"] == items * (items - 1) // 2
    # The consumer sets the pace: it was at work nearly all the time.
    assert told["busy"] > 0.5
    assert told["growth"] < 16 * MEGABYTE


def test_post_is_slowed_down_to_a_consumer_that_is_a_hundred_times_slower():
    told = measure(
        SLOW
        + """
    with Runtime(1, max_queue_size=1000) as runtime:
        runtime.exec(flow)
        begin = clock()
        sample()
        for n in range(ITEMS):
            runtime.post("flow", "consume", "input", {"n": n, "load": bytes(1000)})
        runtime.wait_until_all_jobs_finished()
        wall = clock() - begin
    tell(count=got[0], sum=got[1], busy=busy[0] / wall, wall=wall, pace=PACE)
    """
    )
    check_paced(told, ITEMS)


def test_emit_is_slowed_down_to_a_consumer_that_is_a_hundred_times_slower():
    told = measure(
        SLOW
        + """
    def produce(slot_data, policy_message, worker_state):
        sample()
        for n in range(ITEMS):
            source.emit("output", n=n, load=bytes(1000))

    source = stage(produce)
    flow = flow_of(
        {"source": source, "consume": stage(consume, max_queue_length=1000)},
        ("source", "consume", "input"),
    )
    with Runtime(2) as runtime:
        runtime.exec(flow)
        begin = clock()
        job = runtime.post("flow", "source", "input", None).job
        job.wait()
        wall = clock() - begin
    tell(count=got[0], sum=got[1], busy=busy[0] / wall, wall=wall, pace=PACE)
    """
    )
    check_paced(told, ITEMS)


@pytest.mark.parametrize("engine", ["threads", "inline"])
def test_one_activation_emits_a_million_items(engine):
    items = max(ITEMS // 10, 1_000_000)
    told = measure(
        f"""
    got = [0, 0]

    def consume(slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            got[0] += 1
            got[1] += item["n"]

    def produce(slot_data, policy_message, worker_state):
        for n in range(ITEMS):
            source.emit("output", n=n, load=bytes(1000))
            if n % (ITEMS // 10) == 0:
                sample()

    source = stage(produce)
    flow = flow_of(
        {{"source": source, "sink": stage(consume)}}, ("source", "sink", "input")
    )
    with Runtime(2, engine="{engine}") as runtime:
        worker = runtime.exec(flow)
        job = runtime.post("flow", "source", "input", None).job
        job.wait()
        peak = worker.get_slot("sink", "input").get_queue_status()["total_count"]
    tell(count=got[0], sum=got[1], status=str(job.status), total=peak)
    """,
        items,
    )
    assert told["count"] == told["total"] == items
    assert told["sum"] == items * (items - 1) // 2
    assert told["status"] == "completed"
    assert told["growth"] < 16 * MEGABYTE  # the slot holds 1000 items of a kilobyte


@pytest.mark.parametrize("width", [1, 10, 100, 1000])
def test_fan_out_into_narrow_slots_delivers_everything_in_order(width):
    told = measure(
        f"""
    width, rounds = {width}, max(10, ITEMS // {width} // 4)
    got = [0] * width
    wrong = []

    def sink(number):
        def logic(slot_data, policy_message, worker_state):
            for item in slot_data["input"]:
                if item["n"] != got[number]:
                    wrong.append((number, item["n"], got[number]))
                got[number] += 1

        return stage(logic, max_queue_length=2)

    def spread(slot_data, policy_message, worker_state):
        for n in range(rounds):
            source.emit("output", n=n, load=bytes(1000))
            if n % max(1, rounds // 10) == 0:
                sample()

    source = stage(spread)
    names = [f"sink{{number}}" for number in range(width)]
    flow = flow_of(
        {{"source": source, **{{n: sink(i) for i, n in enumerate(names)}}}},
        *[("source", name, "input") for name in names],
    )
    with Runtime(2) as runtime:
        runtime.exec(flow)
        job = runtime.post("flow", "source", "input", None).job
        job.wait()
    tell(got=sum(got), expected=width * rounds, wrong=wrong[:3], status=str(job.status))
    """
    )
    assert told["got"] == told["expected"]
    assert told["wrong"] == []
    assert told["status"] == "completed"
    assert told["growth"] < 16 * MEGABYTE


@pytest.mark.parametrize("pool", [1, 2, 4])
def test_diamond_with_one_slow_arm_pairs_everything_in_bounded_memory(pool):
    told = measure(
        f"""
    from itertools import count
    expected, wrong = count(), []

    def split(slot_data, policy_message, worker_state):
        source.emit("output", n=slot_data["input"][0], load=bytes(1000))

    def slow(slot_data, policy_message, worker_state):
        end = clock() + 50e-6
        while clock() < end:
            pass
        arms[0].emit("output", n=slot_data["input"][0]["n"])

    def fast(slot_data, policy_message, worker_state):
        arms[1].emit("output", n=slot_data["input"][0]["n"])

    def join(slot_data, policy_message, worker_state):
        (left,), (right,) = slot_data["left"], slot_data["right"]
        if not left["n"] == right["n"] == next(expected):
            wrong.append((left["n"], right["n"]))
        if left["n"] % (ITEMS // 10) == 0:
            sample()

    source = stage(split)
    arms = [stage(slow, max_queue_length=10), stage(fast, max_queue_length=10)]
    pair = stage(
        join, all_slots_ready_policy(), slots=("left", "right"), max_queue_length=10
    )
    flow = flow_of(
        {{"source": source, "slow": arms[0], "fast": arms[1], "pair": pair}},
        *[("source", "slow", "input"), ("source", "fast", "input")],
        *[("slow", "pair", "left"), ("fast", "pair", "right")],
    )
    statuses, lock = {{}}, threading.Lock()

    def count_end(job):
        with lock:
            statuses[str(job.status)] = statuses.get(str(job.status), 0) + 1

    with Runtime({pool}, max_queue_size=100, job_history=100) as runtime:
        runtime.exec(flow)
        for n in range(ITEMS):
            job = runtime.post("flow", "source", "input", n).job
            job.add_done_callback(count_end)
        finished = runtime.wait_until_all_jobs_finished()
    tell(
        paired=next(expected), wrong=wrong[:3], statuses=statuses, finished=finished
    )
    """,
        min(ITEMS, 1_000_000),
    )
    assert told["finished"]
    assert told["paired"] == min(ITEMS, 1_000_000)
    assert told["wrong"] == []
    assert sum(told["statuses"].values()) == told["paired"]
    assert set(told["statuses"]) == {"completed"}
    assert told["growth"] < 16 * MEGABYTE
