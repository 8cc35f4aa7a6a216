// arm64-only
// flags: -march=armv8.1-a
// args: 100000
/* Two threads at the same data by exclusives of every size, by locks and by atomics: no update is lost. The argument is
 * the number of updates by each thread. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

enum { THREADS = 2, NODES = 64 };
typedef unsigned __int128 pair __attribute__((aligned(16)));

static long updates;
static pthread_barrier_t barrier;

/* Adds 1 in a loop of exclusives: r loads and stores registers of the letter, with the suffix b, h or none. */
#define COUNTER(name, type, suffix, letter)                                                             \
    static type name __attribute__((aligned(64)));                                                      \
    static void add_##name(void)                                                                        \
    {                                                                                                   \
        unsigned long value, failed;                                                                    \
        asm volatile("1: ldxr" suffix " %" letter "0, %2\n\tadd %0, %0, 1\n\t"                          \
                     "stxr" suffix " %w1, %" letter "0, %2\n\tcbnz %w1, 1b"                              \
                     : "=&r"(value), "=&r"(failed), "+Q"(name) : : "memory");                           \
    }
COUNTER(bytes, uint8_t, "b", "w")
COUNTER(halves, uint16_t, "h", "w")
COUNTER(words, uint32_t, "", "w")
COUNTER(doublewords, uint64_t, "", "x")

/* Both halves of 16 bytes grow; neither is ever seen ahead of the other. */
static struct {
    uint64_t low, high;
} twins __attribute__((aligned(64)));
static void add_twins(void)
{
    unsigned long low, high, failed;
    asm volatile("1: ldaxp %0, %1, %3\n\tadd %0, %0, 1\n\tadd %1, %1, 1\n\tstlxp %w2, %0, %1, %3\n\tcbnz %w2, 1b"
                 : "=&r"(low), "=&r"(high), "=&r"(failed), "+Q"(twins)
                 :
                 : "memory");
    if (low != high)
        __atomic_fetch_add(&check_failures, 1, __ATOMIC_RELAXED);
}

static uint64_t by_casp[2] __attribute__((aligned(64)));
static void add_casp(void)
{
    register uint64_t old0 asm("x4") = 0, old1 asm("x5") = 0, new0 asm("x6"), new1 asm("x7");
    for (uint64_t was0, was1;;) {
        was0 = old0, was1 = old1;
        new0 = old0 + 1, new1 = old1 + 2;
        asm volatile("caspal x4, x5, x6, x7, %2" : "+r"(old0), "+r"(old1), "+Q"(by_casp) : "r"(new0), "r"(new1) : "memory");
        if (old0 == was0 && old1 == was1)
            return;
    }
}

/* A spin lock of exclusives around plain data. */
static uint32_t lock __attribute__((aligned(64)));
static uint64_t guarded[4];
static void add_guarded(void)
{
    unsigned failed;
    asm volatile("1: ldaxr %w0, %1\n\tcbnz %w0, 1b\n\tstxr %w0, %w2, %1\n\tcbnz %w0, 1b"
                 : "=&r"(failed), "+Q"(lock) : "r"(1) : "memory");
    for (int i = 0; i < 4; i++)
        guarded[i] += (uint64_t)i + 1;
    asm volatile("stlr wzr, %0" : "=Q"(lock) : : "memory");
}

static uint64_t by_ldadd __attribute__((aligned(64)));
static void add_ldadd(void)
{
    uint64_t old;
    asm volatile("ldaddal %2, %0, %1" : "=r"(old), "+Q"(by_ldadd) : "r"(1UL) : "memory");
}

/* A stack without locks; its head is a node and a count that makes each state different. */
static struct node {
    uint32_t next, owner, visits;
} nodes[NODES + 1];
static struct {
    uint64_t node, count;
} head __attribute__((aligned(64)));

static int replace_head(uint64_t node, uint64_t count, uint64_t new_node)
{
    uint64_t now_node, now_count, failed;
    asm volatile("ldaxp %0, %1, %3\n\tcmp %0, %4\n\tccmp %1, %5, 0, eq\n\tmov %w2, 1\n\tb.ne 1f\n\t"
                 "stlxp %w2, %6, %7, %3\n1:"
                 : "=&r"(now_node), "=&r"(now_count), "=&r"(failed), "+Q"(head)
                 : "r"(node), "r"(count), "r"(new_node), "r"(count + 1)
                 : "memory", "cc");
    return !(uint32_t)failed;
}

static void push(uint64_t node)
{
    uint64_t first, count;
    do {
        count = __atomic_load_n(&head.count, __ATOMIC_ACQUIRE);
        first = __atomic_load_n(&head.node, __ATOMIC_ACQUIRE);
        __atomic_store_n(&nodes[node].next, (uint32_t)first, __ATOMIC_RELAXED);
    } while (!replace_head(first, count, node));
}

static uint64_t pop(void)
{
    uint64_t first, count, next;
    do {
        count = __atomic_load_n(&head.count, __ATOMIC_ACQUIRE);
        first = __atomic_load_n(&head.node, __ATOMIC_ACQUIRE);
        if (!first)
            return 0;
        next = __atomic_load_n(&nodes[first].next, __ATOMIC_RELAXED);
    } while (!replace_head(first, count, next));
    return first;
}

