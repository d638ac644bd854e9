/* A clock that costs half of the platform's: the counter of the processor, where it runs
 * at one speed and on. Elsewhere the platform's own, in nanoseconds. */
#ifndef ROUTILUX_TICKS_H
#define ROUTILUX_TICKS_H

#include "rlx_platform.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
static inline int64_t rlx_tsc(void) { return (int64_t)__builtin_ia32_rdtsc(); }
static inline int rlx_has_tsc(void) {
    unsigned int a, b, c, d;
    return __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d >> 8 & 1);
}
#else
static inline int64_t rlx_tsc(void) { return rlx_monotonic_ns(); }
static inline int rlx_has_tsc(void) { return 0; }
#endif

#if defined(_WIN32)
#define rlx_exact_wall_ns() rlx_wall_ns()
#else
static inline int64_t rlx_exact_wall_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}
#endif

/* The next number, and what was written before a number is seen with it. With a GIL all
 * that count hold it, so that counting needs no atomic. */
#if RLX_FREE_THREADED
#define rlx_count(p) rlx_next(p)
#else
#define rlx_count(p) (++*(p))
#endif
#if defined(_MSC_VER)
#define rlx_publish(p, v) (*(volatile uint64_t *)(p) = (v))
#define rlx_see(p) (*(volatile uint64_t *)(p))
#define rlx_fence_stores() MemoryBarrier()
#define rlx_fence_loads() MemoryBarrier()
#else
#define rlx_publish(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define rlx_see(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define rlx_fence_stores() __atomic_thread_fence(__ATOMIC_RELEASE)
#define rlx_fence_loads() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#endif
#endif
