"""Who runs on this thread.

Set by invoke around each logic, read by emit and by everything that answers "which
job is this?". The thread-local frame is the truth on the thread that runs the logic;
the context variable is what asyncio.to_thread and copy_context().run carry elsewhere.
It holds the job rather than the activation, so that it need not be set again while a
job travels down its chain: setting it costs 40 to 120 ns, reading it 4.
"""

from cpython.contextvars cimport PyContextVar_Get, PyContextVar_New, PyContextVar_Set
from cpython.ref cimport Py_DECREF

from routilux._core.platform cimport rlx_load_ptr, rlx_lock, rlx_look, rlx_show, rlx_unlock
from routilux._core.job cimport JobContext
from routilux._core.group cimport JobGroup, jobs_of, newest_job
from routilux._core.worker cimport Activation, worker_of
from routilux._core.routine cimport Node

cdef extern from *:
    """
    #include "rlx_platform.h"
    typedef struct { void *frame; uint64_t thread, version; PyObject *value; } rlx_here_t;
    static RLX_THREAD_LOCAL rlx_here_t rlx_here_now = {NULL, 0, 0, NULL};
    static inline void *rlx_here(void) { return &rlx_here_now; }
    static RLX_THREAD_LOCAL void *rlx_pump = NULL;
    static inline void *rlx_get_pump(void) { return rlx_pump; }
    static inline void rlx_set_pump(void *engine) { rlx_pump = engine; }
    static RLX_THREAD_LOCAL void *rlx_loop = NULL;
    static inline void *rlx_get_loop(void) { return rlx_loop; }
    static inline void rlx_set_loop(void *engine) { rlx_loop = engine; }
    static inline PyObject *rlx_context_get(PyObject *var) {
        PyObject *value = NULL;
        if (PyContextVar_Get(var, NULL, &value) < 0) { PyErr_Clear(); return NULL; }
        return value;
    }
    static inline int rlx_context_set(PyObject *var, PyObject *value) {
        PyObject *token = PyContextVar_Set(var, value ? value : Py_None);
        if (token == NULL) return -1;
        Py_DECREF(token);
        return 0;
    }
    """
    void* rlx_here() nogil
    void* rlx_get_pump() nogil
    void rlx_set_pump(void* engine) nogil
    void* rlx_get_loop() nogil
    void rlx_set_loop(void* engine) nogil
    uint64_t rlx_context_thread() noexcept
    uint64_t rlx_context_version() noexcept
    PyObject* rlx_context_get(object var) noexcept
    int rlx_context_set(object var, PyObject* value) except -1

cdef object OWNER = PyContextVar_New("routilux_owner", <PyObject*>None)
# What set_current_worker_state() said; asked outside of logic only.
cdef object WORKER = PyContextVar_New("routilux_worker", <PyObject*>None)


cdef here_t* here() noexcept nogil:
    return <here_t*>rlx_here()


cdef frame_t* current_frame() noexcept nogil:
    return (<here_t*>rlx_here()).frame


cdef void set_frame(frame_t* frame) noexcept nogil:
    (<here_t*>rlx_here()).frame = frame


cdef inline void know(PyObject* value) noexcept:
    cdef here_t* h = <here_t*>rlx_here()
    h.thread = rlx_context_thread()
    h.version = rlx_context_version()
    h.value = value


cdef void* pump_engine() noexcept nogil:
    return rlx_get_pump()


cdef void set_pump_engine(void* engine) noexcept nogil:
    rlx_set_pump(engine)


cdef void* loop_engine() noexcept nogil:
    return rlx_get_loop()


cdef void set_loop_engine(void* engine) noexcept nogil:
    rlx_set_loop(engine)


cdef int depth_of(frame_t* frame) noexcept nogil:
    cdef int depth = 0
    while frame != NULL:
        depth += 1
        frame = frame.up
    return depth


cdef void unnest(frame_t* frame) noexcept nogil:
    if not rlx_look(<int*>&frame.nests):
        return
    rlx_lock(&(<WorkerCore>frame.worker).lock)
    if frame.nests:             # else overtime gave up what it nests on
        rlx_show(<int*>&frame.nests, False)
        frame.up.over = NULL
        (<WorkerCore>frame.worker).nested = (<WorkerCore>frame.worker).nested - 1
    rlx_unlock(&(<WorkerCore>frame.worker).lock)


