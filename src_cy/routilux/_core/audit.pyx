"""The audit: counts everything again and says which invariant does not hold.

Called by a simulation after each step when it is asked to, and by tests when nothing
moves; on a threaded runtime that is at work its answer means nothing. What it checks is
what the other headers promise: an owner counts what is queued and executing for it, a
routine that may run is on the ready list, a parked item has its clock, nobody sleeps
for what has come true, and every total is the sum of its parts.
"""

from cpython.object cimport PyObject

from routilux._core.status cimport (
    JOB_CANCELLED,
    JOB_FAILED,
    JOB_PENDING,
    JOB_RUNNING,
    OVERFLOW_BLOCK,
    OWNER_GROUP,
    POLICY_BATCH,
    POLICY_CALLABLE,
    POLICY_CUSTOM,
    POLICY_INTERVAL,
    POLICY_KEYED,
    POLICY_NONE,
    TIMER_CHECK,
    TIMER_RETRY,
)
from routilux._core.platform cimport waiter_t
from routilux._core.job cimport JobContext
from routilux._core.group cimport JobGroup
from routilux._core.ledger cimport Ledger
from routilux._core.slot cimport slot_at
from routilux._core.activation cimport policy_fires
from routilux._core.lane cimport laned_t, lanes_t
from routilux._core.routine cimport Node
from routilux._core.worker cimport Activation
from routilux._core.drain cimport may_move
from routilux._core.frame cimport current_frame, frame_t
from routilux._core.play cimport run_t
from routilux._core.sim cimport SimControl, SimDriver
from routilux._core.fault cimport FaultDriver


cdef bint feeds_full(cell_t* cell) noexcept:
    cdef slot_t* slot
    cdef Py_ssize_t j
    cdef int i
    for i in range(cell.n_events):
        for j in range(cell.events[i].n_targets):
            slot = cell.events[i].targets[j]
            if slot.size >= slot.bound and slot.overflow == OVERFLOW_BLOCK:
                return True
    return False


def audit_core(Control core):
    """Return what does not hold in a core, as texts; ``[]`` when all is well."""
    return Audit(core).run()


