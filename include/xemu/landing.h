/* Where indirect branches may land (FEAT_BTI). An indirect branch leaves its kind in PSTATE.BTYPE, and an instruction in
 * a guarded page may refuse it. Nothing of that is computed as code runs: which kinds the first instruction of a block
 * takes is found out when the block is made, and compiled code finds blocks by address and kind. cpu->pstate has BTYPE
 * only between a branch that had to look for its block and the block. */
#ifndef XEMU_LANDING_H
#define XEMU_LANDING_H

#include <xemu/cpu.h>
#include <xemu/ir.h>

/* Which kinds of branches may land on the instruction at pc: bit n stands for BTYPE n. Reads guest memory that is known
 * to be executable. */
unsigned landing_at(uint64_t pc);

static inline enum branch_kind landing_kind(const struct cpu *cpu)
{
    return (enum branch_kind)(cpu->pstate >> PSTATE_BTYPE_SHIFT & 3);
}

/* An indirect branch of this kind has set cpu->pc. */
static inline void landing_begin(struct cpu *cpu, enum branch_kind kind)
{
    cpu->pstate |= (uint32_t)kind << PSTATE_BTYPE_SHIFT;
}

/* The instruction at cpu->pc, which takes these kinds, is about to run. False: a Branch Target exception instead. */
static inline bool landing_end(struct cpu *cpu, unsigned kinds)
{
    if (!(kinds >> landing_kind(cpu) & 1))
        return false;
    cpu->pstate &= ~(uint32_t)PSTATE_BTYPE;
    return true;
}

#endif
