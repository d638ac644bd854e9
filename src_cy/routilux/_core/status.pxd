# The states and kinds of the core, as C enums: no strings and no bare numbers for
# states inside. docs/architecture.md draws who may change which.

cdef enum JobState:
    JOB_PENDING       # posted, nothing of it ran yet
    JOB_RUNNING       # some activation consumed an item of it
    JOB_COMPLETED     # terminal: no item left, nothing failed
    JOB_FAILED        # terminal: an activation failed
    JOB_CANCELLED     # terminal: cancelled, or dropped before anything ran

cdef enum WorkerPhase:
    WORKER_STARTING
    WORKER_RUNNING
    WORKER_STOPPED

cdef enum EnginePhase:
    ENGINE_OPEN       # takes posts
    ENGINE_DRAINING   # refuses posts from outside, finishes what it has
    ENGINE_CLOSED     # nothing lives; pumps are told to end

cdef enum OwnerKind:
    OWNER_JOB
    OWNER_GROUP

cdef enum PolicyKind:
    POLICY_NONE       # never fires; its slots keep the newest items for inspection
    POLICY_IMMEDIATE
    POLICY_ALL_READY
    POLICY_BATCH
    POLICY_INTERVAL
    POLICY_CUSTOM     # a Python predicate; the core takes all that is queued
    POLICY_CALLABLE   # a Python policy that consumes through its slot views
    POLICY_KEYED      # immediate, one item of a key at a time

cdef enum LogicForm:
    FORM_LOGIC            # logic(slot_data, policy_message, worker_state), or by slot
    FORM_FUNCTION         # fn(item): what it returns goes on
    FORM_GENERATOR        # fn(item): what it yields goes on
    FORM_COROUTINE        # the same two as `async def`
    FORM_ASYNC_GENERATOR

cdef enum OverflowRule:
    OVERFLOW_BLOCK
    OVERFLOW_ERROR
    OVERFLOW_DROP_OLDEST
    OVERFLOW_DROP_NEWEST

cdef enum StampKind:
    STAMP_ORDER       # the number of the arrival in the routine
    STAMP_CLOCK       # monotonic ns: a batch with max_wait
    STAMP_WALL        # wall clock ns, still unique and growing: times are kept

cdef enum PutResult:
    PUT_OK
    PUT_FULL          # the slot is full and its rule is to wait
    PUT_REFUSED       # the slot is full and its rule is to raise
    PUT_DROPPED       # counted and gone, by the slot's rule or with its job
    PUT_NO_MEMORY

cdef enum Outcome:
    OUTCOME_OK
    OUTCOME_FAILED    # the jobs of the activation fail
    OUTCOME_ASIDE     # it left the thread: a coroutine runs, or a retry waits

cdef enum TimerKind:
    TIMER_CHECK       # a policy's own clock: interval or max_wait
    TIMER_RETRY       # an activation that failed runs again
    TIMER_TIMEOUT     # the oldest activation of a cell has lasted too long
    TIMER_DEADLINE    # a job has

cdef enum FlushKind:
    FLUSH_NONE
    FLUSH_ONCE        # the oldest item waited for max_wait
    FLUSH_ALL         # until nothing is left over: somebody waits
    FLUSH_WANTED      # the same: flush() was called
    FLUSH_LAST        # the same: a shutdown; nothing more comes from outside
