"""What `ratios.py` measures: one function a topic, each yields rows of the table."""

import gc
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

import driving
import flows
from blocks import typed
from rows import Row, Skipped, check, each, interleave, ratio, running
from shapes import batching, fan_in, fan_out, functions

from routilux import Flow, Runtime

CHAIN = 10
CHAIN_ITEMS = 2_000
ITEMS = 10_000
TRIPS = 500
BUFFERS = 32
NAPS = 32
KEYS = 1_000
KEYED_NAP = 0.002
IDLE_POSTS = 200
IDLE_SECONDS = 0.002
HELD = 100_000
STATM = Path("/proc/self/statm")


def chain(rounds: int) -> Iterator[Row]:
    """A chain of ten: the price of a hop, of more threads, of monitoring."""
    cases = [flows.chain(CHAIN) for _ in range(5)]
    items = flows.items_of(CHAIN_ITEMS)
    with (
        running(cases[0]) as plain,
        running(cases[1], pool=16) as wide,
        running(cases[2], enable_monitoring=True) as watched,
        running(cases[3]) as bulk,
        running(cases[4], engine="inline") as alone,
    ):
        calls, many, inline, two, sixteen, counted = interleave(
            rounds,
            partial(cases[0].feed, items),
            partial(driving.post_many, bulk, cases[3], items),
            partial(driving.post_many, alone, cases[4], items),
            *(
                partial(driving.post_all, runtime, case, items)
                for runtime, case in zip((plain, wide, watched), cases, strict=False)
            ),
        )
    check(cases, CHAIN_ITEMS)
    hops = CHAIN * CHAIN_ITEMS
    note = f"{each(two, hops)} / {each(calls, hops)} a hop"
    yield ratio("chain of 10, post per item / nested calls", two, calls, "<= 1.4", note)
    note = f"{each(many, hops)} a hop"
    yield ratio("the same with post_many", many, calls, "<= 1.2", note)
    note = f"{each(inline, hops)} a hop"
    yield ratio("  on one thread (engine 'inline')", inline, calls, "", note)
    note = f"{each(sixteen, hops)} a hop with 16"
    yield ratio("thread_pool_size 16 / 2, chain", sixteen, two, "<= 1.1", note)
    note = f"{each(counted, hops)} a hop with it"
    yield ratio("enable_monitoring on / off, chain", counted, two, "<= 1.1", note)


def single(rounds: int) -> Iterator[Row]:
    """One routine: the price of a job, and what an executor asks for it."""
    case, other = flows.chain(1), flows.chain(1)
    logic = case.bare[0].logic
    items, few = flows.items_of(ITEMS), flows.items_of(TRIPS)
    with (
        running(case) as runtime,
        running(other, engine="inline") as alone,
        ThreadPoolExecutor(2) as executor,
    ):
        calls, ours, inline, results, submits = interleave(
            rounds,
            partial(case.feed, items),
            partial(driving.post_all, runtime, case, items),
            partial(driving.post_all, alone, other, items),
            partial(driving.submit_each, executor, logic, few),
            partial(driving.submit_all, executor, [logic], few),
        )
    check([case, other], ITEMS)
    ours_each = [seconds / ITEMS for seconds in ours]
    results_each = [seconds / TRIPS for seconds in results]
    submits_each = [seconds / TRIPS for seconds in submits]
    note = f"{each(ours, ITEMS)} / {each(calls, ITEMS)} an item"
    yield ratio("one routine, post per item / calls", ours, calls, "<= 2.5", note)
    note = f"{each(inline, ITEMS)} an item"
    yield ratio("  on one thread (engine 'inline')", inline, calls, "", note)
    what, note = "submit().result() / post per item", f"{each(results, TRIPS)} a result"
    yield ratio(what, results_each, ours_each, ">= 25", note)
    what, note = "submit all, then result() / the same", f"{each(submits, TRIPS)} each"
    yield ratio(what, submits_each, ours_each, "", note)


def round_trip(rounds: int) -> Iterator[Row]:
    """Post, wait, post the next: what a caller waits for who has one thing to do."""
    case, items = flows.chain(1), flows.items_of(TRIPS)
    logic = case.bare[0].logic
    with running(case) as runtime, ThreadPoolExecutor(2) as executor:
        ours, results = interleave(
            rounds,
            partial(driving.round_trips, runtime, case, items),
            partial(driving.submit_each, executor, logic, items),
        )
    check([case], TRIPS)
    note = f"{each(ours, TRIPS)} / {each(results, TRIPS)}"
    what = "round trip, idle runtime / submit().result()"
    yield ratio(what, ours, results, "<= 1.0", note)


