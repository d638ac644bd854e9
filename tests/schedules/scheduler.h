/* A scheduler of real threads, which turns.py compiles into a library of its own: one
 * runs at a time, and at each yield point of the core
 * (src_cy/routilux/_core/rlx_points.h) a strategy chooses which. The same strategy and
 * seed give the same schedule. Threads are numbered in the order in which they are
 * announced. Only the thread that runs touches what is below; a semaphore a thread hands
 * the turn on. Time is virtual: it passes when all wait, or when the strategy says so. */
#include <Python.h>
#include <semaphore.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { NONE, RUNS, WAITS, TIMED_OUT, GONE };
enum { DEFAULT, RANDOM, PCT };
enum { MOST_THREADS = 64, MOST_STEPS = 60000, MOST_PICKS = MOST_STEPS };

typedef struct {
    int state, kind;
    void *what;             /* it waits to be told of this */
    int64_t until;          /* or for that time; -1: no time */
    int64_t priority;       /* PCT */
    sem_t go;
} thread_t;

static thread_t threads[MOST_THREADS];
static int n_threads, current, active, strategy;
static __thread int mine = -1;
static uint64_t chance;
static int64_t now, began;
static int step, switch_in, time_in;            /* one in so many; 0: never */
static int changes[8], n_changes;
static uint64_t masks[MOST_STEPS];              /* who could have run at a step */
static int picks_at[MOST_PICKS], picks[MOST_PICKS], n_picks;    /* what was chosen */
static int forced_at[MOST_PICKS], forced[MOST_PICKS], n_forced, next_forced;
static int alone;                               /* nobody else may run */
static void (*on_stuck)(const char *why);       /* does not return */

static uint64_t draw(uint64_t below) {
    chance += 0x9E3779B97F4A7C15u;
    uint64_t z = chance;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % below;
}

/* A schedule begins; the calling thread is number 0. */
void sched_begin(int how, uint64_t seed, int one_in, int passes, int depth, int length) {
    for (int i = 0; i < n_threads; i++) sem_destroy(&threads[i].go);
    memset(threads, 0, sizeof(threads));
    n_threads = n_picks = n_changes = step = current = 0;
    next_forced = alone = 0;
    strategy = how;
    chance = seed;
    switch_in = one_in;
    time_in = passes;
    now = began = 1000000000;
    while (n_changes < depth - 1)
        changes[n_changes++] = (int)draw(length < 1 ? 1 : (uint64_t)length);
    sem_init(&threads[0].go, 0, 0);
    threads[0].state = RUNS;
    threads[0].priority = 100 + (int64_t)draw(1000000);
    n_threads = 1;
    mine = 0;
    active = 1;
}
void sched_force(int n, const int *at, const int *thread) {
    memcpy(forced_at, at, n * sizeof(int));
    memcpy(forced, thread, n * sizeof(int));
    n_forced = n;
}
void sched_end(void) {
    active = 0;
    mine = -1;
    n_forced = 0;
}
int sched_steps(void) { return step; }
int64_t sched_elapsed(void) { return now - began; }
int sched_picks(int *at, int *thread, int most) {
    int n = n_picks < most ? n_picks : most;
    memcpy(at, picks_at, n * sizeof(int));
    memcpy(thread, picks, n * sizeof(int));
    return n;
}
uint64_t sched_mask(int at) { return masks[at]; }
int sched_alive(void) {
    int n = 0;
    for (int i = 1; i < n_threads; i++) n += threads[i].state != GONE;
    return n;
}
int sched_waits(int i, int *kind, uint64_t *what, int64_t *until) {
    if (i >= n_threads) return -1;
    *kind = threads[i].kind;
    *what = (uint64_t)threads[i].what;
    *until = threads[i].until < 0 ? -1 : threads[i].until - now;
    return threads[i].state;
}
void sched_alone(int yes) { alone = yes; }
void sched_on_stuck(void (*call)(const char *)) { on_stuck = call; }
int sched_thread(void) { return mine; }

static int can_run(int i) {
    return threads[i].state == RUNS || threads[i].state == TIMED_OUT;
}
static int can_time_out(int i) {
    return threads[i].state == WAITS && threads[i].until >= 0;
}
/* A thread may stand still for as long, while others do what takes no time. */
static int is_near(int i) {
    return can_time_out(i) && threads[i].until - now < 2000000000LL;
}
static void stuck(const char *why) {
    active = 0;
    if (on_stuck != NULL) {
        PyGILState_STATE state = PyGILState_Ensure();
        on_stuck(why);
        PyGILState_Release(state);
    }
    _exit(3);
}

