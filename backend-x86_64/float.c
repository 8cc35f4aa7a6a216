/* Floating point on the host's unit under the guest's rounding mode. ARM and x86 agree but where an operation is
 * invalid: there the host traps (MXCSR.IM is clear while compiled code runs), and the guest's instruction is done by
 * its functions instead. Where FPCR asks for what SSE does not do, the block is not entered (check_fpcr). */
#include "float.h"

enum x86_vop op_of(const struct ir_insn *insn, struct fp_row row)
{
    return (enum x86_vop)row.ops[(insn->lanes == 1 ? 0 : 2) + (insn->esz == 3)];
}

/* Singles and doubles, as scalars or whole vectors. A vector of two singles is not: the bytes above would be
 * computed with, and might trap. */
static bool is_host_shape(const struct ir_insn *insn)
{
    return insn->esz >= 2 && (insn->lanes == 1 || bytes_of(insn) == 16);
}

/* The result of a scalar operation has the rest from an operand of `from_bytes`. Two singles have the result of zeros
 * there, which may be a negative one. */
void finish_scalar(struct lower *l, const struct ir_insn *insn, unsigned reg, unsigned from_bytes)
{
    unsigned bytes = bytes_of(insn);
    if (bytes < 16 && (insn->lanes > 1 || from_bytes > bytes))
        zero_above(l, reg, bytes);
    l->w[l->now].bytes = (uint8_t)bytes;
}

/* t = the scalar in a, with zeros above. */
static void copy_scalar(struct lower *l, const struct ir_insn *insn, unsigned t, unsigned a)
{
    if (insn->esz == 3)
        emit_v_unary(l, V_MOVQ, t, a);
    else
        emit_v_imm(l, V_INSERTPS, t, a, a, 0x0e);
}

/* A scalar's result has the rest from its first operand; to clear that before the operation costs nothing where the
 * other operand is the one to wait for. */
static bool clears_before(const struct lower *l, const struct ir_insn *insn, unsigned v)
{
    return insn->lanes == 1 && l->w[v].bytes > bytes_of(insn);
}

/* Two singles are computed with zeros above, which need the operands' bytes to be zero there. */
static unsigned operand_value(struct lower *l, const struct ir_insn *insn, unsigned v)
{
    unsigned reg = use_xmm(l, v);
    if (insn->lanes != 2 || insn->esz != 2 || l->w[v].bytes <= 8)
        return reg;
    unsigned t = take_xmm(l);
    emit_v_unary(l, V_MOVQ, t, reg);
    leave_xmm(l, reg);
    return t;
}

unsigned operand(struct lower *l, const struct ir_insn *insn, unsigned index)
{
    return operand_value(l, insn, insn->arg[index]);
}

bool is_shape(const struct ir_insn *insn) { return is_host_shape(insn) || (insn->esz == 2 && insn->lanes == 2); }

/* Where the guest looks at FPSR: the result in t goes to the function if it is the smallest normal number, which may
 * have been less before rounding. Additions are exact there. */
void check_tiny(struct lower *l, const struct ir_insn *insn, struct cold *cold, unsigned t)
{
    struct x86_mem smallest = constant_mem(insn->esz == 3 ? JIT_SMALLEST_D : JIT_SMALLEST_S);
    if (insn->lanes == 1) {
        unsigned k = take_temp(l), w = insn->esz == 3 ? 64 : 32;
        emit_v_rr(&l->e, insn->esz == 3 ? V_MOVQ_FROM_X : V_MOVD_FROM_X, t, VEX_NONE, k);
        emit_rr(&l->e, X86_ADD, w, k, k);
        emit_rm(&l->e, X86_CMP, w, k, smallest);
        leave_for_cold(l, cold, 1, CC_E);
        return;
    }
    unsigned u = take_xmm(l);
    if (host.level < HOST_V3)
        move_xmm(l, u, t);
    emit_v_shift(&l->e, insn->esz, 6, u, t, 1);
    emit_v_mem(l, insn->esz == 3 ? V_PCMPEQQ : V_PCMPEQD, u, u, smallest);
    emit_v_rr(&l->e, V_PTEST, u, VEX_NONE, u);
    leave_for_cold(l, cold, 1, CC_NE);
}

