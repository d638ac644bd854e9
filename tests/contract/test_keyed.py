"""Chapter 3: set_concurrency(n, key=...): one key in order, many in parallel."""

import asyncio
import gc
import threading
import weakref
from collections import defaultdict
from types import MappingProxyType, SimpleNamespace

import pytest

from routilux import (
    ConfigurationError,
    ErrorHandler,
    Flow,
    FunctionRoutine,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    immediate_policy,
    time_interval_policy,
)

WAIT = 20.0


def poster(runtime, flow, routine_id="work"):
    """Run the flow; answer a function that posts to it and gives the job."""
    runtime.exec(flow)

    def post(data=None, slot="input", **options):
        return runtime.post(flow.flow_id, routine_id, slot, data, **options)[1]

    return post


def all_completed(jobs):
    return all(job.wait(WAIT) for job in jobs) and {job.status for job in jobs} == {
        "completed"
    }


class Watch:
    """Note who is inside of each key, and the order in which they came."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = set()
        self.seen = defaultdict(list)
        self.overlaps = []

    def enter(self, key, n):
        with self.lock:
            if key in self.inside:
                self.overlaps.append((key, n))
            self.inside.add(key)
            self.seen[key].append(n)

    def leave(self, key):
        with self.lock:
            self.inside.discard(key)

    def logic(self, slot_data, policy_message, worker_state):
        for items in slot_data.values():
            for item in items:
                self.enter(item["key"], item["n"])
                sum(range(item.get("work", 500)))
                self.leave(item["key"])


@pytest.fixture
def watch():
    return Watch()


# --- order and parallelism


@pytest.mark.parametrize("n", [1, 3, None])
def test_items_of_a_key_are_processed_in_order_and_never_overlap(
    runtime, keyed, watch, finish, n
):
    post = poster(runtime, keyed(watch.logic, n))
    for number in range(600):
        post({"key": number * number % 7, "n": number})
    finish(runtime)
    assert watch.overlaps == []
    assert all(seen == sorted(seen) for seen in watch.seen.values())
    assert sorted(n for seen in watch.seen.values() for n in seen) == list(range(600))


@pytest.mark.parametrize("n", [3, None])
def test_n_different_keys_run_at_once(threaded, keyed, n):
    together = threading.Barrier(3)
    flow = keyed(lambda *_: together.wait(WAIT), n)
    post = poster(threaded(thread_pool_size=3), flow)
    assert all_completed([post({"key": number}) for number in range(9)])


def test_never_more_than_n_keys_run_at_once(threaded, keyed, peak):
    together = threading.Barrier(2)

    def logic(slot_data, policy_message, worker_state):
        with peak:
            together.wait(WAIT)

    post = poster(threaded(thread_pool_size=4), keyed(logic, 2))
    assert all_completed([post({"key": number}) for number in range(100)])
    assert peak.most == 2


def test_key_that_blocks_holds_back_no_other_key(threaded, keyed, gate, calls):
    entered = threading.Event()

    def logic(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        if item["key"] == "slow":
            entered.set()
            assert gate.wait(WAIT)
        calls.append((item["key"], item["n"]))

    post = poster(threaded(thread_pool_size=2), keyed(logic, 2))
    slow = [post({"key": "slow", "n": n}) for n in range(50)]
    assert entered.wait(WAIT)
    assert all_completed([post({"key": n % 3, "n": n}) for n in range(50)])
    assert len(calls) == 50
    gate.set()
    assert all_completed(slow)
    assert calls[50:] == [("slow", n) for n in range(50)]


def test_one_at_a_time_with_a_key_is_the_order_of_arrival(
    runtime, keyed, calls, finish
):
    flow = keyed(lambda slot_data, *_: calls.append(slot_data["input"][0]["n"]), 1)
    post = poster(runtime, flow)
    for n in range(200):
        post({"key": n % 5, "n": n})
    finish(runtime)
    assert calls == list(range(200))


def test_items_of_a_key_are_in_order_across_slots(runtime, keyed, watch, finish):
    post = poster(runtime, keyed(watch.logic, slots=("input", "other")))
    for n in range(300):
        post({"key": n % 4, "n": n}, slot="other" if n % 3 == 0 else "input")
    finish(runtime)
    assert watch.overlaps == []
    assert {key: seen for key, seen in watch.seen.items()} == {
        key: list(range(key, 300, 4)) for key in range(4)
    }


def test_emitted_items_have_keys_too(runtime, stage, keyed, make_flow, watch, finish):
    source = stage(lambda emit, item: [emit("output", key=n % 5, n=n) for n in item])
    target = keyed(watch.logic, 3).routines["work"]
    flow = make_flow(
        {"source": source, "target": target}, ("source", "output", "target", "input")
    )
    job = poster(runtime, flow, "source")(range(200))
    finish(runtime)
    assert job.status == "completed"
    assert watch.overlaps == []
    assert all(seen == sorted(seen) for seen in watch.seen.values())


def test_keys_are_of_one_worker_each(threaded, keyed):
    together = threading.Barrier(2)
    flow = keyed(lambda *_: together.wait(WAIT), 1)
    runtime = threaded(thread_pool_size=2)
    ids = [runtime.exec(flow).worker_id for _ in range(2)]
    jobs = [
        runtime.post(flow.flow_id, "work", "input", {"key": 1}, worker_id=name)[1]
        for name in ids
    ]
    assert all_completed(jobs)


def test_async_logic_keeps_the_order_of_a_key(runtime, keyed, watch, finish):
    async def logic(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        watch.enter(item["key"], item["n"])
        await asyncio.sleep(0.0005 * (item["n"] % 3))
        watch.leave(item["key"])

    post = poster(runtime, keyed(logic, 8))
    for n in range(150):
        post({"key": n % 6, "n": n})
    finish(runtime)
    assert watch.overlaps == []
    assert all(seen == sorted(seen) for seen in watch.seen.values())
    assert sum(map(len, watch.seen.values())) == 150


def test_retry_keeps_the_turn_of_its_key_and_of_no_other(runtime, keyed, calls, finish):
    def logic(slot_data, policy_message, worker_state):
        (item,) = slot_data["input"]
        calls.append((item["key"], item["n"]))
        if item["n"] == 0 and item["key"] == "a" and calls.count(("a", 0)) <= 2:
            raise ValueError

    flow = keyed(logic, 2)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=0.1))
    post = poster(runtime, flow)
    jobs = [post({"key": key, "n": n}) for n in range(4) for key in "ab"]
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}
    assert [n for key, n in calls if key == "a"] == [0, 0, 0, 1, 2, 3]
    assert [n for key, n in calls if key == "b"] == [0, 1, 2, 3]
    assert calls.index(("b", 3)) < calls.index(("a", 1))


def test_failed_item_leaves_its_key_free(runtime, keyed, watch, finish):
    def logic(slot_data, policy_message, worker_state):
        watch.logic(slot_data, policy_message, worker_state)
        if slot_data["input"][0]["n"] % 3 == 0:
            raise ValueError

    post = poster(runtime, keyed(logic))
    jobs = [post({"key": n % 2, "n": n}) for n in range(60)]
    finish(runtime)
    assert [job.status == "failed" for job in jobs] == [n % 3 == 0 for n in range(60)]
    assert {key: seen for key, seen in watch.seen.items()} == {
        key: list(range(key, 60, 2)) for key in range(2)
    }


@pytest.mark.parametrize("form", ["function", "generator", "coroutine"])
def test_plain_function_keeps_the_order_of_a_key(runtime, watch, finish, form):
    def function(item):
        watch.logic({"input": [item]}, None, None)
        return item["n"]

    def generator(item):
        yield function(item)

    async def coroutine(item):
        watch.enter(item["key"], item["n"])
        await asyncio.sleep(0)
        watch.leave(item["key"])
        return item["n"]

    first = FunctionRoutine(locals()[form]).set_concurrency(3, key="key")
    flow = Flow().pipe(first, "work").pipe(FunctionRoutine(lambda n: -n), "next")
    post = poster(runtime, flow)
    jobs = [post({"key": n % 4, "n": n}) for n in range(200)]
    finish(runtime)
    results = [job.result() for job in jobs]
    assert results == [[-n] if form == "generator" else -n for n in range(200)]
    assert watch.overlaps == []
    assert {key: seen for key, seen in watch.seen.items()} == {
        key: list(range(key, 200, 4)) for key in range(4)
    }


# --- what a key is


class Point:
    """An item with attributes, one of them computed."""

    def __init__(self, x):
        self.x = x

    @property
    def key(self):
        return self.x % 2


@pytest.mark.parametrize(
    ("key", "make"),
    [
        ("key", lambda n: {"key": n % 2}),
        ("key", lambda n: MappingProxyType({"key": n % 2})),
        ("key", lambda n: defaultdict(lambda: n % 2)),
        ("key", lambda n: SimpleNamespace(key=n % 2)),
        ("key", Point),
        (lambda item: item % 2, lambda n: n),
        (lambda item: (item[0] % 2, "x"), lambda n: (n,)),
        (lambda item: None, lambda n: n),
        (lambda item: float(item % 2), lambda n: n),
        (lambda item: frozenset([item % 2]), lambda n: n),
        (type, lambda n: n),
    ],
)
def test_key_is_a_field_an_attribute_or_what_a_function_says(
    runtime, keyed, calls, finish, key, make
):
    def logic(slot_data, policy_message, worker_state):
        calls.append(slot_data["input"][0])

    items = [make(n) for n in range(20)]
    post = poster(runtime, keyed(logic, 2, key))
    jobs = [post(item) for item in items]
    finish(runtime)
    assert {str(job.error) for job in jobs} == {"None"}
    assert len(calls) == 20


def test_equal_keys_of_different_types_are_one_key(threaded, keyed, peak, gate):
    def logic(slot_data, policy_message, worker_state):
        with peak:
            gate.wait(0.02)

    post = poster(threaded(thread_pool_size=4), keyed(logic, key=lambda item: item))
    assert all_completed([post(key) for key in (1, 1.0, True) for _ in range(4)])
    assert peak.most == 1


def test_keys_of_one_hash_are_told_apart_by_eq(runtime, keyed, watch, finish):
    class Key:
        def __init__(self, name):
            self.name = name

        def __hash__(self):
            return 1

        def __eq__(self, other):
            return self.name == other.name

    flow = keyed(watch.logic, key=lambda item: Key(item["key"]))
    post = poster(runtime, flow)
    for n in range(400):
        post({"key": n * n % 11, "n": n, "work": 5000})
    finish(runtime)
    assert watch.overlaps == []
    assert all(seen == sorted(seen) for seen in watch.seen.values())
    assert sum(map(len, watch.seen.values())) == 400


def test_nothing_keeps_a_key_when_its_items_are_done(runtime, keyed, finish):
    class Key:
        pass

    keys, alive = [Key() for _ in range(50)], weakref.WeakSet()
    alive.update(keys)
    post = poster(runtime, keyed(lambda *_: None, key=lambda n: keys[n]))
    jobs = [post(n % 50) for n in range(100)]
    finish(runtime)
    assert {job.status for job in jobs} == {"completed"}
    keys.clear()
    gc.collect()
    assert len(alive) == 0


# --- what it goes with


@pytest.mark.parametrize(
    "policy",
    [
        batch_size_policy(2),
        all_slots_ready_policy(),
        time_interval_policy(0.1),
        custom_policy(lambda slots, worker_state: True),
        lambda slots, worker_state: (False, {}, None),
    ],
)
def test_key_with_another_policy_is_a_configuration_error(runtime, keyed, policy):
    flow = keyed(lambda *_: None, policy=policy)
    (text,) = [text for text in flow.validate() if text.startswith("Error")]
    assert "'work'" in text
    with pytest.raises(ConfigurationError, match=r"'work'.*immediate_policy") as caught:
        runtime.exec(flow)
    assert repr(flow.flow_id) in str(caught.value)
    flow.routines["work"].set_activation_policy(immediate_policy())  # nothing is frozen
    assert poster(runtime, flow)({"key": 1}).wait(WAIT)


def test_set_concurrency_without_a_key_takes_the_key_away(make_routine, make_flow):
    routine = make_routine(lambda *_: None, policy=batch_size_policy(2))
    routine.set_concurrency(2, key="key").set_concurrency(2)
    assert not [t for t in make_flow({"work": routine}).validate() if "Error" in t]


async def ask(item):
    return item


@pytest.mark.parametrize(
    ("key", "error"),
    [(3, TypeError), (["a"], TypeError), (ask, TypeError), ("", ValueError)],
)
def test_key_that_is_neither_field_nor_function_is_refused(make_routine, key, error):
    routine = make_routine(lambda *_: None)
    with pytest.raises(error, match="key"):
        routine.set_concurrency(2, key=key)
