/* The host's vDSO. */
#ifndef SYSCALL_HOST_VDSO_H
#define SYSCALL_HOST_VDSO_H

#include <stdbool.h>
#include <time.h>

/* A function of it by its name, or null. */
const void *host_vdso_symbol(const char *name);

/* The host's clock_gettime: 0 or -errno; null if there is none. */
typedef int host_clock(clockid_t clock, struct timespec *now);
extern host_clock *host_clock_gettime;

/* Looks for it; and whether it leaves the vector registers alone when it reads this clock. */
void host_clock_find(void);
bool host_clock_keeps_vectors(clockid_t clock);

#endif
