/* Halves: computed as singles and rounded to halves. Twice rounded is as good as once, because a single has more than two
 * bits for each of a half's, and two: for sums, products, quotients and square roots, and what is tiny among them. The
 * fused sum is computed as doubles, where it is exact or too far from anything that decides a half's rounding; a double
 * becomes a single by rounding to odd. */
#include "float.h"

static void halves_in_memory_to_singles(struct lower *l, unsigned t, struct x86_mem mem, unsigned lanes, bool high)
{
    mem.displacement += high ? 8 : 0;
    if (lanes == 1) {
        unsigned k = take_temp(l);
        emit_rm(&l->e, X86_MOVZX16, 32, k, mem);
        emit_v_rr(&l->e, V_MOVD_TO_X, t, VEX_NONE, k);
        leave_temp(l, k);
        note_fault_site(l);
        emit_v_rr(&l->e, V_CVTPH2PS, t, VEX_NONE, t);
    } else {
        note_fault_site(l);
        emit_v_rm(&l->e, V_CVTPH2PS, t, VEX_NONE, mem);
    }
}

void halves_to_singles(struct lower *l, unsigned t, unsigned v, unsigned lanes, bool high)
{
    if (is_in_memory_only(l, v)) {
        halves_in_memory_to_singles(l, t, memory_of(l, v), lanes, high);
        return;
    }
    unsigned a = use_xmm(l, v);
    if (high) {
        emit_v_unary(l, V_PSHUFD, t, a);
        emit_bytes(&l->e, 1, 0xee);
        a = t;
    } else if (lanes == 1 && l->w[v].bytes > 2) {
        emit_v_mem(l, V_PAND, t, a, constant_mem(JIT_LOW_2));
        a = t;
    }
    note_fault_site(l);
    emit_v_rr(&l->e, V_CVTPH2PS, t, VEX_NONE, a);
}

void singles_to_halves(struct lower *l, unsigned t, unsigned a)
{
    enum { BY_MXCSR = 4 };
    note_fault_site(l);
    emit_v_rr(&l->e, V_CVTPS2PH, a, VEX_NONE, t);
    emit_bytes(&l->e, 1, BY_MXCSR);
}

/* --- four singles at a time ------------------------------------------------------------------------------- */

/* The operation's shape with singles: one, or four. */
static struct ir_insn singles_of(const struct ir_insn *insn)
{
    return (struct ir_insn){.lanes = insn->lanes == 1 ? 1 : 4, .esz = 2};
}

/* An operation, and whether its operands were put into cpu->args to free their registers. */
struct halves {
    const struct ir_insn *insn;
    bool put;
};

/* t = the low or high half of operand `index`. */
static void half_operand(struct lower *l, const struct halves *h, unsigned t, unsigned index, bool high)
{
    if (h->put)
        halves_in_memory_to_singles(l, t, CPU_FIELD(args[index]), h->insn->lanes, high);
    else
        halves_to_singles(l, t, h->insn->arg[index], h->insn->lanes, high);
}

static const struct fp_row *row_of(enum ir_op op)
{
    static const struct fp_row add = {{V_ADDSS, 0, V_ADDPS, 0}}, sub = {{V_SUBSS, 0, V_SUBPS, 0}};
    static const struct fp_row mul = {{V_MULSS, 0, V_MULPS, 0}}, div = {{V_DIVSS, 0, V_DIVPS, 0}};
    static const struct fp_row max = {{V_MAXSS, 0, V_MAXPS, 0}}, min = {{V_MINSS, 0, V_MINPS, 0}};
    static const struct fp_row sqrt = {{V_SQRTSS, 0, V_SQRTPS, 0}}, round = {{V_ROUNDSS, 0, V_ROUNDPS, 0}};
    static const struct fp_row compare = {{V_CMPSS, 0, V_CMPPS, 0}};
    switch (op) {
    case IR_fadd:
        return &add;
    case IR_fsub:
        return &sub;
    case IR_fmul:
    case IR_fmulx: /* which differs where it is invalid */
    case IR_fmuladd:
        return &mul;
    case IR_fdiv:
        return &div;
    case IR_fmax:
    case IR_fmaxnm:
        return &max;
    case IR_fmin:
    case IR_fminnm:
        return &min;
    case IR_fsqrt:
        return &sqrt;
    case IR_frint:
        return &round;
    case IR_fcm:
        return &compare;
    default:
        return NULL;
    }
}

