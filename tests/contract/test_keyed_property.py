"""Chapter 3, set_concurrency(n, key=...), by random load.

Whatever arrives, of whichever key, in whichever slot, and whatever becomes of it: the
runs of a key are in the order of arrival and never overlap, an item that is retried
keeps its key's turn, and every job ends as its own item says.
"""

import asyncio
import threading
import time
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routilux import ErrorHandler, Flow, Routine, Runtime, immediate_policy

WAIT = 20.0
SLOTS = ("left", "right")
FAILING = ("fails", "no key", "no hash")
FATES = ("fine", "fails", "once", "twice", "no key", "no hash", "cancelled")

items = st.fixed_dictionaries(
    {
        "key": st.integers(0, 3),
        "slot": st.sampled_from(SLOTS),
        "fate": st.sampled_from((*FATES, *["fine"] * 8)),
        "delay": st.sampled_from((0.0, 0.0, 0.0001, 0.002)),
    }
)
setups = st.fixed_dictionaries(
    {
        "n": st.sampled_from((1, 2, 3, None)),
        "pool": st.integers(1, 4),
        "length": st.sampled_from((1, 2, 5, 1000)),
        "is_async": st.booleans(),
        "emits": st.booleans(),
        "colliding": st.booleans(),
        "overflow": st.sampled_from(("block", "block", "drop_oldest", "drop_newest")),
    }
)


class Key:
    """A key with user-written hash and equality; all hashes may collide."""

    def __init__(self, name, colliding):
        self.name, self.colliding = name, colliding

    def __hash__(self):
        return 1 if self.colliding else hash(self.name)

    def __eq__(self, other):
        return self.name == other.name


class Load:
    """A routine with a key, what ran in it, and what was wrong at once."""

    def __init__(self, setup):
        self.setup = setup
        self.lock = threading.Lock()
        self.inside = set()
        self.runs = defaultdict(list)
        self.wrong = []
        self.most = 0
        self.work = Routine()
        for slot in SLOTS:
            self.work.add_slot(
                slot, max_queue_length=setup["length"], overflow=setup["overflow"]
            )
            self.work.add_event(slot)
        logic = self.async_logic if setup["is_async"] else self.logic
        self.work.set_logic(logic).set_activation_policy(immediate_policy())
        self.work.set_concurrency(setup["n"], key=self.key)
        retry = ErrorHandler(
            "retry", retry_delay=0.001, retryable_exceptions=ConnectionError
        )
        self.work.set_error_handler(retry)

    def key(self, item):
        if item["fate"] == "no key":
            raise LookupError
        if item["fate"] == "no hash":
            return []
        return Key(item["key"], self.setup["colliding"])

    def enter(self, item):
        with self.lock:
            if item["key"] in self.inside:
                self.wrong.append(("overlaps", item))
            self.inside.add(item["key"])
            self.most = max(self.most, len(self.inside))
            self.runs[item["key"]].append(item["number"])

    def leave(self, item):
        with self.lock:
            self.inside.discard(item["key"])
            tries = self.runs[item["key"]].count(item["number"])
        if item["fate"] == "fails":
            raise ValueError(item)
        if tries <= {"once": 1, "twice": 2}.get(item["fate"], 0):
            raise ConnectionError(item)

    def logic(self, slot_data, policy_message, worker_state):
        (item,) = [item for items in slot_data.values() for item in items]
        self.enter(item)
        time.sleep(item["delay"])
        self.leave(item)

    async def async_logic(self, slot_data, policy_message, worker_state):
        (item,) = [item for items in slot_data.values() for item in items]
        self.enter(item)
        await asyncio.sleep(item["delay"])
        self.leave(item)


def flow_of(load):
    """Put a routine before it that emits what it is given, one item after the other."""
    source = Routine()
    source.add_slot("input")
    for slot in SLOTS:
        source.add_event(slot)

    def emit(slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            source.emit(item["slot"], **item)

    source.set_logic(emit).set_activation_policy(immediate_policy())
    flow = Flow()
    flow.add_routine(source, "source")
    flow.add_routine(load.work, "work")
    for slot in SLOTS:
        flow.connect("source", slot, "work", slot)
    return flow


def check_end(setup, item, job, ran):
    """Compare what became of an item with its fate."""
    fate, status = item["fate"], str(job.status)
    if ran == 0 and setup["overflow"] != "block":
        # Dropped, unless it came to have its key asked for. What "source" emitted
        # completes all the same: something of its job ran.
        assert status in ("cancelled", "completed", "failed")
        assert status != "failed" or fate in ("no key", "no hash")
        assert status != "completed" or setup["emits"]
    elif fate == "cancelled":
        assert ran <= 1
        assert status in ("cancelled", "completed")
        assert ran or status == "cancelled"
    else:
        assert status == ("failed" if fate in FAILING else "completed"), job.error
        assert ran == {"once": 2, "twice": 3, "no key": 0, "no hash": 0}.get(fate, 1)


@pytest.mark.parametrize("engine", ["threads", "inline"])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(setup=setups, load=st.lists(items, min_size=1, max_size=40))
def test_keys_keep_their_order_whatever_happens(engine, setup, load):
    watched, jobs = Load(setup), []
    with Runtime(thread_pool_size=setup["pool"], engine=engine) as runtime:
        flow = flow_of(watched)
        runtime.exec(flow)
        for number, item in enumerate(load):
            item = {**item, "number": number}
            place = ("source", "input") if setup["emits"] else ("work", item["slot"])
            jobs.append(runtime.post(flow.flow_id, *place, item, timeout=WAIT)[1])
            if item["fate"] == "cancelled":
                jobs[-1].cancel()
        assert runtime.wait_until_all_jobs_finished(timeout=WAIT)
    assert watched.wrong == []
    limit = setup["n"] or setup["pool"]
    assert watched.most <= limit
    for number, (item, job) in enumerate(zip(load, jobs, strict=True)):
        check_end(setup, item, job, watched.runs[item["key"]].count(number))
    assert all(runs == sorted(runs) for runs in watched.runs.values()), watched.runs
