/* What the core needs of the platform: a lock, two clocks, atomic loads and stores,
 * and a thread-local pointer. Everything else is CPython's own portable C API. */
#ifndef ROUTILUX_PLATFORM_H
#define ROUTILUX_PLATFORM_H

#include <Python.h>
#include <pythread.h>
#include <stdint.h>
#if defined(_WIN32)
#include <windows.h>
#endif

/* The core's lock. No Python code runs and no reference is dropped while one is held,
 * so with a GIL a critical section can't be interrupted by another thread and the lock
 * compiles to nothing; without a GIL it is a PyMutex. ROUTILUX_CHECK_LOCKS makes the
 * GIL build verify the first half: a section that is entered twice is a fatal error. */
#if defined(Py_GIL_DISABLED)
typedef PyMutex rlx_lock_t;
static inline void rlx_lock(rlx_lock_t *lock) { PyMutex_Lock(lock); }
static inline void rlx_unlock(rlx_lock_t *lock) { PyMutex_Unlock(lock); }
#define RLX_FREE_THREADED 1
#else
typedef struct { int held; } rlx_lock_t;
#define RLX_FREE_THREADED 0
#if defined(ROUTILUX_CHECK_LOCKS)
static inline void rlx_lock(rlx_lock_t *lock) {
    if (lock->held) Py_FatalError("routilux: other code ran while a core lock was held");
    lock->held = 1;
}
static inline void rlx_unlock(rlx_lock_t *lock) {
    if (!lock->held) Py_FatalError("routilux: a core lock was given back twice");
    lock->held = 0;
}
#else
static inline void rlx_lock(rlx_lock_t *lock) { (void)lock; }
static inline void rlx_unlock(rlx_lock_t *lock) { (void)lock; }
#endif
#endif

/* Relaxed atomics: for fields that one side reads without the lock. Writers hold it, so
 * adding needs no atomic read. A pointer is as wide as the platform has it. */
#if defined(_MSC_VER)
#define rlx_load(p) (*(volatile int64_t *)(p))
#define rlx_store(p, v) (*(volatile int64_t *)(p) = (v))
#define rlx_load_ptr(p) (*(void *volatile *)(p))
#define rlx_store_ptr(p, v) (*(void *volatile *)(p) = (v))
#define rlx_look(p) (*(volatile int *)(p))
#define rlx_show(p, v) (*(volatile int *)(p) = (v))
#define RLX_THREAD_LOCAL __declspec(thread)
#define rlx_fence() MemoryBarrier()
#define rlx_next(p) ((uint64_t)InterlockedIncrement64((volatile LONG64 *)(p)))
#else
#define rlx_load(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define rlx_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define rlx_load_ptr(p) __atomic_load_n((void **)(p), __ATOMIC_RELAXED)
#define rlx_store_ptr(p, v) __atomic_store_n((void **)(p), (void *)(v), __ATOMIC_RELAXED)
#define rlx_look(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define rlx_show(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#if defined(__GLIBC__) && !defined(__APPLE__)
/* A few words fit the space that glibc keeps for libraries that are loaded late: no
 * call for each access. */
#define RLX_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#else
#define RLX_THREAD_LOCAL __thread
#endif
#define rlx_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rlx_next(p) __atomic_add_fetch((p), 1, __ATOMIC_RELAXED)
#endif

#define rlx_add(p, n) rlx_store((p), *(p) + (n))

#if defined(_WIN32)
static inline int64_t rlx_monotonic_ns(void) {
    static int64_t frequency = 0;
    LARGE_INTEGER now;
    if (frequency == 0) { QueryPerformanceFrequency(&now); frequency = now.QuadPart; }
    QueryPerformanceCounter(&now);
    return (int64_t)((double)now.QuadPart * 1e9 / (double)frequency);
}
static inline int64_t rlx_wall_ns(void) {
    FILETIME ft;
    GetSystemTimeAsFileTime(&ft);
    return ((((int64_t)ft.dwHighDateTime << 32) | ft.dwLowDateTime)
            - 116444736000000000LL) * 100;
}
#else
#include <time.h>
static inline int64_t rlx_monotonic_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}
/* The coarse clock (1 to 4 ms steps) costs 5 ns where the exact one costs 22, and a
 * job carries three times. */
#if defined(CLOCK_REALTIME_COARSE)
#define RLX_WALL_CLOCK CLOCK_REALTIME_COARSE
#else
#define RLX_WALL_CLOCK CLOCK_REALTIME
#endif
static inline int64_t rlx_wall_ns(void) {
    struct timespec ts;
    clock_gettime(RLX_WALL_CLOCK, &ts);
    return (int64_t)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}
#endif

#if defined(ROUTILUX_POINTS)
#include "rlx_points.h"
#endif

/* Which context is current on this thread. Entering or leaving one changes the version,
 * so what a variable held is still held while thread and version are the same and
 * nobody set it. 0: unknown. */