static void arithmetic(struct lower *l, const struct halves *h, unsigned t, bool high)
{
    const struct ir_insn *insn = h->insn;
    struct ir_insn singles = singles_of(insn);
    unsigned u = take_xmm(l);
    half_operand(l, h, t, 0, high);
    half_operand(l, h, u, 1, high);
    emit_trapping(l, op_of(&singles, *row_of(insn->op)), t, t, u);
    leave_xmm(l, u);
}

/* Both orders differ for zeros of both signs only, as in float.c. */
static void extreme(struct lower *l, const struct halves *h, unsigned t, bool high)
{
    const struct ir_insn *insn = h->insn;
    struct ir_insn singles = singles_of(insn);
    enum x86_vop op = op_of(&singles, *row_of(insn->op));
    unsigned u = take_xmm(l), v = take_xmm(l);
    half_operand(l, h, t, 0, high);
    half_operand(l, h, u, 1, high);
    emit_trapping(l, op, v, t, u);
    emit_trapping(l, op, t, u, t);
    emit_v(l, insn->op == IR_fmax || insn->op == IR_fmaxnm ? V_PAND : V_POR, t, t, v);
    leave_xmm(l, u);
    leave_xmm(l, v);
}

static void compare(struct lower *l, const struct halves *h, unsigned t, bool high)
{
    const struct ir_insn *insn = h->insn;
    static const uint8_t predicates[3] = {[FP_EQ] = 0, [FP_GE] = 2, [FP_GT] = 1}; /* equal; b <= a; b < a */
    struct ir_insn singles = singles_of(insn);
    bool swapped = insn->imm != FP_EQ;
    unsigned u = take_xmm(l);
    half_operand(l, h, t, swapped, high);
    half_operand(l, h, u, !swapped, high);
    emit_trapping(l, op_of(&singles, *row_of(insn->op)), t, t, u);
    emit_bytes(&l->e, 1, predicates[insn->imm]);
    leave_xmm(l, u);
}

static void square_root(struct lower *l, const struct halves *h, unsigned t, bool high)
{
    const struct ir_insn *insn = h->insn;
    struct ir_insn singles = singles_of(insn);
    half_operand(l, h, t, 0, high);
    emit_trapping_unary(l, &singles, op_of(&singles, *row_of(insn->op)), t, t);
}

static void round_to_integer(struct lower *l, const struct halves *h, unsigned t, bool high)
{
    const struct ir_insn *insn = h->insn;
    struct ir_insn singles = singles_of(insn);
    unsigned rounding = (unsigned)insn->imm & 7, exact = (unsigned)insn->imm >> 3;
    half_operand(l, h, t, 0, high);
    if (rounding == FP_TIEAWAY) {
        unsigned u = take_xmm(l), v = take_xmm(l);
        round_ties_away(l, &singles, u, v, t);
        keep_sign(l, &singles, u, v, t);
        move_xmm(l, t, u);
        leave_xmm(l, u);
        leave_xmm(l, v);
        return;
    }
    emit_trapping_unary(l, &singles, op_of(&singles, *row_of(insn->op)), t, t);
    emit_bytes(&l->e, 1, fp_host_rounding[rounding] | (exact ? 0 : 8));
}

static void integers_to_singles(struct lower *l, const struct halves *h, unsigned t, bool high)
{
    const struct ir_insn *insn = h->insn;
    struct ir_insn singles = singles_of(insn);
    unsigned a = use_xmm(l, insn->arg[0]), imm = (unsigned)insn->imm;
    if (high) {
        emit_v_unary(l, V_PSHUFD, t, a);
        emit_bytes(&l->e, 1, 0xee);
        a = t;
    } else if (insn->lanes == 1) {
        emit_v_mem(l, V_PAND, t, a, constant_mem(JIT_LOW_2));
        a = t;
    }
    emit_v_unary(l, fp_cvt_signed(imm) ? V_PMOVSXWD : V_PMOVZXWD, t, a);
    emit_v_unary(l, V_CVTDQ2PS, t, t);
    if (fp_cvt_fraction(imm))
        scale_down(l, &singles, 2, t, (int)fp_cvt_fraction(imm));
}

