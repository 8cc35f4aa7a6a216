/* Clocks, as the host's vDSO shows them without a system call.
 *
 * The guest's vDSO asks for the time with an SVC, too. It gets seconds and nanoseconds in x2 and x3 and stores them
 * itself, so that a bad pointer is a fault there, as it is with Linux; and compiled code calls the host's function
 * without giving up its vector registers (ORDER vdso_clock: loader/vdso.c). */
#include <xemu/fault.h>
#include <xemu/sys.h>

#include <errno.h>
#include <sys/time.h>
#include <time.h>

#include "abi.h"
#include "handlers.h"
#include "host_vdso.h"
#include "task.h"

enum { CLOCK_GETTIME = 113, CLOCKS = 32 }; /* those that may be read from compiled code are among them */
static _Atomic uint32_t direct_clocks, tried_clocks;

GENERAL_REGISTERS bool sys_clock_direct(struct cpu *cpu)
{
    struct timespec now;
    uint32_t clock = (uint32_t)cpu->x[0];
    if (cpu->x[8] != CLOCK_GETTIME || clock >= CLOCKS || !(direct_clocks >> clock & 1) ||
        cpu->pc - guest_image.vdso >= VDSO_SIZE || host_clock_gettime((clockid_t)clock, &now))
        return false;
    cpu->x[0] = 0;
    cpu->x[2] = (uint64_t)now.tv_sec;
    cpu->x[3] = (uint64_t)now.tv_nsec;
    cpu->pc += 4;
    return true;
}

/* Next time it may be read from compiled code, if the host's function does nothing but that. */
static void try_clock(uint32_t clock)
{
    if (clock >= CLOCKS || (tried_clocks >> clock & 1))
        return;
    if (!host_clock_gettime)
        host_clock_find();
    if (host_clock_keeps_vectors((clockid_t)clock))
        direct_clocks |= 1u << clock;
    tried_clocks |= 1u << clock;
}

int64_t sys_clock_gettime(struct cpu *cpu, const uint64_t args[6])
{
    struct timespec now;
    if (clock_gettime((clockid_t)args[0], &now))
        return -errno;
    if (cpu->pc - guest_image.vdso < VDSO_SIZE) {
        try_clock((uint32_t)args[0]);
        cpu->x[2] = (uint64_t)now.tv_sec;
        cpu->x[3] = (uint64_t)now.tv_nsec;
        return 0;
    }
    return guest_copy_out(args[1], &now, sizeof now);
}

int64_t sys_clock_getres(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct timespec step;
    if (clock_getres((clockid_t)args[0], &step))
        return -errno;
    return args[1] ? guest_copy_out(args[1], &step, sizeof step) : 0;
}

int64_t sys_gettimeofday(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct timeval now;
    if (args[1]) /* the kernel's time zone, which the C library's function doesn't tell */
        return host_call(SYS_gettimeofday, args);
    gettimeofday(&now, NULL);
    return args[0] ? guest_copy_out(args[0], &now, sizeof now) : 0;
}