def hashing(rounds: int) -> Iterator[Row]:
    """Logic that releases the GIL: what a second thread adds."""
    cases, items = [flows.hashing(), flows.hashing()], flows.buffers_of(BUFFERS)
    logics = [[tally.logic for tally in case.bare] for case in cases]
    with (
        running(cases[0], pool=1) as narrow,
        running(cases[1], pool=2) as wide,
        ThreadPoolExecutor(1) as one,
        ThreadPoolExecutor(2) as two,
    ):
        ours_1, ours_2, theirs_1, theirs_2 = interleave(
            rounds,
            partial(driving.post_all, narrow, cases[0], items),
            partial(driving.post_all, wide, cases[1], items),
            partial(driving.submit_all, one, logics[0], items),
            partial(driving.submit_all, two, logics[1], items),
        )
    check(cases, BUFFERS)
    note = (
        f"{overlap(cases[1].tallies):.0%} overlapped; an executor:"
        f" {median(theirs_1) / median(theirs_2):.2f}, {overlap(cases[1].bare):.0%}"
    )
    what = "hashing 1 MB buffers, speed-up of pool 2 over 1"
    yield ratio(what, ours_1, ours_2, ">= 1.85", note)


def overlap(tallies: Sequence[flows.Tally]) -> float:
    """Return the share of the time in logic in which two ran; load can't blur it."""
    spans = sorted(
        span
        for tally in tallies
        if isinstance(tally, flows.HashTally)
        for span in tally.spans
    )
    covered = latest = 0.0
    for start, end in spans:
        covered += max(0.0, end - max(start, latest))
        latest = max(latest, end)
    return sum(end - start for start, end in spans) / covered - 1


def napping(rounds: int) -> Iterator[Row]:
    """Logic that sleeps, with a thread for each."""
    case, items = flows.napping(), flows.items_of(NAPS)
    logics = [tally.logic for tally in case.bare]
    with running(case, pool=NAPS) as runtime, ThreadPoolExecutor(NAPS) as executor:
        ours, theirs = interleave(
            rounds,
            partial(driving.post_all, runtime, case, items),
            partial(driving.submit_all, executor, logics, items),
        )
    check([case], NAPS)
    note = f"an executor: {median(theirs):.3f} s"
    what = "32 posts of 0.2 s sleep, set_concurrency(None)"
    yield Row(what, median(ours), ours, "s", "<= 0.25", note)


def keyed(rounds: int) -> Iterator[Row]:
    """Logic that sleeps, one item of a key at a time, eight keys at a time."""
    seen: dict[int, list[int]] = {key: [] for key in range(KEYS)}

    def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        (item,) = slot_data["input"]
        time.sleep(KEYED_NAP)
        seen[item["value"] % KEYS].append(item["value"])

    routine = flows.routine_of(logic)
    routine.set_concurrency(8, key=lambda item: item["value"] % KEYS)
    flow, items = Flow(), flows.items_of(2 * KEYS)
    flow.add_routine(routine, "0")
    case = flows.Case(flow, ["0"], partial(flows.call_each, [logic]), [], [])
    with running(case, pool=8) as runtime, ThreadPoolExecutor(8) as executor:
        ours, theirs = interleave(
            rounds,
            partial(driving.post_all, runtime, case, items),
            partial(
                driving.submit_all, executor, [lambda *_: time.sleep(KEYED_NAP)], items
            ),
        )
    once = {key: [key, key + KEYS] for key in range(KEYS)}
    if any(seen[key] != once[key] * (rounds + 1) for key in range(KEYS)):
        raise RuntimeError("items of a key are missing or out of order")
    ideal = len(items) * KEYED_NAP / 8
    totals = [seconds / ideal for seconds in ours]
    note = f"an executor without keys: {median(theirs) / ideal:.2f}"
    what = "1000 keys, 8 at a time, 2 ms each, total / ideal"
    yield Row(what, median(totals), totals, "", "<= 1.15", note)


def posters(rounds: int) -> Iterator[Row]:
    """One routine, fed by one thread and by four."""
    case = flows.chain(1)
    with running(case) as runtime, ThreadPoolExecutor(4) as threads:
        one, four = interleave(
            rounds,
            *(
                partial(
                    driving.post_from, threads, runtime, case, flows.shares_of(ITEMS, n)
                )
                for n in (1, 4)
            ),
        )
    check([case], ITEMS)
    note = f"{each(four, ITEMS)} / {each(one, ITEMS)} an item"
    yield ratio("4 posting threads / 1, throughput", one, four, ">= 0.85", note)