/* --- fused ------------------------------------------------------------------------------------------------- */

/* What is below the last place of a single becomes one bit in it. */
void doubles_to_odd_singles(struct lower *l, unsigned t, unsigned u)
{
    struct x86_mem sticky = constant_mem(JIT_STICKY_BITS);
    emit_v_mem(l, V_PAND, u, t, sticky);
    emit_v_mem(l, V_PADDQ, u, u, sticky);
    if (host.level >= HOST_V4) {
        emit_v_rm(&l->e, V_PTERNLOG, t, u, sticky);
        emit_bytes(&l->e, 1, 0x54); /* the first or the second operand, but not the third */
    } else {
        emit_v(l, V_POR, t, t, u);
        emit_v_rm(&l->e, V_MOVUPS, u, VEX_NONE, sticky);
        emit_v(l, V_PANDN, t, u, t);
    }
    note_fault_site(l);
    emit_v_unary(l, V_CVTPD2PS, t, t);
}

/* t = the singles that are a's low numbers plus b's, rounded to odd; a may be t, b changes. */
static void add_doubles(struct lower *l, unsigned t, unsigned a, unsigned b)
{
    emit_v_unary(l, V_CVTPS2PD, t, a);
    emit_v_unary(l, V_CVTPS2PD, b, b);
    emit_trapping(l, V_ADDPD, t, t, b);
    doubles_to_odd_singles(l, t, b);
}

/* The products are exact. */
static void fused(struct lower *l, const struct halves *h, unsigned t, bool high)
{
    const struct ir_insn *insn = h->insn;
    struct ir_insn singles = singles_of(insn);
    unsigned u = take_xmm(l), v = take_xmm(l);
    half_operand(l, h, u, 1, high);
    half_operand(l, h, v, 2, high);
    emit_trapping(l, op_of(&singles, *row_of(insn->op)), u, u, v);
    half_operand(l, h, v, 0, high);
    if (insn->lanes == 1) {
        add_doubles(l, t, v, u);
    } else {
        unsigned w = take_xmm(l);
        move_xmm(l, w, u);
        add_doubles(l, t, v, w);
        leave_xmm(l, w);
        emit_v_unary(l, V_PSHUFD, u, u);
        emit_bytes(&l->e, 1, 0xee);
        emit_v_unary(l, V_PSHUFD, v, v);
        emit_bytes(&l->e, 1, 0xee);
        add_doubles(l, v, v, u);
        emit_v(l, V_PUNPCKLQDQ, t, t, v);
    }
    leave_xmm(l, u);
    leave_xmm(l, v);
}

/* The halves of value v from element insn->imm upwards, as singles: two, or four. */
static void elements_to_singles(struct lower *l, const struct ir_insn *insn, unsigned t, unsigned v)
{
    if (insn->lanes == 4) {
        halves_to_singles(l, t, v, 4, insn->imm != 0);
        return;
    }
    unsigned a = use_xmm(l, v);
    if (insn->imm)
        shift_lanes(l, 3, BYTES_RIGHT, t, a, 4);
    else
        move_xmm(l, t, a);
    leave_xmm(l, a);
    zero_above(l, t, 4);
    note_fault_site(l);
    emit_v_rr(&l->e, V_CVTPH2PS, t, VEX_NONE, t);
}

/* FMLAL and its kin: a single plus the product of halves, which is exact. */
bool lower_half_products(struct lower *l, const struct ir_insn *insn)
{
    if (host.level < HOST_V3)
        return false;
    unsigned t = take_xmm(l), u = take_xmm(l);
    elements_to_singles(l, insn, t, insn->arg[1]);
    elements_to_singles(l, insn, u, insn->arg[2]);
    emit_trapping(l, V_MULPS, u, t, u);
    leave_xmm(l, t);
    unsigned a = operand(l, insn, 0);
    t = take_xmm(l);
    emit_trapping(l, V_ADDPS, t, a, u);
    leave_xmm(l, u);
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_scalar(l, insn, reg, 8);
    return true;
}

