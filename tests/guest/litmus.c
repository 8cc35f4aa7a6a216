// arm64-only
// flags: -march=armv8.1-a
// args: 100000
/* Memory order: what two threads may not see with sequentially consistent accesses (LDAR and STLR, atomics, exclusives,
 * DMB) does not happen. Each test runs on many places at once, so that the threads need to meet rarely. The argument is
 * the number of places. */
#include "check.h"

#include <pthread.h>

enum { PLACES = 2000, THREADS = 4 };

/* Each variable has a cache line of its own. */
struct place {
    int x __attribute__((aligned(64)));
    int y __attribute__((aligned(64)));
    int seen[4] __attribute__((aligned(64)));
};

static struct place places[PLACES];

#define PLAIN_STORE(to) asm volatile("str %w1, %0" : "=Q"(to) : "r"(1) : "memory")
#define PLAIN_LOAD(value, from) asm volatile("ldr %w0, %1" : "=r"(value) : "Q"(from) : "memory")
#define RELEASE(to) asm volatile("stlr %w1, %0" : "=Q"(to) : "r"(1) : "memory")
#define ACQUIRE(value, from) asm volatile("ldar %w0, %1" : "=r"(value) : "Q"(from) : "memory")
#define SWAP(to)                                                                            \
    do {                                                                                    \
        int old;                                                                            \
        asm volatile("swpal %w2, %w0, %1" : "=r"(old), "+Q"(to) : "r"(1) : "memory");       \
    } while (0)
#define ADD_NOTHING(value, from) asm volatile("ldaddal wzr, %w0, %1" : "=r"(value), "+Q"(from) : : "memory")
#define EXCLUSIVE_STORE(to)                                                                            \
    do {                                                                                               \
        int failed;                                                                                    \
        asm volatile("1: ldaxr %w0, %1\n\tstlxr %w0, %w2, %1\n\tcbnz %w0, 1b"                          \
                     : "=&r"(failed), "+Q"(to) : "r"(1) : "memory");                                   \
    } while (0)
#define FENCE(kind) asm volatile("dmb " kind : : : "memory")

/* Store buffering: each stores its variable and reads the other's. */
#define SB(name, store, between, load)                              \
    static void sb_##name##_0(struct place *p) { store(p->x); between; load(p->seen[0], p->y); } \
    static void sb_##name##_1(struct place *p) { store(p->y); between; load(p->seen[1], p->x); }
/* Message passing: data, then a flag. */
#define MP(name, store, store_fence, load, load_fence)              \
    static void mp_##name##_0(struct place *p) { PLAIN_STORE(p->x); store_fence; store(p->y); } \
    static void mp_##name##_1(struct place *p) { load(p->seen[0], p->y); load_fence; PLAIN_LOAD(p->seen[1], p->x); }
/* Load buffering: each reads a variable and then stores the other. */
#define LB(name, load, between, store)                              \
    static void lb_##name##_0(struct place *p) { load(p->seen[0], p->x); between; store(p->y); } \
    static void lb_##name##_1(struct place *p) { load(p->seen[1], p->y); between; store(p->x); }
/* Independent reads of independent writes: two readers agree on the order of two writes. */
#define IRIW(name, store, load, between)                            \
    static void iriw_##name##_0(struct place *p) { store(p->x); }   \
    static void iriw_##name##_1(struct place *p) { store(p->y); }   \
    static void iriw_##name##_2(struct place *p) { load(p->seen[0], p->x); between; load(p->seen[1], p->y); } \
    static void iriw_##name##_3(struct place *p) { load(p->seen[2], p->y); between; load(p->seen[3], p->x); }

/* clang-format off */
SB(plain, PLAIN_STORE, , PLAIN_LOAD)
SB(acquire, RELEASE, , ACQUIRE)
SB(lse, SWAP, , ADD_NOTHING)
SB(lse_ldar, SWAP, , ACQUIRE)
SB(exclusive, EXCLUSIVE_STORE, , ACQUIRE)
SB(dmb, PLAIN_STORE, FENCE("ish"), PLAIN_LOAD)
MP(acquire, RELEASE, , ACQUIRE, )
MP(lse, SWAP, , ADD_NOTHING, )
MP(dmb, PLAIN_STORE, FENCE("ish"), PLAIN_LOAD, FENCE("ish"))
MP(dmb_one_way, PLAIN_STORE, FENCE("ishst"), PLAIN_LOAD, FENCE("ishld"))
LB(acquire, ACQUIRE, , RELEASE)
LB(lse, ADD_NOTHING, , SWAP)
LB(dmb, PLAIN_LOAD, FENCE("ish"), PLAIN_STORE)
LB(dmb_one_way, PLAIN_LOAD, FENCE("ishld"), PLAIN_STORE)
IRIW(acquire, RELEASE, ACQUIRE, )
IRIW(lse, SWAP, ADD_NOTHING, )
IRIW(dmb, PLAIN_STORE, PLAIN_LOAD, FENCE("ish"))
/* clang-format on */

