/* Restartable sequences, with critical sections of its own. */
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#include "check.h"

enum { CPUS = 1024, THREADS = 6, WIDE = 64 };

/* A processor's counters, in lines of their own. */
static struct counter {
    uint64_t n, again;
    char rest[WIDE - 16];
} counters[CPUS] __attribute__((aligned(WIDE)));

static struct rseq *own(void) { return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset); }

static void run_on(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
}

/* A descriptor, and code with the labels 1 to 2 as the section and 3 as where it is aborted to. */
#define DESCRIPTOR(name)                                   \
    ".pushsection __rseq_cs, \"aw\"\n"                     \
    ".balign 32\n" name ": .long 0, 0\n"                   \
    ".quad 1f, 2f - 1f, 3f\n"                              \
    ".popsection\n"

#ifdef __aarch64__
enum { PC_IS_AT = offsetof(ucontext_t, uc_mcontext.pc) };
#define BEGIN "adrp x9, 7b\n add x9, x9, :lo12:7b\n str x9, [%[rseq], #8]\n 1:\n"
#define ABORT ".pushsection .text.unlikely, \"ax\"\n .inst 0xd428bc00\n 3: b %l[aborted]\n .popsection\n"

/* Adds 1 to two numbers of the processor that it runs on, by a section that takes `rounds` more rounds of a loop. False:
 * it was aborted. */
#define ADD(name, stores)                                                                                       \
    static __attribute__((noinline)) int name(struct rseq *rseq, uint32_t cpu, struct counter *at, uint64_t rounds) \
    {                                                                                                           \
        __asm__ goto(DESCRIPTOR("7") BEGIN "   ldr w10, [%[rseq], #4]\n"                                        \
                     "   cmp w10, %w[cpu]\n"                                                                    \
                     "   b.ne %l[aborted]\n"                                                                    \
                     "   ldp x10, x11, [%[at]]\n"                                                               \
                     "   add x10, x10, #1\n"                                                                    \
                     "   add x11, x11, #1\n"                                                                    \
                     "   mov x12, %[rounds]\n"                                                                  \
                     "4: subs x12, x12, #1\n"                                                                   \
                     "   b.hi 4b\n" stores "2:\n" ABORT                                                         \
                     :                                                                                          \
                     : [rseq] "r"(rseq), [cpu] "r"(cpu), [at] "r"(at), [rounds] "r"(rounds)                     \
                     : "x9", "x10", "x11", "x12", "memory", "cc"                                                \
                     : aborted);                                                                                \
        return 1;                                                                                               \
    aborted:                                                                                                    \
        return 0;                                                                                               \
    }
ADD(add_pair, "stp x10, x11, [%[at]]\n")
ADD(add_vector, "fmov d0, x10\n fmov v0.d[1], x11\n str q0, [%[at]]\n")
ADD(add_scratch, "str x10, [%[at], #16]\n fmov d0, x10\n fmov v0.d[1], x11\n str q0, [%[at]]\n")

static __attribute__((noinline)) int add_release(struct rseq *rseq, uint32_t cpu, struct counter *at, uint64_t rounds)
{
    __asm__ goto(DESCRIPTOR("7") BEGIN "   ldr w10, [%[rseq], #4]\n"
                 "   cmp w10, %w[cpu]\n"
                 "   b.ne %l[aborted]\n"
                 "   ldr x10, [%[at]]\n"
                 "   add x10, x10, #1\n"
                 "   mov x12, %[rounds]\n"
                 "4: subs x12, x12, #1\n"
                 "   b.hi 4b\n"
                 "   stlr x10, [%[at]]\n"
                 "2:\n" ABORT
                 :
                 : [rseq] "r"(rseq), [cpu] "r"(cpu), [at] "r"(at), [rounds] "r"(rounds)
                 : "x9", "x10", "x12", "memory", "cc"
                 : aborted);
    __atomic_fetch_add(&at->again, 1, __ATOMIC_RELAXED);
    return 1;
aborted:
    return 0;
}

