"""Balances the books of a run on threads: what has to hold for any timing.

Threads leave open which routine runs when, what a drop rule hits and which cancel is in
time. For any flow at all this remains: every accepted job ends once, after the last of
its activations; no routine overlaps itself beyond its limit; no item is seen twice, and
none of a completed job is missing; what went into a slot has left it by one of the
counted doors; what one source put into a slot comes out in its order.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from drive import first_item
from parts import CANCELLED, COMPLETED, FAILED, Illegal


@dataclass(eq=False)
class Seen:
    """One activation, as its events tell it."""

    worker: int
    routine: int
    keys: tuple
    jobs: tuple
    attempt: int
    emits: list = field(default_factory=list)  # (event, key, outcome)
    error: str | None = None
    ended: int = -1


class Books:
    """The events of a run, sorted into what can be checked.

    Args:
        program: what was run.
        run: the `drive.Run`, after its shutdown.
    """

    def __init__(self, program, run):
        self.program = program
        self.run = run
        self.activations = []
        self.ended = {}  # label -> place of its end in the trace
        self.accepted = []  # labels of posts in trace order
        self.cancelled = set()
        self.emitting = defaultdict(list)  # thread -> events that it is emitting
        self.places = {
            first_item(program, number, 0).key: step[1:4]
            for number, step in enumerate(program.steps)
            if step[0] == "post"
        }
        self.read()

    def require(self, holds, what, *details):
        if not holds:
            raise Illegal(f"{what} {details or ''}")

    def read(self):
        open_on = defaultdict(list)  # thread -> its activations, helping on top
        running = Counter()
        events = zip(self.run.trace, self.run.threads, strict=True)
        for at, (event, thread) in enumerate(events):
            what, stack = event[0], open_on[thread]
            if what == "begin":
                _, worker, routine, keys, _, jobs, _, attempt = event
                stack.append(Seen(worker, routine, keys, jobs, attempt))
                self.activations.append(stack[-1])
                running[worker, routine] += 1
                spec = self.program.routines[routine]
                limit = spec.limit or self.program.pool
                self.require(running[worker, routine] <= limit, "it overlaps", event)
                for label in jobs:
                    self.require(label not in self.ended, "a job runs after its end")
            elif what == "emitted":
                stack[-1].emits.append((self.emitting[thread].pop(), *event[3:]))
            elif what == "emit":
                self.emitting[thread].append(event[3])
            elif what == "end":
                running[event[1:3]] -= 1
                seen = stack.pop()
                seen.error, seen.ended = event[3], at
            elif what == "ended":
                self.require(event[1] not in self.ended, "a job ended twice", event)
                self.ended[event[1]] = at
            elif what == "cancelled" and event[2]:
                self.cancelled.add(event[1])
            elif what == "posting":
                self.places[event[1]] = event[2:]
            elif what == "posted" and event[2] == "ok":
                self.accepted.append((thread, event[1]))
        self.require(not any(open_on.values()), "logic never returned")

    def check(self):
        """Check everything; raises Illegal with what does not add up."""
        self.check_jobs()
        self.check_slots()
        self.check_order()
        self.check_nothing_lost()

    def verdict(self, seen):
        spec = self.program.routines[seen.routine]
        handler = spec.handler or self.program.handler
        if seen.error is None:
            return "ok"
        if handler is None:
            return "stop"
        if handler.strategy != "retry":
            return handler.strategy
        worth = seen.error == "Boom" and seen.attempt < handler.retries
        return "retry" if worth else "stop"

    def check_jobs(self):
        """Every job ended once, and its status tells what happened to it."""
        stopped = {
            label
            for seen in self.activations
            if self.verdict(seen) == "stop"
            for label in seen.jobs
        }
        began = {label for seen in self.activations for label in seen.jobs}
        for label, job in self.jobs():
            status = str(job.status)
            self.require(label in self.ended, "a job never ended", label, status)
            self.require(job.completed_at is not None, "no end time", label)
            if status == FAILED:
                self.require(label in stopped, "failed for nothing", label)
            elif status == COMPLETED:
                self.require(label not in stopped, "an error was lost", label)
                self.require(label not in self.cancelled, "it was cancelled", label)
            else:
                self.require(status == CANCELLED, "no end", label, status)
                reason = job.error.type
                named = label in self.cancelled or "still parked" in job.error.message
                dropped = reason == "Dropped" and label not in began
                self.require(
                    named or dropped, "cancelled for nothing", label, job.error
                )

    def jobs(self):
        return [
            (label, job)
            for label, job in self.run.jobs.items()
            if job.metadata["label"] == label
        ]

    def consumed(self):
        """Count what logic got: (worker, routine, slot) to keys in order."""
        found = defaultdict(list)
        for seen in self.activations:
            for slot, keys in enumerate(seen.keys):
                if seen.attempt == 0:
                    found[seen.worker, seen.routine, slot].extend(keys)
        return found

    def offers(self):
        """Collect what was put, in order: place to {source: [key]}, and doubts.

        An emit that was refused may have reached some of its targets before.
        """
        found = defaultdict(lambda: defaultdict(list))
        doubtful = Counter()
        for thread, key in self.accepted:
            found[self.places[key]]["post", thread].append(key)
        for seen in self.activations:
            source = ("emit", seen.routine)
            for event, key, outcome in seen.emits:
                for target, slot in self.program.targets(seen.routine, event):
                    place = (seen.worker, target, slot)
                    if outcome == "ok":
                        found[place][source].append(key)
                    else:
                        doubtful[place] += 1
        return found, doubtful

    def check_slots(self):
        """What went in has come out, is still there, or was dropped and counted."""
        _, queues = self.run.state()
        consumed, (offers, doubtful) = self.consumed(), self.offers()
        calm = all(str(job.status) == COMPLETED for _, job in self.jobs())
        for place, (left, put, dropped) in queues.items():
            got = consumed[place]
            spec = self.program.routines[place[1]]
            rule = spec.slots[place[2]].overflow
            twice = [key for key, count in Counter(got).items() if count > 1]
            self.require(not twice, "seen twice", place, twice)
            out = len(got) + len(left) + dropped
            refused = out - put  # by drop_newest: counted, and never put
            self.require(refused >= 0, "lost", place, put, len(got), left, dropped)
            if rule != "drop_newest" or spec.policy == "none":
                self.require(refused == 0, "from nowhere", place, out, put)
            offered = sum(len(keys) for keys in offers[place].values())
            entered = put + refused
            self.require(
                entered <= offered + doubtful[place],
                "more than offered",
                place,
                entered,
            )
            if calm and not doubtful[place]:
                self.require(entered == offered, "lost on the way", place, offered)

    def check_order(self):
        """What one source put into a slot comes out in its order."""
        consumed, (offers, _) = self.consumed(), self.offers()
        for place, keys in consumed.items():
            if self.program.routines[place[1]].limit != 1:
                continue
            for source, given in offers[place].items():
                serial = source[0] == "post" or (
                    self.program.routines[source[1]].limit == 1
                )
                if not serial:
                    continue
                order = {key: number for number, key in enumerate(given)}
                got = [order[key] for key in keys if key in order]
                self.require(got == sorted(got), "out of order", place, source, got)

    def check_nothing_lost(self):
        """All that a completed job caused was seen, where no rule drops."""
        status = {label: str(job.status) for label, job in self.jobs()}
        consumed = {place: set(keys) for place, keys in self.consumed().items()}
        for seen in self.activations:
            if not any(status.get(label) == COMPLETED for label in seen.jobs):
                continue
            for event, key, outcome in seen.emits:
                for target, slot in self.program.targets(seen.routine, event):
                    spec = self.program.routines[target]
                    keeps = spec.slots[slot].overflow in ("block", "error")
                    if outcome == "ok" and keeps and spec.policy != "none":
                        place = (seen.worker, target, slot)
                        found = key in consumed.get(place, ())
                        self.require(found, "an item was lost", place, key)
