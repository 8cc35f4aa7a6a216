/* The sampler: weighs what a guest thread is doing when it is looked at by the CPU time that it had since the
 * look before. Nothing is measured where the guest runs.
 *
 * Its thread is none of the C library's, for which a process with it would not have one thread only: fork() and locks would
 * cost more, and so would the thread. It has the thread-local variables of the thread that made it. So it makes its system
 * calls itself, and touches errno and this_cpu never. */
#include <xemu/sampler.h>
#include "family.h"

#include <xemu/flame.h>
#include <xemu/host_thread.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/report.h>

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A look costs some 25 us of CPU time. A program that is over soon is looked at often. */
enum {
    THREADS_MAX = 4096,
    MS = 1000000,
    SOON = 25 /* looks */,
    SOON_FLAME = 200,
    INTERVAL = 2 * MS,
    LATER = 4 * MS,
    MOST = 64 * MS,
    INTERVAL_FLAME = MS,
    LATER_FLAME = 2 * MS
};

static struct {
    _Atomic int lock; /* 0: free, 1: held, 2: and somebody waits */
    clockid_t clock;  /* of the sampler itself */
    pid_t owner;     /* the process that this is about; 0: none */
    pid_t pid;       /* whose thread it is; 0: there is none yet */
    bool stopped;
    struct family_place place;
    uint64_t base;        /* CPU time that is none of this one's business */
    uint64_t start, seen; /* CPU time before the first guest thread, and of all looks, with base */
    unsigned slot_count;  /* so many have been used */
    struct slot {
        struct cpu *cpu;
        int tid;
        bool looked; /* once at least */
        clockid_t clock;
        uint64_t asked; /* CPU time that --flame's questions stand for */
        uint64_t seen;  /* of its CPU time */
    } slots[THREADS_MAX];
} sampler;

static bool wanted(void) { return options.report != STATS_NONE || flame_on(); }

uint64_t sampler_clock(clockid_t clock)
{
    struct timespec now;
    if (kernel_call(SYS_clock_gettime, (uint64_t)clock, (uint64_t)&now, 0, 0, 0))
        return 0;
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct family_place *sampler_place(void) { return &sampler.place; }

static void lock(void)
{
    int state = 0;
    if (atomic_compare_exchange_strong(&sampler.lock, &state, 1))
        return;
    while (atomic_exchange(&sampler.lock, 2))
        kernel_call(SYS_futex, (uint64_t)&sampler.lock, FUTEX_WAIT_PRIVATE, 2, 0, 0);
}

static void unlock(void)
{
    if (atomic_exchange(&sampler.lock, 0) == 2)
        kernel_call(SYS_futex, (uint64_t)&sampler.lock, FUTEX_WAKE_PRIVATE, 1, 0, 0);
}

/* --- which threads run -------------------------------------------------------------------------------- */

static int tasks = -1; /* /proc/self/task, in the sampler's own table of descriptors */

/* The guest must not find its descriptors numbered otherwise: what the sampler opens is in a table of its
 * own. */
static void open_tasks(void)
{
    static pid_t done;
    if (done == sampler.pid)
        return;
    done = sampler.pid;
    tasks = -1;
    if (kernel_call(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE, 0, 0) == 0)
        tasks = (int)kernel_call(SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)"/proc/self/task", O_RDONLY | O_DIRECTORY, 0, 0);
}

/* Whether what has this file "stat" has a processor, or waits for one. Where the state cannot be seen it is taken to
 * run. */
static bool is_running(const char *path)
{
    char text[256];
    open_tasks();
    if (tasks < 0)
        return true;
    int64_t fd = kernel_call(SYS_openat, (uint64_t)tasks, (uint64_t)path, O_RDONLY, 0, 0), n = -1;
    if (fd >= 0) {
        n = kernel_call(SYS_read, (uint64_t)fd, (uint64_t)text, sizeof text - 1, 0, 0);
        kernel_call(SYS_close, (uint64_t)fd, 0, 0, 0, 0);
    }
    text[n > 0 ? n : 0] = 0;
    const char *behind = strrchr(text, ')');
    return behind && behind[1] && behind[2] == 'R';
}

