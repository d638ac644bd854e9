"""Post: the compiled half of Runtime, as a caller meets it.

Called from any thread, from inside logic too. Names become a worker and a slot here,
errors about them are made here, and the result; entry does the rest. A call that names
the same three objects as the one before it skips all of that.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from routilux._core.status cimport ENGINE_CLOSED, ENGINE_OPEN, OVERFLOW_ERROR
from routilux._core.platform cimport (
    RLX_FREE_THREADED,
    rlx_add_method,
    rlx_load,
    rlx_xdecref,
)
from routilux._core.job cimport new_job
from routilux._core.routine cimport Node
from routilux._core.slot cimport slot_has_room
from routilux._core.deadline cimport deadline_in
from routilux._core.portion cimport block_for
from routilux._core.route cimport slot_full
from routilux._core.room cimport bell_for_place, bell_for_slot
from routilux._core.entry cimport deadline_from, enter

from routilux._core.control import FORKED
from routilux.errors import WorkerNotRunningError, name_hint

cdef object MISSING = object()
cdef object POST_RESULT = tuple          # the class of what post() returns


def set_post_result(cls):
    """Tell the core which subclass of tuple post() returns."""
    global POST_RESULT
    POST_RESULT = cls


cdef extern from *:
    """
    #include "rlx_platform.h"
    /* A tuple subclass without fields of its own, filled directly: tuple.__new__ would
       cost a call and a temporary tuple. */
    static inline PyObject *rlx_pair(PyObject *type, PyObject *a, PyObject *b) {
        PyObject *pair = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 2);
        if (pair == NULL) return NULL;
        Py_INCREF(a);
        PyTuple_SET_ITEM(pair, 0, a);
        Py_INCREF(b);
        PyTuple_SET_ITEM(pair, 1, b);
        return pair;
    }
    /* The last pair again, if nobody else has it any more: a reference, or NULL. It is
       the caller's before anything is dropped, since a destructor may post. */
    static inline PyObject *rlx_pair_refill(PyObject *pair, PyObject *a, PyObject *b) {
        PyObject *old_a, *old_b;
        if (RLX_FREE_THREADED || pair == Py_None || Py_REFCNT(pair) != 1) return NULL;
        Py_INCREF(pair);
        old_a = PyTuple_GET_ITEM(pair, 0);
        old_b = PyTuple_GET_ITEM(pair, 1);
        Py_INCREF(a);
        PyTuple_SET_ITEM(pair, 0, a);
        Py_INCREF(b);
        PyTuple_SET_ITEM(pair, 1, b);
        Py_DECREF(old_a);
        Py_DECREF(old_b);
        return pair;
    }
    /* method(self, *args), with the arguments as they came. */
    static PyObject *rlx_pass_on(
        PyObject *method, PyObject *self, PyObject **args, Py_ssize_t n, PyObject *names
    ) {
        PyObject *stack[32];
        Py_ssize_t i, all = n + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
        if (all > 31) {
            PyErr_Format(PyExc_TypeError, "too many arguments: %zd", all);
            return NULL;
        }
        stack[0] = self;
        for (i = 0; i < all; i++) stack[i + 1] = args[i];
        return PyObject_Vectorcall(method, stack, n + 1, names);
    }
    """
    object rlx_pair(object type, object a, object b)
    PyObject* rlx_pair_refill(PyObject* pair, object a, object b)
    object rlx_pass_on(object method, object self, PyObject** args, Py_ssize_t n, PyObject* names)


cdef inline bint is_name(value) except -1:
    return isinstance(value, str)


cdef object unknown(what, name, names, where):
    if not isinstance(name, str):
        parameter = {"Slot": "slot"}.get(what, f"{what.lower()}_id")
        raise TypeError(f"{parameter} must be a string, not {name!r}")
    hint = name_hint(str(name), names, what.lower() + "s")
    return ValueError(f"{what} {name!r} not found {where}. {hint}")


cdef WorkerCore newest_of(Control core, flow, flow_id):
    # The newest worker of the flow has the id, but runs another Flow object: what was
    # meant for this one must not run there.
    cdef WorkerCore worker, found = None
    for worker in list(core.workers.values()):
        if worker.flow is flow:
            found = worker
    if found is None:
        raise WorkerNotRunningError(
            f"this Flow object has no running worker, another one with the id {flow_id!r}"
            f" has: exec() this one, or post to the other by the id"
        )
    return found


cdef class RuntimeCore:
    """The compiled half of :class:`routilux.Runtime`."""

    def __cinit__(self, *args, **kwargs):
        # Nobody can pass it, so there is no way yet.
        self.way_flow = self.way_routine = self.way_slot = MISSING

    def _attach(self, Control core):
        self.core = core

    def _forget_last_post(self):
        # Nothing of the user's outlives the runtime because it was posted last.
        if RLX_FREE_THREADED:
            return              # nothing is remembered, and several may end it at once
        self.spare = None
        self.way_flow = self.way_routine = self.way_slot = MISSING

    def post(
        self,
        flow_id=None,
        routine_id=None,
        slot=None,
        data=MISSING,
        worker_id=None,
        job_id=None,
        metadata=None,
        *,
        block=True,
        timeout=None,
        deadline=None,
        flow_name=None,
        routine_name=None,
        slot_name=None,
    ):
        """Submit a job: put ``data`` into a slot of a running flow.

        1. Finds the worker (``worker_id``, else the newest running one of the flow).
        2. Waits while ``max_queue_size`` jobs are unfinished or the slot is full.
        3. Makes the job and queues ``data``, by reference, as its first item.

        Inside logic it helps with ready work instead of waiting for
        ``max_queue_size``, and goes in over it when there is nothing to help with: the
        calling activation may be what holds the bound up.

        Args:
            flow_id: the flow's id or registered name, or the Flow; also ``flow_name``.
            routine_id: the routine to start with; also ``routine_name``.
            slot: the slot to put ``data`` into; also ``slot_name``.
            data: any object, by custom a dict.
            worker_id: which worker of the flow.
            job_id: a name for the job; that of a live job adds the item to it.
            metadata: dict, copied into the job.
            block: False raises instead of waiting.
            timeout: seconds to wait at most; None waits without a limit.
            deadline: seconds within which the job has to be finished, counted from when
                it is accepted; after that it fails, and what is queued of it is dropped.
                Of several posts to one job the earliest deadline counts.

        Returns:
            The tuple ``(worker_state, job)`` as a :class:`PostResult`, which also
            answers the job's attributes.

        Raises:
            WorkerNotRunningError: the flow has no running worker: call ``exec()`` first.
            ValueError: unknown flow, worker, routine or slot; the valid names are listed.
            QueueFullError: no room with ``block=False``, or not within ``timeout``.
            RuntimeError: after ``shutdown()``.

        Example:
            >>> worker_state, job = runtime.post("flow", "routine", "input", {"x": 1})
        """
        cdef WorkerCore worker
        cdef slot_t* where
        cdef JobContext job
        if flow_name is not None:
            flow_id = flow_name
        if routine_name is not None:
            routine_id = routine_name
        if slot_name is not None:
            slot = slot_name
        if data is MISSING:
            raise TypeError("post() needs data; give None to post None")
        lifetime = deadline_in(deadline)
        worker = self.worker_for(flow_id, worker_id)
        where = self.slot_for(worker, routine_id, slot)
        if where.typed != NULL:
            data = block_for(worker, where, data)
        if job_id is not None or metadata is not None:
            job = self.named_job(worker, job_id, metadata)
        else:
            job = new_job(worker.ident, None)
        if worker_id is None and type(flow_id) is str and where.typed == NULL:
            self.remember_way(flow_id, routine_id, slot, worker, where)
        result = post_item(
            self, worker, where, data, job, deadline_from(self.core, timeout) if block else 0
        )
        if lifetime is not None:
            self.core.limit_job(job, lifetime)
        return result

    cdef int remember_way(
        self, flow, routine, slot, WorkerCore worker, slot_t* where
    ) except -1:
        # Callers name the same slot by the same three objects, mostly. Not without a GIL,
        # where three objects can't be compared in one step.
        if not RLX_FREE_THREADED and self.core.newest.get(flow) is worker:
            self.way_flow = flow
            self.way_routine = routine
            self.way_slot = slot
            self.way_worker = <PyObject*>worker
            self.way_where = where
            self.way_epoch = self.core.epoch
        return 0

    cdef slot_t* slot_for(self, WorkerCore worker, routine_id, slot) except NULL:
        cdef Node node
        index = worker.plan.index.get(routine_id) if is_name(routine_id) else None
        if index is None:
            raise unknown(
                "Routine", routine_id, worker.plan.index, f"in flow {worker.flow_id!r}"
            )
        node = <Node>worker.plan.nodes[<int>index]
        index = node.slot_index.get(slot) if is_name(slot) else None
        if index is None:
            raise unknown(
                "Slot",
                slot,
                node.slot_index,
                f"in routine {routine_id!r} of flow {worker.flow_id!r}",
            )
        return worker.slot_of(node.index, index)

    cdef JobContext named_job(self, WorkerCore worker, job_id, metadata):
        cdef JobContext job
        if job_id is not None and not isinstance(job_id, str):
            raise TypeError(f"job_id must be a string, not {job_id!r}")
        if metadata is not None and not isinstance(metadata, dict):
            raise TypeError(f"metadata must be a dict, not {metadata!r}")
        found = None if job_id is None else self.core.find_job(str(job_id))
        if found is not None:
            job = found
            if job.ident is not worker.ident:
                raise ValueError(
                    f"job {job_id!r} belongs to worker {job.worker_id!r} of flow"
                    f" {job.flow_id!r}, not to {worker.worker_id!r}"
                )
            if metadata:
                job.metadata.update(metadata)
            return job
        job = new_job(worker.ident, None if job_id is None else str(job_id))
        if metadata is not None:
            job.show()
            job._metadata = dict(metadata)
        return job

    cdef WorkerCore worker_for(self, object flow, object worker_id):
        cdef Control core = self.core
        cdef object found
        if core is None:
            raise RuntimeError(f"{type(self).__name__}.__init__() was not called")
        if worker_id is None:
            found = core.newest.get(flow) if isinstance(flow, str) else None
            if found is not None:
                return <WorkerCore>found
        if rlx_load(&core.phase) == ENGINE_CLOSED or (
            rlx_load(&core.phase) != ENGINE_OPEN and not core.is_inside()
        ):
            if core.forked:
                raise RuntimeError(FORKED)
            raise RuntimeError("Runtime is shut down: it takes no more jobs")
        given, flow = flow, self._resolve(flow)
        if worker_id is None:
            found = core.newest.get(flow)
            if found is None:
                raise WorkerNotRunningError(
                    f"flow {flow!r} has no running worker: call exec({flow!r}) before"
                    " post()"
                )
            if isinstance(given, str) or (<WorkerCore>found).flow is given:
                return <WorkerCore>found
            return newest_of(core, given, flow)
        found = core.workers.get(worker_id) if is_name(worker_id) else None
        if found is None or (<WorkerCore>found).ident.flow_id != flow:
            running = [w.worker_id for w in list(core.workers.values()) if w.flow_id == flow]
            raise unknown("Worker", worker_id, running, f"among those of flow {flow!r}")
        return <WorkerCore>found

    def _bell_for_room(self, flow_id, routine_id, slot, worker_id, call):
        """Have ``call()`` called when a post may find room; None: there is now.

        Args:
            flow_id, routine_id, slot, worker_id: as for :meth:`post`.
            call: called once, from any thread; it must return at once.

        Raises:
            SlotQueueFullError: the slot is full, and its rule is not to wait.
        """
        cdef WorkerCore worker = self.worker_for(flow_id, worker_id)
        cdef slot_t* where = self.slot_for(worker, routine_id, slot)
        bell = bell_for_place(self.core, call)
        if bell is None:
            bell = bell_for_slot(worker, where, False, call)
        if bell is None and where.overflow == OVERFLOW_ERROR and not slot_has_room(where):
            raise slot_full(worker, where, "its overflow rule is 'error'")
        return bell

    def _resolve(self, flow):
        # A name, an id or a Flow to the flow's id; the Python half knows the registry.
        raise NotImplementedError


_POST = RuntimeCore.post
_POST_DOC = b"""post($self, /, flow_id=None, routine_id=None, slot=None, data=...,\
 worker_id=None, job_id=None, metadata=None, *, block=True, timeout=None,\
 deadline=None, flow_name=None, routine_name=None, slot_name=None)
