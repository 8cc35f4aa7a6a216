/* Vectors of integers: shifts and rotations, by immediates and by registers. */
#include "lower.h"

static bool lower_shift(struct lower *l, const struct ir_insn *insn, unsigned digit)
{
    unsigned esz = insn->esz, bytes = bytes_of(insn), count = (unsigned)insn->imm, bits = 8u << esz;
    if (digit == ARITHMETIC && esz == 3 && host.level < HOST_V4)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]);
    if (esz == 0) {
        unsigned reg = result_xmm_apart(l);
        if (digit == ARITHMETIC) { /* logical, then the sign from the top of what is left */
            unsigned top = count < bits ? count : bits - 1, t = take_xmm(l), k = take_temp(l);
            shift_lanes(l, 1, RIGHT, reg, a, top);
            emit_mov_imm(&l->e, k, 0x0101010101010101u * (0xffu >> top));
            emit_v_rr(&l->e, V_MOVQ_TO_X, t, VEX_NONE, k);
            emit_v(l, V_PUNPCKLQDQ, t, t, t);
            emit_v(l, V_PAND, reg, reg, t);
            emit_mov_imm(&l->e, k, 0x0101010101010101u * (0x80u >> top));
            emit_v_rr(&l->e, V_MOVQ_TO_X, t, VEX_NONE, k);
            emit_v(l, V_PUNPCKLQDQ, t, t, t);
            emit_v(l, V_PXOR, reg, reg, t);
            emit_v(l, V_PSUBB, reg, reg, t);
        } else {
            unsigned keep = digit == LEFT ? 0xffu << count & 0xff : count < bits ? 0xffu >> count : 0;
            unsigned t = take_xmm(l), k = take_temp(l);
            shift_lanes(l, 1, digit, reg, a, count);
            emit_mov_imm(&l->e, k, 0x0101010101010101u * keep);
            emit_v_rr(&l->e, V_MOVQ_TO_X, t, VEX_NONE, k);
            emit_v(l, V_PUNPCKLQDQ, t, t, t);
            emit_v(l, V_PAND, reg, reg, t);
        }
        finish_vector(l, reg, bytes);
        return true;
    }
    unsigned reg = result_xmm(l);
    shift_lanes(l, esz, digit, reg, a, count);
    if (bytes < 16 && l->w[insn->arg[0]].bytes > bytes)
        zero_above(l, reg, bytes);
    l->w[l->now].bytes = (uint8_t)bytes;
    return true;
}

/* Signed bytes, by way of unsigned ones: with 128 added, shifted one bit less, and halved with rounding. */
static void rounding_shift_of_bytes(struct lower *l, unsigned t, unsigned a, unsigned count)
{
    unsigned less = count - 1, k = take_temp(l), u = take_xmm(l);
    emit_v_mem(l, V_PXOR, t, a, constant_mem(JIT_SIGN_B));
    if (less) {
        shift_lanes(l, 1, RIGHT, t, t, less);
        emit_mov_imm(&l->e, k, 0x0101010101010101u * (0xffu >> less));
        emit_v_rr(&l->e, V_MOVQ_TO_X, u, VEX_NONE, k);
        emit_v(l, V_PUNPCKLQDQ, u, u, u);
        emit_v(l, V_PAND, t, t, u);
        emit_mov_imm(&l->e, k, 0x0101010101010101u * (0x80u - (0x80u >> less)));
        emit_v_rr(&l->e, V_MOVQ_TO_X, u, VEX_NONE, k);
        emit_v(l, V_PUNPCKLQDQ, u, u, u);
        emit_v(l, V_PADDB, t, t, u);
    }
    emit_v_mem(l, V_PAVGB, t, t, constant_mem(JIT_SIGN_B));
    emit_v_mem(l, V_PXOR, t, t, constant_mem(JIT_SIGN_B));
    leave_xmm(l, u);
}

