/* A branch on the flags of a conditional comparison becomes two branches: no flags are selected.
 *
 *   %9 = select.32 %7, %8, %5       where %5 is `x` of the flags %4, and %8 the number n
 *   put_nzcv %9, #0x0
 *   %12 = cond.64 %9, c             put_nzcv %8, #0x0
 *   branch_if %12, #T          =>   %13 = cond.64 %4, not x
 *   ...                             branch_if %13, #N
 *                                   put_nzcv %7, #0x0
 *                                   %16 = cond.64 %7, c
 *                                   branch_if %16, #T
 *
 * Where n has c, N is T. Where it hasn't, N is the instruction behind the branch, and the block ends there.
 */
#include "passes.h"

enum { ADDED = 5, ALWAYS = 14 }; /* conditions from there on hold always */

/* Whether cond holds for flags in the architecture's format (Arm ARM, ConditionHolds). */
static bool holds(uint32_t nzcv, unsigned cond)
{
    bool n = nzcv >> 31 & 1, z = nzcv >> 30 & 1, c = nzcv >> 29 & 1, v = nzcv >> 28 & 1;
    const bool bases[8] = {z, c, n, v, c && !z, n == v, n == v && !z, true};
    return bases[cond >> 1] != (cond & 1 && cond != ALWAYS + 1);
}

/* The pattern, by indices. */
struct found {
    unsigned select, put, condition, branch;
    bool chained; /* another number is put before the branch: the flags on both its sides are known already */
};

/* Whether nobody uses v but these two. */
static bool is_used_by(const struct ir_block *block, unsigned v, unsigned one, unsigned other)
{
    for (unsigned i = v + 1; i < block->count; i++)
        for (unsigned a = 0; a < ir_ops[block->insns[i].op].args; a++)
            if (block->insns[i].arg[a] == v && i != one && i != other)
                return false;
    return true;
}

/* The flags are put before the branch, or overwritten by a number after they were. */
static bool find_put(const struct ir_block *block, struct found *f)
{
    f->chained = false;
    for (f->put = f->branch - 1; f->put > f->select; f->put--) {
        const struct ir_insn *insn = &block->insns[f->put];
        if (ir_may_leave(insn))
            return false;
        if (insn->op != IR_put_nzcv)
            continue;
        if (insn->arg[0] == f->select)
            return true;
        if (block->insns[insn->arg[0]].op != IR_const)
            return false;
        f->chained = true;
    }
    return false;
}

/* Whether the branch at f->branch is one of the pattern. */
static bool find(const struct ir_block *block, struct found *f)
{
    const struct ir_insn *insns = block->insns;
    f->condition = insns[f->branch].arg[0];
    f->select = insns[f->condition].arg[0];
    const struct ir_insn *condition = &insns[f->condition], *select = &insns[f->select];
    if (condition->op != IR_cond || condition->imm >= ALWAYS || select->op != IR_select)
        return false;
    const struct ir_insn *flags = &insns[select->arg[0]], *first = &insns[select->arg[2]];
    return (flags->op == IR_nzcv_sub || flags->op == IR_nzcv_add) && insns[select->arg[1]].op == IR_const &&
           first->op == IR_cond && first->imm < ALWAYS && find_put(block, f) &&
           is_used_by(block, f->select, f->put, f->condition) &&
           is_used_by(block, f->condition, f->branch, f->branch);
}

/* Moves what is at `at` and behind it. */
static void make_room(struct ir_block *block, unsigned at, unsigned room)
{
    memmove(&block->insns[at + room], &block->insns[at], (block->count - at) * sizeof *block->insns);
    block->count += room;
    for (unsigned i = at + room; i < block->count; i++)
        for (unsigned a = 0; a < ir_ops[block->insns[i].op].args; a++)
            if (block->insns[i].arg[a] >= at)
                block->insns[i].arg[a] = (uint16_t)(block->insns[i].arg[a] + room);
}

static struct ir_insn put(unsigned flags)
{
    return (struct ir_insn){.op = IR_put_nzcv, .arg = {(uint16_t)flags}};
}
static struct ir_insn cond(unsigned flags, unsigned cond)
{
    return (struct ir_insn){.op = IR_cond, .w = 64, .arg = {(uint16_t)flags}, .imm = cond};
}
static struct ir_insn branch_if(unsigned condition, int64_t target)
{
    return (struct ir_insn){.op = IR_branch_if, .arg = {(uint16_t)condition}, .imm = target};
}

/* False: nothing has changed. *first is the index of the first branch then. */
static bool split(struct ir_block *block, const struct found *f, unsigned *first_branch)
{
    struct ir_insn *insns = block->insns, select = insns[f->select];
    const struct ir_insn *first = &insns[select.arg[2]];
    unsigned code = (unsigned)insns[f->condition].imm, at = f->branch;
    int64_t target = insns[at].imm, next = (int64_t)(pass_pc_of(&block->insns[at]) + 4);
    bool taken = holds((uint32_t)insns[select.arg[1]].imm, code);
    if (f->chained && !taken)
        return false;
    struct ir_insn unless = cond(first->arg[0], (unsigned)first->imm ^ 1);
    insns[f->put] = insns[f->condition] = insns[f->select] = (struct ir_insn){.op = IR_const};
    make_room(block, at, ADDED);
    insns[at] = f->chained ? (struct ir_insn){.op = IR_const} : put(select.arg[1]);
    insns[at + 1] = unless;
    insns[at + 2] = branch_if(at + 1, taken ? target : next);
    insns[at + 3] = f->chained ? (struct ir_insn){.op = IR_const} : put(select.arg[0]);
    insns[at + 4] = cond(select.arg[0], code);
    insns[at + 5] = branch_if(at + 4, target);
    if (!taken) {
        insns[at + 6] = (struct ir_insn){.op = IR_branch, .imm = next};
        block->count = at + 7;
    }
    *first_branch = at + 2;
    return true;
}

void pass_conditions(struct ir_block *block)
{
    for (unsigned i = 0; i < block->count && block->count + ADDED + 1 < IR_MAX_INSNS; i++) {
        struct found f = {.branch = i};
        unsigned first;
        while (block->insns[f.branch].op == IR_branch_if && find(block, &f) && split(block, &f, &first))
            f.branch = first; /* which may be one of the pattern, too */
    }
}