bool may_be_tiny(const struct ir_insn *insn)
{
    return backend_exact_underflow &&
           (insn->op == IR_fmul || insn->op == IR_fmulx || insn->op == IR_fdiv || insn->op == IR_fmuladd ||
            insn->op == IR_fcvt);
}

/* The rare case of an operation on registers a, b, c with the result in t. */
struct cold *open_cold(struct lower *l, const struct ir_insn *insn, unsigned a, unsigned b, unsigned c, unsigned t)
{
    struct cold *cold = new_cold(l, insn);
    cold->args[0] = (int16_t)(XMM + a);
    cold->args[1] = (int16_t)(XMM + b);
    cold->args[2] = (int16_t)(XMM + c);
    cold->result = (int16_t)(XMM + t);
    return cold;
}

/* t = op(a, b), which may trap and finds every guest register as it was: t is a temporary, or written by the
 * instruction alone. */
void emit_trapping(struct lower *l, enum x86_vop op, unsigned t, unsigned a, unsigned b)
{
    if (host.level < HOST_V3) {
        move_xmm(l, t, a);
        a = t;
    }
    note_fault_site(l);
    emit_v_rr(&l->e, op, t, a, b);
}

/* The same of one operand; a scalar's rest is the operand's. */
void emit_trapping_unary(struct lower *l, const struct ir_insn *insn, enum x86_vop op, unsigned t, unsigned a)
{
    if (insn->lanes == 1) {
        emit_trapping(l, op, t, a, a);
    } else {
        note_fault_site(l);
        emit_v_rr(&l->e, op, t, VEX_NONE, a);
    }
}

static bool lower_arithmetic(struct lower *l, const struct ir_insn *insn, struct fp_row row)
{
    if (!is_host_shape(insn) && !(is_shape(insn) && insn->op != IR_fdiv))
        return false;
    unsigned a = operand(l, insn, 0), b = operand(l, insn, 1);
    bool checked = may_be_tiny(insn), clears = clears_before(l, insn, insn->arg[0]);
    unsigned reg = checked ? 0 : result_xmm(l);
    unsigned t = checked || clears || (host.level < HOST_V3 && reg != a) ? take_xmm(l) : reg;
    if (clears)
        copy_scalar(l, insn, t, a);
    emit_trapping(l, op_of(insn, row), host.level < HOST_V3 || checked ? t : reg, clears ? t : a, b);
    if (checked) {
        struct cold *cold = open_cold(l, insn, a, b, b, t);
        check_tiny(l, insn, cold, t);
        close_cold(l, cold);
        reg = result_xmm(l);
    }
    if (host.level < HOST_V3 || checked)
        move_xmm(l, reg, t);
    finish_scalar(l, insn, reg, clears ? 0 : l->w[insn->arg[0]].bytes);
    return true;
}

static bool lower_sqrt(struct lower *l, const struct ir_insn *insn)
{
    static const struct fp_row row = {{V_SQRTSS, V_SQRTSD, V_SQRTPS, V_SQRTPD}};
    if (!is_shape(insn))
        return false;
    unsigned a = operand(l, insn, 0), reg = result_xmm(l);
    bool apart = host.level < HOST_V3 && insn->lanes == 1 && reg != a; /* a move would come before the trap */
    unsigned t = apart ? take_xmm(l) : reg;
    emit_trapping_unary(l, insn, op_of(insn, row), t, a);
    move_xmm(l, reg, t);
    finish_scalar(l, insn, reg, l->w[insn->arg[0]].bytes);
    return true;
}

/* --- fused multiply-add ------------------------------------------------------------------------------- */

static const struct fp_row fma_rows[2][2] = {
    {{{V_FMADDSS, V_FMADDSD, V_FMADDPS, V_FMADDPD}}, {{V_FNMADDSS, V_FNMADDSD, V_FNMADDPS, V_FNMADDPD}}},
    {{{V_FMSUBSS, V_FMSUBSD, V_FMSUBPS, V_FMSUBPD}}, {{V_FNMSUBSS, V_FNMSUBSD, V_FNMSUBPS, V_FNMSUBPD}}},
};

