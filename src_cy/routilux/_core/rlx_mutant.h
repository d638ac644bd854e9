/* Seeded bugs: tests/mutation shows that the tests notice every one of them. In a build
 * with ROUTILUX_MUTANTS, RLX_MUTANT(n) is 1 when the process was started with
 * ROUTILUX_MUTANT=n. Elsewhere it is the constant 0 and leaves no instruction behind. */
#ifndef ROUTILUX_MUTANT_H
#define ROUTILUX_MUTANT_H

#include "rlx_platform.h"

#if defined(ROUTILUX_MUTANTS)
#include <stdlib.h>
#include <time.h>

static inline int rlx_mutant(int n) {
    static int chosen = -1;
    int number = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (number < 0) {
        const char *text = getenv("ROUTILUX_MUTANT");
        number = text == NULL ? 0 : atoi(text);
        __atomic_store_n(&chosen, number, __ATOMIC_RELAXED);
    }
    return number == n;
}
/* A lock that is given back in the middle of its section, on a build with a GIL as well:
 * long enough for another thread to get in. */
static inline void rlx_cut(int n, rlx_lock_t *lock) {
    struct timespec gap = {0, 300000};
    if (!rlx_mutant(n)) return;
    rlx_unlock(lock);
    Py_BEGIN_ALLOW_THREADS
#if defined(ROUTILUX_POINTS)
    if (rlx_scheduled()) { gap.tv_nsec = 0; rlx_point(AT_UNLOCK); }
#endif
    nanosleep(&gap, NULL);
    Py_END_ALLOW_THREADS
    rlx_lock(lock);
}
#define RLX_MUTANT(n) rlx_mutant(n)
#define RLX_CUT(n, lock) rlx_cut((n), (lock))
#else
#define RLX_MUTANT(n) 0
#define RLX_CUT(n, lock) ((void)0)
#endif

#endif
