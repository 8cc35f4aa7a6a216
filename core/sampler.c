/* The sampler: weighs what a guest thread is doing when it is looked at by the CPU time that it had since the
 * look before. Nothing is measured where the guest runs. Looks are the sampler's thread's: no errno, no this_cpu. */
#include <xemu/sampler.h>
#include "family.h"
#include "running.h"
#include "looker.h"

#include <xemu/flame.h>
#include <xemu/options.h>
#include <xemu/report.h>
#include <xemu/sys.h>

#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 4096, LEAST_FLAME = 500000 /* ns that a sample stands for */ };

static struct {
    _Atomic int lock; /* 0: free, 1: held, 2: and somebody waits */
    pid_t owner;      /* the process that this is about; 0: none */
    bool raw;         /* it was not made by the C library's fork(), and can have no thread that looks */
    bool stopped;
    struct family_place place;
    uint64_t base;        /* CPU time that is none of this one's business */
    uint64_t start, seen; /* CPU time before the first guest thread, and of all looks, with base */
    /* Threads that were over before a look: how many; of how many the clock was asked, and what it said. */
    uint64_t brief, brief_asked, brief_ns;
    unsigned slot_count; /* so many have been used */
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

bool sampler_read_clock(clockid_t clock, uint64_t *ns)
{
    struct timespec now;
    if (kernel_call(SYS_clock_gettime, (uint64_t)clock, (uint64_t)&now, 0, 0, 0))
        return false;
    *ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    return true;
}

uint64_t sampler_clock(clockid_t clock)
{
    uint64_t now;
    return sampler_read_clock(clock, &now) ? now : 0;
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

/* --- looking ------------------------------------------------------------------------------------------ */

/* Elsewhere a thread doesn't sleep but for locks, which go on behind an interruption. */
static bool may_sleep(const struct cpu *cpu)
{
    return cpu->part == PART_SYSCALL || cpu->part == PART_SIGNAL || cpu->part == PART_FAULT;
}

/* With the lock held, at the thread's end: what it was at before is not to be seen. */
static void last_look(struct slot *slot)
{
    uint64_t now = sampler_clock(slot->clock);
    if (now > slot->seen) {
        sampler.seen += now - slot->seen;
        report_unlooked(now - slot->seen);
        slot->seen = now;
    }
}

/* The same of a thread that ends. The clock costs as much as a system call: of those that were never looked at some
 * stand for all. */
static void end_look(struct slot *slot)
{
    enum { SOME = 8 };
    if (slot->looked) {
        last_look(slot);
    } else if (sampler.brief++ % SOME == 0) {
        uint64_t now = sampler_clock(slot->clock);
        sampler.brief_ns += now > slot->seen ? now - slot->seen : 0;
        sampler.brief_asked++;
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
    if (flame_on() && now - slot->asked >= LEAST_FLAME && (!may_sleep(slot->cpu) || thread_is_running(slot->tid))) {
        flame_ask(slot->cpu, slot->tid, now - slot->asked);
        slot->asked = now;
    }
}

void sampler_look(void)
{
    lock();
    for (struct slot *slot = sampler.slots; !sampler.stopped && slot < sampler.slots + sampler.slot_count; slot++)
        if (slot->cpu)
            look(slot);
    if (!sampler.stopped)
        family_look();
    unlock();
}

/* --- the guest's threads ------------------------------------------------------------------------------ */

/* Whether process `self` is a forked child, which its parent's sampler looks at. */
static bool is_child(pid_t self) { return sampler.owner != self && !sampler.raw && family_joined(); }

/* It goes on by itself, with the thread that it had until now. */
static void go_on_alone(void)
{
    struct slot first = {.cpu = (struct cpu *)family_joined(), .tid = getpid(), .clock = clock_of_thread(getpid())};
    void *tls = family_tls();
    memset(sampler.slots, 0, sampler.slot_count * sizeof *sampler.slots);
    sampler.base = sampler.seen = first.seen = report_go_on();
    sampler.slots[0] = first;
    sampler.slot_count = 1;
    sampler.brief = sampler.brief_asked = sampler.brief_ns = 0;
    sampler.start = 0;
    sampler.stopped = false;
    sampler.owner = getpid();
    looker_begin_later(tls);
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
    pid_t self = getpid();
    if (first) {
        sampler.owner = self;
        sampler.start = sampler.seen = sampler_clock(CLOCK_PROCESS_CPUTIME_ID);
        looker_begin_later(__builtin_thread_pointer());
    }
    lock();
    if (is_child(self))
        go_on_alone();
    bool own = sampler.owner == self; /* not one that borrows its parent's memory until it executes something */
    struct slot *slot = own ? free_slot() : NULL;
    cpu->part = PART_DISPATCH;
    cpu->sample_ns = 0; /* not the thread's that made it */
    cpu->sample_asked = false;
    if (slot) {
        slot->seen = first ? sampler.start : 0; /* its start counts, too */
        slot->asked = slot->seen;
        slot->tid = sys_thread_id(cpu);
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
            end_look(slot);
            slot->cpu = NULL;
        }
    }
    unlock();
}

void sampler_before_fork(void) { family_grows(); }

void sampler_has_child(void)
{
    if (options.report != STATS_NONE && sampler.owner == getpid())
        looker_begin_now();
}

/* Nothing is written but in the shared table: the child would have to copy the page. */
void sampler_forked(struct cpu *cpu, bool plain)
{
    if (sampler.lock) /* the sampler held it */
        sampler.lock = 0;
    if (options.report == STATS_NONE)
        return;
    if (sampler.raw == plain)
        sampler.raw = !plain;
    if (!plain)
        family_hide();
    family_join(cpu, 0);
}

void sampler_at_call(void)
{
    if (options.report == STATS_NONE || !family_orphan())
        return;
    lock();
    if (is_child(getpid()))
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
    if (!wanted() || sampler.owner != getpid())
        return;
    looker_none();
    lock();
    for (struct slot *slot = sampler.slots; !sampler.stopped && slot < sampler.slots + sampler.slot_count; slot++)
        if (slot->cpu)
            last_look(slot);
    sampler.stopped = true;
    unlock();
}

uint64_t sampler_start_ns(void) { return sampler.start; }

uint64_t sampler_own_ns(void) { return looker_ns(); }

uint64_t sampler_whole_ns(void)
{
    return sampler_clock(CLOCK_PROCESS_CPUTIME_ID) - looker_ns() - sampler.base;
}

uint64_t sampler_brief_ns(void)
{
    return sampler.brief_asked ? sampler.brief_ns / sampler.brief_asked * sampler.brief : 0;
}

uint64_t sampler_unseen_ns(uint64_t whole)
{
    uint64_t seen = sampler.seen - sampler.base;
    return whole > seen ? whole - seen : 0;
}
