"""Tracing: the records of a runtime, written to a file as they come.

Each record of the flight recorder becomes lines of the format that Chrome and Perfetto
read. A thread of its own does that, without the GIL, from a ring that holds a million
records; whoever writes into the ring waits when it is full. The file is an array in
JSON that is closed after each write, and the next write begins over its closing bracket:
whenever the process is killed, what lies there can be read.
"""

import json
import os
import threading

from libc.errno cimport ENOMEM, errno
from libc.stdio cimport SEEK_SET, _IONBF, fclose, fflush, fopen, fseek, fwrite, setvbuf
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcpy, memset

from routilux._core.platform cimport PyThread_acquire_lock_timed, PyThread_allocate_lock
from routilux._core.platform cimport PyThread_free_lock, PyThread_release_lock, rlx_load
from routilux._core.platform cimport rlx_lock, rlx_monotonic_ns, rlx_store, rlx_store_ptr
from routilux._core.platform cimport rlx_unlock
from routilux._core.recorder cimport RECORD_ACTIVATION, RECORD_DROP, RECORD_EMIT
from routilux._core.recorder cimport RECORD_END, RECORD_FAILURE, RECORD_POST
from routilux._core.recorder cimport RECORD_RETRY, RECORD_TAKE, RECORD_WAIT
from routilux._core.recorder cimport new_ring, read_record, rlx_publish, rlx_see, ticks
from routilux._core.routine cimport Node, Plan
from routilux._core.worker cimport WorkerCore
from routilux._core.layout cimport start_meters, stop_meters

cdef extern from "rlx_trace.h" nogil:
    const int RLX_LINE
    char* rlx_flow_begin(char* p, int thread, int64_t at, uint64_t item)
    char* rlx_flow_end(char* p, int thread, int64_t at, uint64_t item)
    char* rlx_slice(
        char* p, int thread, int64_t at, int64_t lasted, char* category, char* name,
        char* prefix, uint64_t job
    )
    char* rlx_apart(
        char* p, char* phase, int thread, int64_t at, char* name, uint64_t item,
        char* prefix, uint64_t job
    )
    char* rlx_instant(
        char* p, int thread, int64_t at, char* name, char* prefix, uint64_t job
    )
    char* rlx_counter(char* p, int64_t at, char* name, int track, int64_t value)

cdef enum:
    BIG = 1 << 20            # records, 64 MB
    TEXT = 1 << 18           # bytes that are written at a time
    NAME = 512               # bytes of a name in the file at most
    NAP_US = 20000
    GIVE_UP_NS = 100000000
    PAGE = 4096
    MUCH = 4096              # a record that so many younger ones passed is lost

cdef char* OUTCOMES[5]
OUTCOMES[:] = [
    b'"job pending"', b'"job running"', b'"job completed"', b'"job failed"', b'"job cancelled"'
]


