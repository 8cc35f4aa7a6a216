/* The sampler's thread: when it begins, and how often it looks. */
#ifndef CORE_LOOKER_H
#define CORE_LOOKER_H

#include <stdbool.h>
#include <stdint.h>

/* The process that asks gets a thread when it has had some CPU time more, of which a timer tells; at once, if that is asked
 * for behind it. One for each process at most; async-signal-safe. tls: the thread pointer of the process's first thread. */
void looker_begin_later(void *tls);
void looker_begin_now(void);

/* No thread begins in this process from now on. */
void looker_none(void);

/* CPU time of this process's thread, in nanoseconds. */
uint64_t looker_ns(void);

/* sampler.c's: a look at all, with its lock. */
void sampler_look(void);

#endif
