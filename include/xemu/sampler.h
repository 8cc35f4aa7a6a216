/* A thread of xemu's own that looks hundreds of times a second at what each guest thread does: for --report
 * and --flame. */
#ifndef XEMU_SAMPLER_H
#define XEMU_SAMPLER_H

#include <xemu/cpu.h>

/* A guest thread begins, and ends: in that thread. The first one starts the sampler. Nothing if nobody asked
 * for it. */
void sampler_thread_begin(struct cpu *cpu);
void sampler_thread_end(struct cpu *cpu);

/* In a forked child that has this cpu only; plain: it was made by the C library's fork(). Its parent's sampler looks at
 * it, until it makes a thread or the parent ends: then it has one of its own. */
void sampler_forked(struct cpu *cpu, bool plain);

/* At a system call of the guest's, now and then. */
void sampler_at_call(void);

/* Around execve: no thread is asked for a sample, which the new program would get. */
void sampler_hold(void);
void sampler_release(void);

/* Takes a last look at all threads; there is none after it. */
void sampler_stop(void);

/* Nanoseconds of CPU time: of the process before the first guest thread; of the process without the sampler, since
 * it has one; and of this whole what none of the looks has seen: what the kernel does for threads that end, and helpers
 * of xemu's own. */
uint64_t sampler_start_ns(void);
uint64_t sampler_whole_ns(void);
uint64_t sampler_unseen_ns(uint64_t whole);
uint64_t sampler_own_ns(void); /* of the sampler itself */

#endif
