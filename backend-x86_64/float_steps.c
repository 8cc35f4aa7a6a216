/* Numbers: steps of Newton's method. */
#include "float.h"

/* reg = the number in each lane, by its bits. */
static void constant_lanes(struct lower *l, unsigned esz, unsigned reg, uint64_t bits)
{
    unsigned k = take_temp(l);
    emit_mov_imm(&l->e, k, esz == 3 ? bits : bits << 32 | bits);
    emit_v_rr(&l->e, V_MOVQ_TO_X, reg, VEX_NONE, k);
    emit_v(l, V_PUNPCKLQDQ, reg, reg, reg);
    leave_temp(l, k);
}

/* Leaves if a number of a cannot be halved exactly, or is zero: its exponent is less than 2. t and u change. */
static void leave_for_tiny(struct lower *l, const struct ir_insn *insn, struct cold *cold, unsigned a, unsigned t, unsigned u)
{
    unsigned esz = insn->esz;
    constant_lanes(l, esz, t, 2);
    shift_lanes(l, esz, LEFT, u, a, 1);
    shift_lanes(l, esz, RIGHT, u, u, esz == 3 ? 53 : 24);
    emit_v(l, esz == 3 ? V_PCMPGTQ : V_PCMPGTD, u, t, u);
    if (bytes_of(insn) < 16)
        zero_above(l, u, bytes_of(insn));
    emit_v_rr(&l->e, V_PTEST, u, VEX_NONE, u);
    leave_for_cold(l, cold, 0, CC_NE);
}

/* Ends a step whose result is in t, but for a NaN, by the cold case's jump of that number. */
static void finish_step(struct lower *l, const struct ir_insn *insn, struct cold *cold, unsigned jump, unsigned t, unsigned u)
{
    if (insn->lanes == 1) {
        emit_v_rr(&l->e, insn->esz == 3 ? V_UCOMISD : V_UCOMISS, t, VEX_NONE, t);
        leave_for_cold(l, cold, jump, CC_P);
    } else {
        emit_v_imm(l, insn->esz == 3 ? V_CMPPD : V_CMPPS, u, t, t, 3); /* unordered */
        emit_v_rr(&l->e, V_PTEST, u, VEX_NONE, u);
        leave_for_cold(l, cold, jump, CC_NE);
    }
    leave_xmm(l, u);
    close_cold(l, cold);
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_scalar(l, insn, reg, 16);
}

static const struct fp_row fnmadd = {{V_FNMADDSS, V_FNMADDSD, V_FNMADDPS, V_FNMADDPD}};

/* FRECPS, 2 - a * b: infinity times zero traps, and a NaN has another sign than the host's: its function decides. */
bool lower_reciprocal_step(struct lower *l, const struct ir_insn *insn)
{
    if (!is_shape(insn) || host.level < HOST_V3)
        return false;
    unsigned a = operand(l, insn, 0), b = operand(l, insn, 1), t = take_xmm(l), k = take_temp(l), u = take_xmm(l);
    emit_mov_imm(&l->e, k, insn->esz == 3 ? 0x4000000000000000 : 0x4000000040000000);
    emit_v_rr(&l->e, V_MOVQ_TO_X, t, VEX_NONE, k);
    if (insn->lanes > 1)
        emit_v(l, V_PUNPCKLQDQ, t, t, t);
    note_fault_site(l);
    emit_v_rr(&l->e, op_of(insn, fnmadd), t, a, b);
    finish_step(l, insn, open_cold(l, insn, a, b, b, t), 0, t, u);
    return true;
}

/* FRSQRTS, (3 - a * b) / 2, as 1.5 - a / 2 * b, so that it is rounded once. Infinity times zero traps, and a NaN has
 * another sign than the host's: its function decides. */
bool lower_rsqrt_step(struct lower *l, const struct ir_insn *insn)
{
    static const struct fp_row mul = {{V_MULSS, V_MULSD, V_MULPS, V_MULPD}};
    bool is_double = insn->esz == 3;
    if (!is_shape(insn) || host.level < HOST_V3)
        return false;
    unsigned a = operand(l, insn, 0), b = operand(l, insn, 1), t = take_xmm(l), u = take_xmm(l);
    leave_temp(l, take_temp(l)); /* the constants' */
    struct cold *cold = open_cold(l, insn, a, b, b, t);
    leave_for_tiny(l, insn, cold, a, t, u);
    constant_lanes(l, insn->esz, t, is_double ? 0x3fe0000000000000 : 0x3f000000);
    emit_trapping(l, op_of(insn, mul), u, t, a);
    constant_lanes(l, insn->esz, t, is_double ? 0x3ff8000000000000 : 0x3fc00000);
    emit_trapping(l, op_of(insn, fnmadd), t, u, b);
    finish_step(l, insn, cold, 1, t, u);
    return true;
}
