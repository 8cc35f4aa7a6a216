/* The sampler: weighs what a guest thread is doing when it is looked at by the CPU time that it had since the
 * look before. Nothing is measured where the guest runs. */
#include <xemu/sampler.h>

#include <xemu/flame.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/report.h>

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A look costs some 25 us of CPU time. A program that is over soon is looked at often. */
enum {
    THREADS_MAX = 4096,
    MS = 1000000,
    SOON = 200 /* looks */,
    INTERVAL = MS,
    LATER = 4 * MS,
    LATER_FLAME = 2 * MS
};

static struct {
    pthread_mutex_t lock;
    pthread_t thread;
    clockid_t clock; /* of the sampler itself */
    pid_t pid;       /* whose thread it is; 0: there is none yet */
    bool stopped;
    uint64_t start, seen; /* CPU time before the first guest thread, and of all looks */
    unsigned slot_count;  /* so many have been used */
    struct slot {
        struct cpu *cpu;
        int tid;
        clockid_t clock;
        uint64_t asked; /* CPU time that --flame's questions stand for */
        uint64_t seen;  /* of its CPU time */
    } slots[THREADS_MAX];
} sampler = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool wanted(void) { return options.report != STATS_NONE || flame_on(); }

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- which threads run -------------------------------------------------------------------------------- */

static int tasks = -1; /* /proc/self/task, in the sampler's own table of descriptors */

/* The guest must not find its descriptors numbered otherwise: what the sampler opens is in a table of its
 * own. */
static void open_tasks(void)
{
    if (syscall(SYS_close_range, 0u, ~0u, CLOSE_RANGE_UNSHARE) == 0)
        tasks = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Whether the thread has a processor, or waits for one: a thread that sleeps in the kernel is not to be
 * disturbed. Where the state cannot be seen it is taken to run. */
static bool is_running(int tid)
{
    char path[32], text[256];
    if (tasks < 0)
        return true;
    snprintf(path, sizeof path, "%d/stat", tid);
    int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *behind = strrchr(text, ')');
    return behind && behind[1] && behind[2] == 'R';
}

/* Elsewhere a thread doesn't sleep but for locks, which go on behind an interruption. */
static bool may_sleep(const struct cpu *cpu)
{
    return cpu->part == PART_SYSCALL || cpu->part == PART_SIGNAL || cpu->part == PART_FAULT;
}

/* --- looking ------------------------------------------------------------------------------------------ */

/* With the lock held. */
static void look(struct slot *slot)
{
    uint64_t now = clock_ns(slot->clock), since = now - slot->seen;
    if (now <= slot->seen)
        return;
    slot->seen = now;
    sampler.seen += since;
    report_look(slot->cpu, since);
    if (flame_on() && now - slot->asked >= INTERVAL / 2 && (!may_sleep(slot->cpu) || is_running(slot->tid))) {
        flame_ask(slot->cpu, slot->tid, now - slot->asked);
        slot->asked = now;
    }
}

static void look_at_all(void)
{
    for (struct slot *slot = sampler.slots; slot < sampler.slots + sampler.slot_count; slot++)
        if (slot->cpu)
            look(slot);
}

static void *run(void *unused)
{
    struct timespec interval = {.tv_nsec = INTERVAL};
    if (flame_on())
        open_tasks();
    for (unsigned looks = 0;; looks++) { /* also when it has stopped: its clock is read then */
        if (looks == SOON)
            interval.tv_nsec = flame_on() ? LATER_FLAME : LATER;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, NULL);
        pthread_mutex_lock(&sampler.lock);
        if (!sampler.stopped)
            look_at_all();
        pthread_mutex_unlock(&sampler.lock);
    }
    return unused;
}

/* The C library takes a signal for itself when it makes its first thread. All signals are the guest's, so
 * that the action that stands for the guest's is put back. */
static int create_thread(void)
{
    enum { C_LIBRARY_SIGNAL = 33, SET_SIZE = 8 };
    struct {
        uint64_t handler, flags, restorer, mask;
    } guests;
    bool saved = syscall(SYS_rt_sigaction, C_LIBRARY_SIGNAL, NULL, &guests, SET_SIZE) == 0;
    int error = pthread_create(&sampler.thread, NULL, run, NULL);
    if (saved)
        syscall(SYS_rt_sigaction, C_LIBRARY_SIGNAL, &guests, NULL, SET_SIZE);
    return error;
}

static void start(void)
{
    sigset_t all, before;
    sampler.pid = getpid();
    sampler.stopped = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the guest's signals are not the sampler's */
    if (create_thread() || pthread_getcpuclockid(sampler.thread, &sampler.clock))
        die(126, "no thread for samples");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
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
    bool first = !sampler.pid;
    if (first) {
        sampler.start = sampler.seen = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        start();
    }
    if (sampler.pid != getpid()) /* a child that borrows its parent's memory until it executes something */
        return;
    pthread_mutex_lock(&sampler.lock);
    struct slot *slot = free_slot();
    cpu->part = PART_DISPATCH;
    cpu->sample_ns = 0; /* not the thread's that made it */
    cpu->sample_asked = false;
    if (slot) {
        pthread_getcpuclockid(pthread_self(), &slot->clock);
        slot->seen = first ? sampler.start : 0; /* its start counts, too */
        slot->asked = slot->seen;
        slot->tid = (int)syscall(SYS_gettid);
        slot->cpu = cpu;
    }
    pthread_mutex_unlock(&sampler.lock);
}

void sampler_thread_end(struct cpu *cpu)
{
    if (!wanted())
        return;
    pthread_mutex_lock(&sampler.lock);
    for (struct slot *slot = sampler.slots; slot < sampler.slots + sampler.slot_count; slot++) {
        if (slot->cpu == cpu) {
            look(slot);
            slot->cpu = NULL;
        }
    }
    pthread_mutex_unlock(&sampler.lock);
}

void sampler_forked(struct cpu *cpu)
{
    pthread_mutex_init(&sampler.lock, NULL); /* the sampler may have held it */
    if (!wanted())
        return;
    memset(sampler.slots, 0, sampler.slot_count * sizeof *sampler.slots);
    sampler.slot_count = 1;
    sampler.start = sampler.seen = 0;
    pthread_getcpuclockid(pthread_self(), &sampler.slots[0].clock);
    sampler.slots[0].tid = (int)syscall(SYS_gettid);
    sampler.slots[0].cpu = cpu;
    start();
}

void sampler_hold(void) { pthread_mutex_lock(&sampler.lock); }

void sampler_release(void) { pthread_mutex_unlock(&sampler.lock); }

void sampler_stop(void)
{
    if (!wanted() || sampler.pid != getpid())
        return;
    pthread_mutex_lock(&sampler.lock);
    if (!sampler.stopped)
        look_at_all();
    sampler.stopped = true;
    pthread_mutex_unlock(&sampler.lock);
}

uint64_t sampler_start_ns(void) { return sampler.start; }

uint64_t sampler_whole_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - clock_ns(sampler.clock); }

uint64_t sampler_unseen_ns(void)
{
    uint64_t whole = sampler_whole_ns();
    return whole > sampler.seen ? whole - sampler.seen : 0;
}
