/* --flame: a flame graph of the guest's functions, from samples that the threads take of themselves when the
 * sampler asks them by a signal. */
#ifndef XEMU_FLAME_H
#define XEMU_FLAME_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;

/* Whether this process is sampled: the one that xemu was started as. */
bool flame_on(void);

/* The sampler's: the thread has had so many nanoseconds of CPU time that no sample stands for, and is running
 * now. */
void flame_ask(struct cpu *cpu, int tid, uint64_t ns);

/* The thread's answer: where the guest is and who called it is noted. Async-signal-safe; ucontext: what the signal
 * interrupted, or null between two instructions. */
void flame_sample(const void *ucontext);

/* When the process ends: writes the file. */
void flame_write(void);

#endif
