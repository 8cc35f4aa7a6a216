/* Children of a program that --report is about: a table in shared memory, where they come and go by themselves. */
#include "family.h"
#include "running.h"

#include <xemu/options.h>
#include <xemu/own.h>
#include <xemu/profile.h>
#include <xemu/report.h>

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MEMBERS_MAX = 2048 };
static const uint64_t GONE = UINT64_MAX;

static struct family {
    _Atomic uint64_t processes, unlooked_ns, guest, host;
    _Atomic unsigned highest; /* no place from here on was ever used */
    _Atomic bool over;
    struct member {
        _Atomic int pid;       /* 0: free, -1: not to be looked at */
        _Atomic uint64_t seen; /* of its CPU time; GONE when it counts the rest itself */
        const struct cpu *cpu; /* in its memory: its first thread's */
        void *tls;
    } members[MEMBERS_MAX];
} *family;

static struct family_place *own;

void family_begin(void)
{
    family = NULL;
    own = sampler_place();
    own->self = NULL;
}

void family_grows(void)
{
    if (own && !family)
        family = own_map(sizeof *family, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
}

/* --- the children's side ------------------------------------------------------------------------------ */

/* The row of this process, or null. It is not kept: a forked child copies each page that it writes. */
static struct member *own_row(void)
{
    if (!family || own->self)
        return family ? own->self : NULL;
    pid_t self = getpid();
    for (unsigned i = 0; i < family->highest; i++)
        if (family->members[i].pid == self)
            return &family->members[i];
    return NULL;
}

const struct cpu *family_joined(void)
{
    const struct member *self = own_row();
    return self ? self->cpu : NULL;
}

void *family_tls(void) { return own_row()->tls; }

bool family_orphan(void)
{
    return family && atomic_load_explicit(&family->over, memory_order_relaxed) && family_joined();
}

void family_hide(void)
{
    if (own)
        own->hidden = true;
}

void family_join(const struct cpu *cpu, uint64_t seen)
{
    if (!own)
        return;
    if (own->self)
        own->self = NULL;
    for (unsigned place = 0; family && place < MEMBERS_MAX; place++) { /* the first free one: few pages are touched */
        unsigned highest = atomic_load(&family->highest);
        struct member *member = &family->members[place];
        int none = 0;
        if (atomic_load(&member->pid) || !atomic_compare_exchange_strong(&member->pid, &none, -1))
            continue;
        member->cpu = cpu;
        member->tls = __builtin_thread_pointer();
        atomic_store(&member->seen, seen);
        if (kernel_call(SYS_getppid, 0, 0, 0, 0, 0) == 0) /* the first process of a namespace */
            own->hidden = true;
        if (own->hidden)
            own->self = member;
        else
            atomic_store(&member->pid, getpid());
        while (highest <= place && !atomic_compare_exchange_weak(&family->highest, &highest, place + 1))
            ;
        family->processes += seen == 0;
        return;
    }
}

uint64_t family_leave(bool count)
{
    struct member *self = own_row();
    if (!self)
        return 0;
    uint64_t guest, host, seen = atomic_exchange(&self->seen, GONE), now = sampler_clock(CLOCK_PROCESS_CPUTIME_ID);
    atomic_store(&self->pid, 0);
    if (own->self)
        own->self = NULL;
    if (!count)
        return seen;
    if (now > seen)
        family->unlooked_ns += now - seen;
    if (options.report_counts) {
        profile_totals(&guest, &host);
        family->guest += guest;
        family->host += host;
    }
    return now;
}

/* --- the program's side ------------------------------------------------------------------------------- */

static void look(struct member *member)
{
    uint8_t part = PARTS;
    int pid = atomic_load(&member->pid);
    if (pid <= 0)
        return;
    uint64_t seen = atomic_load(&member->seen), now;
    if (!sampler_read_clock(clock_of_process(pid), &now)) { /* it was killed; 0 is one that has just begun */
        atomic_compare_exchange_strong(&member->pid, &pid, 0);
        return;
    }
    if (seen == GONE || now <= seen)
        return;
    struct iovec to = {&part, 1}, from = {(void *)&member->cpu->part, 1};
    if (kernel_call(SYS_process_vm_readv, (uint64_t)pid, (uint64_t)&to, 1, (uint64_t)&from, 1) != 1 || part >= PARTS)
        return;
    if (part == PART_SYSCALL && !seen && !process_is_running(pid)) /* what it had CPU time for was something else */
        return;
    if (atomic_compare_exchange_strong(&member->seen, &seen, now))
        report_look(part, now - seen, !seen, true);
}

void family_look(void)
{
    for (unsigned i = 0; family && i < family->highest; i++)
        look(&family->members[i]);
}

uint64_t family_unlooked_ns(void) { return family ? family->unlooked_ns : 0; }

struct family_sums family_end(void)
{
    struct family_sums sums = {0};
    if (!family)
        return sums;
    family_look();
    family->over = true;
    sums = (struct family_sums){family->processes, family->unlooked_ns, family->guest, family->host};
    return sums;
}