cdef class Tracer:
    """Writes what a runtime does to a file, from `start` to `close`.

    Args:
        core: of the runtime.
        path: of the file; it is replaced.

    Raises:
        OSError: it can't be written.
        RuntimeError: the runtime is being traced already.

    Thread-safety: `run` is called by the thread that writes, once; the rest by others.
    """

    def __cinit__(self, Control core, path):
        name = os.fsencode(path)
        head = '[\n{"ph":"M","pid":1,"name":"process_name","args":{"name":%s}}' % json.dumps(
            f"routilux {os.getpid()}"
        )
        if core.recorder is not None and rlx_load(&(<Recorder>core.recorder).c.detailed):
            raise RuntimeError("the runtime is being traced already")   # perhaps to `path`
        self.core = core
        self.kept = []
        self.prefix = f"job_{core.ledger.prefix}".encode()
        self.prefix_text = self.prefix
        with open(path, "wb"):
            pass                    # says what is wrong with the path
        self.file = fopen(name, b"r+b")
        self.bell = PyThread_allocate_lock()
        self.text = <char*>malloc(TEXT + 4 * (RLX_LINE + 2 * NAME))
        if self.file == NULL or self.bell == NULL or self.text == NULL:
            raise MemoryError("no memory for a trace")
        PyThread_acquire_lock_timed(self.bell, 0, 0)
        setvbuf(self.file, NULL, _IONBF, 0)
        self.add(head.encode())
        self.flush()

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.file != NULL:
            fclose(self.file)
        if self.bell != NULL:
            PyThread_free_lock(self.bell)
        for i in range(self.n_names):
            free(self.names[i].routines)
            free(self.names[i].slots)
            free(self.names[i].first_slot)
            free(self.names[i].apart)
        free(self.names)
        free(self.threads)
        free(self.text)

    cdef int add(self, bytes line) except -1:
        if self.size + len(line) > TEXT:
            self.flush()
        memcpy(&self.text[self.size], <char*>line, len(line))
        self.size += len(line)
        return 0

    def start(self):
        """Record each step of the runtime from now on."""
        cdef Recorder recorder
        cdef WorkerCore worker
        recorder = self.recorder = self.core.the_recorder()
        if recorder.big == NULL:
            recorder.big = new_ring(BIG, True)
            if recorder.big == NULL:
                raise MemoryError("no memory for a trace")
        if rlx_load(&recorder.c.detailed):
            raise RuntimeError("the runtime is being traced already")
        self.ring = recorder.big
        self.read = rlx_see(&self.ring.next)
        rlx_publish(&self.ring.taken, self.read)
        self.was_on = recorder.active
        recorder.active = True
        workers = list(self.core.workers.values())
        if workers and (<WorkerCore>workers[0]).clock.is_virtual:
            recorder.follow(&self.core.clock.virtual_ns)
        if not self.was_on:
            recorder.c.since = ticks(&recorder.c)
            try:
                for worker in workers:
                    start_meters(worker, recorder)
            except MemoryError:
                recorder.active = False
                for worker in workers:
                    stop_meters(worker)
                raise
        self.origin = ticks(&recorder.c)
        rlx_store_ptr(&recorder.c.ring, self.ring)
        rlx_store(&recorder.c.detailed, 1)

    def stop(self):
        """Record as before; `run` writes what is left and returns."""
        cdef WorkerCore worker
        cdef Recorder recorder = self.recorder
        rlx_store(&recorder.c.detailed, 0)
        rlx_store_ptr(&recorder.c.ring, recorder.small)
        if not self.was_on:
            recorder.active = False
            for worker in list(self.core.workers.values()):
                stop_meters(worker)
        rlx_store(&self.stopping, 1)
        PyThread_release_lock(self.bell)

    def run(self):
        """Write until `stop` was called; for a thread of its own."""
        cdef bint over, more = True
        cdef int64_t until
        while more:
            until = rlx_monotonic_ns() + 100000000
            with nogil:
                while True:
                    more = self.drain()
                    self.flush()
                    if more or rlx_monotonic_ns() > until:
                        break
                    if rlx_load(&self.stopping) and not self.is_behind():
                        break
                    PyThread_acquire_lock_timed(self.bell, NAP_US, 0)
            if more:
                try:
                    self.learn()
                except MemoryError:
                    self.error = ENOMEM
                    self.failed = True      # it is still emptied, or others would wait
                    more = not rlx_load(&self.stopping)
            else:
                over = rlx_load(&self.stopping) or self.core.is_closed
                more = not over or self.is_behind()
            self.tell_threads()
        self.flush()

    cdef bint is_behind(self) noexcept nogil:
        return self.read < rlx_see(&self.ring.next)

    def close(self):
        """Close the file, after `run` has returned.

        Raises:
            OSError: it could not be written.
        """
        if self.file != NULL:
            fclose(self.file)
            self.file = NULL
        if self.failed:
            raise OSError(self.error, os.strerror(self.error))

    cdef int learn(self) except -1:
        # Tracks that came meanwhile, in order; 0 is none.
        cdef names_t* bigger
        cdef names_t* names
        cdef Plan plan
        cdef Node node
        cdef Py_ssize_t n = self.recorder.n_tracks + 1
        cdef int s
        if n > self.cap_names:
            bigger = <names_t*>realloc(self.names, 2 * n * sizeof(names_t))
            if bigger == NULL:
                raise MemoryError()
            self.names = bigger
            self.cap_names = 2 * n
        while self.n_names < n:
            names = &self.names[self.n_names]
            memset(names, 0, sizeof(names_t))
            _, plan = self.recorder.tracks.get(self.n_names, (None, None))
            self.n_names += 1
            if plan is None:
                continue
            names.routines = <char**>calloc(len(plan.nodes) + 1, sizeof(char*))
            names.slots = <char**>calloc(plan.n_slots + 1, sizeof(char*))
            names.first_slot = <int*>calloc(len(plan.nodes) + 1, sizeof(int))
            names.apart = <bint*>calloc(len(plan.nodes) + 1, sizeof(bint))
            if not (names.routines and names.slots and names.first_slot and names.apart):
                raise MemoryError()
            s = 0
            for node in plan.nodes:
                names.routines[node.index] = self.name_of(node.routine_id)
                names.first_slot[node.index] = s
                names.apart[node.index] = node.is_async
                for slot in node.slot_names:
                    names.slots[s] = self.name_of(f"{node.routine_id}.{slot}")
                    s += 1
            names.n_cells = len(plan.nodes)
        return 0

    cdef char* name_of(self, str name) except NULL:
        cdef bytes text = json.dumps(name[:80]).encode()
        self.kept.append(text)
        return text

    cdef int tell_threads(self) except -1:
        if self.n_told == self.n_threads:
            return 0
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        while self.n_told < self.n_threads:
            name = names.get(self.threads[self.n_told], f"thread {self.threads[self.n_told]}")
            self.n_told += 1
            line = {"ph": "M", "pid": 1, "tid": self.n_told, "name": "thread_name"}
            line["args"] = {"name": name[:80]}      # a line has to fit into a page
            self.add((",\n" + json.dumps(line)).encode())
        return 0

    cdef int thread_of(self, uint64_t ident) noexcept nogil:
        cdef uint64_t* bigger
        cdef Py_ssize_t i
        for i in range(self.n_threads):
            if self.threads[i] == ident:
                return <int>i + 1
        if self.n_threads == self.cap_threads:
            bigger = <uint64_t*>realloc(
                self.threads, 2 * (self.cap_threads + 8) * sizeof(uint64_t)
            )
            if bigger == NULL:
                return 0
            self.threads = bigger
            self.cap_threads = 2 * (self.cap_threads + 8)
        self.threads[self.n_threads] = ident
        self.n_threads += 1
        return <int>self.n_threads

    cdef bint drain(self) noexcept nogil:
        # True: a worker that has no names yet stands in front. Numbers for which there
        # was no place in time are never written: they count as lost here, and only here.
        cdef record_t record
        cdef uint64_t newest = rlx_see(&self.ring.next)
        while self.read < newest:
            if not read_record(self.ring, self.read + 1, &record):
                if newest - self.read < MUCH:
                    if self.stuck_ns == 0:
                        self.stuck_ns = rlx_monotonic_ns()
                    if rlx_monotonic_ns() - self.stuck_ns < GIVE_UP_NS:
                        return False        # it is being written
                self.lost += 1
            else:
                if record.track >= self.n_names:
                    return True
                self.format(&record)
                self.written += 1
            self.stuck_ns = 0
            self.read += 1
            if self.size > TEXT:
                self.flush()
            if self.read & 1023 == 0:
                rlx_publish(&self.ring.taken, self.read)
                newest = rlx_see(&self.ring.next)
        rlx_publish(&self.ring.taken, self.read)
        return False

    cdef bint flush(self) noexcept nogil:
        # A kill may cut a write in two between pages. So no line lies in two of them, and
        # each page is one write.
        cdef char* line = self.text
        cdef char* end = self.text + self.size
        cdef char* following
        cdef size_t n
        self.size = 0
        if line == end or self.failed or self.file == NULL:
            return not self.failed
        fseek(self.file, <long>self.end, SEEK_SET)
        while line < end:
            following = <char*>memchr(line + 2, b"\n", end - line - 2)   # ",\n" begins one
            following = end if following == NULL else following - 1
            n = following - line
            if self.used + n + 3 > PAGE:
                memset(&self.page[self.used], b" ", PAGE - self.used)
                self.put(PAGE)
                self.end += PAGE
                self.used = 0
            memcpy(&self.page[self.used], line, n)
            self.used += n
            line = following
        memcpy(&self.page[self.used], b"\n]\n", 3)
        self.put(self.used + 3)
        return not self.failed

    cdef void put(self, size_t n) noexcept nogil:
        if not self.failed and fwrite(self.page, 1, n, self.file) < n:
            self.error = errno
            self.failed = True      # the disk may be full: the run goes on without

    cdef void format(self, record_t* record) noexcept nogil:
        cdef names_t* names = &self.names[record.track]
        cdef char* p = &self.text[self.size]
        cdef char* prefix = self.prefix_text
        cdef double tick = self.recorder.c.tick_ns
        cdef int64_t at = <int64_t>((record.at - self.origin) * tick)
        cdef int64_t lasted = <int64_t>(record.more * tick)
        cdef int thread = self.thread_of(record.thread)
        cdef int cell = record.cell
        cdef int target = <int>record.more
        cdef char* slot = NULL
        cdef int kind = record.kind
        if kind == RECORD_END:
            p = rlx_instant(p, thread, at, OUTCOMES[record.extra], prefix, record.job)
        elif names.n_cells == 0 or cell >= names.n_cells:
            return
        elif kind == RECORD_ACTIVATION:
            if names.apart[cell]:
                p = rlx_apart(
                    p, b"b", thread, at, names.routines[cell],
                    item_of(record, cell, record.number), prefix, record.job,
                )
                p = rlx_apart(
                    p, b"e", thread, at + lasted, names.routines[cell],
                    item_of(record, cell, record.number), prefix, record.job,
                )
            else:
                p = rlx_slice(
                    p, thread, at, lasted, b'"logic"', names.routines[cell], prefix, record.job
                )
                if record.link:
                    p = rlx_flow_end(p, thread, at, item_of(record, cell, record.link))
            p = rlx_counter(p, at + lasted, names.routines[cell], record.track, record.extra)
        elif kind == RECORD_EMIT:
            p = rlx_flow_begin(p, thread, at, item_of(record, target, record.link))
            p = rlx_counter(p, at, names.routines[target], record.track, record.extra)
        elif kind == RECORD_POST:
            slot = names.slots[names.first_slot[target] + record.slot]
            p = rlx_slice(p, thread, at, 10, b'"post"', slot, prefix, record.job)
            p = rlx_flow_begin(p, thread, at, item_of(record, target, record.link))
            p = rlx_counter(p, at, names.routines[target], record.track, record.extra)
        elif kind == RECORD_TAKE:
            p = rlx_flow_end(p, thread, at, item_of(record, cell, record.link))
        elif kind == RECORD_RETRY:
            p = rlx_slice(
                p, thread, at, lasted, b'"retry"', names.routines[cell], prefix, record.job
            )
        elif kind == RECORD_WAIT:
            slot = names.slots[names.first_slot[cell] + record.slot]
            p = rlx_slice(p, thread, at, lasted, b'"wait for room"', slot, prefix, record.job)
        elif kind == RECORD_FAILURE:
            p = rlx_instant(p, thread, at, b'"failed"', prefix, record.job)
        elif kind == RECORD_DROP:
            slot = names.slots[names.first_slot[cell] + record.slot]
            p = rlx_instant(p, thread, at, slot, prefix, record.job)
        self.size = p - self.text
