/* Permutations of vectors' elements. */
#include "lower.h"

static bool lower_zip(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t low[4] = {V_PUNPCKLBW, V_PUNPCKLWD, V_PUNPCKLDQ, V_PUNPCKLQDQ};
    static const uint8_t high[4] = {V_PUNPCKHBW, V_PUNPCKHWD, V_PUNPCKHDQ, V_PUNPCKHQDQ};
    unsigned bytes = bytes_of(insn);
    bool second = insn->op == IR_zip2;
    if (bytes != 16 && bytes != 8)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), reg = result_xmm(l);
    emit_v(l, (enum x86_vop)(bytes == 16 && second ? high : low)[insn->esz], reg, a, b);
    if (bytes == 8 && second)
        shift_lanes(l, 3, BYTES_RIGHT, reg, reg, 8);
    else if (bytes == 8)
        zero_above(l, reg, 8);
    l->w[l->now].bytes = (uint8_t)bytes;
    return true;
}

/* The even or odd lanes of a, then those of b. */
static bool lower_unzip(struct lower *l, const struct ir_insn *insn)
{
    static const enum jit_constant shuffles[2][2] = {{JIT_EVEN_B, JIT_EVEN_H}, {JIT_ODD_B, JIT_ODD_H}};
    unsigned esz = insn->esz, bytes = bytes_of(insn), part = insn->op == IR_uzp2;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]);
    bool same = insn->arg[0] == insn->arg[1];
    if (bytes < 2u << esz)
        return false;
    if (bytes < 16) { /* both in one register: what is wanted are its even or odd lanes */
        unsigned t = take_xmm(l), reg;
        emit_v(l, bytes == 8 ? V_PUNPCKLQDQ : bytes == 4 ? V_PUNPCKLDQ : V_PUNPCKLWD, t, a, b);
        reg = result_xmm(l);
        if (esz == 2) {
            emit_v_unary(l, V_PSHUFD, reg, t);
            emit_bytes(&l->e, 1, part ? 0x0d : 0x08);
        } else {
            emit_v_mem(l, V_PSHUFB, reg, t, constant_mem(shuffles[part][esz]));
        }
        finish_vector(l, reg, bytes);
        return true;
    }
    if (esz >= 2) {
        unsigned reg = result_xmm(l);
        if (esz == 3)
            emit_v(l, part ? V_PUNPCKHQDQ : V_PUNPCKLQDQ, reg, a, b);
        else
            emit_v_imm(l, V_SHUFPS, reg, a, b, part ? 0xdd : 0x88);
        return true;
    }
    unsigned t = take_xmm(l), u = same ? t : take_xmm(l);
    emit_v_mem(l, V_PSHUFB, t, a, constant_mem(shuffles[part][esz])); /* in the low half */
    if (!same)
        emit_v_mem(l, V_PSHUFB, u, b, constant_mem(shuffles[part][esz]));
    leave_xmm(l, a);
    leave_xmm(l, b);
    emit_v(l, V_PUNPCKLQDQ, result_xmm(l), t, u);
    return true;
}

static bool lower_transpose(struct lower *l, const struct ir_insn *insn)
{
    unsigned esz = insn->esz, bits = 8u << esz, second = insn->op == IR_trn2;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]);
    if (esz == 3) {
        emit_v(l, second ? V_PUNPCKHQDQ : V_PUNPCKLQDQ, result_xmm(l), a, b);
        return true;
    }
    if (esz == 2 && a == b) {
        unsigned reg = result_xmm(l);
        emit_v_unary(l, V_PSHUFD, reg, a);
        emit_bytes(&l->e, 1, second ? 0xf5 : 0xa0);
        finish_vector(l, reg, bytes_of(insn));
        return true;
    }
    unsigned t = take_xmm(l), reg = result_xmm_apart(l);
    if (second) {
        shift_lanes(l, esz + 1, RIGHT, t, b, bits);
        shift_lanes(l, esz + 1, LEFT, t, t, bits);
        shift_lanes(l, esz + 1, RIGHT, reg, a, bits);
    } else {
        shift_lanes(l, esz + 1, LEFT, t, b, bits);
        shift_lanes(l, esz + 1, LEFT, reg, a, bits);
        shift_lanes(l, esz + 1, RIGHT, reg, reg, bits);
    }
    emit_v(l, V_POR, reg, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

static bool lower_ext(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]);
    if (bytes_of(insn) == 16) {
        emit_v_imm(l, V_PALIGNR, result_xmm(l), b, a, (unsigned)insn->imm);
        return true;
    }
    unsigned t = take_xmm(l), reg = result_xmm(l);
    emit_v(l, V_PUNPCKLQDQ, t, a, b);
    shift_lanes(l, 3, BYTES_RIGHT, reg, t, (unsigned)insn->imm);
    finish_vector(l, reg, 8);
    return true;
}