/* A negation that a fused multiply-add does itself. */
bool is_negation_of_factor(const struct lower *l, const struct ir_insn *user, unsigned index)
{
    const struct ir_insn *insn = insn_at(l, user->arg[index]);
    return user->op == IR_fmuladd && index < 2 && insn->op == IR_fneg && insn->esz == user->esz &&
           insn->lanes == user->lanes && host.level >= HOST_V3 && is_shape(user) && !l->plain && !l->careful;
}

/* The sum is the first operand of the 231 forms, as in ARM's order of NaNs. With a quiet NaN as addend ARM raises
 * Invalid Operation for infinity * 0 and x86 does not: a NaN is left to the function. */
static bool lower_fma(struct lower *l, const struct ir_insn *insn)
{
    if (!is_shape(insn) || host.level < HOST_V3)
        return false;
    bool scalar = insn->lanes == 1;
    unsigned add = insn->arg[0], mul = insn->arg[1];
    bool minus = l->w[add].folded, negative = l->w[mul].folded;
    unsigned addend = minus ? insn_at(l, add)->arg[0] : add, factor = negative ? insn_at(l, mul)->arg[0] : mul;
    unsigned b = operand_value(l, insn, factor), c = operand_value(l, insn, insn->arg[2]);
    unsigned a = use_xmm(l, addend), t = result_xmm_apart(l); /* a trap or the rare case writes it, too */
    bool clears = clears_before(l, insn, addend);
    if (clears)
        copy_scalar(l, insn, t, a);
    else if (insn->lanes == 2 && insn->esz == 2 && l->w[addend].bytes > 8)
        emit_v_unary(l, V_MOVQ, t, a);
    else
        move_xmm(l, t, a);
    note_fault_site(l);
    emit_v_rr(&l->e, op_of(insn, fma_rows[minus][negative]), t, b, c);
    struct cold *cold = open_cold(l, insn, a, b, c, t);
    if (scalar) {
        if (may_be_tiny(insn)) /* before the other way out: it may save a register for its temporary */
            check_tiny(l, insn, cold, t);
        emit_v_rr(&l->e, insn->esz == 3 ? V_UCOMISD : V_UCOMISS, t, VEX_NONE, t);
        leave_for_cold(l, cold, 0, CC_P);
    } else {
        unsigned u = free_xmms(l) ? take_xmm(l) : c;
        if (u == c) { /* then a, b, c and t are the temporaries */
            take_fixed(l, XMM + c);
            emit_v_rm(&l->e, V_STOREUPS, c, VEX_NONE, CPU_FIELD(args[2]));
            cold->args[2] = NONE;
        }
        emit_v_imm(l, insn->esz == 3 ? V_CMPPD : V_CMPPS, u, t, t, 3); /* unordered */
        emit_v_rr(&l->e, V_PTEST, u, VEX_NONE, u);
        leave_for_cold(l, cold, 0, CC_NE);
        l->busy &= ~(1ull << (XMM + u));
    }
    cold->negate[0] = minus;
    cold->negate[1] = negative;
    if (!scalar && may_be_tiny(insn))
        check_tiny(l, insn, cold, t);
    close_cold(l, cold);
    leave_xmm(l, b);
    leave_xmm(l, c);
    finish_scalar(l, insn, t, clears ? 0 : l->w[addend].bytes);
    return true;
}

/* --- maximum, minimum, comparison --------------------------------------------------------------------- */

/* Both orders differ for zeros of both signs only, which ANDing or ORing decides; NaNs trap. */
static bool lower_extreme(struct lower *l, const struct ir_insn *insn, bool maximum)
{
    static const struct fp_row max = {{V_MAXSS, V_MAXSD, V_MAXPS, V_MAXPD}}, min = {{V_MINSS, V_MINSD, V_MINPS, V_MINPD}};
    if (!is_shape(insn))
        return false;
    enum x86_vop op = op_of(insn, maximum ? max : min);
    unsigned a = operand(l, insn, 0), b = operand(l, insn, 1), t = take_xmm(l), u = take_xmm(l);
    emit_trapping(l, op, t, a, b);
    emit_trapping(l, op, u, b, a);
    leave_xmm(l, a);
    leave_xmm(l, b);
    unsigned reg = result_xmm(l);
    emit_v(l, maximum ? V_PAND : V_POR, reg, t, u);
    /* the rest is a's and b's, combined */
    unsigned above = l->w[insn->arg[0]].bytes > l->w[insn->arg[1]].bytes ? l->w[insn->arg[0]].bytes : l->w[insn->arg[1]].bytes;
    finish_scalar(l, insn, reg, above);
    return true;
}

