# Where the items and activations of a worker are, and what each of them waits for.

from routilux._core.job cimport JobContext, owner_t
from routilux._core.control cimport Control
from routilux._core.worker cimport WorkerCore

# Items of one slot that one batch of several jobs owns, side by side.
ctypedef struct shared_t:
    void* group              # JobGroup; a reference of its own
    int slot                 # in worker.slots
    Py_ssize_t n, parked

# What is counted while the worker's lock is held; arrays grow by malloc, and lose what
# they have no memory for.
ctypedef struct tally_t:
    owner_t* owner           # of the job that is looked for; NULL: all
    bint grouped             # it may be in batches
    shared_t* shared         # owned
    Py_ssize_t n_shared, cap_shared

# An activation that was found somewhere: on a thread, in a wait for room, or as a retry.
ctypedef struct found_t:
    void* owner              # JobContext or JobGroup, a reference of its own; NULL: unknown
    int cell                 # -1: unknown
    int slot                 # that it waits for, in worker.slots
    long long ns             # executing for, or due in; -1: unknown
    unsigned long thread
    int failures