def idle_start(rounds: int) -> Iterator[Row]:
    """From the call of post to the first line of logic, when all threads sleep."""
    started: list[int] = []

    def logic(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        started.append(time.perf_counter_ns())

    flow = Flow()
    flow.add_routine(flows.routine_of(logic), "0")
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    with Runtime(thread_pool_size=2) as runtime, ThreadPoolExecutor(2) as executor:
        runtime.exec(flow)
        post = partial(runtime.post, flow.flow_id, "0", "input", None)
        submit = partial(executor.submit, logic, {}, None, None)
        idle_posts(started, post)
        for _ in range(rounds):
            ours.append(idle_posts(started, post))
            theirs.append(idle_posts(started, submit))
    for percent, limit in ((50, "<= 12"), (99, "<= 100")):
        note = f"an executor: {percentile(joined(theirs), percent):.1f} µs"
        value = percentile(joined(ours), percent)
        each_round = [percentile(delays, percent) for delays in ours]
        what = f"idle post to logic start, p{percent}"
        yield Row(what, value, each_round, "µs", limit, note)


def idle_posts(started: list[int], send: Callable[[], object]) -> list[float]:
    """Send one by one, with pauses; the time to the start of each in µs."""
    delays = []
    for _ in range(IDLE_POSTS):
        time.sleep(IDLE_SECONDS)
        started.clear()
        sent = time.perf_counter_ns()
        send()
        while not started:
            time.sleep(IDLE_SECONDS / 10)
        delays.append((started[0] - sent) / 1e3)
    return delays


def joined(rounds: list[list[float]]) -> list[float]:
    """Return the delays of all rounds in one list."""
    return [delay for delays in rounds for delay in delays]


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile that is one of the values."""
    return sorted(values)[len(values) * percent // 100]


def memory(rounds: int) -> Iterator[Row | Skipped]:
    """Bytes for each item that is queued and each job that is not finished."""
    if not STATM.exists():
        yield Skipped("memory", "reads /proc, which this system has not")
        return
    count = max(1, rounds // 3)
    items, jobs = (
        [in_a_new_process(named, traced=False) for _ in range(count)]
        for named in (True, False)
    )
    traced = in_a_new_process(False, True) - in_a_new_process(True, True)
    what = f"memory of a queued item, {HELD} queued"
    yield Row(what, median(items), items, "B", "<= 64", "resident set")
    beyond = [job - median(items) for job in jobs]
    note = f"resident set; by tracemalloc: {traced:.0f} B"
    yield Row("memory of a live job", median(beyond), beyond, "B", "<= 256", note)


def in_a_new_process(named: bool, traced: bool) -> float:
    """Run `held_bytes` where nothing else has used memory before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(held_bytes, named, traced).result()


def held_bytes(named: bool, traced: bool) -> float:
    """Return the bytes for each of many posts of None that can't run yet.

    Args:
        named: All posts join one job; otherwise each is a job of its own.
        traced: Count what tracemalloc sees instead of the resident set.
    """
    gate = Event()
    flow = Flow()
    routine = flows.routine_of(lambda *_: gate.wait(driving.WAIT), length=2 * HELD)
    flow.add_routine(routine, "0")
    runtime = Runtime(thread_pool_size=1, max_queue_size=2 * HELD, job_history=0)
    runtime.exec(flow)
    post = partial(runtime.post, flow.flow_id, "0", "input", None)
    if named:
        post = partial(post, job_id="all")
    for _ in range(1_000):
        post()
    if traced:
        tracemalloc.start()
    before = used(traced)
    for _ in range(HELD):
        post()
    held = used(traced) - before
    gate.set()
    runtime.shutdown()
    return held / HELD


def used(traced: bool) -> int:
    """Return the bytes in use, by tracemalloc or by the system's count of pages."""
    gc.collect()
    if traced:
        return tracemalloc.get_traced_memory()[0]
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


TOPICS: dict[str, Callable[[int], Iterator[Row | Skipped]]] = {
    function.__name__: function
    for function in (
        *(chain, single, round_trip, posters),
        *(functions, fan_out, fan_in, batching),
        *(hashing, napping, keyed, idle_start, memory, typed),
    )
}
