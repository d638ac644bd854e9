"""A post gives back its own job, whoever else posts meanwhile."""

import threading

from routilux import Flow, Routine, Runtime, immediate_policy

WAIT = 20.0


def flow_that_keeps(got):
    routine = Routine()
    routine.add_slot("input")
    routine.set_logic(lambda slot_data, *rest: got.extend(slot_data["input"]))
    routine.set_activation_policy(immediate_policy())
    flow = Flow()
    flow.add_routine(routine, "a")
    return flow


def test_post_gives_back_its_own_job_when_a_destructor_posts():
    """What the last result held is let go of within the next post."""
    inner = []

    class Poster:
        def __del__(self):
            inner.append(runtime.post(flow.flow_id, "a", "input", "inner"))

    flow = flow_that_keeps([])
    with Runtime(thread_pool_size=1, job_history=0) as runtime:
        runtime.exec(flow)
        metadata = {"poster": Poster()}
        runtime.post(flow.flow_id, "a", "input", "first", metadata=metadata)
        del metadata
        assert runtime.wait_until_all_jobs_finished(WAIT)
        outer = [runtime.post(flow.flow_id, "a", "input", n) for n in range(3)]
        jobs = [result.job_id for result in [*outer, *inner]]
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert len(inner) == 1
    assert len(set(jobs)) == 4


def test_threads_that_post_at_once_get_their_own_jobs():
    got, jobs = [], {}
    flow = flow_that_keeps(got)
    start = threading.Barrier(4)

    def post(first):
        start.wait(WAIT)
        for n in range(first, first + 500):
            jobs[n] = runtime.post(
                flow.flow_id, "a", "input", n, metadata={"n": n}, timeout=WAIT
            )[1]

    with Runtime(thread_pool_size=2) as runtime:
        runtime.exec(flow)
        threads = [threading.Thread(target=post, args=(n * 500,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        assert runtime.wait_until_all_jobs_finished(WAIT)
    assert sorted(got) == list(range(2000))
    assert {n: job.metadata["n"] for n, job in jobs.items()} == {n: n for n in got}
