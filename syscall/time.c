/* Clocks, as the host's vDSO shows them without a system call. */
#include <xemu/fault.h>

#include <errno.h>
#include <sys/time.h>
#include <time.h>

#include "abi.h"
#include "handlers.h"
#include "task.h"

int64_t sys_clock_gettime(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct timespec now;
    if (clock_gettime((clockid_t)args[0], &now))
        return -errno;
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