static __attribute__((noinline)) int wait_for(struct rseq *rseq, volatile int *flag, void **abort)
{
    __asm__ goto("adrp x9, 3f\n add x9, x9, :lo12:3f\n str x9, [%[abort]]\n" DESCRIPTOR("7") BEGIN
                 "4: ldr w10, [%[flag]]\n"
                 "   cbz w10, 4b\n"
                 "2:\n" ABORT
                 :
                 : [rseq] "r"(rseq), [flag] "r"(flag), [abort] "r"(abort)
                 : "x9", "x10", "memory", "cc"
                 : aborted);
    return 1;
aborted:
    return 0;
}
enum { SIGNATURE = (int)0xd428bc00 };
#else
enum { PC_IS_AT = offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]) };
#define BEGIN "lea 7b(%%rip), %%r9\n mov %%r9, 8(%[rseq])\n 1:\n"
#define ABORT ".pushsection .text.unlikely, \"ax\"\n .long 0x53053053\n 3: jmp %l[aborted]\n .popsection\n"
static __attribute__((noinline)) int add_vector(struct rseq *rseq, uint32_t cpu, struct counter *at, uint64_t rounds)
{
    __asm__ goto(DESCRIPTOR("7") BEGIN "   cmp 4(%[rseq]), %[cpu]\n"
                 "   jne %l[aborted]\n"
                 "   movdqu (%[at]), %%xmm0\n"
                 "   pcmpeqd %%xmm1, %%xmm1\n"
                 "   psubq %%xmm1, %%xmm0\n"
                 "   mov %[rounds], %%r10\n"
                 "4: sub $1, %%r10\n"
                 "   ja 4b\n"
                 "   movups %%xmm0, (%[at])\n"
                 "2:\n" ABORT
                 :
                 : [rseq] "r"(rseq), [cpu] "r"(cpu), [at] "r"(at), [rounds] "r"(rounds)
                 : "r9", "r10", "xmm0", "xmm1", "memory", "cc"
                 : aborted);
    return 1;
aborted:
    return 0;
}
#define add_pair    add_vector
#define add_scratch add_vector
#define add_release add_vector

static __attribute__((noinline)) int wait_for(struct rseq *rseq, volatile int *flag, void **abort)
{
    __asm__ goto("lea 3f(%%rip), %%r9\n mov %%r9, (%[abort])\n" DESCRIPTOR("7") BEGIN "4: cmpl $0, (%[flag])\n"
                 "   je 4b\n"
                 "2:\n" ABORT
                 :
                 : [rseq] "r"(rseq), [flag] "r"(flag), [abort] "r"(abort)
                 : "r9", "memory", "cc"
                 : aborted);
    return 1;
aborted:
    return 0;
}
enum { SIGNATURE = 0x53053053 };
#endif

/* Each number is increased by as many rounds as all threads have made, though they are preempted within sections. */
typedef int add(struct rseq *rseq, uint32_t cpu, struct counter *at, uint64_t rounds);
static add *const ways[] = {add_pair, add_vector, add_scratch, add_release};
enum { WAYS = sizeof ways / sizeof *ways, ADDITIONS = 3000 };
static long aborted;

static void *count(void *unused)
{
    long again = 0;
    for (int i = 0; i < ADDITIONS; i++) {
        for (;;) {
            uint32_t cpu = own()->cpu_id_start;
            if (ways[i % WAYS](own(), cpu, &counters[cpu % CPUS], i % 64 ? 10 : 100000))
                break;
            again++;
        }
    }
    __atomic_fetch_add(&aborted, again, __ATOMIC_RELAXED);
    return unused;
}

static uint64_t total(size_t field)
{
    uint64_t sum = 0;
    for (int cpu = 0; cpu < CPUS; cpu++)
        sum += *(uint64_t *)((char *)&counters[cpu] + field);
    return sum;
}

