/* Restartable sequences: the guest's struct rseq takes the place of the C library's at the host's kernel, which writes the
 * processor's number into it. Critical sections: critical.h. */
#include <xemu/critical.h>

#include <errno.h>
#include <linux/rseq.h>
#include <sys/auxv.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#include "handlers.h"
#include "task.h"

/* xemu itself asks nobody's rseq for anything, and the C library then asks the kernel. The size that it has registered is
 * the original one, or all that the kernel knows of. */
static void forget_library(void)
{
    uint64_t address = (uint64_t)__builtin_thread_pointer() + (uint64_t)__rseq_offset;
    enum { ORIGINAL_SIZE = 32 };
    if (__rseq_size && host_raw(SYS_rseq, address, ORIGINAL_SIZE, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
        host_raw(SYS_rseq, address, getauxval(AT_RSEQ_FEATURE_SIZE), RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

static int64_t begin(struct cpu *cpu, uint64_t address, uint32_t length, uint32_t signature)
{
    forget_library();
    int64_t result = host_raw(SYS_rseq, address, length, 0, signature);
    if (result)
        return result;
    cpu->task->rseq = (struct rseq_area){address, length, signature};
    cpu->rseq = signature == RSEQ_SIGNATURE ? address : 0; /* another one is in front of no code that is known here */
    return 0;
}

static int64_t end(struct cpu *cpu)
{
    const struct rseq_area *area = &cpu->task->rseq;
    int64_t result = host_raw(SYS_rseq, area->address, area->length, RSEQ_FLAG_UNREGISTER, area->signature);
    if (result == 0) {
        cpu->task->rseq.address = 0;
        cpu->rseq = 0;
    }
    return result;
}

void rseq_end(struct cpu *cpu)
{
    if (cpu->task->rseq.address)
        end(cpu);
}

int64_t sys_rseq(struct cpu *cpu, const uint64_t args[6])
{
    const struct rseq_area *area = &cpu->task->rseq;
    uint32_t length = (uint32_t)args[1], flags = (uint32_t)args[2], signature = (uint32_t)args[3];
    bool same = area->address == args[0] && area->length == length;
    if (flags & ~(uint32_t)RSEQ_FLAG_UNREGISTER || (flags && !area->address))
        return -EINVAL;
    if (area->address && !same)
        return -EINVAL;
    if (area->address && area->signature != signature)
        return -EPERM;
    if (flags)
        return end(cpu);
    return area->address ? -EBUSY : begin(cpu, args[0], length, signature);
}
