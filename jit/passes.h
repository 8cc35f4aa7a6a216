/* The passes over a block of IR, each in a file of its own. */
#ifndef JIT_PASSES_H
#define JIT_PASSES_H

#include <xemu/ir.h>

#include <string.h>

/* Builds for development verify the IR after the passes. */
#ifdef XEMU_VERIFY
enum { VERIFY_IR = true };
#else
enum { VERIFY_IR = false };
#endif

/* The pc of the guest instruction that the operation belongs to. */
static inline uint64_t pass_pc_of(const struct ir_insn *insn)
{
    while (insn->op != IR_mark)
        insn--;
    return (uint64_t)insn->imm;
}

void pass_conditions(struct ir_block *block);
void pass_flags(struct ir_block *block); /* reads guest memory of the block's page */
void pass_fold(struct ir_block *block);

#endif