static void nothing_is_lost_or_done_twice(void)
{
    pthread_t threads[THREADS];
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    run_on(sched_getcpu()); /* so that they preempt each other */
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    sched_setaffinity(0, sizeof all, &all);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(total(offsetof(struct counter, n)), THREADS * ADDITIONS);
    CHECK(total(offsetof(struct counter, again)), THREADS * ADDITIONS);
    CHECK(aborted > 0, 1);
}

/* --- signals --- */

static volatile int flag;
static void *abort_at, *seen_at;
static uint64_t cs_in_handler = 1;

static void handler(int signo, siginfo_t *info, void *context)
{
    seen_at = *(void **)((char *)context + PC_IS_AT);
    cs_in_handler = own()->rseq_cs;
    flag = 1;
}

/* It often comes within the section, but that may have been aborted for another thread before. */
static void a_signal_aborts(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    int within = 0;
    timer_t timer;
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < 50; i++) {
        flag = 0;
        timer_create(CLOCK_MONOTONIC, NULL, &timer);
        timer_settime(timer, 0, &soon, NULL);
        int done = wait_for(own(), &flag, &abort_at);
        while (!flag)
            ;
        timer_delete(timer);
        if (seen_at != abort_at)
            continue;
        within++;
        CHECK(done, 0);
        CHECK(cs_in_handler, 0);
        CHECK(own()->rseq_cs, 0);
    }
    CHECK(within > 0, 1);
}

/* --- who is registered --- */

static void the_call_checks_what_it_gets(void)
{
    struct rseq *rseq = own();
    static struct rseq other __attribute__((aligned(32)));
    CHECK_ERRNO(syscall(SYS_rseq, rseq, 32, 0, SIGNATURE), EBUSY);
    CHECK_ERRNO(syscall(SYS_rseq, rseq, 32, 0, 5), EPERM);
    CHECK_ERRNO(syscall(SYS_rseq, &other, 32, 0, SIGNATURE), EINVAL);
    CHECK_ERRNO(syscall(SYS_rseq, &other, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE), EINVAL);
    CHECK_ERRNO(syscall(SYS_rseq, rseq, 32, 4, SIGNATURE), EINVAL);
    CHECK(syscall(SYS_rseq, rseq, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE), 0);
    CHECK((int)rseq->cpu_id, RSEQ_CPU_ID_UNINITIALIZED);
    CHECK_ERRNO(syscall(SYS_rseq, rseq, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE), EINVAL);
    CHECK_ERRNO(syscall(SYS_rseq, (char *)rseq + 8, 32, 0, SIGNATURE), EINVAL);
    CHECK_ERRNO(syscall(SYS_rseq, rseq, 16, 0, SIGNATURE), EINVAL);
    CHECK_ERRNO(syscall(SYS_rseq, (char *)-4096, 32, 0, SIGNATURE), EFAULT);
    CHECK(syscall(SYS_rseq, rseq, 32, 0, SIGNATURE), 0);
}

static void the_number_is_the_processors(void)
{
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        run_on(cpu);
        CHECK(own()->cpu_id, cpu);
        CHECK(own()->cpu_id_start, cpu);
        CHECK(sched_getcpu(), cpu);
    }
    sched_setaffinity(0, sizeof all, &all);
}

static void child(void *unused)
{
    the_number_is_the_processors();
    the_call_checks_what_it_gets();
}

static void *elsewhere(void *unused)
{
    child(unused);
    return NULL;
}

static void barriers_know_sections(void)
{
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    CHECK(!!(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ), 1);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0), 0);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0), 0);
}

int main(void)
{
    pthread_t thread;
    CHECK(__rseq_size > 0, 1);
    child(NULL);
    pthread_create(&thread, NULL, elsewhere, NULL);
    pthread_join(thread, NULL);
    CHECK(in_child(child, NULL), 0);
    a_signal_aborts();
    nothing_is_lost_or_done_twice();
    barriers_know_sections();
    return check_end();
}
