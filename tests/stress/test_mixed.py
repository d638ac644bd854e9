"""Random flows under random load, then the books are balanced.

Each round draws a flow from its seed: chains, fan-out, joins, batches, coroutines,
narrow slots, routines with a key; logic and keys that fail now and then; some workers;
some posting threads that cancel now and then. Every item carries unique numbers, so at
the end of a round: every accepted job ended exactly once, nothing was seen twice,
nothing of a completed job was lost, and no two activations of a key overlapped, or
overtook each other where they came from one thread.

ROUTILUX_STRESS_SECONDS lengthens the run (10 by default); ROUTILUX_STRESS_SEED
repeats one round, whose seed the failing assertion names.
"""

import asyncio
import logging
import os
import random
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    immediate_policy,
)

SECONDS = float(os.environ.get("ROUTILUX_STRESS_SECONDS", "10"))
SEED = os.environ.get("ROUTILUX_STRESS_SEED")
WAIT = 30.0
FAILURE_RATE = 0.01
KEYS = 7
CANCEL_RATE = 0.01
ENDS = {"completed", "failed", "cancelled"}


class Books:
    """What one round saw: numbers by routine and slot, and the ends of its jobs."""

    def __init__(self):
        self.seen = {}
        self.flaky = {}
        self.jobs = {}
        self.ended = []
        self.lanes = {}
        self.wrong = []

    def open(self, routine_id, slots, rng, numbers):
        for slot in slots:
            self.seen[routine_id, slot] = []
        count = int(numbers * FAILURE_RATE)
        self.flaky[routine_id] = set(rng.sample(range(numbers), count))

    def enter(self, routine_id, slot_data, retries):
        """Raise for a flaky number (with retries: the first time); else note all."""
        flaky = self.flaky[routine_id]
        numbers = {
            slot: [n for item in items for n in item["numbers"]]
            for slot, items in slot_data.items()
        }
        bad = flaky.intersection(*numbers.values()) if len(numbers) == 1 else set()
        if bad:
            if retries:
                flaky -= bad
            raise random.choice([ValueError, SystemExit])(f"flaky {bad}")
        for slot, found in numbers.items():
            self.seen[routine_id, slot].extend(found)

    @contextmanager
    def lane(self, routine_id, items, key, worker_state):
        """Be in the lane of a key: alone, and in order if the poster fills it."""
        if key is None:
            yield
            return
        number = items[0]["numbers"][0]
        place = (worker_state.worker_id, routine_id, number % KEYS)
        lane = self.lanes.setdefault(place, {"inside": [], "last": {}})
        lane["inside"].append(number)
        if lane["inside"] != [number]:
            self.wrong.append((*place, "overlap", list(lane["inside"])))
        poster = number // self.each
        if routine_id == "r0" and lane["last"].get(poster, -1) > number:
            self.wrong.append((*place, "overtaken", lane["last"][poster], number))
        lane["last"][poster] = number
        try:
            yield
        finally:
            lane["inside"].remove(number)

    def accept(self, number, job):
        self.jobs[number] = job
        job.add_done_callback(self.ended.append)


def key_of(item):
    """Tell items apart by their first number; of some there is no telling."""
    number = item["numbers"][0]
    if number % 97 == 13:
        raise ValueError("no key")
    return Key(number % KEYS)


class Key(int):
    """A key whose hash and equality are written in Python; most hashes collide."""

    def __hash__(self):
        return int(self) % 3

    def __eq__(self, other):
        return int(self) == int(other)


def build_routine(books, routine_id, rng, numbers, *, join, retries):
    """Draw one routine: a join, or a stage that forwards items or batches."""
    slots = ("left", "right") if join else ("input",)
    routine = Routine()
    batch = rng.choice([0, 0, 0, 2, 5])
    for slot in slots:
        length = 10_000 if join else rng.choice([1, 2, 8, 1000])
        routine.add_slot(slot, max_queue_length=max(length, batch))
    routine.add_event("output")
    books.open(routine_id, slots, rng, numbers)
    merge = rng.random() < 0.5
    key = key_of if not join and not batch and rng.random() < 0.4 else None

    def work(slot_data):
        books.enter(routine_id, slot_data, retries)
        items = slot_data[slots[0]]
        if merge and len(items) > 1:
            items = [{"numbers": [n for item in items for n in item["numbers"]]}]
        for item in items:
            routine.emit("output", numbers=item["numbers"])

    def logic(slot_data, policy_message, worker_state):
        with books.lane(routine_id, slot_data[slots[0]], key, worker_state):
            work(slot_data)

    async def async_logic(slot_data, policy_message, worker_state):
        with books.lane(routine_id, slot_data[slots[0]], key, worker_state):
            await asyncio.sleep(0)
            work(slot_data)

    routine.set_logic(async_logic if rng.random() < 0.2 else logic)
    if join:
        routine.set_activation_policy(all_slots_ready_policy())
    elif batch:
        routine.set_activation_policy(batch_size_policy(batch))
    else:
        routine.set_activation_policy(immediate_policy())
    routine.set_concurrency(
        rng.choice([2, 5, None] if key else [1, 1, 2, None]), key=key
    )
    return routine


