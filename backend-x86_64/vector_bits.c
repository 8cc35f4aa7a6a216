/* Vectors of integers: bits that are set, leading zeros and signs, bits in reverse. */
#include "lower.h"

/* Bits of each byte: by halves through a table. */
static bool lower_count(struct lower *l, const struct ir_insn *insn)
{
    if (insn->esz != 0)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), reg;
    if (host.bitalg) {
        reg = result_xmm(l);
        emit_v_unary(l, V_POPCNTB, reg, a);
    } else {
        unsigned high = take_xmm(l), low = take_xmm(l), table = take_xmm(l);
        emit_v_mem(l, V_PAND, low, a, constant_mem(JIT_NIBBLES));
        shift_lanes(l, 1, RIGHT, high, a, 4);
        emit_v_mem(l, V_PAND, high, high, constant_mem(JIT_NIBBLES));
        emit_v_rm(&l->e, V_MOVUPS, table, VEX_NONE, constant_mem(JIT_NIBBLE_BITS));
        emit_v(l, V_PSHUFB, low, table, low);
        emit_v(l, V_PSHUFB, table, table, high);
        reg = result_xmm(l);
        emit_v(l, V_PADDB, reg, low, table);
    }
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* Halfwords: each alone at the top of a word, above ones, so that 16 is the most. */
static void leading_zeros_of_halves(struct lower *l, unsigned reg, unsigned a)
{
    unsigned low = take_xmm(l), mask = take_xmm(l);
    all_ones(l, mask);
    shift_lanes(l, 2, RIGHT, mask, mask, 16);
    shift_lanes(l, 2, LEFT, low, a, 16);
    emit_v(l, V_POR, low, low, mask);
    emit_v(l, V_POR, mask, mask, a);
    emit_v_unary(l, V_PLZCNTD, low, low);
    emit_v_unary(l, V_PLZCNTD, mask, mask);
    shift_lanes(l, 2, LEFT, mask, mask, 16);
    emit_v(l, V_POR, reg, low, mask);
    leave_xmm(l, low);
    leave_xmm(l, mask);
}

/* Bytes: the lesser of what the upper half and the lower half tell, of which the upper half tells less if it isn't 0. */
static void leading_zeros_of_bytes(struct lower *l, unsigned reg, unsigned a)
{
    unsigned high = take_xmm(l), low = take_xmm(l);
    shift_lanes(l, 1, RIGHT, high, a, 4);
    emit_v_mem(l, V_PAND, high, high, constant_mem(JIT_NIBBLES));
    emit_v_mem(l, V_PAND, low, a, constant_mem(JIT_NIBBLES));
    emit_v_rm(&l->e, V_MOVUPS, reg, VEX_NONE, constant_mem(JIT_LEADING_HIGH));
    emit_v(l, V_PSHUFB, reg, reg, high);
    emit_v_rm(&l->e, V_MOVUPS, high, VEX_NONE, constant_mem(JIT_LEADING_LOW));
    emit_v(l, V_PSHUFB, high, high, low);
    emit_v(l, V_PMINUB, reg, reg, high);
    leave_xmm(l, high);
    leave_xmm(l, low);
}

static bool has_leading_zeros(unsigned esz)
{
    return !esz || emit_v_has(esz == 3 ? V_PLZCNTQ : V_PLZCNTD, host.level, 0);
}

static void leading_zeros(struct lower *l, unsigned esz, unsigned reg, unsigned a)
{
    if (esz == 0)
        leading_zeros_of_bytes(l, reg, a);
    else if (esz == 1)
        leading_zeros_of_halves(l, reg, a);
    else
        emit_v_unary(l, esz == 3 ? V_PLZCNTQ : V_PLZCNTD, reg, a);
}

static bool lower_leading_zeros(struct lower *l, const struct ir_insn *insn)
{
    if (!has_leading_zeros(insn->esz))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    leading_zeros(l, insn->esz, t, a);
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* The sign's copies: the leading zeros of the number, or of its opposite less one, but for the sign itself. */
static bool lower_leading_signs(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t add[4] = {V_PADDB, V_PADDW, V_PADDD, V_PADDQ};
    unsigned esz = insn->esz;
    if (!has_leading_zeros(esz))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    if (esz == 0) {
        clear_xmm(l, t);
        emit_v(l, V_PCMPGTB, t, t, a);
    } else {
        shift_lanes(l, esz, ARITHMETIC, t, a, (8u << esz) - 1);
    }
    emit_v(l, V_PXOR, t, t, a);
    leave_xmm(l, a);
    leading_zeros(l, esz, t, t);
    unsigned u = take_xmm(l);
    all_ones(l, u);
    emit_v(l, (enum x86_vop)add[esz], t, t, u);
    leave_xmm(l, u);
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

static bool lower_mirror(struct lower *l, const struct ir_insn *insn)
{
    if (!host.gfni || insn->esz != 0)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), reg = result_xmm(l);
    emit_v_rm(&l->e, V_GF2P8AFFINE, reg, a, constant_mem(JIT_MIRROR_BITS));
    emit_bytes(&l->e, 1, 0);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

bool lower_bits(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_vcnt:
        return lower_count(l, insn);
    case IR_vclz:
        return lower_leading_zeros(l, insn);
    case IR_vcls:
        return lower_leading_signs(l, insn);
    case IR_vrbit:
        return lower_mirror(l, insn);
    default:
        return false;
    }
}
