"""Random flows under simulation: everything that users can do, with every accident.

`Torture(seed).run()` draws a flow, a runtime and what a user does with it, runs it and
checks what has to hold: each accepted job ends once, nothing is lost or doubled, no
routine overlaps beyond its limit, the core's own books balance. One seed is one run, so
`python tests/sim/torture.py SEED` shows a failure again.
"""

import asyncio
import contextlib
import itertools
import logging
import random
import sys

from routilux import (
    ErrorHandler,
    Flow,
    QueueFullError,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    clock,
    custom_policy,
    get_current_job,
    immediate_policy,
    time_interval_policy,
)

LEVELS = ("waits", "posts", "logic")
POLICIES = ("immediate",) * 5 + ("batch",) * 3 + ("pair", "custom", "interval", "own")
OVERFLOWS = ("block",) * 4 + ("error", "drop_oldest", "drop_newest")
FATE = ("ok",) * 12 + ("raise", "raise", "cancel", "post", "flush", "state")


class Boom(Exception):
    """What logic raises."""


def key_of(item):
    return item["n"] % 3


class Torture:
    """One random run.

    Args:
        seed: Of the flow and of the simulation.
        faults: Let things go wrong.
        audit: Check the core's books after each step.
    """

    def __init__(self, seed, *, faults=True, audit=False):
        self.seed = seed
        self.rng = random.Random(seed)
        self.numbers = itertools.count()
        self.consumed = {}  # (worker, routine, slot) -> items that logic got
        self.inside = {}  # (worker, routine) -> activations going on
        self.limits = {}
        self.keyed = set()  # routines with a key
        self.keys = set()  # (worker, routine, key) of the activations going on
        self.ended = {}  # job -> how often it was said to have ended
        self.wrong = []
        self.flow = self.draw_flow()
        self.runtime = Runtime(
            self.rng.randint(1, 4),
            max_queue_size=self.rng.choice((1, 2, 5, 1000)),
            engine="sim",
            seed=seed,
            interleave=self.rng.choice(LEVELS),
            faults=faults,
        )
        if audit:
            self.runtime.simulation.check_each_step()
        self.workers = [self.start(f"w{n}") for n in range(self.rng.randint(1, 2))]

    def start(self, worker_id):
        while True:
            try:
                return self.runtime.exec(self.flow, worker_id)
            except MemoryError:
                pass  # a fault: nothing was left behind, so it may be tried again

    # --- The flow

    def draw_flow(self):
        rng = self.rng
        flow = Flow("flow")
        count = rng.randint(1, 6)
        shapes = [self.draw_routine(f"r{n}") for n in range(count)]
        for n, routine in enumerate(shapes):
            flow.add_routine(routine, f"r{n}")
        cyclic = rng.random() < 0.3
        for n, routine in enumerate(shapes):
            for event in routine.events:
                for _ in range(rng.choice((0, 1, 1, 2))):
                    low = 0 if cyclic and rng.random() < 0.3 else n + 1
                    if low >= count:
                        continue
                    target = rng.randrange(low, count)
                    slot = rng.choice(list(shapes[target].slots))
                    key = (f"r{n}", event, f"r{target}", slot)
                    if key not in {one.key for one in flow.connections}:
                        flow.connect(*key)
        if rng.random() < 0.2:
            flow.set_error_handler(self.draw_handler())
        return flow

    def draw_routine(self, name):
        rng = self.rng
        routine = Routine()
        policy = rng.choice(POLICIES)
        size = rng.randint(1, 4) if policy in ("batch", "custom") else 1
        slots = 2 if policy == "pair" or rng.random() < 0.2 else 1
        for n in range(slots):
            bound = size - 1 + rng.choice((1, 1, 2, 5, 1000))
            rule = rng.choice(OVERFLOWS)
            if rule == "block" and (policy in ("pair", "custom", "own") or slots > 1):
                bound = 1000  # else only a post could make room, and none may come
            routine.add_slot(f"s{n}", bound, overflow=rule)
        for n in range(rng.choice((0, 1, 1, 2))):
            routine.add_event(f"e{n}")
        wait = rng.choice((None, None, 0.01, 1.0))
        routine.set_activation_policy(
            {
                "immediate": immediate_policy(),
                "batch": batch_size_policy(size, wait),
                "pair": all_slots_ready_policy(),
                "custom": custom_policy(
                    lambda slots, worker: max(map(len, slots.values())) >= size
                ),
                "interval": time_interval_policy(rng.choice((0.001, 0.1, 2.0))),
                "own": self.make_policy(name),
            }[policy]
        )
        limit = rng.choice((1, 1, 1, 2, None))
        if policy == "immediate" and rng.random() < 0.3:
            routine.set_concurrency(limit, key=key_of)
            self.keyed.add(name)
        elif limit != 1:
            routine.set_concurrency(limit)
        self.limits[name] = limit
        if rng.random() < 0.3:
            routine.set_error_handler(self.draw_handler())
        routine.set_logic(self.draw_logic(routine, name))
        return routine

    def make_policy(self, name):
        """Make a policy of the user's: the newest item of each slot, no others."""

        def policy(slots, worker_state):
            data = {}
            for slot, view in slots.items():
                *older, newest = view.take(len(view)) or (None,)
                data[slot] = [] if newest is None else [newest]
                self.count((worker_state.worker_id, name, slot), len(older))
            return any(data.values()), data, {"reason": "newest"}

        return policy

    def count(self, key, n):
        self.consumed[key] = self.consumed.get(key, 0) + n

    def begin_key(self, key):
        if key in self.keys:
            self.wrong.append(f"two activations of one key at a time: {key}")
        self.keys.add(key)

    def draw_handler(self):
        rng = self.rng
        return ErrorHandler(
            rng.choice(("stop", "continue", "skip", "retry", "retry")),
            rng.randint(0, 3),
            rng.choice((0.0, 0.1, 5.0)),
        )

    def draw_logic(self, routine, name):
        sleeps = self.rng.choice((0, 0, 0.001, 0.5, 3.0))
        if self.rng.random() < 0.3:

            async def logic(slot_data, policy_message, worker_state):
                with self.entered(name, slot_data, worker_state):
                    await asyncio.sleep(self.rng.choice((0, sleeps)))
                    self.act(routine, name, slot_data, worker_state)
                    if self.rng.random() < 0.2:
                        await asyncio.to_thread(get_current_job)
                    await asyncio.sleep(self.rng.choice((0, sleeps)))

        else:

            def logic(slot_data, policy_message, worker_state):
                with self.entered(name, slot_data, worker_state):
                    if sleeps and self.rng.random() < 0.5:
                        clock.sleep(sleeps)
                    self.act(routine, name, slot_data, worker_state)

        return logic

    def entered(self, name, slot_data, worker):
        return Inside(self, worker.worker_id, name, slot_data)

    def act(self, routine, name, slot_data, worker):
        rng = self.rng
        fuel = sum(item["fuel"] for items in slot_data.values() for item in items)
        events = list(routine.events)
        for _ in range(rng.randint(0, 3) if events else 0):
            if fuel > 0:
                fuel = fuel // 2
                routine.emit(rng.choice(events), fuel=fuel, n=next(self.numbers))
        fate = rng.choice(FATE)
        if fate == "raise":
            raise Boom(name)
        if fate == "cancel":
            get_current_job().cancel()
        elif fate == "post" and fuel > 1:
            self.post(fuel // 2)
        elif fate == "flush":
            self.runtime.flush()
        elif fate == "state":
            worker.update_routine_state_with(
                name, lambda state: {"n": state.get("n", 0) + 1}
            )
            get_current_job().set_data(name, worker.get_routine_state(name))

    # --- What a user does

    def post(self, fuel, **options):
        routine_id = self.rng.choice(list(self.flow.routines))
        slot = self.rng.choice(list(self.flow.routines[routine_id].slots))
        worker = self.rng.choice(self.workers)
        data = {"fuel": fuel, "n": next(self.numbers)}
        try:
            job = self.runtime.post(
                "flow", routine_id, slot, data, worker.worker_id, **options
            )[1]
        except (QueueFullError, RuntimeError, ValueError, MemoryError):
            return  # refused: full, shut down, the job it joins has ended
        if job not in self.ended:
            self.ended[job] = 0
            job.add_done_callback(self.count_end)

    def count_end(self, job):
        self.ended[job] += 1
        if job.status not in ("completed", "failed", "cancelled"):
            self.wrong.append(f"{job} ended")

    def use(self):
        rng = self.rng
        for _ in range(rng.randint(1, 25)):
            what = rng.random()
            if what < 0.7:
                join = None
                if self.ended and rng.random() < 0.1:
                    join = rng.choice(list(self.ended)).job_id
                self.post(
                    rng.choice((0, 1, 4, 20)),
                    job_id=join,
                    block=rng.random() < 0.8,
                    timeout=rng.choice((None, None, 0.5)),
                )
            elif what < 0.78 and self.ended:
                rng.choice(list(self.ended)).cancel()
            elif what < 0.82:
                self.runtime.flush()
            elif what < 0.9:
                self.runtime.sleep(rng.choice((0.0001, 0.2, 10)))
            elif what < 0.96:
                self.runtime.wait_until_all_jobs_finished(rng.choice((0, 1, 1000)))
            elif self.ended:
                rng.choice(list(self.ended)).wait(rng.choice((0, 1, 1000)))

    def run(self):
        """Run it; returns what does not hold, as texts."""
        with contextlib.suppress(MemoryError):  # a fault
            self.use()
        self.runtime.simulation.calm()
        steps = self.runtime.simulation.steps
        self.runtime.shutdown(cancel_pending=self.rng.random() < 0.3)
        if self.runtime.simulation.steps - steps > 20_000:
            self.wrong.append("it took more than 20,000 steps to end")
        self.check()
        return self.wrong

    def check(self):
        try:
            self.runtime.simulation.check()
        except AssertionError as error:
            self.wrong.append(str(error))
        for job, times in self.ended.items():
            if times != 1:
                self.wrong.append(f"{job} ended {times} times")
        for worker in self.workers:
            for routine_id, routine in self.flow.routines.items():
                for slot in routine.slots:
                    self.check_slot(worker, routine_id, slot)
        if any(self.inside.values()):
            self.wrong.append(f"activations that did not end: {self.inside}")

    def check_slot(self, worker, routine_id, slot):
        view = worker.get_slot(routine_id, slot)
        status = view.get_queue_status()
        taken = self.consumed.get((worker.worker_id, routine_id, slot), 0)
        gone = len(view) + taken
        dropped = status["dropped_count"]
        if "memory" in self.runtime.simulation.faults:
            fits = gone <= status["total_count"]  # what failed before logic had it
        elif view.overflow == "drop_newest":  # what it refused was never accepted
            fits = gone <= status["total_count"] <= gone + dropped
        else:
            fits = gone + dropped == status["total_count"]
        if not fits:
            self.wrong.append(f"{worker} {routine_id}.{slot}: {status}, {taken} taken")


class Inside:
    """An activation: counts who is inside, and each item once."""

    def __init__(self, torture, worker_id, name, slot_data):
        self.torture = torture
        self.key = (worker_id, name)
        self.slot_data = slot_data

    def __enter__(self):
        torture = self.torture
        inside = torture.inside[self.key] = torture.inside.get(self.key, 0) + 1
        limit = torture.limits[self.key[1]] or torture.runtime.thread_pool_size
        if inside > limit:
            torture.wrong.append(f"{inside} of {self.key} at a time")
        for slot, items in self.slot_data.items():
            for item in items:
                if self.key[1] in torture.keyed:
                    torture.begin_key((*self.key, key_of(item)))
                if item.setdefault("seen", {}).setdefault((*self.key, slot), 0) == 0:
                    key = (*self.key, slot)
                    torture.count(key, 1)
                item["seen"][(*self.key, slot)] += 1  # more than once: retries

    def __exit__(self, *exc_info):
        self.torture.inside[self.key] -= 1
        if self.key[1] in self.torture.keyed:
            (item,) = itertools.chain(*self.slot_data.values())
            self.torture.keys.remove((*self.key, key_of(item)))


if __name__ == "__main__":
    logging.getLogger("routilux").disabled = True
    run = Torture(int(sys.argv[1]), faults="--calm" not in sys.argv, audit=True)
    found = run.run()
    print(*run.runtime.simulation.history[-100:], sep="\n")
    print(run.runtime.simulation, run.runtime.simulation.faults, *found, sep="\n")