--

""" + _POST.__doc__.partition("\n")[2].encode()

rlx_add_method(RuntimeCore, b"post", <void*>&post, _POST_DOC)


cdef object post(PyObject* runtime, PyObject** args, Py_ssize_t n, PyObject* names):
    cdef RuntimeCore self = <RuntimeCore>runtime
    cdef WorkerCore worker
    if (
        n == 4
        and names == NULL
        and args[2] == <PyObject*>self.way_slot
        and args[1] == <PyObject*>self.way_routine
        and args[0] == <PyObject*>self.way_flow
        and self.way_epoch == self.core.epoch
    ):
        worker = <WorkerCore>self.way_worker
        return post_item(
            self, worker, self.way_where, <object>args[3], new_job(worker.ident, None), -1
        )
    return rlx_pass_on(_POST, self, args, n, names)


cdef object post_item(
    RuntimeCore runtime,
    WorkerCore worker,
    slot_t* where,
    object data,
    JobContext job,
    int64_t deadline,
):
    # The answer first: once the item is in, nothing may want memory.
    cdef PyObject* pair = rlx_pair_refill(<PyObject*>runtime.spare, worker, job)
    if pair != NULL:
        result = <object>pair
        rlx_xdecref(pair)
    else:
        result = rlx_pair(POST_RESULT, worker, job)
    enter(runtime.core, worker, where, data, job, deadline, False)
    worker.remember_post(job.seq, job._id)
    if pair == NULL and not RLX_FREE_THREADED:
        runtime.spare = result      # never read back: another post may come in between
    return result
