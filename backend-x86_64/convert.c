/* Conversions between numbers and integers, and between formats. */
#include "float.h"

enum { QUIET = 8 }; /* of ROUND* */
static const struct fp_row round_row = {{V_ROUNDSS, V_ROUNDSD, V_ROUNDPS, V_ROUNDPD}};

/* --- powers of two -------------------------------------------------------------------------------------- */

/* reg = the number +-2^power in each lane. */
static void power_of_two(struct lower *l, const struct ir_insn *insn, unsigned esz, unsigned reg, int power, bool negative)
{
    uint64_t bits = esz == 3 ? (uint64_t)(1023 + power) << 52 : (uint64_t)(127 + power) << 23;
    unsigned k = take_temp(l);
    bits |= negative ? fp_sign_bit(esz) : 0;
    if (esz == 2)
        bits |= bits << 32;
    emit_mov_imm(&l->e, k, bits);
    emit_v_rr(&l->e, V_MOVQ_TO_X, reg, VEX_NONE, k);
    leave_temp(l, k);
    if (insn->lanes > 1)
        emit_v(l, V_PUNPCKLQDQ, reg, reg, reg);
}

static enum x86_vop arithmetic_op(const struct ir_insn *insn, unsigned esz, struct fp_row row)
{
    return (enum x86_vop)row.ops[(insn->lanes == 1 ? 0 : 2) + (esz == 3)];
}

/* t = a * 2^power, exact: what does not fit any integer afterwards is brought near before, so that no number
 * overflows. */
static void scale_up(struct lower *l, const struct ir_insn *insn, unsigned esz, unsigned t, unsigned a, int power)
{
    static const struct fp_row min = {{V_MINSS, V_MINSD, V_MINPS, V_MINPD}}, max = {{V_MAXSS, V_MAXSD, V_MAXPS, V_MAXPD}};
    static const struct fp_row mul = {{V_MULSS, V_MULSD, V_MULPS, V_MULPD}};
    enum { BEYOND = 63 }; /* 2^63 times two or more */
    unsigned k = take_xmm(l);
    power_of_two(l, insn, esz, k, BEYOND, false);
    emit_trapping(l, arithmetic_op(insn, esz, min), t, a, k);
    power_of_two(l, insn, esz, k, BEYOND, true);
    emit_trapping(l, arithmetic_op(insn, esz, max), t, t, k);
    power_of_two(l, insn, esz, k, power, false);
    emit_trapping(l, arithmetic_op(insn, esz, mul), t, t, k);
    leave_xmm(l, k);
}

void scale_down(struct lower *l, const struct ir_insn *insn, unsigned esz, unsigned reg, int power)
{
    static const struct fp_row mul = {{V_MULSS, V_MULSD, V_MULPS, V_MULPD}};
    unsigned k = take_xmm(l);
    power_of_two(l, insn, esz, k, -power, false);
    emit_v(l, arithmetic_op(insn, esz, mul), reg, reg, k);
    leave_xmm(l, k);
}

/* --- scalars and general registers ------------------------------------------------------------------------ */

/* Of an integer below 2^24 the single is exact, and those above are too great for a half. */
static bool lower_from_int(struct lower *l, const struct ir_insn *insn)
{
    unsigned imm = (unsigned)insn->imm, esz = insn->esz == 3 ? 3 : 2;
    int fraction = (int)fp_cvt_fraction(imm);
    bool is_signed = fp_cvt_signed(imm), half = insn->esz == 1;
    if (fp_cvt_rounding(imm) != FP_CURRENT || (half && (fraction || host.level < HOST_V3)))
        return false;
    enum ir_op from_op = insn_at(l, insn->arg[0])->op;
    bool word = from_op == IR_zext32 || (ir_ops[from_op].flags & IR_WIDTH && insn_at(l, insn->arg[0])->w == 32);
    if (!is_signed && !word && host.level < HOST_V4)
        return false;
    unsigned from = use(l, insn->arg[0]), reg = result_xmm(l);
    bool as_unsigned = !is_signed && !word;
    enum x86_vop op = as_unsigned ? (esz == 3 ? V_CVTUSI2SD : V_CVTUSI2SS)
                                  : (esz == 3 ? V_CVTSI2SD : V_CVTSI2SS);
    emit_v(l, V_PXOR, reg, reg, reg);
    emit_v_wide_rr(&l->e, op, true, reg, reg, from);
    if (fraction)
        scale_down(l, insn, esz, reg, fraction);
    if (half)
        singles_to_halves(l, reg, reg);
    l->w[l->now].bytes = (uint8_t)(1u << insn->esz);
    return true;
}

/* The number in value v, or its half as a single. */
static unsigned number_of(struct lower *l, const struct ir_insn *insn, unsigned v)
{
    if (insn->esz > 1)
        return use_xmm(l, v);
    unsigned t = take_xmm(l);
    halves_to_singles(l, t, v, 1, false);
    return t;
}

