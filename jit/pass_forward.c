/* Guest registers that the block has read or written already are not read again, up to the next call.
 *
 *   %1 = get_x #0x3          %1 = get_x #0x3
 *   put_x %0, #0x3      =>   put_x %0, #0x3
 *   %3 = get_x #0x3          %3 = get_x #0x3        (unused now)
 *   %4 = add.64 %3, %1       %4 = add.64 %0, %1
 */
#include "passes.h"

#include <xemu/jit.h>

enum { UNKNOWN = UINT16_MAX };

/* Which value a guest register holds at this point of the block. */
struct contents {
    uint16_t x[32], v[32], nzcv;
};

static uint16_t *place_of(struct contents *now, const struct ir_insn *insn)
{
    switch (insn->op) {
    case IR_get_x:
    case IR_put_x:
        return &now->x[insn->imm];
    case IR_get_vreg:
    case IR_put_vreg:
        return &now->v[insn->imm];
    case IR_get_nzcv:
    case IR_put_nzcv:
        return &now->nzcv;
    default:
        return NULL;
    }
}

static bool is_flags(const struct ir_block *block, unsigned value)
{
    const struct ir_insn *insn = &block->insns[value];
    if (insn->op == IR_select)
        return is_flags(block, insn->arg[0]) || is_flags(block, insn->arg[1]);
    return jit_makes_flags(insn->op);
}

/* Whether what the operation puts can stand for what is read later: a number put where flags are, and flags put
 * where a number is, change their form on the way. */
static bool keeps_form(const struct ir_block *block, const struct ir_insn *put)
{
    return put->op == IR_put_vreg || is_flags(block, put->arg[0]) == (put->op == IR_put_nzcv);
}

void pass_forward(struct ir_block *block)
{
    uint16_t same_as[IR_MAX_INSNS];
    struct contents now;
    memset(&now, 0xff, sizeof now);

    for (unsigned i = 0; i < block->count; i++) {
        struct ir_insn *insn = &block->insns[i];
        same_as[i] = (uint16_t)i;
        for (unsigned a = 0; a < ir_ops[insn->op].args; a++)
            insn->arg[a] = same_as[insn->arg[a]];
        if (ir_is_call((enum ir_op)insn->op))
            memset(&now, 0xff, sizeof now);
        uint16_t *place = place_of(&now, insn);
        if (!place)
            continue;
        if (!ir_ops[insn->op].result)
            *place = keeps_form(block, insn) ? insn->arg[0] : UNKNOWN;
        else if (*place == UNKNOWN)
            *place = (uint16_t)i;
        else
            same_as[i] = *place;
    }
}