static bool lower_reverse(struct lower *l, const struct ir_insn *insn)
{
    static const enum jit_constant bytes[4] = {0, JIT_REV16, JIT_REV32, JIT_REV64};
    static const enum jit_constant halves[4] = {0, 0, JIT_REV32_H, JIT_REV64_H};
    unsigned a = use_xmm(l, insn->arg[0]), reg = result_xmm(l);
    if (insn->esz == 2) {
        emit_v_unary(l, V_PSHUFD, reg, a);
        emit_bytes(&l->e, 1, 0xb1);
    } else {
        emit_v_mem(l, V_PSHUFB, reg, a, constant_mem(insn->esz ? halves[insn->imm] : bytes[insn->imm]));
    }
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

bool is_zero_vector(const struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    return insn->op == IR_pair && is_const(l, insn->arg[0]) && !const_of(l, insn->arg[0]) && is_const(l, insn->arg[1]) &&
           !const_of(l, insn->arg[1]);
}

/* The bottom of a chain of look-ups by the same index is zero: then what is out of range is zero, too, and the parts,
 * each for numbers above the one before, can be joined. */
static bool ends_in_zero(const struct lower *l, const struct ir_insn *insn)
{
    const struct ir_insn *below = insn_at(l, insn->arg[2]);
    while (below->op == IR_vtable && below->arg[1] == insn->arg[1] && below->imm < insn->imm) {
        insn = below;
        below = insn_at(l, insn->arg[2]);
    }
    return is_zero_vector(l, insn->arg[2]);
}

static bool lower_table(struct lower *l, const struct ir_insn *insn)
{
    unsigned otherwise = insn->arg[2];
    bool extends = !ends_in_zero(l, insn);
    unsigned table = use_xmm(l, insn->arg[0]), index = use_xmm(l, insn->arg[1]), t = take_xmm(l);
    if (insn->imm) {
        unsigned k = take_temp(l);
        emit_mov_imm(&l->e, k, 0x0101010101010101u * (uint64_t)insn->imm);
        emit_v_rr(&l->e, V_MOVQ_TO_X, t, VEX_NONE, k);
        emit_v(l, V_PUNPCKLQDQ, t, t, t);
        unsigned u = take_xmm(l);
        emit_v(l, V_PSUBB, u, index, t);
        if (index != table)
            leave_xmm(l, index);
        index = u;
    }
    emit_v_mem(l, V_PADDUSB, t, index, constant_mem(JIT_OUT_OF_TABLE)); /* bit 7 of those above 15 */
    if (index != table)
        leave_xmm(l, index);
    if (is_zero_vector(l, otherwise)) {
        unsigned reg = result_xmm(l);
        emit_v(l, V_PSHUFB, reg, table, t);
        finish_vector(l, reg, bytes_of(insn));
        return true;
    }
    unsigned before = use_xmm(l, otherwise);
    if (extends) { /* only what is out of range stays */
        unsigned kept = take_xmm(l);
        clear_xmm(l, kept);
        emit_v(l, V_PCMPGTB, kept, kept, t);
        emit_v(l, V_PAND, kept, kept, before);
        if (before != table)
            leave_xmm(l, before);
        before = kept;
    }
    emit_v(l, V_PSHUFB, t, table, t);
    leave_xmm(l, table);
    unsigned reg = result_xmm(l);
    emit_v(l, V_POR, reg, before, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

bool lower_permutation(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_zip1:
    case IR_zip2:
        return lower_zip(l, insn);
    case IR_uzp1:
    case IR_uzp2:
        return lower_unzip(l, insn);
    case IR_trn1:
    case IR_trn2:
        return lower_transpose(l, insn);
    case IR_vext:
        return lower_ext(l, insn);
    case IR_vrev:
        return lower_reverse(l, insn);
    case IR_vtable:
        return lower_table(l, insn);
    default:
        return lower_structure(l, insn);
    }
}