#if PY_VERSION_HEX < 0x030F0000
static inline uint64_t rlx_context_thread(void) { return PyThreadState_Get()->id; }
static inline uint64_t rlx_context_version(void) {
    return PyThreadState_Get()->context_ver;
}
static inline int rlx_context_is(uint64_t thread, uint64_t version) {
    PyThreadState *state = PyThreadState_Get();
    return state->context_ver == version && state->id == thread;
}
#else
static inline uint64_t rlx_context_thread(void) { return 0; }
static inline uint64_t rlx_context_version(void) { return 0; }
static inline int rlx_context_is(uint64_t thread, uint64_t version) {
    (void)thread, (void)version;
    return 0;
}
#endif

/* The position of the highest bit; 0 for 0 and 1. */
static inline int rlx_log2(int64_t n) {
#if defined(__GNUC__)
    return n > 1 ? 63 - __builtin_clzll((unsigned long long)n) : 0;
#else
    int bit = 0;
    while (n > 1) { n >>= 1; bit++; }
    return bit;
#endif
}

/* References by pointer: the ring, the job table and the timers hold raw ones. */
static inline void rlx_incref(PyObject *o) { Py_INCREF(o); }
static inline void rlx_xdecref(PyObject *o) { Py_XDECREF(o); }

/* Waking a thread that sleeps takes 5 to 60 us, a short logic less than 1: who waits for
 * a bell first tries it again and again, as long as `pulse` shows that something moves
 * and for 50 us at most, so that a post and its answer cost no wake. Not those who wait
 * for room: they wait longer, and polling would slow down what they wait for. */
#define RLX_QUIET_NS 15000
#define RLX_SPIN_NS 50000
#if defined(__x86_64__) || defined(__i386__)
#define rlx_pause() __builtin_ia32_pause()
#elif defined(__aarch64__) && !defined(_MSC_VER)
#define rlx_pause() __asm__ __volatile__("yield")
#else
#define rlx_pause() ((void)0)
#endif
/* Before 3.12 CPython tells who holds the GIL; elsewhere it looks free. */
#if PY_VERSION_HEX < 0x030C0000
#define rlx_gil_is_free() (_PyThreadState_UncheckedGet() == NULL)
#else
#define rlx_gil_is_free() 1
#endif
typedef struct { int64_t last, start, moved; } rlx_spin_t;
static inline int rlx_spins_on(rlx_spin_t *spin, int64_t *pulse) {
    int64_t beat = rlx_load(pulse), now = rlx_monotonic_ns();
    if (beat != spin->last) { spin->last = beat; spin->moved = now; }
    return now - spin->moved < RLX_QUIET_NS && now - spin->start < RLX_SPIN_NS;
}
/* 1: the bell rang, and the GIL looks free or has not become so for too long. */
static inline int rlx_spin(PyThread_type_lock bell, int64_t *pulse) {
    rlx_spin_t spin;
    int i, rang = 0;
    spin.last = rlx_load(pulse);
    spin.start = spin.moved = rlx_monotonic_ns();
    do {
        for (i = 0; i < 32; i++) {
            if (!rang) rang = PyThread_acquire_lock_timed(bell, 0, 0) == PY_LOCK_ACQUIRED;
            if (rang && rlx_gil_is_free()) return 1;
            rlx_pause();
        }
    } while (rlx_spins_on(&spin, pulse));
    return rang;
}

/* Adds a method of the form f(self, args, n_args, names of keywords) to a class. Parsing
 * the few forms in which a hot method is called by hand costs a third of the general
 * way. Name and docstring are bytes, kept for ever. */
static inline int rlx_add_method(
    PyObject *type, PyObject *name, void *function, PyObject *doc
) {
    PyMethodDef *def = (PyMethodDef *)PyMem_Calloc(1, sizeof(PyMethodDef));
    PyObject *method = NULL, *key = NULL;
    int result = -1;
    if (def == NULL) { PyErr_NoMemory(); return -1; }
    Py_INCREF(name);
    Py_INCREF(doc);
    def->ml_name = PyBytes_AS_STRING(name);
    def->ml_meth = (PyCFunction)(void (*)(void))function;
    def->ml_flags = METH_FASTCALL | METH_KEYWORDS;
    def->ml_doc = PyBytes_AS_STRING(doc);
    method = PyDescr_NewMethod((PyTypeObject *)type, def);
    key = PyUnicode_InternFromString(def->ml_name);
    if (method != NULL && key != NULL)
        result = PyDict_SetItem(((PyTypeObject *)type)->tp_dict, key, method);
    Py_XDECREF(method);
    Py_XDECREF(key);
    PyType_Modified((PyTypeObject *)type);
    return result;
}

/* A job or an item stays out of the collector's sight until a user hangs something on
 * it: an unbounded backlog that every full collection walks costs more than the work. */
static inline void rlx_gc_hide(PyObject *o) {
    if (PyObject_GC_IsTracked(o)) PyObject_GC_UnTrack(o);
}
static inline void rlx_gc_show(PyObject *o) {
    if (!PyObject_GC_IsTracked(o)) PyObject_GC_Track(o);
}

#endif