cdef class Audit:
    def __cinit__(self, Control core):
        self.core = core
        self.found = []
        self.open, self.parked = {}, {}
        self.running, self.checks, self.timers = {}, {}, {}
        self.acts = set()

    def run(self):
        """Return what does not hold."""
        cdef WorkerCore worker
        workers = self.core.all_workers()
        self.count_timers(self.core.clock)
        self.count_stack()
        for worker in workers:
            self.check_worker(worker)
        self.check_queue()
        if all([self.knows_all(worker) for worker in workers]):
            self.count_groups()
            self.check_jobs()
        return self.found

    def wrong(self, text):
        self.found.append(text)

    # --- Who counts for whom

    cdef int count_owner(self, owner_t* owner, Py_ssize_t n) except -1:
        if owner != NULL and n:
            self.open[<size_t>owner] = self.open.get(<size_t>owner, 0) + n
        return 0

    cdef int count_act(self, activation_t* act) except -1:
        cdef Py_ssize_t i
        if act == NULL or act.cell == NULL or <size_t>act in self.acts:
            return 0
        if act.owner != NULL and act.held == 0:
            return 0                    # overtime gave it up and settled it
        self.acts.add(<size_t>act)
        self.running[<size_t>act.cell] = self.running.get(<size_t>act.cell, 0) + 1
        if act.owner != NULL:
            return self.count_owner(act.owner, act.held)
        for i in range(act.n_entries):
            self.count_owner(act.entries[i].owner, 1)
        return 0

    cdef int count_timers(self, Clock clock) except -1:
        cdef Py_ssize_t i
        for i in range(clock.size):
            if clock.heap[i].kind > TIMER_RETRY:
                continue                # it moves nothing
            worker = <object>clock.heap[i].worker
            self.timers[worker] = self.timers.get(worker, 0) + 1
            if clock.heap[i].kind == TIMER_RETRY:
                self.count_act(&(<Activation>clock.heap[i].activation).c)
            elif clock.heap[i].kind == TIMER_CHECK:
                at = <size_t>clock.heap[i].cell
                self.checks[at] = self.checks.get(at, 0) + 1
        return 0

    cdef int count_stack(self) except -1:
        cdef SimDriver sim
        cdef Activation activation
        cdef run_t* run = NULL
        cdef frame_t* frame = current_frame()
        if isinstance(self.core, SimControl):
            sim = (<SimControl>self.core).sim
            run = sim.runs
            for activation in sim.coroutines:
                self.count_act(&activation.c)
        while True:
            while frame != NULL:
                if (<WorkerCore>frame.worker).engine is self.core:
                    self.count_act(frame.act)
                frame = frame.up
            if run == NULL:
                return 0
            self.count_act(run.act)
            frame = run.frame
            run = run.up

    cdef bint knows_all(self, WorkerCore worker) except -1:
        # Of threads, and of helpers between two of their steps, it can't know.
        cdef Py_ssize_t i
        return all(
            [
                self.running.get(<size_t>&worker.cells[i], 0) == worker.cells[i].running
                for i in range(worker.n_cells)
            ]
        )

    cdef int count_groups(self) except -1:
        # What a group holds, it holds as one count of every member.
        cdef owner_t* owner
        cdef JobGroup group
        cdef Py_ssize_t i
        seen = set()
        todo = list(self.open)
        while todo:
            at = todo.pop()
            owner = <owner_t*><size_t>at
            if owner.kind != OWNER_GROUP or at in seen:
                continue
            seen.add(at)
            group = <JobGroup>owner.obj
            for i in range(group.n_members):
                member = <size_t>group.members[i]
                self.count_owner(group.members[i], 1)
                self.parked[member] = self.parked.get(member, 0) + owner.out
                todo.append(member)
        for at in seen:
            self.check_owner(<owner_t*><size_t>at, "a group")
        return 0

    # --- Workers

    cdef int check_worker(self, WorkerCore worker) except -1:
        cdef Py_ssize_t i, queued = 0, running = 0, held = 0, crowded = 0
        for i in range(worker.n_slots):
            self.check_slot(worker, &worker.slots[i])
            if worker.slots[i].size > worker.slots[i].bound:
                crowded += 1
        for i in range(worker.n_cells):
            self.check_cell(worker, &worker.cells[i])
            queued += 0 if worker.cells[i].policy.kind == POLICY_NONE else worker.cells[i].total
            running += worker.cells[i].running
            held += worker.cells[i].held
        self.check_ready(worker)
        for name, has, should in (
            ("queued", worker.queued, queued),
            ("running", worker.running, running),
            ("n_held", worker.n_held, held),
            ("n_crowded", worker.n_crowded, crowded),
            ("timers", worker.timers, self.timers.get(worker, 0)),
        ):
            if has != should:
                self.wrong(f"{worker}: {name} is {has}, not {should}")
        if not 0 <= worker.nested <= worker.running:
            self.wrong(f"{worker}: nested is {worker.nested} of {worker.running} running")
        return 0

    cdef int check_slot(self, WorkerCore worker, slot_t* slot) except -1:
        cdef Py_ssize_t i
        cdef owner_t* owner
        label = (<Node>(<cell_t*>slot.cell).node).labels[slot.index]
        if not 0 <= slot.parked <= slot.size <= slot.cap:
            self.wrong(f"{label}: parked {slot.parked} of {slot.size}, room {slot.cap}")
        self.check_lanes(worker, slot, label)
        for i in range(slot.size):
            owner = slot_at(slot, i).owner
            if (owner == NULL) != slot.inert:
                self.wrong(f"{label}: item {i} has the wrong kind of owner")
            elif owner != NULL:
                self.count_owner(owner, 1)
                if i < slot.parked:
                    self.parked[<size_t>owner] = self.parked.get(<size_t>owner, 0) + 1
        return 0

    cdef int check_lanes(self, WorkerCore worker, slot_t* slot, label) except -1:
        # What waits in lanes is counted like what waits in the ring.
        cdef lanes_t* lanes = (<cell_t*>slot.cell).lanes
        cdef laned_t* laned = NULL
        cdef Py_ssize_t n = 0
        if lanes != NULL:
            laned = lanes.columns[slot.index].oldest
        while laned != NULL:
            n += 1
            self.count_owner(laned.entry.owner, 1)
            if laned.parked:
                at = <size_t>laned.entry.owner
                self.parked[at] = self.parked.get(at, 0) + 1
            if not (laned.lane.busy or laned.lane.ready):
                self.wrong(f"{label}: a lane has items, and it is not ready")
            laned = laned.younger
        if n != slot.laned:
            self.wrong(f"{label}: {slot.laned} in lanes, not {n}")
        return 0

    cdef int check_cell(self, WorkerCore worker, cell_t* cell) except -1:
        cdef Py_ssize_t total = 0
        cdef bint fires, timed = self.checks.get(<size_t>cell, 0) > 0
        cdef int i, kind = cell.policy.kind
        name = (<Node>cell.node).routine_id
        if kind == POLICY_NONE:
            return 0
        for i in range(cell.n_slots):
            total += cell.slots[i].size + cell.slots[i].laned
        if total != cell.total:
            self.wrong(f"routine {name!r}: total is {cell.total}, not {total}")
        if cell.timed != timed and kind != POLICY_CALLABLE:     # which may have several
            self.wrong(f"routine {name!r}: timed is {cell.timed}, its timers are not")
        if (cell.limit < 0) != worker.paused or cell.ready and worker.paused:
            self.wrong(f"routine {name!r}: paused is {worker.paused}, and it is not so")
        if cell.running < 0 or cell.running > abs(cell.limit):
            self.wrong(f"routine {name!r}: {cell.running} of {cell.limit} run")
        if cell.resumed != NULL and not (cell.ready or worker.paused):
            self.wrong(f"routine {name!r}: a retry is due, and it is not ready")
        if cell.held and not (feeds_full(cell) or worker.paused):
            self.wrong(f"routine {name!r}: held for slots that are not full")
        if cell.ready or cell.asking or cell.running >= cell.limit or cell.total == 0:
            return 0
        fires = (
            may_move(cell)
            if kind == POLICY_KEYED
            else not cell.stale
            if kind >= POLICY_CUSTOM
            else (cell.flush and kind == POLICY_BATCH)
            or policy_fires(
                &cell.policy, cell.slots, cell.n_slots, worker.clock.now()
            )
        )
        if cell.timed and kind == POLICY_INTERVAL:
            fires = False               # its clock will have it looked at
        if fires and (cell.timed or cell.running) and self.is_starved():
            fires = False               # so will the end of who got no memory
        if fires and not cell.held:
            self.wrong(f"routine {name!r}: may run, and it is not ready")
        if not fires and cell.policy.wait_ns and not cell.timed and not cell.held:
            self.wrong(f"routine {name!r}: waits for a clock that nobody set")
        return 0

    cdef bint is_starved(self) except -1:
        if not isinstance(self.core, SimControl):
            return False
        sim = (<SimControl>self.core).sim
        return isinstance(sim, FaultDriver) and "memory" in (<FaultDriver>sim).names

    cdef int check_ready(self, WorkerCore worker) except -1:
        cdef cell_t* cell = worker.ready_head
        cdef cell_t* before = NULL
        cdef Py_ssize_t i, n = 0, flagged = 0
        while cell != NULL and n <= worker.n_cells:
            n += 1
            if cell.prev != before or not cell.ready:
                self.wrong(f"{worker}: the ready list is broken at its item {n}")
            before, cell = cell, cell.next
        for i in range(worker.n_cells):
            flagged += worker.cells[i].ready
        if n != worker.n_ready or n != flagged or worker.ready_tail != before:
            self.wrong(
                f"{worker}: {worker.n_ready} ready, {n} in the list, {flagged} flagged"
            )
        return 0

    cdef int check_queue(self) except -1:
        # Ready work is in the run queue, or in the hands of who took it off.
        cdef PyObject* at = self.core.runq_head
        cdef WorkerCore worker
        cdef Py_ssize_t n = 0
        queued = set()
        while at != NULL:
            n += 1
            queued.add(<object>at)
            at = (<WorkerCore>at).run_next
        if n != self.core.runq_len:
            self.wrong(f"the run queue has {n} workers, not {self.core.runq_len}")
        awake = []
        if isinstance(self.core, SimControl):
            awake = (<SimControl>self.core).sim.awake
            if (<SimControl>self.core).sim.pending:
                return 0            # somebody is about to say so
        for worker in self.core.all_workers():
            if bool(worker.in_runq) != (worker in queued):
                self.wrong(f"{worker}: in_runq is {worker.in_runq}, and it is not so")
            if worker.n_ready and worker not in queued and worker not in awake:
                self.wrong(f"{worker}: has ready work, and nobody will come by")
        return 0

    # --- Jobs

    cdef int check_owner(self, owner_t* owner, str name) except -1:
        cdef Py_ssize_t should = self.open.get(<size_t>owner, 0)
        cdef Py_ssize_t parked = self.parked.get(<size_t>owner, 0)
        if owner.open != should or owner.parked != parked:
            self.wrong(
                f"{name}: counts {owner.open} open and {owner.parked} parked, not"
                f" {should} and {parked}"
            )
        if owner.out != (owner.open > 0 and owner.open == owner.parked):
            self.wrong(f"{name}: out is {owner.out} with {owner.parked} of {owner.open}")
        return 0

    cdef int check_jobs(self) except -1:
        cdef Ledger ledger = self.core.ledger
        cdef PyObject* at
        cdef JobContext job
        cdef waiter_t* waiter
        cdef Py_ssize_t i, n = 0, live = 0, admitted = 0
        for i in range(ledger.n_buckets):
            at = ledger.buckets[i]
            while at != NULL:
                job = <JobContext>at
                n += 1
                self.check_owner(&job.own, f"job {job.job_id}")
                if job.own.dead != (job.state in (JOB_FAILED, JOB_CANCELLED)):
                    if job.own.open:        # a dropped one was never marked
                        self.wrong(f"job {job.job_id}: dead is {job.own.dead}, {job.status}")
                if job.ended and (job.own.open or job.state <= JOB_RUNNING):
                    self.wrong(f"job {job.job_id}: ended, and {job.status}")
                if not job.ended and job.own.open == 0 and job.state == JOB_PENDING:
                    self.wrong(f"job {job.job_id}: nothing is left of it, and it goes on")
                live += not job.ended
                admitted += not job.ended and not job.own.out
                at = job.bucket_next
        for name, has, should in (
            ("n_jobs", ledger.n_jobs, n),
            ("live", ledger.live, live),
            ("admitted", ledger.admitted, admitted),
        ):
            if has != should:
                self.wrong(f"ledger: {name} is {has}, not {should}")
        if live == 0 and ledger.all_waiters.head != NULL:
            self.wrong("somebody still waits for all jobs, and there are none")
        waiter = ledger.job_waiters.head
        while waiter != NULL:
            if (<JobContext>waiter.target).ended:
                self.wrong("somebody still waits for a job that ended")
            waiter = waiter.next
        return 0
