/* The forked children of a program that --report is about. They have no sampler of their own, which would cost more
 * than most of them take: the program's looks at them, too. */
#ifndef CORE_FAMILY_H
#define CORE_FAMILY_H

#include <xemu/cpu.h>
#include <xemu/kernel_call.h>

#include <time.h>

/* A system call without the C library: the sampler's thread must not touch errno, see sampler.c. */
static inline int64_t kernel_call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    return kernel_call6(number, a, b, c, d, e, 0);
}

/* Nanoseconds; 0 where there is no such clock. */
uint64_t sampler_clock(clockid_t clock);

/* The same; false: there is no such clock. */
bool sampler_read_clock(clockid_t clock, uint64_t *ns);

/* The kernel's clock of a thread or process: include/linux/posix-timers.h. */
static inline clockid_t clock_of_thread(int tid) { return (clockid_t)(~(unsigned)tid << 3 | 6); }
static inline clockid_t clock_of_process(int pid) { return (clockid_t)(~(unsigned)pid << 3 | 2); }

/* A child's own: whether it and its children are not looked at, and its row if so. */
struct family_place {
    struct member *self;
    bool hidden;
};
struct family_place *sampler_place(void);

/* In the process whose sampler looks; and before it forks. If there is no memory for that, children are in no report. */
void family_begin(void);
void family_grows(void);

/* In a forked child: it is looked at from now on, and no more. It has had `seen` nanoseconds of CPU time that are
 * counted already. family_leave() gives that number then; count: what is behind it still goes into the report. */
void family_join(const struct cpu *cpu, uint64_t seen);
void family_hide(void); /* before it: the process has another number for the program, which looks at it in vain */
uint64_t family_leave(bool count);

/* The cpu of the first thread of a process that is looked at, null for others; that one's thread pointer; whether the one
 * that looked is gone. */
const struct cpu *family_joined(void);
void *family_tls(void);
bool family_orphan(void);

/* The sampler's: looks at all; CPU time of those that have left which no look has seen. */
void family_look(void);
uint64_t family_unlooked_ns(void);

/* At the program's end: there is no look after that. */
struct family_sums {
    uint64_t processes;   /* that were forked */
    uint64_t unlooked_ns; /* CPU time that no look has seen */
    uint64_t guest, host; /* instructions, with --report=counts */
};
struct family_sums family_end(void);

#endif
