"""Drives a real runtime through a program and writes down what happens, in order.

On an engine of one thread the trace is one line of events, properly nested: what a
logic does lies between its "begin" and its "end", and what runs on top of it in
between. With threads every event still stands where it was noted, under one lock, which
is enough for what threads leave determined.
"""

import logging
import threading

from program import BOOM, Boom, Fatal, Item, mix, script

from routilux import (
    ErrorHandler,
    Flow,
    QueueFullError,
    Routine,
    Runtime,
    SlotQueueFullError,
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    get_current_job,
    get_current_jobs,
    immediate_policy,
    time_interval_policy,
)

WAIT = 30.0
logging.getLogger("routilux").addHandler(logging.NullHandler())


def keys_of(lists):
    return tuple(tuple(data["item"].key for data in given) for given in lists)


def can_park(program):
    """Say whether items may wait for something that never comes."""
    return any(
        spec.policy in ("all_slots_ready", "custom", "latest", "peek")
        or (spec.policy == "batch" and not spec.compiled)
        for spec in program.routines
    )


class Run:
    """One run of a program.

    Args:
        program: what to build and to do.
        engine: of the runtime; with `seed` for those that take one.

    Attributes:
        trace: the events, as tuples; the first element says which.
        threads: for each event, the thread that it happened on.
        jobs: label (the key of the first item) to job.
    """

    def __init__(self, program, engine="inline", **options):
        self.program = program
        self.trace = []
        self.threads = []
        self.jobs = {}
        self.retried = {}  # id(slot_data) -> (attempts so far, slot_data)
        self.seen = 0  # events when the last wait looked
        self.lock = threading.Lock()
        self.flow = Flow()
        for index, spec in enumerate(program.routines):
            self.flow.add_routine(self.build(index, spec), f"r{index}")
        for source, event, target, slot in program.edges:
            self.flow.connect(f"r{source}", f"e{event}", f"r{target}", f"s{slot}")
        if program.handler:
            self.flow.set_error_handler(self.handler(program.handler))
        self.runtime = Runtime(
            program.pool, program.max_queue_size, engine=engine, **options
        )
        self.workers = [
            self.runtime.exec(self.flow, f"w{number}")
            for number in range(program.workers)
        ]

    # --- building

    def handler(self, spec):
        return ErrorHandler(
            spec.strategy, spec.retries, 0.0, retryable_exceptions=(Boom,)
        )

    def build(self, index, spec):
        routine = Routine()
        for slot, rule in enumerate(spec.slots):
            routine.add_slot(f"s{slot}", rule.bound, overflow=rule.overflow)
        for event in range(spec.events):
            routine.add_event(f"e{event}")
        if spec.policy != "none":
            routine.set_activation_policy(self.policy(index, spec))
        if spec.handler:
            routine.set_error_handler(self.handler(spec.handler))
        if spec.limit != 1:
            routine.set_concurrency(spec.limit or None)

        def logic(slot_data, policy_message, worker_state):
            self.logic(routine, index, slot_data, policy_message, worker_state)

        routine.set_logic(logic)
        return routine

    def policy(self, index, spec):
        """Make a policy; one that is asked notes what it saw and what it said."""
        if spec.policy == "custom":

            def check(slots, worker_state):
                seen = self.look(slots)
                yes = max(map(len, seen)) >= spec.size
                self.note("ask", self.number(worker_state), index, seen, yes)
                return yes

            return custom_policy(check)
        compiled = {
            "immediate": immediate_policy,
            "all_slots_ready": all_slots_ready_policy,
            "batch": lambda: batch_size_policy(spec.size, spec.wait or None),
            "interval": lambda: time_interval_policy(spec.wait),
            "latest": lambda: latest,
            "peek": lambda: peek,
        }[spec.policy]()
        if spec.compiled:
            return compiled

        def ask(slots, worker_state):
            seen = self.look(slots)
            answer = compiled(slots, worker_state)
            self.note("ask", self.number(worker_state), index, seen, answer[0])
            return answer

        return ask

    def look(self, slots):
        return keys_of(slot.peek_all_new() for slot in slots.values())

    def number(self, worker_state):
        return int(worker_state.worker_id[1:])

    # --- logic

    def note(self, *event):
        with self.lock:
            self.trace.append(event)
            self.threads.append(threading.get_ident())

    def logic(self, routine, index, slot_data, message, worker_state):
        worker = self.number(worker_state)
        given = [slot_data[f"s{slot}"] for slot in range(len(slot_data))]
        attempt, _ = self.retried.pop(id(slot_data), (0, None))
        jobs = tuple(job.metadata["label"] for job in get_current_jobs())
        current = get_current_job()
        self.note(
            "begin",
            worker,
            index,
            keys_of(given),
            message["reason"],
            jobs,
            current.metadata["label"],
            attempt,
        )
        items = [[data["item"] for data in datas] for datas in given]
        try:
            for action in script(self.program, index, items, attempt):
                self.act(routine, worker, index, current, *action)
        except Exception as error:
            # Kept alive: the same dict comes back with a retry, and no other one.
            self.retried[id(slot_data)] = (attempt + 1, slot_data)
            self.note("end", worker, index, type(error).__name__)
            raise
        self.note("end", worker, index, None)

    def act(self, routine, worker, index, job, what, *details):
        if what == "emit":
            event, item, catches = details
            self.note("emit", worker, index, event, item.key)
            try:
                routine.emit(f"e{event}", item=item)
            except SlotQueueFullError:
                self.note("emitted", worker, index, item.key, "full")
                if not catches:
                    raise
            else:
                self.note("emitted", worker, index, item.key, "ok")
        elif what == "raise":
            raise Boom(details[0]) if details[0] == BOOM else Fatal(details[0])
        elif what == "cancel":
            self.note("cancelled", job.metadata["label"], job.cancel())
        elif what == "flush":
            self.runtime.flush(self.flow.flow_id)
            self.note("flushed")
        elif what == "result":
            job.set_result(details[0])
        elif what == "post":
            target, slot, item = details
            self.note("posting", item.key, worker, target, slot)
            self.post(worker, target, slot, item)

    # --- steps of the driving thread

    def post(self, worker, routine, slot, item, join=None, block=True):
        options = {"metadata": {"label": item.key}}
        if join is not None:
            options = {"job_id": join.job_id}
        try:
            state, job = self.runtime.post(
                self.flow.flow_id,
                f"r{routine}",
                f"s{slot}",
                {"item": item},
                f"w{worker}",
                block=block,
                **options,
            )
        except SlotQueueFullError:
            self.note("posted", item.key, "full")
        except QueueFullError:
            self.note("posted", item.key, "place")
        except ValueError as error:
            assert join is not None, error
            self.note("posted", item.key, "ended")
        else:
            assert state is self.workers[worker]
            assert state.job_id == job.job_id
            self.jobs[item.key] = job
            self.note("posted", item.key, "ok")
            if join is None:
                job.add_done_callback(lambda job: self.note("ended", item.key))

    def labelled(self, number):
        """Give the job that the post number so made, or None if it was refused."""
        return self.jobs.get(first_item(self.program, number, 0).key)

    def take(self, number, step):
        """Do one step."""
        what = step[0]
        if what == "post":
            worker, routine, slot, fuel, join, block = step[1:]
            job = None if join is None else self.labelled(join)
            item = first_item(self.program, number, fuel)
            self.post(worker, routine, slot, item, job, block)
        elif what == "cancel":
            job = self.labelled(step[1])
            if job is not None:
                self.note("cancelled", job.metadata["label"], job.cancel())
        elif what == "flush":
            self.runtime.flush(self.flow.flow_id)
            self.note("flushed")
        elif what == "wait":
            self.wait(self.runtime.wait_until_all_jobs_finished)
        elif what == "wait_job":
            job = self.labelled(step[1])
            if job is not None:
                self.wait(job.wait)
        elif what == "shutdown":
            self.runtime.shutdown(timeout=WAIT, cancel_pending=step[1])
            self.note("shut")

    def wait(self, wait):
        """Wait for jobs; where items may park for good, as long as anything moves."""
        if not can_park(self.program):
            done = wait(timeout=WAIT)
        elif any(spec.wait for spec in self.program.routines):
            done = wait(timeout=0.02)
        else:
            idle = 0  # a call serves one worker, which may have nothing to do
            while not (done := wait(timeout=0)) and idle <= self.program.workers:
                idle = idle + 1 if self.seen == len(self.trace) else 0
                self.seen = len(self.trace)
        self.note("waited", done)

    def run(self):
        """Take all steps, each followed by a look at everything that can be seen."""
        try:
            for number, step in enumerate(self.program.steps):
                self.take(number, step)
                self.note("state", *self.state())
        finally:
            self.runtime.shutdown(timeout=WAIT, cancel_pending=True)
        return self.trace

    def run_threads(self, posters):
        """Take the steps on several threads at once, and look when all has ended.

        Returns:
            What the last wait answered, before the shutdown.
        """

        def poster(first):
            for number in range(first, len(self.program.steps), posters):
                if self.program.steps[number][0] in ("post", "cancel", "flush"):
                    self.take(number, self.program.steps[number])

        threads = [
            threading.Thread(target=poster, args=(first,), daemon=True)
            for first in range(posters)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WAIT)
                assert not thread.is_alive(), "a post hangs"
            timeout = 0.01 if can_park(self.program) else WAIT
            return self.runtime.wait_until_all_jobs_finished(timeout)
        finally:
            self.runtime.shutdown(timeout=WAIT)

    def state(self):
        """Look at all jobs and all queues."""
        jobs = {
            label: (str(job.status), job.completed_at is not None)
            for label, job in self.jobs.items()
            if label == job.metadata["label"]
        }
        queues = {}
        for number, worker in enumerate(self.workers):
            for index, spec in enumerate(self.program.routines):
                for slot in range(len(spec.slots)):
                    view = worker.get_slot(f"r{index}", f"s{slot}")
                    told = view.get_queue_status()
                    queues[number, index, slot] = (
                        tuple(data["item"].key for data in view.peek_all_new()),
                        told["total_count"],
                        told["dropped_count"],
                    )
        return jobs, queues


def first_item(program, number, fuel):
    """Make the item that the step number so posts."""
    return Item(mix(program.seed, "step", number), fuel)


def latest(slots, worker_state):
    """Take all that there is, and show the newest of each slot."""
    if not any(slot.get_unconsumed_count() for slot in slots.values()):
        return False, {}, None
    found = {}
    for name, slot in slots.items():
        queued = slot.get_unconsumed_count()
        found[name] = [slot.consume_latest_and_mark_all_consumed()] if queued else []
    return True, found, {"reason": "latest"}


def peek(slots, worker_state):
    """Show the newest of each slot and take nothing."""
    if not any(slot.get_unconsumed_count() for slot in slots.values()):
        return False, {}, None
    found = {name: slot.peek_all_new()[-1:] for name, slot in slots.items()}
    return True, found, {"reason": "peek"}
