/* Flags that nobody reads are not written: neither those that the block itself overwrites, nor those that the code
 * behind the block overwrites before it reads them.
 *
 *   put_nzcv %4              const                   (no operation)
 *   %5 = get_nzcv        =>  %5 = get_nzcv           (pass_forward: its users read %4)
 *   branch_if ..., #X        branch_if ..., #X       where X and Y begin with comparisons
 *   branch #Y                branch #Y
 *
 * Within the block each instruction that may leave it, by a fault, finds the flags written. Behind the block an old
 * value may show in the frame of a signal, but only where the guest's code is done with it. The code ahead is looked at within the block's page only: what is read here is noted in the block, so
 * that a change of it invalidates the block, too. */
#include "passes.h"

#include <xemu/insn.h>
#include <xemu/mem.h>

enum effect { NEITHER, READS, WRITES };

enum { AHEAD = 12, BRANCHES = 3, PAGE_BYTES = 4096 };

/* What one instruction does to the flags first. */
static enum effect effect_of(const struct ir_block *one)
{
    for (unsigned i = 0; i < one->count; i++) {
        if (one->insns[i].op == IR_get_nzcv || one->insns[i].op == IR_get_sysreg)
            return READS;
        if (one->insns[i].op == IR_put_nzcv)
            return WRITES;
    }
    return NEITHER;
}

/* Reads the instruction at pc into *one. */
static void read_one(struct ir_block *block, struct ir_block *one, uint64_t pc)
{
    lift_block(one, pc, 1);
    if (pc < block->read_start)
        block->read_start = pc;
    if (pc + 4 > block->read_end)
        block->read_end = pc + 4;
}

static bool is_dead_at(struct ir_block *block, struct ir_block *one, uint64_t pc, unsigned branches)
{
    for (unsigned n = 0; n < AHEAD; n++) {
        if ((pc ^ block->pc) / PAGE_BYTES || pc & 3)
            return false;
        read_one(block, one, pc);
        enum effect effect = effect_of(one);
        if (effect != NEITHER)
            return effect == WRITES;
        const struct ir_insn *last = one->insns + one->count - 1;
        if (last->op != IR_branch)
            return false;
        uint64_t next = (uint64_t)last->imm;
        if (one->count > 1 && last[-1].op == IR_branch_if) {
            uint64_t taken = (uint64_t)last[-1].imm;
            if (!branches || !is_dead_at(block, one, taken, --branches))
                return false;
        }
        pc = next;
    }
    return false;
}

static bool may_leave(const struct ir_insn *insn)
{
    return !ir_is_register_access(insn->op) && insn->op != IR_mark && insn->op != IR_const &&
           !(ir_ops[insn->op].flags & IR_PURE);
}

static bool is_used(const struct ir_block *block, unsigned v)
{
    for (unsigned i = v + 1; i < block->count; i++)
        for (unsigned a = 0; a < ir_ops[block->insns[i].op].args; a++)
            if (block->insns[i].arg[a] == v)
                return true;
    return false;
}

void pass_flags(struct ir_block *block)
{
    static __thread struct ir_block one;
    bool asked = false; /* whether any flags are written at all */
    for (unsigned i = 0; i < block->count && !asked; i++)
        asked = block->insns[i].op == IR_put_nzcv;
    if (!asked)
        return;
    bool needed = true; /* by what follows */
    for (unsigned i = block->count; i-- > 0;) {
        struct ir_insn *insn = &block->insns[i];
        switch ((enum ir_op)insn->op) {
        case IR_branch:
            needed = !is_dead_at(block, &one, (uint64_t)insn->imm, BRANCHES);
            break;
        case IR_branch_if:
            needed |= !is_dead_at(block, &one, (uint64_t)insn->imm, BRANCHES);
            break;
        case IR_get_nzcv: /* without users: they read the value that was put */
            needed |= is_used(block, i);
            break;
        case IR_put_nzcv:
            if (!needed)
                *insn = (struct ir_insn){.op = IR_const};
            needed = false;
            break;
        default:
            needed |= may_leave(insn);
        }
    }
}