/* Who runs without a choice: who ran, else the first that can, else who waits least. */
static int default_of(void) {
    int best = -1;
    if (can_run(current)) return current;
    for (int i = 0; i < n_threads; i++)
        if (can_run(i)) return i;
    for (int i = 0; i < n_threads; i++)
        if (can_time_out(i) && (best < 0 || threads[i].until < threads[best].until))
            best = i;
    return best;
}
static int nth_of(int (*may)(int), int n) {
    for (int i = 0; i < n_threads; i++)
        if (may(i) && n-- == 0) return i;
    return -1;
}
static int count_of(int (*may)(int)) {
    int n = 0;
    for (int i = 0; i < n_threads; i++) n += may(i);
    return n;
}
static int choose(int fallback) {
    int timed, best = -1;
    if (time_in && (timed = count_of(is_near)) && draw(time_in) == 0)
        return nth_of(is_near, (int)draw(timed));
    if (!can_run(fallback)) return fallback;
    if (strategy == RANDOM) {
        if (can_run(current) && draw(switch_in)) return current;
        return nth_of(can_run, (int)draw(count_of(can_run)));
    }
    if (strategy == PCT) {
        for (int i = 0; i < n_changes; i++)
            if (changes[i] == step) threads[current].priority = i;
        if (step % 3000 == 2999) threads[current].priority = -step;   /* be fair */
        for (int i = 0; i < n_threads; i++)
            if (can_run(i) && (best < 0 || threads[i].priority > threads[best].priority))
                best = i;
        return best;
    }
    return fallback;
}
static int next_thread(void) {
    int fallback = default_of(), chosen;
    uint64_t mask = 0;
    if (step >= MOST_STEPS) stuck("too many steps");
    if (now - began > 1000000000LL * 3600) stuck("too much time");
    if (fallback < 0) stuck("nobody can run");
    for (int i = 0; i < n_threads; i++) mask |= (uint64_t)can_run(i) << i;
    masks[step] = mask;
    chosen = fallback;
    while (next_forced < n_forced && forced_at[next_forced] < step) next_forced++;
    if (next_forced < n_forced && forced_at[next_forced] == step) {
        int i = forced[next_forced];
        if (i < n_threads && (can_run(i) || can_time_out(i))) chosen = i;
    } else if (n_forced == 0) {
        chosen = choose(fallback);
    }
    if (chosen != fallback) {
        picks_at[n_picks] = step;
        picks[n_picks++] = chosen;
    }
    if (can_time_out(chosen)) {
        if (threads[chosen].until > now) now = threads[chosen].until;
        threads[chosen].state = TIMED_OUT;
    }
    step++;
    return chosen;
}
static void wait_for_turn(int me) {
    while (sem_wait(&threads[me].go) != 0) {}
}
/* Hands the turn on, if it is somebody else's; comes back when it is the caller's. */
static void hand_on(void) {
    int me = mine, next;
    PyThreadState *state = NULL;
    if (alone && can_run(me)) return;
    next = next_thread();
    if (next == me) return;
    if (PyGILState_Check()) state = PyEval_SaveThread();
    current = next;
    sem_post(&threads[next].go);
    wait_for_turn(me);
    if (state != NULL) PyEval_RestoreThread(state);
}

int rlx_sched_mine(void) { return active && mine >= 0; }
void rlx_sched_point(int kind) {
    threads[mine].kind = kind;
    hand_on();
}
int64_t rlx_sched_now(void) { return now += 50; }
int rlx_sched_wait(void *what, int kind, int64_t until) {
    thread_t *me = &threads[mine];
    me->what = what;
    me->kind = kind;
    me->until = until;
    me->state = WAITS;
    hand_on();
    int told = me->state == RUNS;
    me->state = RUNS;
    me->what = NULL;
    return told;
}
void rlx_sched_tell(void *what) {
    for (int i = 0; i < n_threads; i++)
        if (threads[i].state == WAITS && threads[i].what == what) threads[i].state = RUNS;
}

/* A new thread: announced by who starts it, entered by itself, left at its end. */
int sched_announce(void) {
    int i = n_threads++;
    if (i >= MOST_THREADS) stuck("too many threads");
    sem_init(&threads[i].go, 0, 0);
    threads[i].priority = 100 + (int64_t)draw(1000000);
    threads[i].until = -1;
    threads[i].state = RUNS;
    return i;
}
void sched_enter(int i) {
    wait_for_turn(i);
    mine = i;
}
void sched_leave(void) {
    int me = mine, next;
    threads[me].state = GONE;
    mine = -1;
    if (!active) return;
    next = next_thread();
    current = next;
    sem_post(&threads[next].go);
}
