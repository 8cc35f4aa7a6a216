/* The sampler's thread: when it begins, and how often it looks. */
#ifndef CORE_LOOKER_H
#define CORE_LOOKER_H

#include <stdbool.h>
#include <stdint.h>

/* The process that asks has no thread yet, and gets one: now, or when it has had some CPU time more, of which a timer
 * tells. One of each process at most; async-signal-safe. */
void looker_begin_now(void);
void looker_begin_later(void);

/* No thread begins in this process from now on. */
void looker_none(void);

/* CPU time of this process's thread, in nanoseconds. */
uint64_t looker_ns(void);

/* sampler.c's: a look at all, with its lock. */
void sampler_look(void);

#endif
