/* Faults of compiled code: accesses to guest memory, and the stack of return points when it is full. */
#include "cache.h"

#include <signal.h>
#include <ucontext.h>

/* In the execute view; null where the address is none of an access to guest memory. */
static const struct fault_site *find_site(const uint8_t *rip)
{
    const uint8_t *at = rip - cache.to_execute;
    const struct arena *arena = cache_arena(at);
    if (!arena)
        return NULL;
    uint32_t offset = (uint32_t)(at - cache.start);
    unsigned low = 0, count = atomic_load_explicit(&arena->site_count, memory_order_acquire), high = count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (arena->sites[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && arena->sites[low].offset == offset ? &arena->sites[low] : NULL;
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
    const struct fault_site *site = find_site((const uint8_t *)regs[REG_RIP]);
    if (!site)
        return false;
    jit->stats.faults++;
    jit->trapped = signo == SIGFPE;
    cpu->pc = site->pc;
    ((ucontext_t *)context)->uc_mcontext.fpregs->mxcsr &= ~(uint32_t)MXCSR_IE; /* the functions will tell */
    regs[REG_RIP] = (greg_t)cache_executable(cache.stubs.exit);
    regs[REG_RAX] = repeat ? JIT_REPEAT : EXIT_FAULT;
    regs[REG_RCX] = 0;
    return true;
}
