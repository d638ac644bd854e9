/* Yield points: a build with ROUTILUX_POINTS lets a scheduler choose, by a seed, which of
 * its threads runs on at each lock, atomic access, wait and wake of the core, and what time
 * it is (tests/schedules). The scheduler is a library that is loaded before the core; its
 * functions are weak, so without it, and on threads that it does not know, all is as ever.
 *
 * A thread that holds a GIL does not yield: nothing could interrupt it there either. */
#ifndef ROUTILUX_POINTS_H
#define ROUTILUX_POINTS_H

enum { AT_LOCK, AT_UNLOCK, AT_LOAD, AT_STORE, AT_FENCE, AT_WAIT, AT_WAKE };

#define RLX_WEAK __attribute__((weak))
extern int rlx_sched_mine(void) RLX_WEAK;       /* is the calling thread scheduled? */
extern void rlx_sched_point(int kind) RLX_WEAK; /* another thread may go on here */
extern void rlx_sched_tell(void *what) RLX_WEAK;
/* Others go on until somebody told `what` (1) or `until` has come (0; -1: never). */
extern int rlx_sched_wait(void *what, int kind, int64_t until) RLX_WEAK;
extern int64_t rlx_sched_now(void) RLX_WEAK;

static inline int rlx_scheduled(void) { return rlx_sched_mine && rlx_sched_mine(); }
static inline void rlx_point(int kind) {
#if !RLX_FREE_THREADED
    if (rlx_sched_mine && PyGILState_Check()) return;
#endif
    if (rlx_scheduled()) rlx_sched_point(kind);
}

static inline void rlx_point_lock(rlx_lock_t *lock) {
#if RLX_FREE_THREADED
    if (rlx_scheduled()) {
        uint8_t expected = 0;
        rlx_sched_point(AT_LOCK);
        while (!__atomic_compare_exchange_n(
            &lock->_bits, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED
        )) {
            rlx_sched_wait(lock, AT_LOCK, -1);
            expected = 0;
        }
        return;
    }
#endif
    rlx_lock(lock);
}
static inline void rlx_point_unlock(rlx_lock_t *lock) {
    rlx_unlock(lock);
    if (rlx_scheduled()) rlx_sched_tell(lock);
    rlx_point(AT_UNLOCK);
}

static inline int64_t rlx_point_now(void) {
    return rlx_scheduled() ? rlx_sched_now() : rlx_monotonic_ns();
}
static inline PyLockStatus rlx_point_acquire(
    PyThread_type_lock bell, long long us, int interruptible
) {
    int64_t until = -1;
    if (us == 0 || !rlx_scheduled())
        return PyThread_acquire_lock_timed(bell, us, interruptible);
    if (us > 0) until = rlx_sched_now() + us * 1000;
    rlx_point(AT_WAIT);
    while (PyThread_acquire_lock_timed(bell, 0, 0) != PY_LOCK_ACQUIRED)
        if (!rlx_sched_wait(bell, AT_WAIT, until)) return PY_LOCK_FAILURE;
    return PY_LOCK_ACQUIRED;
}
static inline void rlx_point_release(PyThread_type_lock bell) {
    if (rlx_scheduled()) rlx_sched_tell(bell);
    PyThread_release_lock(bell);
    rlx_point(AT_WAKE);
}

/* From here on the core's own names mean these. */
static inline int64_t rlx_point_load(int64_t *p) { rlx_point(AT_LOAD); return rlx_load(p); }
static inline void *rlx_point_load_ptr(void *p) { rlx_point(AT_LOAD); return rlx_load_ptr(p); }
static inline int rlx_point_look(int *p) { rlx_point(AT_LOAD); return rlx_look(p); }
#undef rlx_load
#undef rlx_load_ptr
#undef rlx_look
#undef rlx_store
#undef rlx_store_ptr
#undef rlx_show
#undef rlx_fence
#define rlx_load(p) rlx_point_load((int64_t *)(p))
#define rlx_load_ptr(p) rlx_point_load_ptr((void *)(p))
#define rlx_look(p) rlx_point_look((int *)(p))
#define rlx_store(p, v) \
    (rlx_point(AT_STORE), __atomic_store_n((int64_t *)(p), (v), __ATOMIC_RELAXED))
#define rlx_store_ptr(p, v) \
    (rlx_point(AT_STORE), __atomic_store_n((void **)(p), (void *)(v), __ATOMIC_RELAXED))
#define rlx_show(p, v) (rlx_point(AT_STORE), __atomic_store_n((p), (v), __ATOMIC_RELEASE))
#define rlx_fence() (rlx_point(AT_FENCE), __atomic_thread_fence(__ATOMIC_SEQ_CST))
#define rlx_lock rlx_point_lock
#define rlx_unlock rlx_point_unlock
#define rlx_monotonic_ns rlx_point_now
#define PyThread_acquire_lock_timed rlx_point_acquire
#define PyThread_release_lock rlx_point_release

#endif