/* A general register, for the result or not, with the integer of `width` bits, extended with zeros. The host traps for what does not fit. Where
 * it was rounded before, Inexact is raised behind that, by rounding once more. */
static unsigned scalar_to_int(struct lower *l, const struct ir_insn *insn, unsigned how, unsigned width, bool is_result)
{
    enum fp_rounding rounding = fp_cvt_rounding(how);
    unsigned esz = insn->esz == 3 ? 3 : 2;
    struct ir_insn shape = {.lanes = 1, .esz = (uint8_t)esz};
    bool is_signed = fp_cvt_signed(how), rounds = rounding != FP_ZERO;
    enum x86_vop round = esz == 3 ? V_ROUNDSD : V_ROUNDSS;
    unsigned number = number_of(l, insn, insn->arg[0]), from = number, t = 0;
    if (rounding == FP_TIEAWAY) {
        unsigned u = take_xmm(l);
        t = take_xmm(l);
        round_ties_away(l, &shape, t, u, number);
        leave_xmm(l, u);
    } else if (rounds) {
        t = take_xmm(l);
        note_fault_site(l);
        emit_v_rr(&l->e, round, t, host.level < HOST_V3 ? t : from, from);
        emit_bytes(&l->e, 1, fp_host_rounding[rounding] | QUIET);
    } else if (fp_cvt_fraction(how)) {
        t = take_xmm(l);
        scale_up(l, &shape, esz, t, number, (int)fp_cvt_fraction(how));
    }
    if (rounds || fp_cvt_fraction(how))
        from = t;
    unsigned reg = is_result ? result_reg(l) : take_temp(l);
    enum x86_vop op = is_signed ? (esz == 3 ? V_CVTTSD2SI : V_CVTTSS2SI)
                                : (esz == 3 ? V_CVTTSD2USI : V_CVTTSS2USI);
    note_fault_site(l);
    emit_v_wide_rr(&l->e, op, width == 64, reg, VEX_NONE, from);
    if (rounds) {
        emit_v_rr(&l->e, round, t, host.level < HOST_V3 ? t : number, number);
        emit_bytes(&l->e, 1, fp_host_rounding[rounding == FP_TIEAWAY ? FP_ZERO : rounding]);
    }
    return reg;
}

static bool is_scalar_to_int(const struct ir_insn *insn, unsigned how)
{
    return fp_cvt_rounding(how) <= FP_TIEAWAY && (insn->esz > 1 || host.level >= HOST_V3) &&
           (fp_cvt_signed(how) || host.level >= HOST_V4);
}

static bool lower_to_int(struct lower *l, const struct ir_insn *insn)
{
    unsigned how = (unsigned)insn->imm & 0xffff;
    if (!is_scalar_to_int(insn, how))
        return false;
    scalar_to_int(l, insn, how, (unsigned)insn->imm >> 16, true);
    return true;
}

/* --- vectors ------------------------------------------------------------------------------------------------ */

/* Of integers, to numbers of the same width. */
static bool lower_lanes_from_int(struct lower *l, const struct ir_insn *insn)
{
    unsigned imm = (unsigned)insn->imm;
    enum x86_vop op = fp_cvt_signed(imm) ? (insn->esz == 3 ? V_CVTQQ2PD : V_CVTDQ2PS)
                                         : (insn->esz == 3 ? V_CVTUQQ2PD : V_CVTUDQ2PS);
    if (fp_cvt_rounding(imm) != FP_CURRENT || !emit_v_has(op, host.level, 0))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), reg = result_xmm_apart(l);
    if (bytes_of(insn) < 16) { /* inexact results of what is above would raise flags */
        zero_above(l, (move_xmm(l, reg, a), reg), bytes_of(insn));
        a = reg;
    }
    emit_v_unary(l, op, reg, a);
    if (fp_cvt_fraction(imm))
        scale_down(l, insn, insn->esz, reg, (int)fp_cvt_fraction(imm));
    l->w[l->now].bytes = (uint8_t)bytes_of(insn);
    return true;
}

/* A scalar's integer goes by a general register. */
static bool lower_lane_to_int(struct lower *l, const struct ir_insn *insn)
{
    unsigned how = (unsigned)insn->imm;
    if (!is_scalar_to_int(insn, how))
        return false;
    unsigned t = scalar_to_int(l, insn, how, 8u << insn->esz, false);
    emit_v_rr(&l->e, insn->esz == 3 ? V_MOVQ_TO_X : V_MOVD_TO_X, result_xmm(l), VEX_NONE, t);
    l->w[l->now].bytes = (uint8_t)bytes_of(insn);
    return true;
}