/* Rounding shifts right: the bit that is shifted out last is added. */
static bool lower_rounding_shift(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t add[4] = {0, V_PADDW, V_PADDD, V_PADDQ};
    unsigned esz = insn->esz, count = (unsigned)insn->imm, bits = 8u << esz;
    bool is_signed = insn->op == IR_vsrshri;
    if ((esz == 0 && !is_signed) || (is_signed && esz == 3 && host.level < HOST_V4))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    if (esz == 0) {
        rounding_shift_of_bytes(l, t, a, count);
        unsigned bytes_reg = result_xmm(l);
        move_xmm(l, bytes_reg, t);
        finish_vector(l, bytes_reg, bytes_of(insn));
        return true;
    }
    unsigned reg = result_xmm_apart(l);
    shift_lanes(l, esz, LEFT, t, a, bits - count);
    shift_lanes(l, esz, RIGHT, t, t, bits - 1);
    shift_lanes(l, esz, is_signed ? ARITHMETIC : RIGHT, reg, a, count);
    emit_v(l, (enum x86_vop)add[esz], reg, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* --- by a register --------------------------------------------------------------------------------------- */

static const uint8_t sub_lanes[4] = {0, V_PSUBW, V_PSUBD, V_PSUBQ};

static bool has_shifts_by_lanes(unsigned esz, bool is_signed)
{
    static const uint8_t left[4] = {0, V_PSLLVW, V_PSLLVD, V_PSLLVQ};
    return esz && emit_v_has((enum x86_vop)left[esz], host.level, 0) && (!is_signed || host.level >= HOST_V4);
}

/* t = a shifted right by the opposite of each number of count; with rounding: by one less, then t - (t >> 1). u changes. */
static void shift_right_by_opposite(struct lower *l, unsigned esz, enum x86_vop shift, bool rounds, unsigned t, unsigned a,
                                    unsigned count, unsigned u)
{
    bool is_signed = shift == V_PSRAVW || shift == V_PSRAVD || shift == V_PSRAVQ;
    if (rounds) {
        all_ones(l, t);
        emit_v(l, V_PXOR, t, t, count);
    } else {
        clear_xmm(l, t);
        emit_v(l, (enum x86_vop)sub_lanes[esz], t, t, count);
    }
    emit_v(l, shift, t, a, t);
    if (rounds) {
        shift_lanes(l, esz, is_signed ? ARITHMETIC : RIGHT, u, t, 1);
        emit_v(l, (enum x86_vop)sub_lanes[esz], t, t, u);
    }
}

/* reg = a shifted left by each signed number of count, or right by its opposite, one of which is out of range and gives 0
 * (or the sign). Right with rounding: by one less, then t - (t >> 1). reg may be a, if not rounded; count and t change. */
static void shift_by_lanes(struct lower *l, unsigned esz, bool is_signed, bool rounds, unsigned reg, unsigned a,
                           unsigned count, unsigned t)
{
    static const uint8_t left[4] = {0, V_PSLLVW, V_PSLLVD, V_PSLLVQ}, right[4] = {0, V_PSRLVW, V_PSRLVD, V_PSRLVQ};
    static const uint8_t arithmetic[4] = {0, V_PSRAVW, V_PSRAVD, V_PSRAVQ};
    shift_right_by_opposite(l, esz, (enum x86_vop)(is_signed ? arithmetic : right)[esz], rounds, t, a, count, reg);
    emit_v(l, (enum x86_vop)left[esz], reg, a, count);
    if (!is_signed) {
        emit_v(l, V_POR, reg, reg, t);
        return;
    }
    shift_lanes(l, esz, ARITHMETIC, count, count, (8u << esz) - 1);
    emit_v_imm(l, V_PTERNLOG, count, t, reg, 0xca); /* count < 0 ? t : reg */
    move_xmm(l, reg, count);
}

/* Bytes as halfwords: half of them at a time. t = what becomes of the low or high ones, as halfwords. */
static void shift_half_of_bytes(struct lower *l, const struct ir_insn *insn, unsigned t, unsigned a, unsigned b, bool high)
{
    bool is_signed = insn->op == IR_vsshl;
    unsigned count = take_xmm(l), u = take_xmm(l);
    if (high) {
        emit_v_unary(l, V_PSHUFD, t, a);
        emit_bytes(&l->e, 1, 0xee);
        emit_v_unary(l, V_PSHUFD, count, b);
        emit_bytes(&l->e, 1, 0xee);
        a = t;
        b = count;
    }
    emit_v_unary(l, is_signed ? V_PMOVSXBW : V_PMOVZXBW, t, a);
    emit_v_unary(l, V_PMOVSXBW, count, b);
    shift_by_lanes(l, 1, is_signed, false, t, t, count, u);
    emit_v_mem(l, V_PAND, t, t, constant_mem(JIT_EVEN_BYTES));
    leave_xmm(l, count);
    leave_xmm(l, u);
}

static bool lower_shift_of_bytes_by(struct lower *l, const struct ir_insn *insn)
{
    if ((insn->op != IR_vushl && insn->op != IR_vsshl) || !has_shifts_by_lanes(1, true))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]);
    bool whole = bytes_of(insn) == 16;
    if (free_xmms(l) < 3u + whole)
        return false;
    unsigned t = take_xmm(l), high = t;
    shift_half_of_bytes(l, insn, t, a, b, false);
    if (whole) {
        high = take_xmm(l);
        shift_half_of_bytes(l, insn, high, a, b, true);
    }
    unsigned reg = result_xmm(l);
    emit_v(l, V_PACKUSWB, reg, t, high);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* reg = the signed low byte of each lane of b, as the lane. */
static void low_bytes(struct lower *l, unsigned esz, unsigned reg, unsigned b)
{
    unsigned bits = 8u << esz;
    shift_lanes(l, esz, LEFT, reg, b, bits - 8);
    if (esz < 3 || host.level >= HOST_V4) {
        shift_lanes(l, esz, ARITHMETIC, reg, reg, bits - 8);
        return;
    }
    shift_lanes(l, 2, ARITHMETIC, reg, reg, 24);
    emit_v_unary(l, V_PSHUFD, reg, reg);
    emit_bytes(&l->e, 1, 0x0d);
    emit_v_unary(l, V_PMOVSXDQ, reg, reg);
}

/* By the signed low byte of each lane of b. */
static bool lower_shift_by(struct lower *l, const struct ir_insn *insn)
{
    unsigned esz = insn->esz;
    bool is_signed = insn->op == IR_vsshl || insn->op == IR_vsrshl, rounds = insn->op == IR_vsrshl || insn->op == IR_vurshl;
    if (esz == 0)
        return lower_shift_of_bytes_by(l, insn);
    if (!has_shifts_by_lanes(esz, is_signed))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), count = take_xmm(l), t = take_xmm(l);
    low_bytes(l, esz, count, b);
    if (b != a)
        leave_xmm(l, b);
    unsigned reg = result_xmm_apart(l);
    shift_by_lanes(l, esz, is_signed, rounds, reg, a, count, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* By the signed low byte of each lane of b, with saturation: what is shifted left and back is another number where bits
 * were lost. */
static bool lower_saturating_shift_by(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t left[4] = {0, V_PSLLVW, V_PSLLVD, V_PSLLVQ}, right[4] = {0, V_PSRLVW, V_PSRLVD, V_PSRLVQ};
    static const uint8_t arithmetic[4] = {0, V_PSRAVW, V_PSRAVD, V_PSRAVQ};
    static const uint8_t equal[4] = {0, V_PCMPEQW, V_PCMPEQD, V_PCMPEQQ};
    static const enum jit_constant signs[4] = {0, JIT_SIGN_H, JIT_SIGN_S, JIT_SIGN_D};
    enum { SECOND_OR_ONES = 0xcf, SECOND_OR_NOT_THIRD = 0xc5, SECOND_OR_THIRD = 0xca }; /* where the first is ones, or not */
    unsigned esz = insn->esz, top = (8u << esz) - 1;
    bool is_signed = insn->op == IR_vsqshl || insn->op == IR_vsqrshl, rounds = insn->op == IR_vsqrshl || insn->op == IR_vuqrshl;
    if (esz == 0 || host.level < HOST_V4)
        return false;
    enum x86_vop back = (enum x86_vop)(is_signed ? arithmetic : right)[esz];
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), count = take_xmm(l);
    low_bytes(l, esz, count, b);
    if (b != a)
        leave_xmm(l, b);
    if (free_xmms(l) < 3)
        return false;
    unsigned t = take_xmm(l), kept = take_xmm(l), u = take_xmm(l);
    emit_v(l, (enum x86_vop)left[esz], t, a, count);
    emit_v(l, back, kept, t, count);
    emit_v(l, V_PXOR, kept, kept, a);
    shift_lanes(l, esz, ARITHMETIC, u, count, top);
    emit_v(l, V_PANDN, kept, u, kept); /* not where it is to the right */
    set_qc_unless_zero(l, kept, bytes_of(insn));
    clear_xmm(l, u);
    emit_v(l, (enum x86_vop)equal[esz], kept, kept, u);
    if (is_signed) {
        shift_lanes(l, esz, ARITHMETIC, u, a, top);
        emit_v_mem(l, V_PXOR, u, u, constant_mem(signs[esz]));
    }
    emit_v_imm(l, V_PTERNLOG, kept, t, u, is_signed ? SECOND_OR_NOT_THIRD : SECOND_OR_ONES);
    shift_right_by_opposite(l, esz, back, rounds, t, a, count, u);
    shift_lanes(l, esz, ARITHMETIC, count, count, top);
    emit_v_imm(l, V_PTERNLOG, count, t, kept, SECOND_OR_THIRD);
    leave_xmm(l, a);
    finish_from(l, insn, count);
    return true;
}

/* --- joined ------------------------------------------------------------------------------------------------ */

static bool lower_rotation(struct lower *l, const struct ir_insn *insn)
{
    if (insn->esz < 2)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    rotate_lanes(l, insn->esz, t, a, (unsigned)insn->imm);
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* Where a has been shifted the other way as far as b will be, nothing of it has to be masked; both of the same value are
 * its rotation. */
static bool lower_shift_joined(struct lower *l, const struct ir_insn *insn, bool left)
{
    const struct ir_insn *other = insn_at(l, insn->arg[0]);
    unsigned esz = insn->esz, count = (unsigned)insn->imm, bits = 8u << esz;
    if (other->op != (left ? IR_vushri : IR_vshli) || other->esz != esz || other->lanes != insn->lanes ||
        (unsigned)other->imm != bits - count || !count || count == bits)
        return false;
    unsigned b = use_xmm(l, insn->arg[1]), reg;
    if (other->arg[0] == insn->arg[1] && esz >= 2 && host.level >= HOST_V4) {
        reg = result_xmm(l);
        rotate_lanes(l, esz, reg, b, left ? count : bits - count);
    } else {
        unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
        shift_lanes(l, esz, left ? LEFT : RIGHT, t, b, count);
        reg = result_xmm(l);
        emit_v(l, V_POR, reg, a, t);
    }
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* Bytes: `moved` are the bits of b's that stay. */
static bool lower_insert_of_bytes(struct lower *l, const struct ir_insn *insn, unsigned moved)
{
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), k = take_temp(l);
    shift_lanes(l, 1, insn->op == IR_vsli ? LEFT : RIGHT, t, b, (unsigned)insn->imm);
    if (a != b)
        leave_xmm(l, b);
    unsigned mask = take_xmm(l);
    emit_mov_imm(&l->e, k, 0x0101010101010101u * moved);
    emit_v_rr(&l->e, V_MOVQ_TO_X, mask, VEX_NONE, k);
    emit_v(l, V_PUNPCKLQDQ, mask, mask, mask);
    emit_v(l, V_PAND, t, t, mask);
    emit_v(l, V_PANDN, mask, mask, a);
    unsigned reg = result_xmm(l);
    emit_v(l, V_POR, reg, t, mask);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* b shifted into a. */
static bool lower_shift_insert(struct lower *l, const struct ir_insn *insn)
{
    unsigned esz = insn->esz, count = (unsigned)insn->imm, bits = 8u << esz;
    bool left = insn->op == IR_vsli;
    if (esz == 0)
        return lower_insert_of_bytes(l, insn, left ? 0xffu << count & 0xff : 0xffu >> count);
    if (lower_shift_joined(l, insn, left))
        return true;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), reg = result_xmm_apart(l);
    if (!left && count == bits) {
        move_xmm(l, reg, a);
    } else {
        shift_lanes(l, esz, left ? LEFT : RIGHT, t, b, count);
        if (count) { /* the bits of a that stay */
            shift_lanes(l, esz, left ? LEFT : RIGHT, reg, a, bits - count);
            shift_lanes(l, esz, left ? RIGHT : LEFT, reg, reg, bits - count);
            emit_v(l, V_POR, reg, reg, t);
        } else {
            move_xmm(l, reg, t);
        }
    }
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

bool lower_shifts(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_vshli:
        return lower_shift(l, insn, LEFT);
    case IR_vushri:
        return lower_shift(l, insn, RIGHT);
    case IR_vsshri:
        return lower_shift(l, insn, ARITHMETIC);
    case IR_vsrshri:
    case IR_vurshri:
        return lower_rounding_shift(l, insn) || lower_saturating(l, insn);
    case IR_vsshl:
    case IR_vushl:
    case IR_vsrshl:
    case IR_vurshl:
        return lower_shift_by(l, insn);
    case IR_vsqshl:
    case IR_vuqshl:
    case IR_vsqrshl:
    case IR_vuqrshl:
        return lower_saturating_shift_by(l, insn);
    case IR_vroli:
        return lower_rotation(l, insn);
    case IR_vsli:
    case IR_vsri:
        return lower_shift_insert(l, insn);
    default:
        return false;
    }
}
