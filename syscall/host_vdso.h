/* The host's vDSO. */
#ifndef SYSCALL_HOST_VDSO_H
#define SYSCALL_HOST_VDSO_H

#include <xemu/cpu.h>

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

/* A clock that the guest's vDSO asks for, which never sleeps, from compiled code: sets x0, x2, x3 and the pc, or
 * nothing (false). */
GENERAL_REGISTERS bool sys_clock_direct(struct cpu *cpu);

#endif
