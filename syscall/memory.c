/* Memory calls: only the guest's own mappings, never xemu's. */
#include <xemu/fault.h>
#include <xemu/features.h>
#include <xemu/guestmem.h>

#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "abi.h"
#include "handlers.h"
#include "task.h"
#include "uring.h"

enum { PAGE = 4096, PROT_SEM = 8 };

static uint64_t page_up(uint64_t addr) { return (addr + PAGE - 1) & ~(uint64_t)(PAGE - 1); }

/* ---- mapping ---- */

/* PROT_BTI is unknown to a CPU without it. */
static int guest_rights(void)
{
    return PROT_READ | PROT_WRITE | PROT_EXEC | (feature_on[FEAT_BTI] ? GUEST_PROT_BTI : 0);
}

int64_t sys_mmap(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    int prot = (int)args[2] & guest_rights(); /* mmap ignores what it doesn't know */
    int flags = (int)args[3] & ~HOST_MAP_ONLY;
    if (args[5] & (PAGE - 1))
        return -EINVAL;
    int64_t addr = guest_mmap(args[0], args[1], prot, flags, (int)args[4], (int64_t)args[5]);
    if (addr >= 0 && !(flags & MAP_ANONYMOUS))
        uring_mapped((int)args[4], args[5], (uint64_t)addr);
    return addr;
}

int64_t sys_munmap(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    return guest_munmap(args[0], args[1]);
}

int64_t sys_mremap(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    return guest_mremap(args[0], args[1], args[2], (int)args[3], args[4]);
}

/* The stack's mapping grows downwards for the guest but not for the host: PROT_GROWSDOWN means from its
 * start. */
static uint64_t grown_start(uint64_t addr, int prot)
{
    bool in_stack = addr >= guest_image.stack_low && addr < guest_image.stack_high;
    return (prot & PROT_GROWSDOWN) && in_stack ? guest_image.stack_low : addr;
}

int64_t sys_mprotect(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    int prot = (int)args[2], grows = PROT_GROWSDOWN | PROT_GROWSUP;
    int known = guest_rights() | PROT_SEM | grows;
    if ((prot & ~known) || (prot & grows) == grows || (prot & PROT_GROWSUP) || (args[0] & (PAGE - 1)))
        return -EINVAL;
    uint64_t start = grown_start(args[0], prot);
    return guest_mprotect(start, args[1] + (args[0] - start), prot & guest_rights());
}

int64_t sys_pkey_mprotect(struct cpu *cpu, const uint64_t args[6])
{
    return (int)args[3] == -1 ? sys_mprotect(cpu, args) : -EINVAL;
}

int64_t sys_brk(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    return (int64_t)guest_brk(args[0]);
}

/* ---- calls on ranges, that mustn't reach xemu's memory ---- */

/* Makes the call on the guest's pieces of the range. Like the kernel, goes on past gaps and reports them. */
static int64_t each_piece(long number, const uint64_t args[6])
{
    uint64_t start = args[0], end = args[0] + page_up(args[1]), to, seen = start;
    bool gap = false;
    if ((start & (PAGE - 1)) || end < start)
        return -EINVAL;
    if (start == end) /* the kernel still checks the other arguments */
        return host_call(number, args);
    for (; start < end && guest_range_next(&start, &to) && start < end; start = seen = to) {
        gap |= start > seen;
        if (to > end)
            to = end;
        int64_t result = HOST_CALL(number, start, to - start, args[2], args[3], args[4], args[5]);
        if (result)
            return result;
    }
    return gap || seen < end ? -ENOMEM : 0;
}

/* Makes the call if the whole range is the guest's. */
static int64_t whole_range(long number, const uint64_t args[6])
{
    uint64_t start = args[0] & ~(uint64_t)(PAGE - 1), length = page_up(args[1] + (args[0] - start));
    if (length && !guest_range_contains(start, start + length))
        return -ENOMEM;
    return host_call(number, args);
}

int64_t sys_madvise(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    if ((args[0] & (PAGE - 1)) || page_up(args[1]) < args[1])
        return -EINVAL;
    int64_t result = each_piece(SYS_madvise, args);
    bool changes = (int)args[2] == MADV_DONTNEED || (int)args[2] == MADV_REMOVE || (int)args[2] == MADV_FREE;
    if (changes && result != RESULT_RESTART)
        guest_code_changed(args[0], args[0] + args[1]);
    return result;
}

int64_t sys_msync(struct cpu *cpu, const uint64_t args[6]) { return (void)cpu, each_piece(SYS_msync, args); }
int64_t sys_mbind(struct cpu *cpu, const uint64_t args[6]) { return (void)cpu, each_piece(SYS_mbind, args); }
int64_t sys_mseal(struct cpu *cpu, const uint64_t args[6]) { return (void)cpu, whole_range(SYS_mseal, args); }
int64_t sys_mlock(struct cpu *cpu, const uint64_t args[6]) { return (void)cpu, whole_range(SYS_mlock, args); }
int64_t sys_mlock2(struct cpu *cpu, const uint64_t args[6])
{
    return (void)cpu, whole_range(SYS_mlock2, args);
}
int64_t sys_munlock(struct cpu *cpu, const uint64_t args[6])
{
    return (void)cpu, whole_range(SYS_munlock, args);
}
int64_t sys_mincore(struct cpu *cpu, const uint64_t args[6])
{
    return (void)cpu, whole_range(SYS_mincore, args);
}

/* ---- all of the guest's memory, and none of xemu's ---- */

/* What the kernel asks before it locks. */
static int64_t may_lock_all(int flags)
{
    struct rlimit limit;
    uint64_t total = STACK_BEGINS_WITH - (guest_image.stack_high - guest_image.stack_low);
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (has_capability(CAP_IPC_LOCK))
        return 0;
    if (limit.rlim_cur == 0)
        return -EPERM;
    for (uint64_t start = 0, end; guest_range_next(&start, &end); start = end)
        total += end - start;
    return (flags & MCL_CURRENT) && total > limit.rlim_cur ? -ENOMEM : 0;
}

int64_t sys_mlockall(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    int flags = (int)args[0];
    if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
        return -EINVAL;
    int64_t result = may_lock_all(flags);
    if (result)
        return result;
    guest_lock_future(flags);
    for (uint64_t start = 0, end; (flags & MCL_CURRENT) && guest_range_next(&start, &end); start = end)
        host_raw(SYS_mlock2, start, end - start, flags & MCL_ONFAULT ? MLOCK_ONFAULT : 0,
                 0); /* what can't be: isn't */
    return 0;
}

int64_t sys_munlockall(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu, (void)args;
    guest_lock_future(0);
    for (uint64_t start = 0, end; guest_range_next(&start, &end); start = end)
        host_raw(SYS_munlock, start, end - start, 0, 0);
    return 0;
}

int64_t sys_remap_file_pages(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    int64_t result = whole_range(SYS_remap_file_pages, args);
    return result == -ENOMEM ? -EINVAL : result;
}

int64_t sys_set_mempolicy_home_node(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    return whole_range(SYS_set_mempolicy_home_node, args);
}