static bool thread_is_running(int tid)
{
    char path[32];
    snprintf(path, sizeof path, "%d/stat", tid);
    return is_running(path);
}

bool sampler_is_running(int pid)
{
    char path[32];
    snprintf(path, sizeof path, "../../%d/stat", pid);
    return is_running(path);
}

/* Elsewhere a thread doesn't sleep but for locks, which go on behind an interruption. */
static bool may_sleep(const struct cpu *cpu)
{
    return cpu->part == PART_SYSCALL || cpu->part == PART_SIGNAL || cpu->part == PART_FAULT;
}

/* --- looking ------------------------------------------------------------------------------------------ */

/* Of the calling thread; with the lock held. It is at its end: what it was at before is not to be seen. */
static void last_look(struct slot *slot)
{
    uint64_t now = sampler_clock(slot->clock);
    if (now > slot->seen) {
        sampler.seen += now - slot->seen;
        report_unlooked(now - slot->seen);
        slot->seen = now;
    }
}

/* With the lock held. */
static void look(struct slot *slot)
{
    uint64_t now = sampler_clock(slot->clock), since = now - slot->seen;
    if (now <= slot->seen || (!slot->looked && may_sleep(slot->cpu) && !thread_is_running(slot->tid)))
        return;
    report_look(slot->cpu->part, since, !slot->looked, false);
    slot->looked = true;
    slot->seen = now;
    sampler.seen += since;
    if (flame_on() && now - slot->asked >= INTERVAL_FLAME / 2 && (!may_sleep(slot->cpu) || thread_is_running(slot->tid))) {
        flame_ask(slot->cpu, slot->tid, now - slot->asked);
        slot->asked = now;
    }
}

static void look_at_all(void)
{
    for (struct slot *slot = sampler.slots; slot < sampler.slots + sampler.slot_count; slot++)
        if (slot->cpu)
            look(slot);
    family_look();
}

/* Nanoseconds until the next look. Without --flame looking takes a 150th of the time at most: where others have the
 * processors, too, less is to be seen from one look to the next. */
static long interval_behind(unsigned looks, long last)
{
    if (flame_on())
        return looks < SOON_FLAME ? INTERVAL_FLAME : LATER_FLAME;
    uint64_t whole = sampler_clock(CLOCK_PROCESS_CPUTIME_ID) + report_children_ns() + family_unlooked_ns();
    if (looks && sampler_clock(CLOCK_THREAD_CPUTIME_ID) > whole / 150)
        return last < MOST / 2 ? 2 * last : MOST;
    return looks < SOON ? INTERVAL : LATER;
}