static bool lower_lanes_to_int(struct lower *l, const struct ir_insn *insn)
{
    unsigned how = (unsigned)insn->imm, bytes = bytes_of(insn);
    enum fp_rounding rounding = fp_cvt_rounding(how);
    enum x86_vop op = fp_cvt_signed(how) ? (insn->esz == 3 ? V_CVTTPD2QQ : V_CVTTPS2DQ)
                                         : (insn->esz == 3 ? V_CVTTPD2UQQ : V_CVTTPS2UDQ);
    if (insn->lanes == 1)
        return lower_lane_to_int(l, insn);
    if (rounding > FP_TIEAWAY || !is_shape(insn) || !emit_v_has(op, host.level, 0))
        return false;
    unsigned number = operand(l, insn, 0), from = number, t = take_xmm(l);
    if (rounding == FP_TIEAWAY) {
        unsigned u = take_xmm(l);
        round_ties_away(l, insn, t, u, number);
        leave_xmm(l, u);
        from = t;
    } else if (rounding != FP_ZERO) {
        emit_trapping_unary(l, insn, op_of(insn, round_row), t, number);
        emit_bytes(&l->e, 1, fp_host_rounding[rounding] | QUIET);
        from = t;
    } else if (fp_cvt_fraction(how)) {
        scale_up(l, insn, insn->esz, t, number, (int)fp_cvt_fraction(how));
        from = t;
    }
    note_fault_site(l);
    emit_v_unary(l, op, t, from);
    if (rounding != FP_ZERO) { /* for Inexact */
        unsigned u = take_xmm(l);
        emit_v_unary(l, op_of(insn, round_row), u, number);
        emit_bytes(&l->e, 1, fp_host_rounding[rounding == FP_TIEAWAY ? FP_ZERO : rounding]);
        leave_xmm(l, u);
    }
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    l->w[l->now].bytes = (uint8_t)bytes;
    return true;
}

/* --- between formats ------------------------------------------------------------------------------------------ */

static bool lower_from_half(struct lower *l, const struct ir_insn *insn)
{
    if (host.level < HOST_V3)
        return false;
    unsigned t = take_xmm(l);
    halves_to_singles(l, t, insn->arg[0], insn->lanes, false);
    if (insn->esz == 3)
        emit_v(l, V_CVTSS2SD, t, t, t);
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* What is above is zero, so that it raises nothing. A double is rounded to an odd single first. */
static bool lower_to_half(struct lower *l, const struct ir_insn *insn, unsigned from)
{
    if (host.level < HOST_V3 || may_be_tiny(insn))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l), bytes = (unsigned)insn->lanes << from;
    move_xmm(l, t, a);
    if (bytes < 16 && l->w[insn->arg[0]].bytes > bytes)
        zero_above(l, t, bytes);
    if (from == 3)
        doubles_to_odd_singles(l, t, take_xmm(l));
    singles_to_halves(l, t, t);
    move_xmm(l, result_xmm(l), t);
    l->w[l->now].bytes = (uint8_t)bytes_of(insn);
    return true;
}

static bool lower_convert(struct lower *l, const struct ir_insn *insn)
{
    unsigned from = (unsigned)insn->imm & 0xff;
    if (insn->imm >> 8 != FP_CURRENT || from == insn->esz)
        return false;
    if (from < 2)
        return lower_from_half(l, insn);
    if (insn->esz < 2)
        return lower_to_half(l, insn, from);
    if (insn->lanes > 1 && may_be_tiny(insn))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]);
    if (insn->lanes == 1) {
        unsigned t = take_xmm(l);
        emit_v(l, V_PXOR, t, t, t);
        note_fault_site(l);
        emit_v_rr(&l->e, from == 2 ? V_CVTSS2SD : V_CVTSD2SS, t, t, a);
        if (from == 3 && may_be_tiny(insn)) {
            struct cold *cold = open_cold(l, insn, a, a, a, t);
            check_tiny(l, insn, cold, t);
            close_cold(l, cold);
        }
        move_xmm(l, result_xmm(l), t);
        l->w[l->now].bytes = (uint8_t)(1u << insn->esz);
        return true;
    }
    unsigned reg = result_xmm(l);
    note_fault_site(l);
    emit_v_unary(l, from == 2 ? V_CVTPS2PD : V_CVTPD2PS, reg, a);
    l->w[l->now].bytes = from == 2 ? 16 : 8;
    return true;
}

bool lower_conversion(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_fp_to_int:
        return lower_to_int(l, insn);
    case IR_int_to_fp:
        return lower_from_int(l, insn);
    case IR_fcvt:
        return lower_convert(l, insn);
    case IR_fp_to_int_lane:
        return insn->esz > 1 && lower_lanes_to_int(l, insn);
    case IR_int_to_fp_lane:
        return insn->esz > 1 && lower_lanes_from_int(l, insn);
    default:
        return false;
    }
}