/* Masks: equality is quiet, the others signal every NaN on both. */
static bool lower_mask(struct lower *l, const struct ir_insn *insn)
{
    static const struct fp_row row = {{V_CMPSS, V_CMPSD, V_CMPPS, V_CMPPD}};
    static const uint8_t predicates[3] = {[FP_EQ] = 0, [FP_GE] = 2, [FP_GT] = 1}; /* equal; b <= a; b < a */
    if (!is_shape(insn))
        return false;
    bool swapped = insn->imm != FP_EQ;
    unsigned a = operand(l, insn, swapped), b = operand(l, insn, !swapped), t = take_xmm(l);
    if (a > 15) {
        unsigned u = take_xmm(l);
        move_xmm(l, u, a);
        a = u;
    }
    if (b > 15) { /* only the first is needed below XMM16, but the encoding has no EVEX form */
        move_xmm(l, t, b);
        b = t;
    }
    emit_trapping(l, op_of(insn, row), t, a, b); /* b is t on level 4 only */
    emit_bytes(&l->e, 1, predicates[insn->imm]);
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

static void emit_ucomi(struct lower *l, const struct ir_insn *insn, bool swapped, bool signals)
{
    static const uint8_t ops[2][2] = {{V_UCOMISS, V_UCOMISD}, {V_COMISS, V_COMISD}};
    unsigned a, b;
    if (insn->esz == 1) {
        a = take_xmm(l);
        b = take_xmm(l);
        halves_to_singles(l, a, insn->arg[swapped], 1, false);
        halves_to_singles(l, b, insn->arg[!swapped], 1, false);
    } else {
        a = use_xmm(l, insn->arg[swapped]);
        b = use_xmm(l, insn->arg[!swapped]);
    }
    if (signals)
        note_fault_site(l);
    emit_v_rr(&l->e, (enum x86_vop)ops[signals && insn->imm][insn->esz == 3], a, VEX_NONE, b);
}

/* After UCOMIS of the operands, or of them swapped: the host's condition for each pair of ARM's; unordered is C and V
 * here, and CF, ZF and PF there. Equality has none: it is computed as a mask. */
static const struct {
    int8_t cc;
    bool swapped;
} fcmp_conditions[8] = {{NONE, false}, {CC_BE, true}, {CC_A, true},  {CC_P, false},
                        {CC_B, true},  {CC_AE, false}, {CC_A, false}, {NONE, false}};

enum x86_cc emit_fcmp_condition(struct lower *l, unsigned v, unsigned cond)
{
    const struct ir_insn *insn = insn_at(l, v);
    bool swapped = fcmp_conditions[cond >> 1].swapped;
    if (cond >> 1 == 0) {
        unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), reg = take_temp(l);
        emit_v_imm(l, insn->esz == 3 ? V_CMPSD : V_CMPSS, t, a, b, 0);
        emit_v_rr(&l->e, V_MOVD_FROM_X, t, VEX_NONE, reg);
        emit_rr(&l->e, X86_TEST, 32, reg, reg);
        return CC_NE ^ (cond & 1);
    }
    if (l->flags_of != v || l->flags_at != l->e.flags_written || l->flags_swapped != swapped) {
        emit_ucomi(l, insn, swapped, false);
        l->flags_of = v;
        l->flags_at = l->e.flags_written;
        l->flags_swapped = swapped;
    }
    return (enum x86_cc)(fcmp_conditions[cond >> 1].cc ^ (int)(cond & 1));
}

/* The order that the first condition will want. */
static bool first_order(const struct lower *l)
{
    for (unsigned v = l->now + 1; v < l->block->count; v++)
        if (insn_at(l, v)->op == IR_cond && insn_at(l, v)->arg[0] == l->now)
            return fcmp_conditions[insn_at(l, v)->imm >> 1].swapped;
    return false;
}

