"""Chapters 1 to 4 at size: long chains, wide flows, many workers, many jobs."""

import threading

WAIT = 60.0


def done(runtime):
    assert runtime.wait_until_all_jobs_finished(timeout=WAIT) is True


def test_chain_of_ten_thousand_routines_meets_no_recursion_limit(
    runtime, stage, make_flow
):
    depth = 10_000
    got = []
    routines = {
        number: stage(lambda emit, item: emit("output", hops=item["hops"] + 1))
        for number in range(depth)
    }
    routines[depth] = stage(lambda emit, item: got.append(item["hops"]))
    flow = make_flow(
        {f"r{number}": routine for number, routine in routines.items()},
        *[(f"r{n}", "output", f"r{n + 1}", "input") for n in range(depth)],
    )
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "r0", "input", {"hops": 0}) for _ in range(3)]
    done(runtime)
    assert got == [depth] * 3
    assert {str(job.status) for job in jobs} == {"completed"}


def test_loop_of_a_hundred_thousand_turns_meets_no_recursion_limit(
    runtime, stage, make_flow
):
    turns = []

    def body(emit, item):
        if item["n"] < 100_000:
            emit("output", n=item["n"] + 1)
        else:
            turns.append(item["n"])

    flow = make_flow({"loop": stage(body)}, ("loop", "output", "loop", "input"))
    runtime.exec(flow)
    job = runtime.post(flow.flow_id, "loop", "input", {"n": 0})
    done(runtime)
    assert (job.status, turns) == ("completed", [100_000])


def test_one_event_fans_out_to_a_thousand_routines(runtime, stage, make_flow):
    got = []
    names = [f"sink{number}" for number in range(999)]

    def collector(name):
        return lambda emit, item: got.append((name, item["n"]))

    flow = make_flow(
        {
            "source": stage(lambda emit, item: emit("output", n=item)),
            **{name: stage(collector(name)) for name in names},
        },
        *[("source", "output", name, "input") for name in names],
    )
    runtime.exec(flow)
    jobs = [runtime.post(flow.flow_id, "source", "input", n) for n in range(3)]
    done(runtime)
    assert sorted(got) == sorted((name, n) for name in names for n in range(3))
    assert {str(job.status) for job in jobs} == {"completed"}


def test_a_thousand_routines_fan_in_to_one_slot(runtime, stage, make_flow):
    got = []
    names = [f"r{number}" for number in range(999)]
    flow = make_flow(
        {
            "sink": stage(lambda emit, item: got.append(item["n"])),
            **{
                name: stage(lambda emit, item: emit("output", n=item)) for name in names
            },
        },
        *[(name, "output", "sink", "input") for name in names],
    )
    runtime.exec(flow)
    for number, name in enumerate(names):
        runtime.post(flow.flow_id, name, "input", number, timeout=WAIT)
    done(runtime)
    assert sorted(got) == list(range(999))


def test_a_thousand_workers_have_states_of_their_own(runtime, solo):
    def logic(slot_data, policy_message, worker_state):
        worker_state.update_routine_state("work", {"got": slot_data["input"][0]})

    flow = solo(logic)
    workers = [runtime.exec(flow, f"w{number}") for number in range(1000)]
    for number in range(1000):
        runtime.post(flow.flow_id, "work", "input", number, f"w{number}", timeout=WAIT)
    done(runtime)
    states = [worker.get_routine_state("work") for worker in workers]
    assert states == [{"got": number} for number in range(1000)]


def test_a_thousand_workers_need_no_thousand_threads(threaded, solo):
    seen = []
    flow = solo(lambda slot_data, *rest: seen.append(threading.active_count()))
    before = threading.active_count()
    runtime = threaded(thread_pool_size=4)
    for number in range(1000):
        runtime.exec(flow, f"w{number}")
        runtime.post(flow.flow_id, "work", "input", number, f"w{number}", timeout=WAIT)
    done(runtime)
    assert len(seen) == 1000
    assert max(seen) - before <= 4 + 2


def test_ten_thousand_jobs_all_complete(make_runtime, solo):
    got = []
    flow = solo(lambda slot_data, *rest: got.extend(slot_data["input"]))
    runtime = make_runtime(max_queue_size=100)
    runtime.exec(flow)
    jobs = [
        runtime.post(flow.flow_id, "work", "input", number, timeout=WAIT)
        for number in range(10_000)
    ]
    done(runtime)
    assert got == list(range(10_000))
    assert {str(job.status) for job in jobs} == {"completed"}


def test_item_of_many_megabytes_is_not_copied(runtime, stage, make_flow):
    data = bytearray(50_000_000)
    got = []
    flow = make_flow(
        {
            "source": stage(lambda emit, item: emit("output", data=item)),
            "sink": stage(lambda emit, item: got.append(item["data"])),
        },
        ("source", "output", "sink", "input"),
    )
    runtime.exec(flow)
    runtime.post(flow.flow_id, "source", "input", data)
    done(runtime)
    assert got[0] is data