static int run(void *unused)
{
    struct timespec interval = {.tv_nsec = 0};
    for (unsigned looks = 0;; looks++) { /* also when it has stopped: its clock is read then */
        interval.tv_nsec = interval_behind(looks, interval.tv_nsec);
        kernel_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (uint64_t)&interval, 0, 0);
        lock();
        if (!sampler.stopped)
            look_at_all();
        unlock();
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

static int create_thread(void)
{
    _Atomic int tid = 0;
    pthread_t thread;
    int error = host_thread(&thread, NULL, run_thread, &tid);
    while (!error && !tid)
        usleep(100);
    return error ? -error : tid;
}
#else
static int create_thread(void)
{
    enum { STACK_SIZE = 64 << 10 };
    static _Alignas(16) char stack[STACK_SIZE];
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    return clone(run, stack + STACK_SIZE, flags, NULL);
}
#endif

static void start(void)
{
    uint64_t all = ~0ull, before;
    sampler.pid = getpid();
    sampler.stopped = false;
    /* The guest's signals are not the sampler's; the C library would leave two of them open. */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    int tid = create_thread();
    if (tid < 0)
        die(126, "no thread for samples");
    sampler.clock = clock_of_thread(tid);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
}

/* A child that its parent's sampler has looked at goes on by itself. */
static void go_on_alone(void)
{
    sampler.base = sampler.seen = sampler.slots[0].seen = report_go_on();
    sampler.start = 0;
    start();
}

static struct slot *free_slot(void)
{
    struct slot *slot = sampler.slots;
    while (slot < sampler.slots + sampler.slot_count && slot->cpu)
        slot++;
    if (slot == sampler.slots + THREADS_MAX)
        return NULL;
    if (slot == sampler.slots + sampler.slot_count)
        sampler.slot_count++;
    return slot;
}

void sampler_thread_begin(struct cpu *cpu)
{
    if (!wanted())
        return;
    bool first = !sampler.owner;
    if (first) {
        sampler.owner = getpid();
        sampler.start = sampler.seen = sampler_clock(CLOCK_PROCESS_CPUTIME_ID);
        start();
    }
    if (sampler.owner != getpid()) /* a child that borrows its parent's memory until it executes something */
        return;
    lock();
    if (!sampler.pid)
        go_on_alone();
    struct slot *slot = free_slot();
    cpu->part = PART_DISPATCH;
    cpu->sample_ns = 0; /* not the thread's that made it */
    cpu->sample_asked = false;
    if (slot) {
        
        slot->seen = first ? sampler.start : 0; /* its start counts, too */
        slot->asked = slot->seen;
        slot->tid = (int)kernel_call(SYS_gettid, 0, 0, 0, 0, 0);
        slot->clock = clock_of_thread(slot->tid);
        slot->looked = false;
        slot->cpu = cpu;
    }
    unlock();
}

void sampler_thread_end(struct cpu *cpu)
{
    if (!wanted())
        return;
    lock();
    for (struct slot *slot = sampler.slots; slot < sampler.slots + sampler.slot_count; slot++) {
        if (slot->cpu == cpu) {
            last_look(slot);
            slot->cpu = NULL;
        }
    }
    unlock();
}

void sampler_forked(struct cpu *cpu, bool plain)
{
    sampler.lock = 0; /* the sampler may have held it */
    if (options.report == STATS_NONE)
        return;
    sampler.pid = 0;
    sampler.owner = plain ? getpid() : -1; /* only the C library's children can make a sampler */
    if (!plain)
        family_hide();
    family_join(cpu, 0);
    memset(sampler.slots, 0, sampler.slot_count * sizeof *sampler.slots);
    sampler.slot_count = 1;
    sampler.start = sampler.seen = 0;
    sampler.slots[0].tid = (int)kernel_call(SYS_gettid, 0, 0, 0, 0, 0);
    sampler.slots[0].clock = clock_of_thread(sampler.slots[0].tid);
    sampler.slots[0].cpu = cpu;
}

void sampler_at_call(void)
{
    if (options.report == STATS_NONE || !family_orphan() || sampler.owner != getpid())
        return;
    lock();
    if (!sampler.pid)
        go_on_alone();
    unlock();
}

static uint64_t seen_before_exec;

void sampler_hold(void)
{
    lock();
    if (family_joined())
        seen_before_exec = 1 + family_leave(false);
}

void sampler_release(void)
{
    if (seen_before_exec)
        family_join(this_cpu, seen_before_exec); /* a nanosecond more: it is no new child */
    seen_before_exec = 0;
    unlock();
}

void sampler_stop(void)
{
    if (!wanted() || sampler.pid != getpid())
        return;
    lock();
    for (struct slot *slot = sampler.slots; !sampler.stopped && slot < sampler.slots + sampler.slot_count; slot++)
        if (slot->cpu)
            (slot->cpu == this_cpu ? last_look : look)(slot);
    sampler.stopped = true;
    unlock();
}

uint64_t sampler_start_ns(void) { return sampler.start; }

uint64_t sampler_whole_ns(void)
{
    return sampler_clock(CLOCK_PROCESS_CPUTIME_ID) - sampler_clock(sampler.clock) - sampler.base;
}

uint64_t sampler_own_ns(void) { return sampler_clock(sampler.clock); }

uint64_t sampler_unseen_ns(uint64_t whole)
{
    uint64_t seen = sampler.seen - sampler.base;
    return whole > seen ? whole - seen : 0;
}
