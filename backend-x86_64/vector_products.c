/* Vectors of integers: dot products, doubled products that are added (FEAT_RDM), polynomial products. */
#include "lower.h"

/* --- dot products of bytes ------------------------------------------------------------------------------- */

/* The host multiplies unsigned bytes by signed ones. Others have their top bits turned over, which adds or takes away 128
 * times the sum of what they are multiplied by. */
static bool lower_dot_at_once(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use_xmm(l, insn->arg[1]), b = use_xmm(l, insn->arg[2]), t = take_xmm(l), x = take_xmm(l);
    struct x86_mem top = constant_mem(JIT_SIGN_B);
    clear_xmm(l, t);
    if (insn->op == IR_vusdot) {
        emit_v(l, V_PDPBUSD, t, a, b);
    } else if (insn->op == IR_vudot) {
        emit_v_mem(l, V_PXOR, x, b, top);
        emit_v(l, V_PDPBUSD, t, a, x);
        clear_xmm(l, x);
        emit_v_rm(&l->e, V_PDPBUSD, x, a, top);
    } else {
        emit_v_mem(l, V_PXOR, x, a, top);
        emit_v(l, V_PDPBUSD, t, x, b);
        if (a != b)
            leave_xmm(l, a);
        unsigned y = take_xmm(l);
        emit_v_rm(&l->e, V_MOVUPS, y, VEX_NONE, top);
        clear_xmm(l, x);
        emit_v(l, V_PDPBUSD, x, y, b);
        leave_xmm(l, y);
    }
    if (insn->op != IR_vusdot)
        emit_v(l, V_PSUBD, t, t, x);
    leave_xmm(l, x);
    unsigned sum = use_xmm(l, insn->arg[0]); /* last: it is what comes late in a loop */
    emit_v(l, V_PADDD, t, t, sum);
    leave_xmm(l, sum);
    finish_from(l, insn, t);
    return true;
}

/* t = the even or odd bytes of each halfword of a, as numbers. */
static void bytes_of_halves(struct lower *l, unsigned t, unsigned a, bool odd, bool is_signed)
{
    if (!odd)
        shift_lanes(l, 1, LEFT, t, a, 8);
    shift_lanes(l, 1, is_signed ? ARITHMETIC : RIGHT, t, odd ? a : t, 8);
}

/* PMADDWD adds the products of two neighbours: of the even bytes, then of the odd ones. */
static bool lower_dot(struct lower *l, const struct ir_insn *insn)
{
    bool a_signed = insn->op == IR_vsdot, b_signed = insn->op != IR_vudot;
    if (host.vnni)
        return lower_dot_at_once(l, insn);
    unsigned a = use_xmm(l, insn->arg[1]), b = use_xmm(l, insn->arg[2]), t = take_xmm(l), u = take_xmm(l);
    bytes_of_halves(l, t, a, false, a_signed);
    bytes_of_halves(l, u, b, false, b_signed);
    emit_v(l, V_PMADDWD, t, t, u);
    bytes_of_halves(l, u, a, true, a_signed);
    if (a != b)
        leave_xmm(l, a);
    unsigned v = take_xmm(l);
    bytes_of_halves(l, v, b, true, b_signed);
    leave_xmm(l, b);
    emit_v(l, V_PMADDWD, u, u, v);
    leave_xmm(l, v);
    emit_v(l, V_PADDD, t, t, u);
    leave_xmm(l, u);
    unsigned sum = use_xmm(l, insn->arg[0]);
    emit_v(l, V_PADDD, t, t, sum);
    leave_xmm(l, sum);
    finish_from(l, insn, t);
    return true;
}

/* --- a + 2bc or a - 2bc, its upper half, rounded ----------------------------------------------------------- */

/* Half of everything, so that no sum is too great: bc +- (a << bits - 1) + (1 << bits - 2), shifted right by bits - 1.
 * There is no 1 << bits - 1 to multiply a by, but its negative. Halfwords: for a sum ~a, which is -a - 1, is multiplied by
 * that and the rounding made up for it; for a difference bc - (a << 15) is computed, and taken from the rounding. */
static bool lower_rounded_halves(struct lower *l, const struct ir_insn *insn)
{
    bool adds = insn->op == IR_vsqrdmlah;
    unsigned bytes = bytes_of(insn);
    unsigned b = use_xmm(l, insn->arg[1]), a = use_xmm(l, insn->arg[0]), free = free_xmms(l), c = use_xmm(l, insn->arg[2]);
    if (free < 4) /* with c's, which is read first */
        return false;
    unsigned k = take_xmm(l), u = take_xmm(l);
    all_ones(l, k);
    shift_lanes(l, 1, LEFT, k, k, 15);
    emit_v(l, V_PUNPCKLWD, u, c, k);
    emit_v(l, V_PUNPCKHWD, k, k, c);
    if (c != a && c != b)
        leave_xmm(l, c);
    unsigned n = take_xmm(l), t = take_xmm(l);
    if (adds) {
        all_ones(l, n);
        emit_v(l, V_PXOR, n, n, a);
    } else {
        move_xmm(l, n, a);
    }
    emit_v(l, V_PUNPCKLWD, t, b, n);
    emit_v(l, V_PUNPCKHWD, n, n, b);
    emit_v(l, V_PMADDWD, t, t, u);
    emit_v(l, V_PMADDWD, u, n, k);
    leave_xmm(l, n);
    all_ones(l, k);
    if (adds) {
        shift_lanes(l, 2, LEFT, k, k, 14);
        emit_v(l, V_PADDD, t, t, k);
        emit_v(l, V_PADDD, u, u, k);
    } else {
        shift_lanes(l, 2, LEFT, k, k, 31);
        shift_lanes(l, 2, RIGHT, k, k, 17);
        emit_v(l, V_PSUBD, t, k, t);
        emit_v(l, V_PSUBD, u, k, u);
    }
    shift_lanes(l, 2, ARITHMETIC, t, t, 15);
    shift_lanes(l, 2, ARITHMETIC, u, u, 15);
    n = take_xmm(l);
    emit_v(l, V_PACKSSDW, n, t, u);
    emit_v_unary(l, V_PMOVSXWD, k, n); /* what isn't the same when it is widened again */
    emit_v(l, V_PXOR, t, t, k);
    emit_v_unary(l, V_PSHUFD, k, n);
    emit_bytes(&l->e, 1, 0xee);
    emit_v_unary(l, V_PMOVSXWD, k, k);
    emit_v(l, V_PXOR, u, u, k);
    emit_v(l, V_PACKSSDW, t, t, u);
    set_qc_unless_zero(l, t, bytes);
    leave_xmm(l, t);
    finish_from(l, insn, n);
    return true;
}

