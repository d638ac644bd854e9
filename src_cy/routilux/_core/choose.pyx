"""Choosing: what a simulation does next, drawn from its seed.

Called by the simulation whenever it is somebody's turn. Every choice comes from one
generator, so the same seed gives the same run; what is drawn once a run (how many
threads, in which order) makes runs differ more than single draws would. It chooses only
what real threads could do while the system lets those on the stack wait.
"""

from libc.stdint cimport int64_t, uint64_t

from routilux._core.status cimport OVERFLOW_BLOCK
from routilux._core.platform cimport rlx_lock, rlx_unlock
from routilux._core.chance cimport chance_below, chance_once_in, mix
from routilux._core.slot cimport slot_t
from routilux._core.frame cimport current_frame, frame_t
from routilux._core.play cimport run_t

cdef enum:
    SHORTEST_NS = 500        # what an activation takes by itself
    LONGEST_NS = 4500
    DEEPEST = 24             # steps on the stack
    MOST_THREADS = 12
    ROOMY = 64               # free places of a slot that nobody will fill in a moment
    FAIR_EVERY = 16          # choices at random whatever the order


cdef class Chooser(Player):
    """Chooses by a seed.

    Args:
        engine: the core.
        seed: 0 <= seed < 2**64.
    """

    def __cinit__(self, engine, uint64_t seed, *args):
        self.engine = engine
        self.clock = self.engine.clock
        self.seed = self.chance.state = self.fingerprint = seed
        self.awake = []
        self.threads = 1 + <int>self.draw(min(self.engine.pool_size, MOST_THREADS))
        self.order = (ORDER_RANDOM, ORDER_RANDOM, ORDER_PRIORITY, ORDER_PRIORITY,
                      ORDER_NEWEST, ORDER_OLDEST)[self.draw(6)]
        self.straight = self.draw(2) == 0

    def draw(self, uint64_t n):
        """Return a number from 0 to n - 1, drawn from the seed."""
        return chance_below(&self.chance, n)

    cdef bint step(self, int call) except -1:
        # One thing happens. False: nothing is ready, or no thread is free for it.
        cdef cell_t* cell = NULL
        cdef WorkerCore worker = None
        cdef int64_t now, due
        cdef int[4] ways
        cdef bint free = self.has_thread(call)
        if self.nested >= DEEPEST:
            return False
        self.mishap()
        now = self.clock.now()
        due = self.clock.next_ns
        if free:
            self.gather()
            worker = self.choose(&cell, call)
        ways[0] = 4 if worker is not None else 0
        ways[1] = 0 <= due <= now
        ways[2] = ways[3] = 0
        if self.loop is not None:
            ways[2] = 0 if self.in_loop else 2 * self.loop.has_ready(now)
            ways[3] = free and self.loop.has_calls()
        if ways[0] + ways[1] + ways[2] + ways[3] == 0:
            return False
        self.nested += 1
        try:
            self.take(
                worker,
                cell,
                chance_below(&self.chance, ways[0] + ways[1] + ways[2] + ways[3]),
                ways,
            )
        finally:
            self.nested -= 1
        if self.watch is not None and self.trouble is None:
            try:
                self.watch()
            except BaseException as error:
                self.trouble = error
        return True

    cdef int take(self, WorkerCore worker, cell_t* cell, int drawn, int* ways) except -1:
        cdef uint64_t short = LONGEST_NS - SHORTEST_NS
        if drawn < ways[0]:
            self.clock.pass_to(
                self.clock.now() + SHORTEST_NS + <int64_t>chance_below(&self.chance, short)
            )
            return self.run(worker, cell)
        if drawn < ways[0] + ways[1]:
            self.note("timer", None, NULL, 0)
            return self.engine.fire()
        return self.turn() if drawn < ways[0] + ways[1] + ways[2] else self.call()

    cdef bint has_thread(self, int call) noexcept:
        # Whether a pump is free. Under a thread that sleeps may lie some that are
        # suspended: they would have long gone on, and do not count.
        # And other threads make up for those whose logic was given up.
        cdef run_t* run = self.runs
        cdef int threads = self.threads
        while run != NULL:
            if run.act != NULL and run.act.owner != NULL and run.act.held == 0:
                threads += 1
            run = run.up
        return self.depth < threads or (call == CALL_SLEEP and self.sleepers < threads)

    cdef int mishap(self) except -1:
        return 0

    cdef int gather(self) except -1:
        # Takes over the run queue, as a pump does, and lets go of who has no work.
        cdef WorkerCore worker
        cdef Py_ssize_t i
        while self.engine.runq_len > 0:
            rlx_lock(&self.engine.lock)
            worker = self.engine.pop_runq()
            rlx_unlock(&self.engine.lock)
            if worker is not None and worker not in self.awake:
                self.awake.append(worker)
        for i in range(len(self.awake) - 1, -1, -1):
            if (<WorkerCore>self.awake[i]).n_ready == 0:
                del self.awake[i]
        return 0

    cdef WorkerCore choose(self, cell_t** chosen, int call):
        # A ready cell that may run now, by the order of this run.
        cdef WorkerCore worker, found = None
        cdef cell_t* cell
        cdef uint64_t n = 0, score, best = 0
        cdef int order = self.order
        cdef bint takes
        if order != ORDER_RANDOM and chance_once_in(&self.chance, FAIR_EVERY):
            order = ORDER_RANDOM
            self.epoch += 1
        for worker in self.awake:
            rlx_lock(&worker.lock)
            cell = worker.ready_head
            while cell != NULL:
                if self.may_run(worker, cell, call):
                    n += 1
                    if order == ORDER_RANDOM:
                        takes = chance_once_in(&self.chance, n)
                    elif order == ORDER_PRIORITY:
                        score = self.priority(worker, cell)
                        takes = n == 1 or score > best
                        best = score if takes else best
                    else:
                        takes = order == ORDER_OLDEST or n == 1
                    if takes:
                        found = worker
                        chosen[0] = cell
                cell = cell.next
            rlx_unlock(&worker.lock)
        return found

    cdef uint64_t priority(self, WorkerCore worker, cell_t* cell) noexcept nogil:
        return mix((worker.number << 32) ^ <uint64_t>cell.index ^ mix(self.epoch ^ self.seed))

    cdef bint may_run(self, WorkerCore worker, cell_t* cell, int call) noexcept:
        # At a point no logic that sleeps: what lies below it could not go on meanwhile,
        # as if the system had suspended its thread for as long.
        # On top of a suspended activation, nothing upstream of it may run that could
        # fill the slot which only the suspended one empties: the core's own rule for
        # helping. Where the slots have plenty of room it may.
        cdef run_t* run = self.runs
        cdef frame_t* frame = current_frame()
        cdef int highest = cell.rank
        cdef Py_ssize_t j
        cdef slot_t* slot
        cdef int i
        if call == CALL_POINT and cell.sleepy:
            return False
        while True:
            while frame != NULL:
                if frame.worker == <void*>worker and frame.act.cell != NULL:
                    highest = max(highest, frame.act.cell.rank)
                frame = frame.up
            if run == NULL:
                break
            if run.worker == <void*>worker:
                # A function may have handed on to one downstream since it began.
                if run.act != NULL and run.act.cell != NULL:
                    highest = max(highest, run.act.cell.rank)
                highest = max(highest, run.cell.rank)
            frame = run.frame
            run = run.up
        if highest == cell.rank:
            return True
        for i in range(cell.n_events):
            for j in range(cell.events[i].n_targets):
                slot = cell.events[i].targets[j]
                if slot.overflow == OVERFLOW_BLOCK and slot.bound - slot.size < ROOMY:
                    return False
        return True

    cdef bint advance(self, int64_t limit) except -1:
        # Nothing is ready: time passes to what is due next, or to `limit` (-1: none).
        cdef int64_t due = self.clock.next_ns, other = self.loop_due()
        cdef int64_t now = self.clock.now()
        # What is due already and was not served has to wait for somebody on the stack.
        if due <= now:
            due = -1
        if other > now and (due < 0 or other < due):
            due = other
        if due < 0 or (0 <= limit < due):
            due = limit
        if due < 0:
            return False
        self.clock.pass_to(due)
        return True


cdef bint may_sleep(Node node) except -1:
    if node.is_async:
        return False
    todo, seen = [node.logic], set()
    while todo:
        function = todo.pop()
        function = getattr(function, "__func__", function)
        code = getattr(function, "__code__", function)
        if not hasattr(code, "co_names") or code in seen:
            continue
        seen.add(code)
        if "sleep" in (*code.co_names, *code.co_freevars, *code.co_varnames):
            return True
        todo += code.co_consts
        for cell in getattr(function, "__closure__", None) or ():
            try:
                todo.append(cell.cell_contents)
            except ValueError:
                pass                # not set yet
    return False
