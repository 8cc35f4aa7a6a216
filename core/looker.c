/* The thread that looks at the others. A program that is over soon has none: the thread would cost more CPU time
 * than 2 % of such a program's.
 *
 * It is none of the C library's, for which a process with it would not have one thread only: fork() and locks would
 * cost more, and so would the thread. It has the thread-local variables of the process's first thread, whose memory stays
 * when that ends. So it makes its system calls itself, and touches errno and this_cpu never. */
#include "looker.h"
#include "family.h"

#include <xemu/flame.h>
#include <xemu/host_thread.h>
#include <xemu/report.h>
#include <xemu/sampler.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A look costs some 25 us of CPU time, the thread some 250. */
enum {
    MARK = 0x5a17f2, /* in the timer's signal */
    MS = 1000000,
    LATE = 8 * MS,
    INTERVAL = 4 * MS,
    MOST = 64 * MS,
    LATE_FLAME = 2 * MS,
    SOON_FLAME = 50 /* looks */,
    INTERVAL_FLAME = MS,
    LATER_FLAME = 2 * MS
};

static struct {
    _Atomic pid_t begun; /* the last process that shall have no other one */
    pid_t pid;           /* whose thread it is */
    clockid_t clock;
    int timer;
    void *tls; /* the first thread's */
} thread;

/* Nanoseconds until the next look. Without --flame looking takes a 200th of the time at most: where others have the
 * processors, too, less is to be seen from one look to the next. */
static long interval_behind(unsigned looks, long last)
{
    if (flame_on())
        return looks < SOON_FLAME ? INTERVAL_FLAME : LATER_FLAME;
    uint64_t whole = sampler_clock(CLOCK_PROCESS_CPUTIME_ID) + report_children_ns() + family_unlooked_ns();
    if (sampler_clock(CLOCK_THREAD_CPUTIME_ID) > whole / 200)
        return last < MOST / 2 ? 2 * last : MOST;
    return INTERVAL;
}

static int run(void *unused)
{
    struct timespec interval = {.tv_nsec = INTERVAL};
    for (unsigned looks = 0;; looks++) { /* also when it has stopped: its clock is read then */
        sampler_look();
        interval.tv_nsec = interval_behind(looks, interval.tv_nsec);
        kernel_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (uint64_t)&interval, 0, 0);
    }
    return unused != NULL;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* which have to know of each thread */
static void *run_thread(void *tid)
{
    *(_Atomic int *)tid = (int)kernel_call(SYS_gettid, 0, 0, 0, 0, 0);
    run(NULL);
    return NULL;
}

static int create(void)
{
    _Atomic int tid = 0;
    pthread_t made;
    int error = host_thread(&made, NULL, run_thread, &tid);
    while (!error && !tid)
        usleep(100);
    return error ? -error : tid;
}

/* A signal's handler may not do that. */
static bool begin_at_timer(long ns)
{
    (void)ns;
    return false;
}
#else
static int create(void)
{
    enum { STACK_SIZE = 64 << 10 };
    static _Alignas(16) char stack[STACK_SIZE];
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                CLONE_SETTLS | CLONE_UNTRACED /* a debugger in the guest is not to see it */;
    return clone(run, stack + STACK_SIZE, flags, NULL, NULL, thread.tls, NULL);
}

/* By a signal that xemu never blocks, and that is not lost where a guest sends another one. */
static bool begin_at_timer(long ns)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGBUS};
    struct itimerspec when = {.it_value.tv_nsec = ns};
    event.sigev_value.sival_int = MARK;
    return !kernel_call(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, (uint64_t)&event, (uint64_t)&thread.timer, 0, 0) &&
           !kernel_call(SYS_timer_settime, (uint64_t)thread.timer, 0, (uint64_t)&when, 0, 0);
}
#endif

void looker_begin_now(void)
{
    uint64_t all = ~0ull, before;
    pid_t self = (pid_t)kernel_call(SYS_getpid, 0, 0, 0, 0, 0);
    if (atomic_exchange(&thread.begun, self) == self)
        return;
    /* The guest's signals are not the sampler's; the C library would leave two of them open. */
    kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&all, (uint64_t)&before, sizeof all, 0);
    int tid = create();
    thread.clock = clock_of_thread(tid);
    thread.pid = tid > 0 ? self : 0; /* without one there are no looks, and the report says so */
    kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&before, 0, sizeof before, 0);
}

void looker_begin_later(void *tls)
{
    thread.tls = tls;
    if (!begin_at_timer(flame_on() ? LATE_FLAME : LATE))
        looker_begin_now();
}

bool sampler_is_timer(const siginfo_t *info)
{
    return info->si_code == SI_TIMER && info->si_value.sival_int == MARK;
}

void sampler_timer_fired(void)
{
    kernel_call(SYS_timer_delete, (uint64_t)thread.timer, 0, 0, 0, 0);
    looker_begin_now();
}

void looker_none(void) { atomic_store(&thread.begun, getpid()); }

uint64_t looker_ns(void) { return thread.pid == getpid() ? sampler_clock(thread.clock) : 0; }