static int both_zero(const int *seen) { return !seen[0] && !seen[1]; }
static int flag_without_data(const int *seen) { return seen[0] && !seen[1]; }
static int both_one(const int *seen) { return seen[0] && seen[1]; }
static int disagree(const int *seen) { return seen[0] && !seen[1] && seen[2] && !seen[3]; }

static const struct test {
    const char *name;
    int threads;
    void (*part[THREADS])(struct place *);
    int (*is_forbidden)(const int *seen);
    int allowed; /* the outcome is allowed after all, and shows that the threads do run at the same time */
} tests[] = {
#define TWO(name, is_forbidden) {#name, 2, {name##_0, name##_1}, is_forbidden, 0}
#define FOUR(name, is_forbidden) {#name, 4, {name##_0, name##_1, name##_2, name##_3}, is_forbidden, 0}
    {"sb_plain", 2, {sb_plain_0, sb_plain_1}, both_zero, 1},
    TWO(sb_acquire, both_zero),
    TWO(sb_lse, both_zero),
    TWO(sb_lse_ldar, both_zero),
    TWO(sb_exclusive, both_zero),
    TWO(sb_dmb, both_zero),
    TWO(mp_acquire, flag_without_data),
    TWO(mp_lse, flag_without_data),
    TWO(mp_dmb, flag_without_data),
    TWO(mp_dmb_one_way, flag_without_data),
    TWO(lb_acquire, both_one),
    TWO(lb_lse, both_one),
    TWO(lb_dmb, both_one),
    TWO(lb_dmb_one_way, both_one),
    FOUR(iriw_acquire, disagree),
    FOUR(iriw_lse, disagree),
    FOUR(iriw_dmb, disagree),
};

static const struct test *now;
static long batches;
static pthread_barrier_t barrier;

/* The threads start on a group of places at the same time, if the host lets them run at the same time. */
enum { GROUP = 20, PATIENCE = 3000 };
static long arrived __attribute__((aligned(64)));

static void meet(long group)
{
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < PATIENCE && __atomic_load_n(&arrived, __ATOMIC_RELAXED) < (group + 1) * now->threads; i++)
        ;
}

static void *run_part(void *arg)
{
    long number = (long)arg;
    for (long b = 0; b < batches; b++) {
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < PLACES; i++) {
            if (i % GROUP == 0)
                meet(i / GROUP);
            now->part[number](&places[i]);
        }
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

/* How often the outcome was seen. */
static long run_test(const struct test *test)
{
    pthread_t threads[THREADS];
    long count = 0;
    now = test;
    pthread_barrier_init(&barrier, NULL, (unsigned)test->threads + 1);
    for (long t = 0; t < test->threads; t++)
        pthread_create(&threads[t], NULL, run_part, (void *)t);
    for (long b = 0; b < batches; b++) {
        memset(places, 0, sizeof places);
        arrived = 0;
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < PLACES; i++)
            count += test->is_forbidden(places[i].seen);
    }
    for (int t = 0; t < test->threads; t++)
        pthread_join(threads[t], NULL);
    pthread_barrier_destroy(&barrier);
    return count;
}

int main(int argc, char **argv)
{
    batches = (argc > 1 ? atol(argv[1]) : 100000) / PLACES;
    int shows = argc > 2;
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        long seen = run_test(&tests[i]);
        if (shows)
            printf("%s: %ld\n", tests[i].name, seen);
        if (!tests[i].allowed && seen) {
            printf("%s: a forbidden outcome, %ld times\n", tests[i].name, seen);
            check_failures++;
        } else if (tests[i].allowed && !seen && batches * PLACES >= 1000000) {
            printf("%s: the threads never ran at the same time\n", tests[i].name);
            check_failures++;
        }
    }
    return check_end();
}
