"""Chapter 3: one activation of a routine at a time, per worker, in order."""

import pytest

from routilux import immediate_policy

WAIT = 20.0


@pytest.fixture
def counting(solo, peak):
    """A flow that counts in routine state without any lock."""

    def logic(slot_data, policy_message, worker_state):
        with peak:
            state = worker_state.get_routine_state("work") or {}
            count = state.get("count", 0) + 1
            worker_state.update_routine_state("work", {"count": count})

    return solo(logic)


def test_read_modify_write_of_routine_state_needs_no_lock(
    threaded, counting, spawn, finish
):
    runtime = threaded(thread_pool_size=8)
    worker = runtime.exec(counting)

    def post_many():
        for number in range(500):
            runtime.post(counting.flow_id, "work", "input", number)

    for future in [spawn(post_many) for _ in range(4)]:
        future.result(WAIT)
    finish(runtime)
    assert worker.get_routine_state("work") == {"count": 2000}


def test_activations_of_a_routine_never_overlap(runtime, counting, peak, finish):
    runtime.exec(counting)
    for number in range(500):
        runtime.post(counting.flow_id, "work", "input", number)
    finish(runtime)
    assert peak.most == 1


def test_activations_run_in_the_order_of_the_posts(runtime, solo, finish):
    got = []
    flow = solo(lambda slot_data, *rest: got.extend(slot_data["input"]))
    runtime.exec(flow)
    for number in range(2000):
        runtime.post(flow.flow_id, "work", "input", number)
    finish(runtime)
    assert got == list(range(2000))


def test_posts_of_each_thread_keep_their_order(threaded, solo, spawn, finish):
    got = []
    flow = solo(lambda slot_data, *rest: got.extend(slot_data["input"]))
    runtime = threaded()
    runtime.exec(flow)

    def post_many(name):
        for number in range(300):
            runtime.post(flow.flow_id, "work", "input", (name, number))

    for future in [spawn(post_many, name) for name in "abcd"]:
        future.result(WAIT)
    finish(runtime)
    for name in "abcd":
        assert [n for who, n in got if who == name] == list(range(300))
    assert len(got) == 1200


@pytest.mark.parametrize("length", [1, 3, 1000])
def test_order_holds_along_a_chain(runtime, stage, make_flow, finish, length):
    got = []
    slot = {"max_queue_length": length}
    flow = make_flow(
        {
            "a": stage(lambda emit, item: emit("output", n=item)),
            "b": stage(lambda emit, item: emit("output", **item), **slot),
            "c": stage(lambda emit, item: emit("output", **item), **slot),
            "d": stage(lambda emit, item: got.append(item["n"]), **slot),
        },
        *[(one, "output", two, "input") for one, two in ("ab", "bc", "cd")],
    )
    runtime.exec(flow)
    for number in range(500):
        runtime.post(flow.flow_id, "a", "input", number)
    finish(runtime)
    assert got == list(range(500))


def test_what_one_activation_emits_arrives_in_order(runtime, stage, make_flow, finish):
    got = []

    def burst(emit, item):
        for number in range(100):
            emit("even" if number % 2 == 0 else "odd", n=(item, number))

    flow = make_flow(
        {
            "source": stage(burst, events=("even", "odd")),
            "sink": stage(lambda emit, item: got.append(item["n"])),
        },
        ("source", "even", "sink", "input"),
        ("source", "odd", "sink", "input"),
    )
    runtime.exec(flow)
    for number in range(5):
        runtime.post(flow.flow_id, "source", "input", number)
    finish(runtime)
    assert got == [(a, b) for a in range(5) for b in range(100)]


def test_order_holds_across_the_slots_of_a_routine(
    runtime, solo, record, calls, finish
):
    flow = solo(record, slots=("a", "b"))
    runtime.exec(flow)
    for number in range(200):
        slot = "a" if number % 3 else "b"
        runtime.post(flow.flow_id, "work", slot, number)
    finish(runtime)
    assert [n for data, _ in calls for n in data["a"] + data["b"]] == list(range(200))


def test_user_written_policy_keeps_one_at_a_time_in_order(threaded, solo, peak, finish):
    got = []
    built_in = immediate_policy()

    def logic(slot_data, policy_message, worker_state):
        with peak:
            got.extend(slot_data["input"])

    flow = solo(logic, policy=lambda slots, state: built_in(slots, state))
    runtime = threaded()
    runtime.exec(flow)
    for number in range(500):
        runtime.post(flow.flow_id, "work", "input", number)
    finish(runtime)
    assert (got, peak.most) == (list(range(500)), 1)


def test_example_of_the_document_prints_what_it_says(
    runtime, make_routine, make_flow, finish, capsys
):
    processor = make_routine(events=("output",))

    def process(slot_data, policy_message, worker_state):
        data_list = slot_data.get("input", [])
        if data_list:
            value = data_list[0].get("value", 0)
            result = value * 2
            state = worker_state.get_routine_state("processor") or {}
            count = state.get("processed_count", 0) + 1
            worker_state.update_routine_state(
                "processor", {"processed_count": count, "last_value": value}
            )
            print(f"Processed: {value} → {result} (count: {count})")
            processor.emit("output", result=result, original=value)

    processor.set_logic(process)
    flow = make_flow({"processor": processor})
    worker = runtime.exec(flow)
    for number in range(5):
        runtime.post(flow.flow_id, "processor", "input", {"value": number})
    finish(runtime)
    print(f"Worker state: {worker.get_routine_state('processor')}")
    assert capsys.readouterr().out.splitlines() == [
        "Processed: 0 → 0 (count: 1)",
        "Processed: 1 → 2 (count: 2)",
        "Processed: 2 → 4 (count: 3)",
        "Processed: 3 → 6 (count: 4)",
        "Processed: 4 → 8 (count: 5)",
        "Worker state: {'processed_count': 5, 'last_value': 4}",
    ]
