/* Flags that are wanted only where an operation faults (PUT_AT_FAULTS): they are computed then, from the guest's
 * registers that the comparison was of and that still are what they were. */
#include "lower.h"

static bool is_end(const struct ir_insn *insn)
{
    return insn->op == IR_put_nzcv || insn->op == IR_branch_if || ir_ops[insn->op].flags & IR_END ||
           ir_is_call((enum ir_op)insn->op);
}

/* Whether nothing else gets into guest register r behind operation `from`. */
static bool stays(const struct lower *l, unsigned from, unsigned end, unsigned r)
{
    for (unsigned i = from + 1; i < end; i++)
        if (insn_at(l, i)->op == IR_put_x && (unsigned)insn_at(l, i)->imm == r)
            return false;
    return true;
}

/* The guest register that value v was put into within (v, last), and has until the end; or NONE. */
static int place_of_result(const struct lower *l, unsigned v, unsigned last, unsigned end)
{
    for (unsigned put = v + 1; put < last; put++) {
        const struct ir_insn *insn = insn_at(l, put);
        if (insn->op == IR_put_x && insn->arg[0] == v && stays(l, put, end, (unsigned)insn->imm))
            return (int)insn->imm;
    }
    return NONE;
}

static int place_of(const struct lower *l, unsigned v, unsigned w, unsigned put, unsigned end)
{
    const struct ir_insn *insn = insn_at(l, v);
    if (w == 32 && insn->op == IR_zext32)
        return place_of(l, insn->arg[0], 64, put, end);
    if (insn->op == IR_get_x && stays(l, v, end, (unsigned)insn->imm))
        return (int)insn->imm;
    return place_of_result(l, v, put, end);
}

/* The register that the difference itself goes to, by the same instruction. */
static int place_of_difference(const struct lower *l, unsigned flags, unsigned put, unsigned end)
{
    int difference = twin_of(l, flags);
    unsigned behind = put;
    while (behind < end && insn_at(l, behind)->op != IR_mark)
        behind++;
    return difference > (int)put ? place_of_result(l, (unsigned)difference, behind, end) : NONE;
}

/* A look at FPCR leaves the code, and finds the flags in *cpu only: there is to be none behind the put. */
static bool fpcr_is_known(const struct lower *l, unsigned put, unsigned end)
{
    bool known = l->fp_known, asks = false;
    for (unsigned v = 0; v < put; v++) {
        const struct ir_insn *insn = insn_at(l, v);
        known |= looks_at_fpcr(insn) && !ir_is_sign((enum ir_op)insn->op) && !ir_may_be_dropped(insn);
        known &= insn->op != IR_put_sysreg && !ir_is_call((enum ir_op)insn->op);
    }
    for (unsigned v = put + 1; v < end; v++)
        asks |= looks_at_fpcr(insn_at(l, v));
    return known || !asks;
}

uint32_t recipe_of(const struct lower *l, unsigned put)
{
    enum { SMALL = 1 << 22 };
    unsigned flags = insn_at(l, put)->arg[0], end = put + 1;
    const struct ir_insn *insn = insn_at(l, flags);
    while (!is_end(insn_at(l, end)))
        end++;
    if (insn->op != IR_nzcv_sub || !fpcr_is_known(l, put, end))
        return 0;
    unsigned b = insn->arg[1];
    bool is_number = is_const(l, b) && const_of(l, b) >= -SMALL && const_of(l, b) < SMALL;
    struct flags_recipe recipe = {.wide = insn->w == 64, .is_register = !is_number};
    int first = place_of(l, insn->arg[0], insn->w, put, end);
    int second = is_number ? (int)const_of(l, b) : is_immediate(l, b) ? NONE : place_of(l, b, insn->w, put, end);
    if (!is_number && second == NONE)
        return 0;
    if (first == NONE && is_number) {
        first = place_of_difference(l, flags, put, end);
        recipe.from_difference = true;
    }
    recipe.a = (uint8_t)first;
    recipe.b = second;
    return first == NONE ? 0 : jit_pack_recipe(recipe);
}
