/* Faults of compiled code: accesses to guest memory, and the stack of return points when it is full. */
#include "cache.h"

#include <xemu/eval.h>

#include <signal.h>
#include <ucontext.h>

/* The guest's registers whose host registers are lent there are where they belong again. */
static void take_back(const struct cpu *cpu, greg_t *regs, unsigned lent)
{
    for (unsigned n = 0; lent >> n; n++)
        if (lent >> n & 1)
            regs[greg_of(backend_host_register(backend_lent(n)))] = (greg_t)cpu->x[backend_lent(n)];
}

/* The pc of the guest's instruction whose access to memory, or operation that traps, is at the address in the execute
 * view; NO_PC: there is none. *recipe: for the flags, or 0. */
static uint64_t find_pc(const struct cpu *cpu, greg_t *regs, uint32_t *recipe)
{
    uint64_t rip = (uint64_t)regs[REG_RIP];
    const struct jit_block *block = cache_block_at(rip);
    if (!block)
        return NO_PC;
    uint64_t offset = rip - (uint64_t)cache_executable(block->code);
    const struct fault_site *sites = cache_arena(block->code)->sites + block->first_site;
    uint32_t last = 0;
    for (unsigned i = 0; i < block->site_count; i++) {
        if (sites[i].recipe) {
            last = jit_site_recipe(sites[i]);
        } else if (sites[i].offset == offset) {
            *recipe = sites[i].flags ? last : 0;
            take_back(cpu, regs, sites[i].lent);
            return block->pc + 4ull * sites[i].insn;
        }
    }
    return NO_PC;
}

uint32_t fault_flags(const struct cpu *cpu, uint32_t packed)
{
    struct flags_recipe recipe = jit_unpack_recipe(packed);
    uint64_t b = recipe.is_register ? cpu->x[recipe.b] : (uint64_t)(int64_t)recipe.b;
    uint64_t a = cpu->x[recipe.a] + (recipe.from_difference ? b : 0);
    return (uint32_t)(recipe.wide ? eval_nzcv_add(a, ~b, 1, 64) : eval_nzcv_add((uint32_t)a, (uint32_t)~b, 1, 32));
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
    uint64_t pc = find_pc(cpu, regs, &jit->recipe);
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