def build_flow(books, rng, numbers):
    """Draw a flow in which every slot gets every number exactly once."""
    flow, size, retries = Flow(), rng.randint(1, 10), rng.random() < 0.5
    for index in range(size):
        join = index >= 2 and rng.random() < 0.2
        routine = build_routine(
            books, f"r{index}", rng, numbers, join=join, retries=retries
        )
        flow.add_routine(routine, f"r{index}")
        if join:
            left, right = rng.sample(range(index), 2)
            flow.connect(f"r{left}", "output", f"r{index}", "left")
            flow.connect(f"r{right}", "output", f"r{index}", "right")
        elif index:
            source = rng.choice([index - 1, rng.randrange(index)])
            flow.connect(f"r{source}", "output", f"r{index}", "input")
    if retries:
        flow.set_error_handler(
            ErrorHandler("retry", retry_delay=0.001, retryable_exceptions=(ValueError,))
        )
    return flow


def post_share(runtime, flow, workers, books, rng, share):
    """Post the numbers of one posting thread, and cancel a job now and then."""
    mine = []
    for number in share:
        _, job = runtime.post(
            flow.flow_id,
            "r0",
            "input",
            {"numbers": [number]},
            worker_id=rng.choice(workers),
            timeout=WAIT,
        )
        books.accept(number, job)
        mine.append(job)
        if rng.random() < CANCEL_RATE:
            rng.choice(mine).cancel()


def run_round(seed, spawn):
    """Run one round; the flow and the books, when everything has ended."""
    rng, books = random.Random(seed), Books()
    posters, each = rng.randint(1, 4), rng.choice([10, 100, 400])
    books.each = each
    flow = build_flow(books, rng, posters * each)
    sys.setswitchinterval(rng.choice([0.005, 1e-4, 1e-6]))
    runtime = Runtime(
        thread_pool_size=rng.randint(1, 4), max_queue_size=rng.choice([1, 10, 1000])
    )
    workers = [runtime.exec(flow).worker_id for _ in range(rng.randint(1, 3))]
    posting = [
        spawn(
            post_share,
            *(runtime, flow, workers, books, random.Random(rng.random())),
            range(first * each, (first + 1) * each),
        )
        for first in range(posters)
    ]
    for share in posting:
        share.result(WAIT)
    if not any(slot == "left" for _, slot in books.seen):  # no join: nothing parks
        assert runtime.wait_until_all_jobs_finished(WAIT), f"seed {seed}"
    start = time.monotonic()
    runtime.shutdown(timeout=WAIT)
    assert time.monotonic() - start < WAIT / 2, f"seed {seed}: shutdown hung"
    return books


def check(books, seed):
    """Balance the books of one round."""
    jobs = books.jobs
    assert books.wrong == [], f"seed {seed}"
    assert {str(job.status) for job in jobs.values()} <= ENDS, f"seed {seed}"
    wrong = {job.error.type for job in jobs.values() if job.status == "failed"}
    assert wrong <= {"ValueError", "SystemExit"}, f"seed {seed}: failed by {wrong}"
    assert Counter(books.ended) == Counter(jobs.values()), f"seed {seed}"
    assert all(job.completed_at is not None for job in jobs.values()), f"seed {seed}"
    completed = {number for number, job in jobs.items() if job.status == "completed"}
    for place, numbers in books.seen.items():
        twice = [number for number, times in Counter(numbers).items() if times > 1]
        assert twice == [], f"seed {seed}, {place}: seen twice"
        assert set(numbers) <= set(jobs), f"seed {seed}, {place}: from nowhere"
        lost = completed - set(numbers)
        assert lost == set(), f"seed {seed}, {place}: lost"


@pytest.fixture
def spawn():
    """Run a function on a thread; a handle whose result() waits and re-raises."""
    threads = []

    class Spawned(threading.Thread):
        def __init__(self, function, *args):
            super().__init__(daemon=True)
            self.function, self.args, self.error = function, args, None

        def run(self):
            try:
                self.function(*self.args)
            except BaseException as error:
                self.error = error

        def result(self, timeout):
            self.join(timeout)
            assert not self.is_alive()
            if self.error is not None:
                raise self.error

    def start(function, *args):
        threads.append(Spawned(function, *args))
        threads[-1].start()
        return threads[-1]

    return start


@pytest.fixture(autouse=True)
def quiet_log(caplog):
    """Keep the failures that the rounds draw out of the report."""
    caplog.set_level(logging.CRITICAL, logger="routilux")


@pytest.fixture(autouse=True)
def same_switch_interval():
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)


@pytest.mark.skipif(SEED is None, reason="ROUTILUX_STRESS_SEED repeats one round")
def test_round_of_the_given_seed_balances(spawn):
    check(run_round(int(SEED), spawn), SEED)


@pytest.mark.timeout(SECONDS + 3 * WAIT)
def test_every_job_ends_once_and_every_item_is_seen_once(spawn):
    first = random.randrange(1_000_000_000)
    end = time.monotonic() + SECONDS
    seed = first
    while time.monotonic() < end:
        check(run_round(seed, spawn), seed)
        seed += 1
    assert seed > first
