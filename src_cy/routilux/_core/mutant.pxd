# Seeded bugs by number; tests/mutation/mutants.py lists them all. Constant 0, and nothing,
# in every build but `make mutants`.

from routilux._core.platform cimport rlx_lock_t

cdef extern from "rlx_mutant.h" nogil:
    int mutant "RLX_MUTANT"(int number)                    # 1: this bug is wanted
    void cut "RLX_CUT"(int number, rlx_lock_t* lock)       # gives a lock back in between
