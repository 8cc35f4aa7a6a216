/* Constants, and operations that change nothing.
 *
 *   %2 = add.64 %0, %1       (%0 and %1 constants)       %2 = const
 *   %4 = add.64 %3, #8; %6 = add.64 %4, #8           =>  %6 = add.64 %3, #16
 *   %7 = zext32 %6; %9 = add.32 %7, %8                   %9 = add.32 %6, %8
 *   %10 = zext32 %9                                      (%9 stands for it)
 *   %11 = or.64 %zero, %9                                (%9 stands for it)
 *   %12 = add.64 %address, %const                        %12 = address
 */
#include "passes.h"

#include <xemu/jit.h>

struct fold {
    struct ir_block *block;
    uint16_t same_as[IR_MAX_INSNS];
    bool put[IR_MAX_INSNS];      /* a guest register holds the value: using it costs nothing */
};

static struct ir_insn *at(struct fold *fold, unsigned v) { return &fold->block->insns[v]; }
static bool is_number(struct fold *fold, unsigned v)
{
    return at(fold, v)->op == IR_const && at(fold, v)->esz == CONST_NUMBER;
}
static bool is_address(struct fold *fold, unsigned v)
{
    return at(fold, v)->op == IR_const && at(fold, v)->esz == CONST_ADDRESS;
}

static bool is_integer(const struct ir_insn *insn)
{
    const struct ir_op_info *info = &ir_ops[insn->op];
    return info->result == IR_INT && info->flags & IR_WIDTH && info->flags & IR_PURE;
}

/* Whether only the low half of the operand matters. */
static bool reads_low_half(const struct ir_insn *insn, unsigned index)
{
    if (insn->op == IR_store)
        return index == 1 && insn->imm < 3;
    if (insn->op == IR_test_bit)
        return insn->imm < 32;
    return (is_integer(insn) && insn->w == 32 && ir_ops[insn->op].arg[index] == IR_INT) || insn->op == IR_zext32 ||
           insn->op == IR_sext32;
}

/* Whether the high half is zero already. */
static bool is_low_half(const struct ir_insn *insn)
{
    if (insn->op == IR_const)
        return insn->esz == CONST_NUMBER && (uint64_t)insn->imm <= UINT32_MAX;
    if (insn->op == IR_load || insn->op == IR_load_acquire)
        return insn->imm <= 2;
    return (is_integer(insn) && insn->w == 32) || insn->op == IR_zext8 || insn->op == IR_zext16 || insn->op == IR_zext32;
}

static void make_const(struct ir_insn *insn, uint64_t value) { *insn = (struct ir_insn){.op = IR_const, .imm = (int64_t)value}; }

/* All operands are constants. Flags stay what they are: their form is not a number's. */
static bool fold_constants(struct fold *fold, struct ir_insn *insn)
{
    union ir_data value[3] = {0}, result = {0};
    unsigned args = ir_ops[insn->op].args;
    if (jit_makes_flags((enum ir_op)insn->op))
        return false;
    for (unsigned i = 0; i < args; i++) {
        if (!is_number(fold, insn->arg[i]))
            return false;
        value[i].i = (uint64_t)at(fold, insn->arg[i])->imm;
    }
    ir_functions[insn->op](NULL, insn, &value[0], &value[1], &value[2], &result);
    make_const(insn, result.i);
    return true;
}

/* ADRP and the ADD behind it. */
static bool fold_address(struct fold *fold, struct ir_insn *insn)
{
    if (insn->op != IR_add || insn->w != 64 || !is_address(fold, insn->arg[0]) || !is_number(fold, insn->arg[1]))
        return false;
    make_const(insn, (uint64_t)at(fold, insn->arg[0])->imm + (uint64_t)at(fold, insn->arg[1])->imm);
    insn->esz = CONST_ADDRESS;
    return true;
}

/* Of an operation that the pass has not come to yet, nor to those behind it. */
static bool is_used_from(const struct fold *fold, unsigned from, unsigned v)
{
    for (unsigned i = from; i < fold->block->count; i++)
        for (unsigned a = 0; a < ir_ops[fold->block->insns[i].op].args; a++)
            if (fold->block->insns[i].arg[a] == v)
                return true;
    return false;
}

/* The sum of a value and two constants needs one addition, unless a guest register holds the inner sum; the new constant
 * takes the place of the old one if nobody else needs that. */
static void fold_sum(struct fold *fold, unsigned v)
{
    struct ir_insn *insn = at(fold, v), *inner = at(fold, insn->arg[0]);
    if (insn->w != 64 || !is_number(fold, insn->arg[1]) || inner->op != IR_add || inner->w != 64 ||
        !is_number(fold, inner->arg[1]) || insn->arg[1] != v - 1 || fold->put[insn->arg[0]] ||
        is_used_from(fold, v + 1, v - 1))
        return;
    at(fold, v - 1)->imm = (int64_t)((uint64_t)at(fold, v - 1)->imm + (uint64_t)at(fold, inner->arg[1])->imm);
    insn->arg[0] = inner->arg[0];
}

/* The operand that the operation only copies, or NONE. */
enum { NONE = -1 };
static int copied(struct fold *fold, const struct ir_insn *insn)
{
    unsigned a = insn->arg[0], b = insn->arg[1];
    if (insn->op == IR_zext32)
        return is_low_half(at(fold, a)) ? (int)a : NONE;
    bool adds = insn->op == IR_add || insn->op == IR_or || insn->op == IR_xor;
    if (!adds || (insn->w == 32 && !is_low_half(at(fold, a)) && !is_low_half(at(fold, b))))
        return NONE;
    if (is_number(fold, a) && !at(fold, a)->imm && (insn->w == 64 || is_low_half(at(fold, b))))
        return (int)b;
    if (is_number(fold, b) && !at(fold, b)->imm && (insn->w == 64 || is_low_half(at(fold, a))))
        return (int)a;
    return NONE;
}

/* or.32 0, x: a MOV of 32 bits. */
static void simplify_move(struct fold *fold, struct ir_insn *insn)
{
    if (insn->op == IR_or && insn->w == 32 && is_number(fold, insn->arg[0]) && !at(fold, insn->arg[0])->imm)
        *insn = (struct ir_insn){.op = IR_zext32, .w = 64, .arg = {insn->arg[1]}};
}

/* What the operation is to read as its operand of that number. */
static uint16_t operand(struct fold *fold, const struct ir_insn *insn, unsigned index)
{
    uint16_t v = fold->same_as[insn->arg[index]];
    bool extends = at(fold, v)->op == IR_zext32 && !fold->put[v];
    return extends && reads_low_half(insn, index) ? at(fold, v)->arg[0] : v;
}

void pass_fold(struct ir_block *block)
{
    struct fold fold; /* thread-local it would be cleared at each start of a thread */
    fold.block = block;
    for (unsigned v = 0; v < block->count; v++) {
        struct ir_insn *insn = &block->insns[v];
        fold.same_as[v] = (uint16_t)v;
        fold.put[v] = false;
        for (unsigned i = 0; i < ir_ops[insn->op].args; i++)
            insn->arg[i] = operand(&fold, insn, i);
        if (insn->op == IR_put_x)
            fold.put[insn->arg[0]] = true;
        if (!is_integer(insn) || fold_constants(&fold, insn) || fold_address(&fold, insn))
            continue;
        simplify_move(&fold, insn);
        if (insn->op == IR_add && v)
            fold_sum(&fold, v);
        int copy = copied(&fold, insn);
        if (copy != NONE)
            fold.same_as[v] = (uint16_t)copy;
    }
}