/* --- operations ---------------------------------------------------------------------------------------------- */

typedef void part(struct lower *l, const struct halves *h, unsigned t, bool high);

/* What computes a part of the operation in t, and how many temporaries that takes. */
static part *part_of(const struct ir_insn *insn, unsigned *temps)
{
    switch ((enum ir_op)insn->op) {
    case IR_fmax:
    case IR_fmaxnm:
    case IR_fmin:
    case IR_fminnm:
        *temps = 3;
        return extreme;
    case IR_fcm:
        *temps = 2;
        return compare;
    case IR_fsqrt:
        *temps = 1;
        return square_root;
    case IR_frint:
        *temps = 3;
        return (insn->imm & 7) == FP_ODD ? NULL : round_to_integer;
    case IR_fmuladd:
        *temps = insn->lanes == 1 ? 3 : 4;
        return fused;
    case IR_int_to_fp_lane:
        *temps = 2;
        return fp_cvt_rounding((unsigned)insn->imm) == FP_CURRENT ? integers_to_singles : NULL;
    default:
        *temps = 2;
        return row_of(insn->op) ? arithmetic : NULL;
    }
}

static void finish_part(struct lower *l, const struct ir_insn *insn, unsigned t)
{
    if (insn->op == IR_fcm)
        emit_v(l, V_PACKSSDW, t, t, t);
    else
        singles_to_halves(l, t, t);
}

/* Whether there are registers enough now: each operand is in one, in memory, or in cpu->args. */
static bool find_operands(struct lower *l, struct halves *h, unsigned temps)
{
    unsigned count = ir_ops[h->insn->op].args, regs[3];
    bool integers = h->insn->op == IR_int_to_fp_lane;
    for (unsigned i = 0; i < count; i++)
        if (!is_in_memory_only(l, h->insn->arg[i]) || integers)
            use_xmm(l, h->insn->arg[i]);
    if (free_xmms(l) >= temps || integers)
        return free_xmms(l) >= temps;
    for (unsigned i = 0; i < count; i++)
        regs[i] = use_xmm(l, h->insn->arg[i]);
    for (unsigned i = 0; i < count; i++)
        emit_v_rm(&l->e, V_STOREUPS, regs[i], VEX_NONE, CPU_FIELD(args[i]));
    for (unsigned i = 0; i < count; i++)
        leave_xmm(l, regs[i]);
    h->put = true;
    return true;
}

/* Both halves of a whole vector; the low one waits in a register or in cpu->args[3]. */
static unsigned compute_whole(struct lower *l, const struct halves *h, part *compute, unsigned temps)
{
    bool keeps = free_xmms(l) > temps;
    unsigned low = take_xmm(l), t = low;
    compute(l, h, low, false);
    finish_part(l, h->insn, low);
    if (keeps)
        t = take_xmm(l);
    else
        emit_v_rm(&l->e, V_STOREQ, low, VEX_NONE, CPU_FIELD(args[3]));
    compute(l, h, t, true);
    finish_part(l, h->insn, t);
    if (!keeps) {
        low = take_xmm(l);
        emit_v_rm(&l->e, V_MOVQ, low, VEX_NONE, CPU_FIELD(args[3]));
    }
    emit_v(l, V_PUNPCKLQDQ, t, low, t);
    leave_xmm(l, low);
    return t;
}

bool lower_half(struct lower *l, const struct ir_insn *insn)
{
    unsigned temps, t;
    part *compute = part_of(insn, &temps);
    struct halves h = {.insn = insn};
    if (!compute || host.level < HOST_V3 || may_be_tiny(insn) || !find_operands(l, &h, temps))
        return false;
    if (insn->lanes == 8) {
        t = compute_whole(l, &h, compute, temps);
    } else {
        t = take_xmm(l);
        compute(l, &h, t, false);
        finish_part(l, insn, t);
    }
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    if (insn->op == IR_fcm)
        finish_vector(l, reg, bytes_of(insn));
    l->w[l->now].bytes = (uint8_t)bytes_of(insn);
    return true;
}
