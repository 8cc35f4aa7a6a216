/* Where the guest is when a signal interrupts its thread: for --flame. */
#include "cache.h"

#include <signal.h>
#include <ucontext.h>

/* The block whose code an address in the execute view belongs to, or null. Reads without a lock what other
 * threads may be adding: a block in work is none that somebody runs. */
static const struct jit_block *block_at(uint64_t address)
{
    const uint8_t *at = (const uint8_t *)address - cache.to_execute;
    const struct arena *arena = cache_arena(at);
    unsigned low = 0, high = arena ? arena->block_count : 0;
    while (low < high) { /* the last one that begins at or below */
        unsigned middle = (low + high) / 2;
        const uint8_t *code = arena->blocks[middle].code;
        if (code && code <= at)
            low = middle + 1;
        else
            high = middle;
    }
    const struct jit_block *block = low ? &arena->blocks[low - 1] : NULL;
    return block && at < block->code + block->host_bytes ? block : NULL;
}

uint64_t jit_sampled_pc(const struct cpu *cpu, const void *ucontext)
{
    const greg_t *regs = ((const ucontext_t *)ucontext)->uc_mcontext.gregs;
    const struct jit *jit = cpu->jit;
    if (!jit || !jit->in_code)
        return cpu->pc;
    uint64_t rip = (uint64_t)regs[REG_RIP], rsp = (uint64_t)regs[REG_RSP],
             stack = (uint64_t)jit->return_stack;
    const struct jit_block *block = block_at(rip);
    if (!block && rsp >= stack && rsp <= stack + RETURN_STACK - 8) /* a stub that the block has called */
        block = block_at(*(const uint64_t *)rsp);
    if (!block) /* a function */
        block = block_at(cpu->call_return);
    return block ? block->pc : cpu->pc;
}