static void take_and_give_back(uint32_t thread)
{
    uint64_t node = pop();
    if (!node)
        return;
    if (__atomic_exchange_n(&nodes[node].owner, thread + 1, __ATOMIC_RELAXED)) /* somebody has it, too */
        __atomic_fetch_add(&check_failures, 1, __ATOMIC_RELAXED);
    nodes[node].visits++;
    __atomic_store_n(&nodes[node].owner, 0, __ATOMIC_RELAXED);
    push(node);
}

static void *run(void *arg)
{
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < updates; i++) {
        add_bytes();
        add_halves();
        add_words();
        add_doublewords();
        add_twins();
        add_casp();
        add_guarded();
        add_ldadd();
        take_and_give_back((uint32_t)(long)arg);
    }
    return NULL;
}

/* The monitor ends with CLREX, and a store by an exclusive needs one that is open. */
static void check_monitor(void)
{
    uint64_t word = 5, value, failed, second;
    asm volatile("ldxr %0, %2\n\tclrex\n\tstxr %w1, %3, %2" : "=&r"(value), "=&r"(failed), "+Q"(word) : "r"(9UL) : "memory");
    CHECK(failed & 1, 1);
    CHECK(word, 5);
    asm volatile("ldxr %0, %3\n\tstxr %w1, %4, %3\n\tstxr %w2, %4, %3"
                 : "=&r"(value), "=&r"(failed), "=&r"(second), "+Q"(word) : "r"(9UL) : "memory");
    CHECK(value, 5);
    CHECK(failed & 1, 0);
    CHECK(second & 1, 1);
    CHECK(word, 9);
}

/* Between load and store: a branch that is taken or not, with another store and the flags behind it. */
static void check_branches(void)
{
    for (uint64_t want = 5; want < 8; want++) {
        uint64_t word = 6, value, failed = 7, there = 7, above = 7;
        asm volatile("ldaxr %0, %4\n\tcmp %0, %5\n\tb.ne 2f\n\tstlxr %w1, %6, %4\n\tb 3f\n"
                     "2:\n\tcset %w3, hi\n\tstlxr %w2, %5, %4\n3:"
                     : "=&r"(value), "+&r"(failed), "+&r"(there), "+&r"(above), "+Q"(word)
                     : "r"(want), "r"(9UL)
                     : "cc", "memory");
        CHECK(value, 6);
        CHECK(failed, want == 6 ? 0 : 7);
        CHECK(there, want == 6 ? 7 : 0);
        CHECK(above, want == 6 ? 7 : want < 6);
        CHECK(word, want == 6 ? 9 : want);
    }
}

/* A load of one word is forgotten with one of another, which its store ends. */
static void check_two_words(void)
{
    uint64_t first = 1, second = 2, value, failed, late;
    asm volatile("ldxr %0, %3\n\tldxr %0, %4\n\tadd %0, %0, 1\n\tstxr %w1, %0, %4\n\tstxr %w2, %5, %3"
                 : "=&r"(value), "=&r"(failed), "=&r"(late), "+Q"(first), "+Q"(second)
                 : "r"(9UL)
                 : "memory");
    CHECK(failed & 1, 0);
    CHECK(late & 1, 1);
    CHECK(first, 1);
    CHECK(second, 3);
}

static uint64_t *guarded_word;

static void open_page(int signo)
{
    (void)signo;
    mprotect(guarded_word, 4096, PROT_READ | PROT_WRITE);
    *guarded_word = 5;
}

/* The store faults; the handler gives the word the value that a load before the last one found. */
static void check_fault(void)
{
    uint64_t value, failed;
    guarded_word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGSEGV, open_page);
    for (int i = 0; i < 10; i++) {
        *guarded_word = 5;
        asm volatile("ldxr %0, %1" : "=r"(value) : "Q"(*guarded_word));
        *guarded_word = 6;
        mprotect(guarded_word, 4096, PROT_READ);
        asm volatile("1: ldxr %0, %2\n\tadd %0, %0, 10\n\tstxr %w1, %0, %2\n\tcbnz %w1, 1b"
                     : "=&r"(value), "=&r"(failed), "+Q"(*guarded_word)
                     :
                     : "memory");
        CHECK(*guarded_word, 15);
    }
    munmap(guarded_word, 4096);
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    unsigned long visits = 0, there = 0;
    updates = argc > 1 ? atol(argv[1]) : 100000;
    for (int loop = 0; loop < 100; loop++) {
        check_monitor();
        check_branches();
        check_two_words();
    }
    check_fault();
    for (uint64_t n = 1; n <= NODES; n++)
        push(n);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (long t = 0; t < THREADS; t++)
        pthread_create(&threads[t], NULL, run, (void *)t);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    long total = THREADS * updates;
    CHECK(bytes, (uint8_t)total);
    CHECK(halves, (uint16_t)total);
    CHECK(words, total);
    CHECK(doublewords, total);
    CHECK(twins.low, total);
    CHECK(twins.high, total);
    CHECK(by_casp[0], total);
    CHECK(by_casp[1], 2 * total);
    CHECK(by_ldadd, total);
    for (int i = 0; i < 4; i++)
        CHECK(guarded[i], total * (i + 1));
    for (uint64_t node; (node = pop());)
        there++, visits += nodes[node].visits;
    CHECK(there, NODES);
    CHECK(visits, total); /* the stack is never empty: there are more nodes than threads */
    return check_end();
}