static void emit_saturated_words(struct lower *l, unsigned to, unsigned from)
{
    emit_v_rr(&l->e, V_PMOVSQD, from, VEX_NONE, to);
}

/* Words: the even or odd ones, in the low half of the result; above are lanes that aren't zero where it saturates. */
static unsigned rounded_words(struct lower *l, bool adds, bool odd, unsigned a, unsigned b, unsigned c)
{
    unsigned t = take_xmm(l), u = take_xmm(l), v = take_xmm(l);
    if (odd) {
        shift_lanes(l, 3, RIGHT, t, b, 32);
        shift_lanes(l, 3, RIGHT, u, c, 32);
        emit_v(l, V_PMULDQ, t, t, u);
        shift_lanes(l, 3, RIGHT, u, a, 32);
    } else {
        emit_v(l, V_PMULDQ, t, b, c);
        move_xmm(l, u, a);
    }
    all_ones(l, v);
    shift_lanes(l, 2, LEFT, v, v, 31);
    emit_v(l, V_PMULDQ, u, u, v);
    emit_v(l, adds ? V_PSUBQ : V_PADDQ, t, t, u);
    all_ones(l, v);
    shift_lanes(l, 3, RIGHT, v, v, 63);
    shift_lanes(l, 3, LEFT, v, v, 30);
    emit_v(l, adds ? V_PADDQ : V_PSUBQ, t, v, t);
    shift_lanes(l, 3, ARITHMETIC, t, t, 31);
    emit_saturated_words(l, u, t);
    emit_v_unary(l, V_PMOVSXDQ, v, u);
    emit_v(l, V_PXOR, v, v, t);
    emit_saturated_words(l, v, v);
    emit_v(l, V_PUNPCKLQDQ, t, u, v);
    leave_xmm(l, u);
    leave_xmm(l, v);
    return t;
}

static bool lower_rounded_words(struct lower *l, const struct ir_insn *insn)
{
    bool adds = insn->op == IR_vsqrdmlah;
    if (host.level < HOST_V4)
        return false;
    unsigned b = use_xmm(l, insn->arg[1]), c = use_xmm(l, insn->arg[2]), a = use_xmm(l, insn->arg[0]);
    if (free_xmms(l) < 4)
        return false;
    unsigned even = rounded_words(l, adds, false, a, b, c), odd = rounded_words(l, adds, true, a, b, c), t = take_xmm(l);
    emit_v(l, V_PUNPCKHDQ, t, even, odd);
    emit_v(l, V_PUNPCKLDQ, even, even, odd);
    leave_xmm(l, odd);
    set_qc_unless_zero(l, t, bytes_of(insn));
    leave_xmm(l, t);
    finish_from(l, insn, even);
    return true;
}

/* --- polynomials over {0, 1} -------------------------------------------------------------------------------- */

static bool is_widened_byte(const struct lower *l, unsigned v)
{
    return insn_at(l, v)->op == IR_vuxtl && insn_at(l, v)->esz == 1;
}

/* Products of bytes, also as halfwords: by b's bits from the top down, what there is is doubled, and a added. */
static bool lower_polynomial(struct lower *l, const struct ir_insn *insn)
{
    bool wide = insn->esz == 1;
    enum x86_vop add = wide ? V_PADDW : V_PADDB;
    if (insn->esz > 1 || (wide && !(is_widened_byte(l, insn->arg[0]) && is_widened_byte(l, insn->arg[1]))))
        return false;
    unsigned b = use_xmm(l, insn->arg[1]), bits = take_xmm(l);
    if (wide)
        shift_lanes(l, 1, LEFT, bits, b, 8);
    else
        move_xmm(l, bits, b);
    leave_xmm(l, b);
    unsigned a = use_xmm(l, insn->arg[0]), sum = take_xmm(l), mask = take_xmm(l);
    for (unsigned i = 0; i < 8; i++) {
        clear_xmm(l, mask);
        emit_v(l, wide ? V_PCMPGTW : V_PCMPGTB, mask, mask, bits);
        emit_v(l, V_PAND, mask, mask, a);
        if (i)
            emit_v(l, add, sum, sum, sum);
        else
            clear_xmm(l, sum);
        emit_v(l, V_PXOR, sum, sum, mask);
        if (i < 7)
            emit_v(l, add, bits, bits, bits);
    }
    leave_xmm(l, mask);
    finish_from(l, insn, sum);
    return true;
}

bool lower_product(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_vsdot:
    case IR_vudot:
    case IR_vusdot:
        return lower_dot(l, insn);
    case IR_vsqrdmlah:
    case IR_vsqrdmlsh:
        return insn->esz == 1 ? lower_rounded_halves(l, insn) : lower_rounded_words(l, insn);
    case IR_vclmul:
        return lower_polynomial(l, insn);
    default:
        return false;
    }
}
