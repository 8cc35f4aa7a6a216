/* A thread of xemu's own that looks hundreds of times a second at what each guest thread does: for --report
 * and --flame. */
#ifndef XEMU_SAMPLER_H
#define XEMU_SAMPLER_H

#include <xemu/cpu.h>

#include <signal.h>

/* A guest thread begins, and ends: in that thread. With the first one the sampler begins. Nothing if nobody asked
 * for it. */
void sampler_thread_begin(struct cpu *cpu);
void sampler_thread_end(struct cpu *cpu);

/* In a forked child that has this cpu only; plain: it was made by the C library's fork(). Its parent's sampler looks at
 * it, until it makes a thread or the parent ends: then it has one of its own. */
void sampler_forked(struct cpu *cpu, bool plain);

/* In a process that forks, and that has forked a child. */
void sampler_before_fork(void);
void sampler_has_child(void);

/* The signal, SIGBUS, that tells that the process is one whose threads are worth a thread that looks at them. The guest
 * does not see it. */
bool sampler_is_timer(const siginfo_t *info);
void sampler_timer_fired(void);

/* At a system call of the guest's, now and then. */
void sampler_at_call(void);

/* Around execve: no thread is asked for a sample, which the new program would get. */
void sampler_hold(void);
void sampler_release(void);

/* There is no look at a thread after it. */
void sampler_stop(void);

/* Nanoseconds of CPU time: of the process before the first guest thread; of the process without the sampler, since
 * it has one; and of this whole what none of the looks has seen: threads that were over before one (brief: so much of
 * it, about), what the kernel does for threads that end, and helpers of xemu's own. */
uint64_t sampler_start_ns(void);
uint64_t sampler_whole_ns(void);
uint64_t sampler_unseen_ns(uint64_t whole);
uint64_t sampler_brief_ns(void);
uint64_t sampler_own_ns(void); /* of the sampler itself */

#endif
