"""The reference: what CONTRACT says about queues, activations and jobs, and no more.

One thread, no clock, no optimisation. It never chooses: `enabled` tells which
activations are legal now, and whoever drives it (the trace of a real run, or `run`)
says which of them happens. Nothing in here knows how the core is built.

An item carries the jobs it belongs to. A job counts what holds it open: the items in
slots, the activations that go on or wait for a retry. That is all there is to it.
"""

from collections import deque

from parts import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    Activation,
    Cell,
    Entry,
    Job,
)


class Model:
    """A runtime with the workers of one flow.

    Args:
        program: the flow and its parameters.
        ranks: distance of each routine from the sources, cycles counting as one.
    """

    def __init__(self, program, ranks):
        self.program = program
        self.jobs = []
        self.waits = []  # what is waited for: a job, or None for all
        self.draining = False
        self.has_clock = any(spec.wait for spec in program.routines)
        self.recorded = []  # what CONTINUE and SKIP wrote down: (worker, routine, word)
        self.workers = []
        for worker in range(program.workers):
            cells = []
            for index, spec in enumerate(program.routines):
                limit = spec.limit or program.pool
                cell = Cell(worker, index, spec, ranks[index], limit)
                cell.queues = [deque() for _ in spec.slots]
                cell.put = [0] * len(spec.slots)
                cell.dropped = [0] * len(spec.slots)
                cells.append(cell)
            self.workers.append(cells)

    def cells(self):
        return [cell for cells in self.workers for cell in cells]

    # --- what a policy says

    def slice_of(self, cell):
        """Answer (how many items of each slot, reason), or None: not yet.

        For a Python policy: what it will answer when it is asked, see `ask`.
        """
        spec, sizes = cell.spec, [len(queue) for queue in cell.queues]
        if not cell.total or spec.policy == "none":
            return None
        if spec.policy == "immediate":
            heads = [(q[0].arrival, s) for s, q in enumerate(cell.queues) if q]
            oldest = min(heads)[1]
            return [int(s == oldest) for s in range(len(sizes))], "immediate"
        if spec.policy == "all_slots_ready":
            return ([1] * len(sizes), spec.policy) if all(sizes) else None
        if spec.policy == "batch":
            if min(sizes) >= spec.size:
                return [spec.size] * len(sizes), "batch_ready"
            if spec.compiled and (cell.flush is not False or spec.wait):
                return sizes, "batch_flush"
            return None
        if spec.policy == "interval":
            return sizes, "time_interval_met"
        if spec.policy == "custom":
            return (sizes, "custom_policy_met") if max(sizes) >= spec.size else None
        if spec.policy == "latest":
            return sizes, "latest"
        if spec.policy == "peek":
            return [0] * len(sizes), "peek"
        raise ValueError(spec.policy)

    def is_python(self, cell):
        """Say whether the policy is asked, instead of being judged from counts."""
        return (
            cell.spec.policy in ("custom", "latest", "peek") or not cell.spec.compiled
        )

    def has_timer(self, cell):
        """Say whether time alone will move what lies in the slots."""
        return bool(cell.total and cell.spec.compiled and cell.spec.wait)

    def is_enabled(self, cell):
        """Say whether an activation may begin now, or its policy has to be asked."""
        if cell.running >= cell.limit or not cell.total or cell.spec.policy == "none":
            return False
        if self.is_python(cell):
            return cell.fresh
        return self.slice_of(cell) is not None

    def is_due(self, cell):
        """Say the same without what only time can decide."""
        timed = cell.spec.wait or cell.flush is None
        if timed and not cell.flush and cell.spec.compiled:
            if cell.spec.policy == "interval":
                return False
            sizes = [len(queue) for queue in cell.queues]
            return min(sizes) >= cell.spec.size and cell.running < cell.limit
        return self.is_enabled(cell)

    def check(self, cell):
        """Ask the policy, as an arrival and the end of an activation do."""
        if cell.ready or cell.flush is not False:
            self.doubt(cell)
        if cell.ready or cell.running >= cell.limit:
            return
        if not cell.total:
            cell.flush = False
        elif self.is_due(cell):
            cell.ready = True
        elif cell.retries or cell.spec.wait or cell.flush is None:
            self.doubt(cell)
        else:
            for entry in cell.entries():
                entry.parked = True

    def doubt(self, cell):
        """Note that nobody sees whether a policy has been asked.

        A purge took what had made the routine ready, or it is ready for a retry: its
        policy is asked when its turn comes. Or a clock may have made it ready, or have
        decided when nothing moved, so that it was flushed.
        """
        timed = cell.spec.wait or (cell.flush is not False and self.has_clock)
        if timed or ((cell.ready or cell.retries) and not self.is_due(cell)):
            for entry in cell.entries():
                entry.parked = entry.parked or None

    # --- jobs

    def new_job(self, worker):
        job = Job(len(self.jobs), worker)
        self.jobs.append(job)
        return job

    def release(self, jobs):
        for job in jobs:
            job.open -= 1
            if job.open == 0:
                job.finished = True
                if job.status == PENDING:
                    job.status, job.error = CANCELLED, "Dropped"
                elif job.status == RUNNING:
                    job.status = COMPLETED

    def unfinished(self):
        return [job for job in self.jobs if not job.finished]

    def counted(self):
        """Bound how many jobs count for max_queue_size: (at least, at most).

        A job of which all items are parked does not. In between lie jobs whose items
        are perhaps parked, and those on an interval, which only a clock can judge.
        """
        held = dict.fromkeys(self.unfinished(), 0)
        sure, maybe = set(), set()
        for cell in self.cells():
            for entry in cell.entries():
                for job in entry.jobs:
                    held[job] += 1
                if cell.spec.policy == "interval" or entry.parked is None:
                    maybe.update(entry.jobs)
                elif not entry.parked:
                    sure.update(entry.jobs)
        sure.update(job for job, items in held.items() if job.open > items)
        return len(sure), len(sure | maybe)

    def end_job(self, jobs, status, error):
        """Fail or cancel jobs at once, and drop their queued items."""
        changed = [job for job in jobs if job.status in (PENDING, RUNNING)]
        for job in changed:
            job.status, job.error = status, error
        if changed:
            self.purge()
        return bool(changed)

    def purge(self):
        """Drop every item of which all jobs are failed or cancelled."""
        for cell in self.cells():
            for slot, queue in enumerate(cell.queues):
                dead = [e for e in queue if e.jobs and all(j.is_dead for j in e.jobs)]
                for entry in dead:
                    queue.remove(entry)
                    cell.dropped[slot] += 1
                    self.release(entry.jobs)
                if dead and not cell.total and cell.flush:  # else perhaps still ready
                    cell.flush = False
            self.doubt(cell)

    def cancel(self, job):
        """Cancel a job; False when it was finished, failed or cancelled."""
        return not job.finished and self.end_job([job], CANCELLED, "Cancelled")

    # --- posting and emitting

    def is_full(self, worker, routine, slot):
        cell = self.workers[worker][routine]
        return len(cell.queues[slot]) >= cell.spec.slots[slot].bound

    def deliver(self, cell, slot, item, jobs, newest):
        """Put an item into a slot by its overflow rule.

        Returns:
            "in", "dropped", "full" (it has to wait) or "refused" (an error).
        """
        rule, queue = cell.spec.slots[slot], cell.queues[slot]
        full = len(queue) >= rule.bound
        entry = Entry(item, jobs, newest, cell.arrivals + 1)
        if cell.spec.policy == "none":
            entry.jobs = ()
            if full:
                queue.popleft()
                cell.dropped[slot] += 1
            queue.append(entry)
            cell.put[slot] += 1
            return "in"
        if all(job.is_dead for job in jobs):
            return "dropped"
        if full and rule.overflow == "block":
            return "full"
        if full and rule.overflow == "error":
            return "refused"
        if full:
            cell.dropped[slot] += 1
        if full and rule.overflow == "drop_newest":
            return "dropped"
        for job in jobs:
            job.open += 1
        if full:
            self.release(queue.popleft().jobs)
        queue.append(entry)
        cell.put[slot] += 1
        cell.arrivals += 1
        cell.fresh = True
        self.check(cell)
        return "in"

    def enter(self, worker, routine, slot, item, job=None):
        """Put a posted item in; the caller made sure that it may.

        Returns:
            The job, new unless one was joined.
        """
        cell = self.workers[worker][routine]
        job = job or self.new_job(worker)
        self.deliver(cell, slot, item, (job,), job)
        if job.open == 0:
            inert = cell.spec.policy == "none"
            job.status = COMPLETED if inert else CANCELLED
            job.error = None if inert else "Dropped"
            job.finished = True
        return job

    # --- activations

    def take(self, cell, counts, reason):
        """Begin an activation with so many items of each slot."""
        oldest = min(cell.entries(), key=lambda entry: entry.arrival)
        shown = None
        if reason in ("latest", "peek"):
            shown = [[queue[-1]] if queue else [] for queue in cell.queues]
        taken = [
            [queue.popleft() for _ in range(count)]
            for queue, count in zip(cell.queues, counts, strict=True)
        ]
        entries = [entry for given in taken for entry in given]
        holders = entries or [oldest]  # a policy that activates and takes nothing
        jobs = tuple(
            sorted({j for e in holders for j in e.jobs}, key=lambda job: job.number)
        )
        newest = max(holders, key=lambda entry: entry.arrival).newest
        activation = Activation(cell, taken, reason, jobs, newest, shown)
        for job in jobs:
            job.open += 1
            if job.status == PENDING:
                job.status = RUNNING
        for entry in entries:
            self.release(entry.jobs)
        cell.running += 1
        cell.ready = False
        if reason == "batch_flush":
            cell.flush = False
        if self.is_python(cell):
            # One that took something is asked again, one that did not, after arrivals.
            cell.fresh = bool(entries)
        if cell.limit > 1:
            self.check(cell)
        return activation

    def decline(self, cell):
        """A Python policy was asked and said no: it is asked again after an arrival."""
        cell.ready = cell.fresh = False
        self.check(cell)

    def note(self, activation):
        """Remember that logic was called."""
        keys = tuple(tuple(i.key for i in given) for given in activation.items)
        activation.cell.seen.append((activation.reason, keys, activation.attempt))

    def end(self, activation, error):
        """End an activation, with the name of what it raised, or None."""
        cell = activation.cell
        if error is not None:
            handler = cell.spec.handler or self.program.handler
            verdict = self.verdict(handler, activation, error)
            if verdict == "retry":
                activation.attempt += 1
                cell.retries.append(activation)
                return
            if verdict == "stop":
                self.end_job(activation.jobs, FAILED, error)
            else:
                word = "skipped" if verdict == "skip" else "error_continued"
                self.recorded.append((cell.worker, cell.index, word))
        self.close(activation)

    def close(self, activation):
        activation.cell.running -= 1
        self.release(activation.jobs)
        self.check(activation.cell)

    def verdict(self, handler, activation, error):
        if handler is None:
            return "stop"
        if handler.strategy != "retry":
            return handler.strategy
        worth = error == "Boom" and activation.attempt < handler.retries
        return "retry" if worth and not activation.is_dead else "stop"

    def expire(self):
        """End the retries whose jobs all ended meanwhile: they never run again."""
        for cell in self.cells():
            for activation in [a for a in cell.retries if a.is_dead]:
                cell.retries.remove(activation)
                self.close(activation)

    # --- when nothing moves

    def is_quiet(self):
        """Say whether nothing moves: all that is open is parked."""
        if any(cell.running for cell in self.cells()) or not self.unfinished():
            return False
        return self.counted()[0] == 0

    def is_wanted(self):
        """Say whether somebody waits, for a job that is not finished or for all."""
        return self.draining or any(not (job and job.finished) for job in self.waits)

    def flush_all(self):
        """Let what is left over go, as runtime.flush() does."""
        for cell in self.cells():
            self.mark(cell, True)

    def mark(self, cell, flush):
        if cell.spec.policy == "batch" and cell.spec.compiled and cell.total:
            cell.flush = cell.flush or flush
            self.check(cell)

    def settle(self):
        """Do what a wait or a shutdown does when it finds nothing else to do."""
        while self.is_wanted() and self.is_quiet():
            moved = [self.flush_lowest(cells) for cells in self.workers]
            if any(moved):
                return
            if not self.draining or any(map(self.is_due, self.cells())):
                return
            for cells in self.workers:
                parked = {j for cell in cells for e in cell.entries() for j in e.jobs}
                self.end_job(parked, CANCELLED, "Cancelled")

    def flush_lowest(self, cells):
        """Flush what lies nearest to the sources of one worker.

        A clock leaves open when nothing moved, so in a flow with one all may go, and
        none has to.
        """
        timed = any(cell.total and cell.spec.policy == "interval" for cell in cells)
        if not self.has_clock and any(self.is_due(cell) for cell in cells):
            return True
        batches = [c for c in cells if c.spec.policy == "batch" and c.spec.compiled]
        ranks = [cell.rank for cell in batches if cell.total]
        for cell in batches:
            if cell.total and (self.has_clock or cell.rank == min(ranks)):
                self.mark(cell, None if self.has_clock else True)
        return timed or bool(ranks)
