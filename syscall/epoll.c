/* epoll: struct epoll_event is packed on x86-64 and aligned on ARM64. */
#include <xemu/fault.h>

#include <errno.h>
#include <sys/epoll.h>

#include "abi.h"
#include "handlers.h"
#include "signal_wait.h"
#include "task.h"

/* Events taken per call; a caller with room for more gets the rest with its next call, as epoll allows. */
enum { BATCH = 256 };

int64_t sys_epoll_ctl(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct arm64_epoll_event guest;
    struct host_epoll_event host = {0};
    bool has_event = (int)args[1] != EPOLL_CTL_DEL; /* the kernel reads it for every other operation */
    if (has_event && guest_copy_in(&guest, args[3], sizeof guest))
        return -EFAULT;
    if (has_event)
        host = (struct host_epoll_event){guest.events, guest.data};
    return HOST_CALL(SYS_epoll_ctl, args[0], args[1], args[2], (uint64_t)&host);
}

static int64_t wait(struct cpu *cpu, long number, const uint64_t args[6], uint64_t mask)
{
    struct host_epoll_event host[BATCH];
    struct arm64_epoll_event guest[BATCH];
    int room = (int)args[2];
    if (room <= 0)
        return -EINVAL;
    uint64_t call[6] = {args[0], (uint64_t)host, room < BATCH ? (uint64_t)room : BATCH,
                        args[3], args[4],        args[5]};
    int64_t got = signal_masked_call(cpu, number, call, mask);
    if (got <= 0)
        return got;
    for (int64_t i = 0; i < got; i++)
        guest[i] = (struct arm64_epoll_event){.events = host[i].events, .data = host[i].data};
    return guest_copy_out(args[1], guest, (size_t)got * sizeof *guest) ? -EFAULT : got;
}

int64_t sys_epoll_pwait(struct cpu *cpu, const uint64_t args[6])
{
    if (args[4] && args[5] != 8)
        return -EINVAL;
    return wait(cpu, SYS_epoll_pwait, args, args[4]);
}

int64_t sys_epoll_pwait2(struct cpu *cpu, const uint64_t args[6])
{
    if (args[4] && args[5] != 8)
        return -EINVAL;
    return wait(cpu, SYS_epoll_pwait2, args, args[4]);
}
