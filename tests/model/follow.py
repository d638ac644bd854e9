"""Follows the trace of a run on one thread through the model, event by event.

What the contract leaves open is which of the routines that may run does run next. There
the follower takes what the run did, and asks the model whether it was legal. All else
is determined and must be equal: which items an activation gets and why, its jobs, what
becomes of each emit and post, when a job ends and how, what a wait answers, what every
queue holds and has dropped after each step.

Legal, then, is exactly this:

- An activation begins only for a routine that may run, and with the items that its
  policy takes of its queues as they are then.
- While a step does not wait, nothing runs. A post runs things only if it found no place
  or no room; an emit only if it found the slot full, and then the routine behind the
  slot goes first if it may run.
- A partial batch runs only after a flush, after its max_wait, or if somebody waits and
  nothing else moved; those nearest to the sources go first.
- An emit into a full slot is refused only if nothing can make room before it returns.
- A wait that answers False, and the end of a program, leave nothing that could run.
"""

from drive import can_park, first_item
from parts import Illegal
from program import script
from reference import Model

from routilux.graph import topological_ranks

FULL = "SlotQueueFullError"


class Follower:
    """Holds a trace against the model.

    Args:
        program: what was run.
        trace: what `drive.Run.run` wrote down.
    """

    def __init__(self, program, trace):
        self.program = program
        self.trace = trace
        self.at = 0
        pairs = [(source, target) for source, _, target, _ in program.edges]
        self.model = Model(program, topological_ranks(len(program.routines), pairs))
        self.jobs = {}  # label -> model's job
        self.labels = {}
        self.reported = set()
        self.late = set()  # jobs that a dead retry held, which the run may still do

    # --- reading

    def require(self, holds, what, *details):
        if not holds:
            raise Illegal(f"event {self.at}: {what} {details or ''}")

    def peek(self):
        return self.trace[self.at] if self.at < len(self.trace) else ("nothing",)

    def read(self, *expected):
        event = self.peek()
        self.require(
            event[: len(expected)] == expected, f"found {event}, expected {expected}"
        )
        self.at += 1
        return event

    def drain(self):
        """Read the ends of the jobs that are finished in the model, each once."""
        while self.peek()[0] == "ended":
            job = self.jobs[self.peek()[1]]
            if not job.finished:
                self.expire()
            if not job.finished:
                return  # whoever reads on expects something else
            self.require(job not in self.reported, "a job ended twice", self.peek())
            self.reported.add(job)
            self.at += 1

    def expire(self):
        """Let go of retries whose jobs have ended: nobody sees when that happens."""
        held = set(self.model.unfinished())
        self.model.expire()
        self.late |= held - set(self.model.unfinished())
        self.model.settle()

    def moves(self):
        return self.peek()[0] in ("begin", "ask")

    # --- activations

    def activity(self):
        """Follow one activation, or the asking of a policy that says no."""
        event = self.peek()
        cell = self.model.workers[event[1]][event[2]]
        if event[0] == "ask":
            if not self.model.is_enabled(cell):
                self.expire()
            self.require(
                self.model.is_enabled(cell), "a policy was asked in vain", event
            )
            seen = tuple(tuple(e.item.key for e in queue) for queue in cell.queues)
            found = self.model.slice_of(cell)
            self.read("ask", event[1], event[2], seen, found is not None)
            if found is None:
                self.model.decline(cell)
                self.model.settle()
                self.drain()
                return
            self.require(
                self.peek()[:3] == ("begin", *event[1:3]), "no begin after yes"
            )
        self.activation(cell)

    def activation(self, cell):
        event = self.peek()
        _, _, index, keys, _, labels, current, attempt = event
        activation = self.resumed(cell, event) if attempt else self.begun(cell, event)
        found = (
            tuple(tuple(item.key for item in given) for given in activation.items),
            activation.reason,
            tuple(self.labels[job] for job in activation.jobs),
            self.labels[activation.newest],
        )
        self.require(
            found == (keys, event[4], labels, current), "wrong activation", event, found
        )
        self.at += 1
        self.model.note(activation)
        self.drain()
        error = None
        for action in script(self.program, index, activation.items, attempt):
            error = getattr(self, f"do_{action[0]}")(activation, *action[1:])
            self.drain()
            if error:
                break
        self.read("end", cell.worker, index, error)
        self.model.end(activation, error)
        self.model.settle()
        self.drain()

    def begun(self, cell, event):
        if not self.model.is_enabled(cell):
            self.expire()
        self.require(self.model.is_enabled(cell), "it may not run", event, cell.queues)
        return self.model.take(cell, *self.model.slice_of(cell))

    def resumed(self, cell, event):
        keys, attempt = event[3], event[7]
        for activation in cell.retries:
            items = tuple(tuple(i.key for i in given) for given in activation.items)
            if (items, activation.attempt) == (keys, attempt):
                self.require(not activation.is_dead, "a retry for ended jobs", event)
                cell.retries.remove(activation)
                return activation
        raise Illegal(f"event {self.at}: no such retry {event}")

    # --- what logic does

    def do_raise(self, activation, name):
        return name

    def do_result(self, activation, value):
        activation.newest.result = value

    def do_cancel(self, activation):
        expected = self.model.cancel(activation.newest)
        self.drain()
        self.read("cancelled", self.labels[activation.newest], expected)

    def do_flush(self, activation):
        self.model.flush_all()
        self.read("flushed")

    def do_emit(self, activation, event, item, catches):
        cell = activation.cell
        self.read("emit", cell.worker, cell.index, event, item.key)
        outcome = "ok"
        for target, slot in self.program.targets(cell.index, event):
            into = self.model.workers[cell.worker][target]
            found = self.put(into, slot, item, activation)
            if found == "refused":
                outcome = "full"
                break
        self.drain()
        self.read("emitted", cell.worker, cell.index, item.key, outcome)
        return FULL if outcome == "full" and not catches else None

    def put(self, into, slot, item, activation):
        """Deliver; while the slot is full, follow what runs to make room."""
        while True:
            found = self.model.deliver(
                into, slot, item, activation.jobs, activation.newest
            )
            if found != "full":
                return found
            self.drain()
            if not self.moves():
                self.check_hopeless(into)
                return "refused"
            self.help(into)

    def help(self, into):
        """Follow what a thread runs that found a slot full."""
        event = self.peek()
        self.require(event[1] == into.worker, "it helps another worker", event)
        if self.model.is_due(into):
            mine = event[2] == into.index
            self.require(mine, "the routine behind the full slot goes first", event)
        self.activity()

    def check_hopeless(self, into):
        """Check that nothing can make room: every other way of moving is shut."""
        cells = self.model.workers[into.worker]
        for cell in cells:
            timed = cell.spec.wait and self.model.is_enabled(cell)
            stuck = not (timed or self.model.is_due(cell) or cell.retries)
            self.require(stuck, "refused, but this may run", cell.index, self.peek())
        self.require(
            into.running or self.model.draining, "refused, but a post may make room"
        )

    def do_post(self, activation, target, slot, item):
        worker = activation.cell.worker
        self.read("posting", item.key)
        into = self.model.workers[worker][target]
        rule = into.spec.slots[slot].overflow
        while self.moves():
            no_place = self.model.counted()[1] >= self.program.max_queue_size
            no_room = self.model.is_full(worker, target, slot) and rule == "block"
            self.require(no_place or no_room, "a post that need not wait", self.peek())
            if no_room:
                self.help(into)
            else:
                self.activity()
        full = self.model.is_full(worker, target, slot) and into.spec.policy != "none"
        if full and rule in ("block", "error"):
            if rule == "block":
                self.check_hopeless(into)
            self.drain()
            self.read("posted", item.key, "full")
            return
        self.enter(worker, target, slot, item, None)

    def enter(self, worker, routine, slot, item, join):
        job = self.model.enter(worker, routine, slot, item, join)
        self.jobs[item.key] = job
        self.labels.setdefault(job, item.key)
        self.model.settle()
        self.drain()
        self.read("posted", item.key, "ok")
        self.drain()

    # --- steps

    def follow(self):
        """Follow the whole trace; raises Illegal where it leaves the contract."""
        for number, step in enumerate(self.program.steps):
            getattr(self, f"step_{step[0]}")(number, *step[1:])
            self.drain()
            self.check_state(*self.read("state")[1:])
        self.require(self.at == len(self.trace), "more happened", self.peek())
        return self.model

    def labelled(self, number):
        return self.jobs.get(first_item(self.program, number, 0).key)

    def step_post(self, number, worker, routine, slot, fuel, join, block):
        model, item = self.model, first_item(self.program, number, fuel)
        joined = None if join is None else self.labelled(join)
        cell = model.workers[worker][routine]
        rule, inert = cell.spec.slots[slot].overflow, cell.spec.policy == "none"

        def is_refused():
            if joined and (
                joined.open == 0 or joined.is_dead or joined.worker != worker
            ):
                return "ended"
            if model.is_full(worker, routine, slot) and not inert:
                if rule == "error":
                    return "full"
                if rule == "block":
                    return "full" if not block else "wait"
            bound = self.program.max_queue_size
            if joined is None and model.counted()[1] >= bound:
                return "wait" if block else "place"
            return None

        waits = is_refused() == "wait"
        if waits:
            self.drain()
        self.require(waits or not self.moves(), "it need not wait", self.peek())
        while self.moves():
            self.activity()
        reason = is_refused()
        if reason in ("ended", "full"):
            self.read("posted", item.key, reason)
            return
        may = reason is None or (joined is None and self.has_place())
        if may and self.peek()[:3] != ("posted", item.key, "place"):
            self.enter(worker, routine, slot, item, joined)
            return
        self.require(reason == "place", "it found no place", reason)
        self.read("posted", item.key, "place")

    def has_place(self):
        return self.model.counted()[0] < self.program.max_queue_size

    def step_cancel(self, number, which):
        job = self.labelled(which)
        if job is not None:
            expected = self.model.cancel(job)
            self.drain()
            self.read("cancelled", self.labels[job], expected)

    def step_flush(self, number):
        self.model.flush_all()
        self.read("flushed")

    def step_wait(self, number, which=None):
        job = None if which is None else self.labelled(which)
        if which is not None and job is None:
            return
        if job is None or not job.finished:
            self.model.waits.append(job)
            self.run_on()
            self.model.waits.pop()
        done = job.finished if job else not self.model.unfinished()
        if not done and self.peek() == ("waited", True):
            self.expire()
            done = job.finished if job else not self.model.unfinished()
        self.read("waited", done)
        if not done:
            self.require(can_park(self.program), "a wait gave up")
            self.check_rest()

    step_wait_job = step_wait

    def run_on(self):
        self.model.settle()
        self.drain()
        while self.moves():
            self.activity()

    def check_rest(self):
        """Check that nothing is left that could run."""
        if any(spec.wait for spec in self.program.routines):
            return  # its time may not have come
        for cell in self.model.cells():
            idle = not self.model.is_enabled(cell) and not cell.retries
            self.require(idle, "nobody ran this", cell.worker, cell.index, cell.queues)

    def step_shutdown(self, number, cancel_pending):
        self.model.draining = True
        if cancel_pending:
            self.model.end_job(self.model.unfinished(), "cancelled", "Cancelled")
            self.drain()
        self.run_on()
        self.expire()
        self.drain()
        self.read("shut")
        self.require(not self.model.unfinished(), "jobs are left after a shutdown")

    # --- what can be seen

    def check_state(self, jobs, queues):
        model = self.model
        dying = any(a.is_dead for cell in model.cells() for a in cell.retries)
        for label, (status, ended) in jobs.items():
            job = self.jobs[label]
            if ended and not job.finished:
                self.expire()
            self.require(status == job.status, "status", label, status, job)
            late = dying or (job in self.late and not ended)
            self.require(ended == job.finished or late, "finished", label, ended, job)
            self.require(ended == (job in self.reported), "not told of its end", label)
        for (worker, index, slot), found in queues.items():
            cell = model.workers[worker][index]
            expected = (
                tuple(entry.item.key for entry in cell.queues[slot]),
                cell.put[slot],
                cell.dropped[slot],
            )
            where = f"queue of slot {slot} of r{index} in w{worker}"
            self.require(found == expected, where, found, expected)