cdef PyObject* context_value() noexcept:
    # Borrowed: the context keeps it alive as long as it is current on this thread.
    cdef here_t* h = <here_t*>rlx_here()
    cdef PyObject* value
    if rlx_context_is(h.thread, h.version):
        return h.value
    value = rlx_context_get(OWNER)
    if value == NULL:
        return NULL
    Py_DECREF(<object>value)
    if value == <PyObject*>None:
        value = NULL
    know(value)
    return value


cdef int set_context(PyObject* value) except -1:
    # Looking costs a tenth of setting, and down a chain the job stays the same.
    if context_value() == value:
        return 0
    know(NULL)          # without memory it works for nobody, rather than for the last one
    rlx_context_set(OWNER, value)
    know(value)
    return 0


cdef owner_t* owner_of(PyObject* value) noexcept:
    if value == NULL:
        return NULL
    if type(<object>value) is JobContext:
        return &(<JobContext>value).own
    if type(<object>value) is JobGroup:
        return &(<JobGroup>value).own
    return (<Activation>value).c.owner


cdef WorkerCore worker_in_context():
    cdef owner_t* owner = owner_of(context_value())
    cdef JobContext job
    if owner == NULL:
        return None
    job = newest_job(owner)
    return worker_of(job.ident)


def owner_variable():
    """Return the context variable that tells whom the running code works for."""
    return OWNER


def worker_variable():
    """Return the context variable of the worker that the user says is current."""
    return WORKER


def say_current_job(JobContext job):
    """Say which job the caller works for; None: no job."""
    if job is not None:
        job.show()
    set_context(NULL if job is None else <PyObject*>job)


def get_current_job():
    """Return the job that the calling logic works for, None outside of logic.

    In a batch of several jobs it is the job of the newest item.
    """
    cdef owner_t* owner = owner_of(context_value())
    return None if owner == NULL else newest_job(owner)


def get_current_jobs():
    """Return all jobs of the calling activation, oldest first; ``[]`` outside."""
    cdef owner_t* owner = owner_of(context_value())
    return [] if owner == NULL else jobs_of(owner)


def get_current_job_id():
    """Return the id of :func:`get_current_job`, or None."""
    job = get_current_job()
    return None if job is None else job.job_id


def get_current_worker_state():
    """Return the WorkerState that the calling logic runs in, None outside of logic."""
    cdef WorkerCore worker = worker_in_context()
    cdef PyObject* said
    if worker is not None:
        return worker
    said = rlx_context_get(WORKER)
    if said == NULL:
        return None
    Py_DECREF(<object>said)         # borrowed, as in context_value
    return <object>said


def get_current_routine_id():
    """Return the id of the routine whose logic is calling, None outside of logic.

    On another thread that carries the context, None as well while the job may have more
    than one routine at work: the context tells the job only.
    """
    cdef frame_t* frame = current_frame()
    cdef PyObject* value
    cdef cell_t* cell
    if frame != NULL:
        return (<Node>frame.act.cell.node).routine_id
    value = context_value()
    if value == NULL:
        return None
    if type(<object>value) is Activation:
        cell = (<Activation>value).c.cell       # read once: its end clears it
        return None if cell == NULL else (<Node>cell.node).routine_id
    return working_for(worker_in_context(), owner_of(value))


cdef object working_for(WorkerCore worker, owner_t* owner):
    # The routine that is at work for an owner, if there is just one. A cell that runs
    # several activations tells only who began last, so beside such a cell the answer is
    # sure only if one thing is all that the owner has.
    cdef cell_t* cell
    cdef cell_t* found = NULL
    cdef Py_ssize_t i, vague = 0
    if worker is None:
        return None
    rlx_lock(&worker.lock)
    for i in range(worker.n_cells):
        cell = &worker.cells[i]
        if cell.running == 0:
            continue
        if rlx_load_ptr(&cell.current) == owner:
            if found != NULL:
                found = NULL
                vague = 0
                break
            found = cell
        elif abs(cell.limit) > 1:
            vague += 1
    if vague and found != NULL and (owner.open > 1 or abs(found.limit) > 1):
        found = NULL
    rlx_unlock(&worker.lock)
    return None if found == NULL else (<Node>found.node).routine_id