/* The comparison is done here, where a NaN may trap, and once more where EFLAGS have been lost. */
static bool lower_fcmp(struct lower *l, const struct ir_insn *insn)
{
    if (insn->esz < 2 && host.level < HOST_V3)
        return false;
    if (l->w[l->now].folded) {
        l->flags_swapped = first_order(l);
        emit_ucomi(l, insn, l->flags_swapped, true);
        l->flags_of = l->now;
        l->flags_at = l->e.flags_written;
        return true;
    }
    unsigned flags = take_temp(l), other = take_temp(l);
    emit_ucomi(l, insn, false, true);
    emit_mov_imm(&l->e, flags, 0x100);
    emit_mov_imm(&l->e, other, 0x8000);
    emit_cmov(&l->e, CC_B, 32, flags, other);
    emit_mov_imm(&l->e, other, 0x4100);
    emit_cmov(&l->e, CC_E, 32, flags, other);
    emit_mov_imm(&l->e, other, 0x101);
    emit_cmov(&l->e, CC_P, 32, flags, other);
    bind_value(l, l->now, flags);
    return true;
}

/* --- signs -------------------------------------------------------------------------------------------- */

static bool lower_sign_of_halves(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    emit_v(l, V_PCMPEQD, t, t, t);
    shift_lanes(l, 1, LEFT, t, t, 15);
    emit_v(l, insn->op == IR_fneg ? V_PXOR : V_PANDN, t, t, a);
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

static bool lower_sign(struct lower *l, const struct ir_insn *insn)
{
    if (insn->esz == 1)
        return lower_sign_of_halves(l, insn);
    static const uint8_t signs[2][2] = {{JIT_SIGN_S, JIT_SIGN_D}, {JIT_SIGN_ONE_S, JIT_SIGN_ONE_D}};
    struct x86_mem sign = constant_mem((enum jit_constant)signs[insn->lanes == 1][insn->esz == 3]);
    unsigned a = use_xmm(l, insn->arg[0]), reg;
    if (insn->op == IR_fneg) {
        reg = result_xmm(l);
        emit_v_mem(l, V_PXOR, reg, a, sign);
    } else {
        unsigned t = take_xmm(l);
        emit_v_rm(&l->e, V_MOVUPS, t, VEX_NONE, sign);
        emit_v(l, V_PANDN, t, t, a);
        reg = result_xmm(l);
        move_xmm(l, reg, t);
    }
    finish_scalar(l, insn, reg, l->w[insn->arg[0]].bytes);
    return true;
}

/* --- rounding to integers ---------------------------------------------------------------------------- */

const uint8_t fp_host_rounding[7] = {
    [FP_NEAREST] = 0, [FP_PLUS_INF] = 2, [FP_MINUS_INF] = 1, [FP_ZERO] = 3, [FP_CURRENT] = 4};

/* What is left behind the integer is doubled and truncated. */
void round_ties_away(struct lower *l, const struct ir_insn *insn, unsigned t, unsigned u, unsigned a)
{
    enum { TRUNCATE = 3, QUIET = 8 };
    static const struct fp_row add = {{V_ADDSS, V_ADDSD, V_ADDPS, V_ADDPD}}, sub = {{V_SUBSS, V_SUBSD, V_SUBPS, V_SUBPD}};
    static const struct fp_row round = {{V_ROUNDSS, V_ROUNDSD, V_ROUNDPS, V_ROUNDPD}};
    emit_trapping_unary(l, insn, op_of(insn, round), t, a);
    emit_bytes(&l->e, 1, TRUNCATE | QUIET);
    emit_trapping(l, op_of(insn, sub), u, a, t);
    emit_trapping(l, op_of(insn, add), u, u, u);
    emit_trapping_unary(l, insn, op_of(insn, round), u, u);
    emit_bytes(&l->e, 1, TRUNCATE | QUIET);
    emit_trapping(l, op_of(insn, add), t, t, u);
}

void keep_sign(struct lower *l, const struct ir_insn *insn, unsigned t, unsigned u, unsigned a)
{
    emit_v_mem(l, V_PAND, u, a, constant_mem(insn->esz == 3 ? JIT_SIGN_D : JIT_SIGN_S));
    shift_lanes(l, insn->esz, LEFT, t, t, 1);
    shift_lanes(l, insn->esz, RIGHT, t, t, 1);
    emit_v(l, V_POR, t, t, u);
}

/* FRINT*: without FRINTX the inexact result raises nothing (bit 3). */
static bool lower_round(struct lower *l, const struct ir_insn *insn)
{
    static const struct fp_row row = {{V_ROUNDSS, V_ROUNDSD, V_ROUNDPS, V_ROUNDPD}};
    unsigned rounding = (unsigned)insn->imm & 7, exact = (unsigned)insn->imm >> 3;
    if (!is_shape(insn) || rounding == FP_ODD)
        return false;
    unsigned a = operand(l, insn, 0), t = take_xmm(l);
    if (rounding == FP_TIEAWAY) {
        unsigned u = take_xmm(l);
        round_ties_away(l, insn, t, u, a);
        keep_sign(l, insn, t, u, a);
        unsigned reg = result_xmm(l);
        move_xmm(l, reg, t);
        finish_scalar(l, insn, reg, 16);
        return true;
    }
    emit_trapping_unary(l, insn, op_of(insn, row), t, a);
    emit_bytes(&l->e, 1, fp_host_rounding[rounding] | (exact ? 0 : 8));
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_scalar(l, insn, reg, l->w[insn->arg[0]].bytes);
    return true;
}

/* --- before a block's first operation ----------------------------------------------------------------- */

/* Leaves, to run the instruction by its functions, where FPCR asks for flushing to zero, default NaNs and the like. */
static void check_fpcr(struct lower *l)
{
    if (l->fp_checked)
        return;
    l->fp_checked = true;
    emit_mi32(&l->e, X86_CMP, CPU_FIELD(fp_host), 0);
    emit_leave_where(l, CC_E, l->pc, JIT_REPEAT);
}

static bool lower_operation(struct lower *l, const struct ir_insn *insn)
{
    static const struct fp_row add = {{V_ADDSS, V_ADDSD, V_ADDPS, V_ADDPD}}, sub = {{V_SUBSS, V_SUBSD, V_SUBPS, V_SUBPD}};
    static const struct fp_row mul = {{V_MULSS, V_MULSD, V_MULPS, V_MULPD}}, div = {{V_DIVSS, V_DIVSD, V_DIVPS, V_DIVPD}};
    switch ((enum ir_op)insn->op) {
    case IR_fadd:
        return lower_arithmetic(l, insn, add);
    case IR_fsub:
        return lower_arithmetic(l, insn, sub);
    case IR_fmul:
    case IR_fmulx: /* which differs where it is invalid */
        return lower_arithmetic(l, insn, mul);
    case IR_fdiv:
        return lower_arithmetic(l, insn, div);
    case IR_fsqrt:
        return lower_sqrt(l, insn);
    case IR_fmuladd:
        return lower_fma(l, insn);
    case IR_frecps:
        return lower_reciprocal_step(l, insn);
    case IR_frsqrts:
        return lower_rsqrt_step(l, insn);
    case IR_fmax:
    case IR_fmaxnm:
        return lower_extreme(l, insn, true);
    case IR_fmin:
    case IR_fminnm:
        return lower_extreme(l, insn, false);
    case IR_fcm:
        return lower_mask(l, insn);
    case IR_fcmp:
        return lower_fcmp(l, insn);
    case IR_frint:
        return lower_round(l, insn);
    case IR_fmlal:
        return lower_half_products(l, insn);
    default:
        return lower_conversion(l, insn);
    }
}

bool looks_at_fpcr(const struct ir_insn *insn)
{
    bool narrows = insn->op == IR_vsqshrn || insn->op == IR_vuqshrn || insn->op == IR_vsqshrun; /* FPSR alone */
    return ir_is_sign((enum ir_op)insn->op) || (ir_ops[insn->op].flags & IR_FPCR && !narrows);
}

void lower_check_fpcr(struct lower *l, const struct ir_insn *insn)
{
    if (looks_at_fpcr(insn))
        check_fpcr(l);
}

bool lower_float(struct lower *l, const struct ir_insn *insn)
{
    if (ir_is_sign((enum ir_op)insn->op))
        return lower_sign(l, insn);
    if (!(ir_ops[insn->op].flags & IR_FPCR) || (l->careful && jit_traps_often(l->pc)))
        return false;
    return (insn->esz == 1 && lower_half(l, insn)) || lower_operation(l, insn);
}
