/* Where the guest is when a signal interrupts its thread: for --flame. */
#include "cache.h"

#include <signal.h>
#include <ucontext.h>

int greg_of(int host)
{
    static const uint8_t by_number[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return by_number[host];
}

/* A register of the guest's while its code runs. */
static uint64_t register_of(const struct cpu *cpu, const greg_t *regs, unsigned guest)
{
    int host = backend_host_register(guest);
    return host < 0 ? cpu->x[guest] : (uint64_t)regs[greg_of(host)];
}

struct jit_sample jit_sample(const struct cpu *cpu, const void *ucontext)
{
    const greg_t *regs = ((const ucontext_t *)ucontext)->uc_mcontext.gregs;
    const struct jit *jit = cpu->jit;
    struct jit_sample sample = {cpu->pc, cpu->x[29], cpu->x[30]};
    if (!jit || !jit->in_code)
        return sample;
    uint64_t rip = (uint64_t)regs[REG_RIP], rsp = (uint64_t)regs[REG_RSP],
             stack = (uint64_t)jit->return_stack;
    const struct jit_block *block = cache_block_at(rip);
    if (block) {
        sample.fp = register_of(cpu, regs, 29);
        sample.lr = register_of(cpu, regs, 30);
    }
    const uint8_t *const direct_call = cache_executable(cache.stubs.direct_call);
    if (rip - (uint64_t)direct_call < (uint64_t)(cache.stubs.return_empty - cache.stubs.direct_call))
        return sample; /* a system call */
    if (!block && rsp >= stack && rsp <= stack + RETURN_STACK - 8) /* a stub that the block has called */
        block = cache_block_at(*(const uint64_t *)rsp);
    if (!block) /* a function */
        block = cache_block_at(cpu->call_return);
    if (block)
        sample.pc = block->pc;
    return sample;
}
