/* Faults of compiled code: accesses to guest memory, and the stack of return points when it is full. */
#include "cache.h"

#include <signal.h>
#include <ucontext.h>

/* The pc of the guest's instruction whose access to memory, or operation that traps, is at the address in the execute
 * view; NO_PC: there is none. */
static uint64_t find_pc(uint64_t rip)
{
    const struct jit_block *block = cache_block_at(rip);
    if (!block)
        return NO_PC;
    uint64_t offset = rip - (uint64_t)cache_executable(block->code);
    const struct fault_site *sites = cache_arena(block->code)->sites + block->first_site;
    for (unsigned i = 0; i < block->site_count; i++)
        if (sites[i].offset == offset)
            return block->pc + 4ull * sites[i].insn;
    return NO_PC;
}

/* A call found the stack full: what it has is forgotten, and the call comes again. */
static bool restart_stack(struct jit *jit, greg_t *regs)
{
    uint64_t addr = jit->cpu->fault.addr, low = (uint64_t)jit->return_stack;
    if (addr >= low || addr < low - RETURN_GUARD)
        return false;
    jit->stats.stack_restarts++;
    regs[REG_RSP] = (greg_t)thread_empty_stack(jit);
    return true;
}

bool jit_recover(struct cpu *cpu, int signo, void *context, bool repeat)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct jit *jit = cpu->jit;
    if (!jit || !jit->in_code)
        return false;
    if (restart_stack(jit, regs))
        return true;
    uint64_t pc = find_pc((uint64_t)regs[REG_RIP]);
    if (pc == NO_PC)
        return false;
    jit->stats.faults++;
    jit->trapped = signo == SIGFPE;
    cpu->pc = pc;
    if (!repeat)
        cpu->excl_addr = EXCL_NONE; /* as by any exception; what is there may be of an older load */
    ((ucontext_t *)context)->uc_mcontext.fpregs->mxcsr &= ~(uint32_t)MXCSR_IE; /* the functions will tell */
    regs[REG_RIP] = (greg_t)cache_executable(cache.stubs.exit);
    regs[REG_RAX] = repeat ? JIT_REPEAT : EXIT_FAULT;
    regs[REG_RCX] = 0;
    return true;
}
