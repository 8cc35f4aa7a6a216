/* Vectors of integers that saturate: the host's saturating operations, with FPSR.QC; halving. */
#include "lower.h"

/* --- what they share ---------------------------------------------------------------------------------- */

/* FPSR.QC, unless the register is zero within `bytes`. Both ways are fast: pixels and samples are often clipped. */
void set_qc_unless_zero(struct lower *l, unsigned reg, unsigned bytes)
{
    if (bytes < 16)
        zero_above(l, reg, bytes);
    emit_v_rr(&l->e, V_PTEST, reg, VEX_NONE, reg);
    uint8_t *zero = emit_jcc(&l->e, CC_E);
    emit_mi32(&l->e, X86_OR, CPU_FIELD(fpsr), FPSR_QC);
    if (!l->e.full)
        emit_patch(zero, l->e.at);
    l->e.flags_written++;
}

static void ones(struct lower *l, unsigned reg) { emit_v(l, V_PCMPEQD, reg, reg, reg); }

/* The lowest or highest number of signed lanes of 2, 4 bytes: only the top bit, or all bits but the upper half. */
static void top_bits(struct lower *l, unsigned esz, unsigned reg)
{
    ones(l, reg);
    shift_lanes(l, esz, LEFT, reg, reg, (8u << esz) - 1);
}

static void top_bits_of_bytes(struct lower *l, unsigned reg)
{
    unsigned k = take_temp(l);
    emit_mov_imm(&l->e, k, 0x8080808080808080);
    emit_v_rr(&l->e, V_MOVQ_TO_X, reg, VEX_NONE, k);
    emit_v(l, V_PUNPCKLQDQ, reg, reg, reg);
}

void finish_from(struct lower *l, const struct ir_insn *insn, unsigned t)
{
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_vector(l, reg, bytes_of(insn));
}

/* --- sums and differences ----------------------------------------------------------------------------- */

/* Lanes of 1 and 2 bytes. Saturated is what differs from the sum modulo the lane's size. */
static bool lower_short_sum(struct lower *l, const struct ir_insn *insn)
{
    static const struct {
        uint16_t op;
        uint8_t saturating[2], modular[2];
    } rows[] = {
        {IR_vsqadd, {V_PADDSB, V_PADDSW}, {V_PADDB, V_PADDW}},
        {IR_vuqadd, {V_PADDUSB, V_PADDUSW}, {V_PADDB, V_PADDW}},
        {IR_vsqsub, {V_PSUBSB, V_PSUBSW}, {V_PSUBB, V_PSUBW}},
        {IR_vuqsub, {V_PSUBUSB, V_PSUBUSW}, {V_PSUBB, V_PSUBW}},
    };
    unsigned row = 0, esz = insn->esz;
    while (rows[row].op != insn->op)
        row++;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), u = take_xmm(l);
    emit_v(l, (enum x86_vop)rows[row].saturating[esz], t, a, b);
    emit_v(l, (enum x86_vop)rows[row].modular[esz], u, a, b);
    emit_v(l, V_PXOR, u, u, t);
    set_qc_unless_zero(l, u, bytes_of(insn));
    leave_xmm(l, u);
    finish_from(l, insn, t);
    return true;
}

/* Where u is negative the sum t has the wrong sign, and becomes the limit on the other side. */
static void limit_signed(struct lower *l, const struct ir_insn *insn, unsigned t, unsigned u)
{
    unsigned esz = insn->esz, bits = 8u << esz, v = take_xmm(l);
    shift_lanes(l, esz, ARITHMETIC, u, u, bits - 1);
    shift_lanes(l, esz, ARITHMETIC, v, t, bits - 1);
    emit_v_mem(l, V_PXOR, v, v, constant_mem(esz == 3 ? JIT_SIGN_D : JIT_SIGN_S));
    emit_v(l, V_PXOR, v, v, t);
    emit_v(l, V_PAND, v, v, u);
    emit_v(l, V_PXOR, t, t, v);
    leave_xmm(l, v);
    set_qc_unless_zero(l, u, bytes_of(insn));
}

/* u = all ones where a sum t of unsigned numbers is below summand a, or the minuend a below the subtrahend b; there t
 * becomes all ones, or zero. */
static void limit_unsigned(struct lower *l, const struct ir_insn *insn, bool adds, unsigned t, unsigned u, unsigned a,
                           unsigned b)
{
    static const uint8_t max[2] = {V_PMAXUD, V_PMAXUQ}, equal[2] = {V_PCMPEQD, V_PCMPEQQ};
    unsigned longer = insn->esz - 2u;
    emit_v(l, (enum x86_vop)max[longer], u, adds ? t : a, adds ? a : b);
    emit_v(l, V_PXOR, u, u, adds ? t : a);
    unsigned v = take_xmm(l);
    clear_xmm(l, v);
    emit_v(l, (enum x86_vop)equal[longer], u, u, v);
    if (!adds)
        emit_v(l, V_PAND, t, t, u);
    ones(l, v);
    emit_v(l, V_PXOR, u, u, v);
    if (adds)
        emit_v(l, V_POR, t, t, u);
    leave_xmm(l, v);
    set_qc_unless_zero(l, u, bytes_of(insn));
}

/* u is negative where the sum t of a and b has not the sign that both have; or the difference not a's, when b has
 * another. */
static void find_wrong_signs(struct lower *l, bool adds, unsigned t, unsigned u, unsigned a, unsigned b)
{
    unsigned v = take_xmm(l);
    emit_v(l, V_PXOR, u, a, adds ? t : b);
    emit_v(l, V_PXOR, v, adds ? b : a, t);
    emit_v(l, V_PAND, u, u, v);
    leave_xmm(l, v);
}

/* Lanes of 4 and 8 bytes. */
static bool lower_long_sum(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t add[2] = {V_PADDD, V_PADDQ}, sub[2] = {V_PSUBD, V_PSUBQ};
    unsigned longer = insn->esz - 2u;
    bool is_signed = insn->op == IR_vsqadd || insn->op == IR_vsqsub;
    bool adds = insn->op == IR_vsqadd || insn->op == IR_vuqadd;
    if (longer && host.level < HOST_V4)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]);
    if (free_xmms(l) < 3)
        return false;
    unsigned t = take_xmm(l), u = take_xmm(l);
    emit_v(l, (enum x86_vop)(adds ? add : sub)[longer], t, a, b);
    if (is_signed) {
        find_wrong_signs(l, adds, t, u, a, b);
        limit_signed(l, insn, t, u);
    } else {
        limit_unsigned(l, insn, adds, t, u, a, b);
    }
    leave_xmm(l, u);
    finish_from(l, insn, t);
    return true;
}

static void top_bits_of(struct lower *l, unsigned esz, unsigned reg)
{
    esz ? top_bits(l, esz, reg) : top_bits_of_bytes(l, reg);
}

/* Words and double words, in the same way. */
static bool lower_mixed_long_sum(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t add[2] = {V_PADDD, V_PADDQ};
    unsigned longer = insn->esz - 2u;
    struct x86_mem top = constant_mem(longer ? JIT_SIGN_D : JIT_SIGN_S);
    if (longer && host.level < HOST_V4)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), turned = take_xmm(l);
    emit_v_mem(l, V_PXOR, turned, a, top);
    leave_xmm(l, a);
    unsigned b = use_xmm(l, insn->arg[1]);
    if (free_xmms(l) < 2)
        return false;
    unsigned t = take_xmm(l);
    emit_v(l, (enum x86_vop)add[longer], t, turned, b);
    if (insn->op == IR_vsuqadd) {
        limit_unsigned(l, insn, true, t, turned, b, b);
    } else {
        find_wrong_signs(l, true, t, turned, turned, b);
        leave_xmm(l, b);
        limit_signed(l, insn, t, turned);
    }
    leave_xmm(l, turned);
    emit_v_mem(l, V_PXOR, t, t, top);
    finish_from(l, insn, t);
    return true;
}

/* Bytes and halfwords, one operand signed, the other not: with its top bits turned over, the first is a number of the
 * other's kind. */
static bool lower_mixed_sum(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t saturating[2][2] = {{V_PADDUSB, V_PADDUSW}, {V_PADDSB, V_PADDSW}};
    static const uint8_t modular[2] = {V_PADDB, V_PADDW};
    unsigned esz = insn->esz;
    if (esz > 1)
        return lower_mixed_long_sum(l, insn);
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), u = take_xmm(l);
    top_bits_of(l, esz, t);
    emit_v(l, V_PXOR, t, t, a);
    if (a != b)
        leave_xmm(l, a);
    emit_v(l, (enum x86_vop)modular[esz], u, t, b);
    emit_v(l, (enum x86_vop)saturating[insn->op == IR_vusqadd][esz], t, t, b);
    leave_xmm(l, b);
    emit_v(l, V_PXOR, u, u, t);
    set_qc_unless_zero(l, u, bytes_of(insn));
    top_bits_of(l, esz, u);
    emit_v(l, V_PXOR, t, t, u);
    leave_xmm(l, u);
    finish_from(l, insn, t);
    return true;
}

/* t is done but for the lanes where it is the least number, which stands for one beyond the greatest. */
static void finish_but_least(struct lower *l, const struct ir_insn *insn, unsigned t)
{
    static const uint8_t equal[4] = {V_PCMPEQB, V_PCMPEQW, V_PCMPEQD, V_PCMPEQQ};
    unsigned u = take_xmm(l);
    top_bits_of(l, insn->esz, u);
    emit_v(l, (enum x86_vop)equal[insn->esz], u, u, t);
    emit_v(l, V_PXOR, t, t, u);
    set_qc_unless_zero(l, u, bytes_of(insn));
    leave_xmm(l, u);
    finish_from(l, insn, t);
}

static bool lower_saturating_sign(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t absolute[4] = {V_PABSB, V_PABSW, V_PABSD, V_PABSQ};
    static const uint8_t sub[4] = {V_PSUBB, V_PSUBW, V_PSUBD, V_PSUBQ};
    enum x86_vop op = (enum x86_vop)(insn->op == IR_vsqabs ? absolute : sub)[insn->esz];
    if (!emit_v_has(op, host.level, 0))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    if (insn->op == IR_vsqabs) {
        emit_v_unary(l, op, t, a);
    } else {
        clear_xmm(l, t);
        emit_v(l, op, t, t, a);
    }
    leave_xmm(l, a);
    finish_but_least(l, insn, t);
    return true;
}

/* --- narrower, doubled products ------------------------------------------------------------------------- */

/* t = a shifted right by the immediate of a narrowing, rounded or not. */
static void shift_before_narrowing(struct lower *l, const struct ir_insn *insn, unsigned t, unsigned a)
{
    static const uint8_t add[4] = {0, V_PADDW, V_PADDD, V_PADDQ};
    unsigned count = (unsigned)insn->imm & 0xff, wide = insn->esz + 1u, bits = 8u << wide;
    unsigned digit = insn->op == IR_vuqshrn ? RIGHT : ARITHMETIC;
    if (!count) {
        move_xmm(l, t, a);
        return;
    }
    if (!(insn->imm >> 8)) {
        shift_lanes(l, wide, digit, t, a, count);
        return;
    }
    unsigned round = take_xmm(l); /* the bit that is shifted out last */
    shift_lanes(l, wide, LEFT, round, a, bits - count);
    shift_lanes(l, wide, RIGHT, round, round, bits - 1);
    shift_lanes(l, wide, digit, t, a, count);
    emit_v(l, (enum x86_vop)add[wide], t, t, round);
    leave_xmm(l, round);
}

/* From double words; the host's instructions saturate, and what isn't the same when it is widened again did. */
static bool lower_narrow_words(struct lower *l, const struct ir_insn *insn)
{
    enum x86_vop narrow = insn->op == IR_vsqshrn ? V_PMOVSQD : V_PMOVUSQD;
    if (!emit_v_has(narrow, host.level, 0))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    shift_before_narrowing(l, insn, t, a);
    leave_xmm(l, a);
    unsigned u = take_xmm(l), from = t;
    if (insn->op == IR_vsqshrun) {
        clear_xmm(l, u);
        emit_v(l, V_PMAXSQ, u, u, t);
        from = u;
    }
    emit_v_rr(&l->e, narrow, from, VEX_NONE, u);
    unsigned wide = take_xmm(l);
    emit_v_unary(l, insn->op == IR_vsqshrn ? V_PMOVSXDQ : V_PMOVZXDQ, wide, u);
    emit_v(l, V_PXOR, wide, wide, t);
    set_qc_unless_zero(l, wide, 8u * insn->lanes);
    leave_xmm(l, wide);
    leave_xmm(l, t);
    finish_from(l, insn, u);
    return true;
}

/* To bytes and to halfwords; saturated is what isn't the same when it is widened again. */
static bool lower_narrow(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t signed_pack[2] = {V_PACKSSWB, V_PACKSSDW}, unsigned_pack[2] = {V_PACKUSWB, V_PACKUSDW};
    static const uint8_t widen[2] = {V_PMOVSXBW, V_PMOVSXWD}, min[2] = {V_PMINUW, V_PMINUD};
    unsigned esz = insn->esz, half = 8u << esz;
    if (esz > 1)
        return lower_narrow_words(l, insn);
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    shift_before_narrowing(l, insn, t, a);
    leave_xmm(l, a);
    if (insn->lanes == 1)
        zero_above(l, t, 2u << esz);
    unsigned u = take_xmm(l);
    if (insn->op == IR_vuqshrn) {
        ones(l, u);
        shift_lanes(l, esz + 1, RIGHT, u, u, half);
        emit_v(l, (enum x86_vop)min[esz], u, u, t);
        emit_v(l, V_PXOR, t, t, u); /* what goes beyond */
        emit_v(l, (enum x86_vop)unsigned_pack[esz], u, u, u);
        set_qc_unless_zero(l, t, 16);
        leave_xmm(l, t);
        t = u;
    } else if (insn->op == IR_vsqshrun) {
        shift_lanes(l, esz + 1, RIGHT, u, t, half);
        emit_v(l, (enum x86_vop)unsigned_pack[esz], t, t, t);
        set_qc_unless_zero(l, u, 16);
        leave_xmm(l, u);
    } else {
        move_xmm(l, u, t);
        emit_v(l, (enum x86_vop)signed_pack[esz], t, t, t);
        unsigned wide = take_xmm(l);
        emit_v_unary(l, (enum x86_vop)widen[esz], wide, t);
        emit_v(l, V_PXOR, u, u, wide);
        leave_xmm(l, wide);
        set_qc_unless_zero(l, u, 16);
        leave_xmm(l, u);
    }
    finish_from(l, insn, t);
    return true;
}

/* The high half of the doubled product: only the square of the least number is too great, and wraps to it. */
static bool lower_doubled_high_halves(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l);
    if (insn->op == IR_vsqrdmulh) {
        emit_v(l, V_PMULHRSW, t, a, b);
    } else {
        unsigned low = take_xmm(l);
        emit_v(l, V_PMULLW, low, a, b);
        emit_v(l, V_PMULHW, t, a, b);
        shift_lanes(l, 1, RIGHT, low, low, 15);
        emit_v(l, V_PADDW, t, t, t);
        emit_v(l, V_POR, t, t, low);
        leave_xmm(l, low);
    }
    leave_xmm(l, a);
    leave_xmm(l, b);
    finish_but_least(l, insn, t);
    return true;
}

/* Words: the products of the odd ones, and of the even ones, in 64 bits. */
static bool lower_doubled_high_words(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), u = take_xmm(l);
    shift_lanes(l, 3, RIGHT, t, a, 32);
    shift_lanes(l, 3, RIGHT, u, b, 32);
    emit_v(l, V_PMULDQ, t, t, u);
    emit_v(l, V_PMULDQ, u, a, b);
    leave_xmm(l, a);
    if (a != b)
        leave_xmm(l, b);
    if (insn->op == IR_vsqrdmulh) {
        unsigned half = take_xmm(l);
        ones(l, half);
        shift_lanes(l, 3, RIGHT, half, half, 63);
        shift_lanes(l, 3, LEFT, half, half, 30);
        emit_v(l, V_PADDQ, t, t, half);
        emit_v(l, V_PADDQ, u, u, half);
        leave_xmm(l, half);
    }
    shift_lanes(l, 3, RIGHT, t, t, 31);
    shift_lanes(l, 3, LEFT, t, t, 32);
    shift_lanes(l, 3, LEFT, u, u, 1);
    shift_lanes(l, 3, RIGHT, u, u, 32);
    emit_v(l, V_POR, t, t, u);
    leave_xmm(l, u);
    finish_but_least(l, insn, t);
    return true;
}

/* The doubled product of halfwords, or words, that were widened. */
static bool lower_doubled(struct lower *l, const struct ir_insn *insn)
{
    const struct ir_insn *x = insn_at(l, insn->arg[0]), *y = insn_at(l, insn->arg[1]);
    unsigned esz = insn->esz;
    if (x->op != IR_vsxtl || y->op != IR_vsxtl || x->esz != esz || y->esz != esz)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l);
    emit_v(l, esz == 3 ? V_PMULDQ : V_PMULLD, t, a, b);
    emit_v(l, esz == 3 ? V_PADDQ : V_PADDD, t, t, t);
    finish_but_least(l, insn, t);
    return true;
}

/* --- halving -------------------------------------------------------------------------------- */

/* a | b is (a + b + 1) / 2 plus half of what differs, a ^ b; what differs less twice ~a & b is a - b. */
static bool lower_average_of_words(struct lower *l, const struct ir_insn *insn)
{
    bool subtracts = insn->op == IR_vshsub || insn->op == IR_vuhsub;
    bool is_signed = insn->op == IR_vsrhadd || insn->op == IR_vshsub;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), u = take_xmm(l);
    if (insn->esz == 3)
        return false;
    emit_v(l, V_PXOR, t, a, b);
    shift_lanes(l, insn->esz, is_signed ? ARITHMETIC : RIGHT, t, t, 1);
    emit_v(l, subtracts ? V_PANDN : V_POR, u, a, b);
    unsigned from = subtracts ? t : u, less = subtracts ? u : t;
    emit_v(l, insn->esz == 1 ? V_PSUBW : V_PSUBD, from, from, less);
    leave_xmm(l, less);
    finish_from(l, insn, from);
    return true;
}

/* PAVG is (a + b + 1) / 2 of unsigned numbers. Signed ones are made unsigned by their top bits; for a difference
 * (a - b) / 2 + 128 is the average of a and ~b. */
static bool lower_average(struct lower *l, const struct ir_insn *insn)
{
    bool subtracts = insn->op == IR_vshsub || insn->op == IR_vuhsub;
    bool is_signed = insn->op == IR_vsrhadd || insn->op == IR_vshsub;
    unsigned esz = insn->esz;
    if (esz > 1)
        return lower_average_of_words(l, insn);
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), top = take_xmm(l), t = take_xmm(l);
    esz ? top_bits(l, 1, top) : top_bits_of_bytes(l, top);
    if (subtracts) {
        ones(l, t);
        emit_v(l, V_PXOR, t, t, b);
        if (is_signed)
            emit_v(l, V_PXOR, t, t, top);
    } else {
        emit_v(l, V_PXOR, t, b, top);
    }
    leave_xmm(l, b);
    if (is_signed) {
        unsigned u = take_xmm(l);
        emit_v(l, V_PXOR, u, a, top);
        emit_v(l, esz ? V_PAVGW : V_PAVGB, t, t, u);
        leave_xmm(l, u);
    } else {
        emit_v(l, esz ? V_PAVGW : V_PAVGB, t, t, a);
    }
    emit_v(l, V_PXOR, t, t, top);
    leave_xmm(l, top);
    finish_from(l, insn, t);
    return true;
}

/* Bytes, halved without rounding: the rounded average of the inverted numbers, inverted; for signed ones all but the top
 * bit is inverted. */
static bool lower_halving_bytes(struct lower *l, const struct ir_insn *insn)
{
    if (insn->esz != 0)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), mask = take_xmm(l), t = take_xmm(l);
    if (insn->op == IR_vuhadd) {
        ones(l, mask);
    } else {
        top_bits_of_bytes(l, mask);
        ones(l, t);
        emit_v(l, V_PXOR, mask, mask, t);
    }
    emit_v(l, V_PXOR, t, b, mask);
    if (a != b)
        leave_xmm(l, b);
    unsigned u = take_xmm(l);
    emit_v(l, V_PXOR, u, a, mask);
    emit_v(l, V_PAVGB, t, t, u);
    leave_xmm(l, u);
    emit_v(l, V_PXOR, t, t, mask);
    leave_xmm(l, mask);
    finish_from(l, insn, t);
    return true;
}

/* Unsigned bytes shifted right by one bit less, and halved with rounding. */
static bool lower_rounding_shift_bytes(struct lower *l, const struct ir_insn *insn)
{
    unsigned count = (unsigned)insn->imm - 1;
    if (insn->esz != 0)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l), u = take_xmm(l);
    if (count) {
        unsigned k = take_temp(l);
        shift_lanes(l, 1, RIGHT, t, a, count);
        emit_mov_imm(&l->e, k, 0x0101010101010101u * (0xffu >> count));
        emit_v_rr(&l->e, V_MOVQ_TO_X, u, VEX_NONE, k);
        emit_v(l, V_PUNPCKLQDQ, u, u, u);
        emit_v(l, V_PAND, t, t, u);
    } else {
        move_xmm(l, t, a);
    }
    clear_xmm(l, u);
    emit_v(l, V_PAVGB, t, t, u);
    leave_xmm(l, u);
    finish_from(l, insn, t);
    return true;
}

/* Left by an immediate. Saturated is what is not the same when it is shifted back; its limit has all bits but the sign's,
 * where there is one, and of a negative number none. */
static bool lower_saturating_shift(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t equal[4] = {V_PCMPEQB, V_PCMPEQW, V_PCMPEQD, V_PCMPEQQ};
    unsigned esz = insn->esz, count = (unsigned)insn->imm, bits = 8u << esz;
    bool keeps_sign = insn->op == IR_vsqshli, drops_sign = insn->op == IR_vsqshlui;
    if (esz == 0 || (insn->op != IR_vuqshli && esz == 3 && host.level < HOST_V4))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l), u = take_xmm(l), ok = take_xmm(l);
    shift_lanes(l, esz, LEFT, t, a, count);
    shift_lanes(l, esz, keeps_sign ? ARITHMETIC : RIGHT, ok, t, count);
    emit_v(l, V_PXOR, ok, ok, a);
    clear_xmm(l, u);
    emit_v(l, (enum x86_vop)equal[esz], ok, ok, u);
    if (insn->op == IR_vuqshli) {
        ones(l, u);
    } else {
        shift_lanes(l, esz, ARITHMETIC, u, a, bits - 1); /* of a negative number: all bits */
    }
    leave_xmm(l, a);
    if (drops_sign)
        emit_v(l, V_PANDN, ok, u, ok);
    emit_v(l, V_PAND, t, t, ok);
    if (keeps_sign || drops_sign) {
        unsigned limit = take_xmm(l);
        ones(l, limit);
        if (keeps_sign)
            shift_lanes(l, esz, RIGHT, limit, limit, 1);
        emit_v(l, keeps_sign ? V_PXOR : V_PANDN, u, u, limit);
        leave_xmm(l, limit);
    }
    emit_v(l, V_PANDN, u, ok, u);
    emit_v(l, V_POR, t, t, u);
    ones(l, u);
    emit_v(l, V_PXOR, ok, ok, u);
    set_qc_unless_zero(l, ok, bytes_of(insn));
    leave_xmm(l, u);
    leave_xmm(l, ok);
    finish_from(l, insn, t);
    return true;
}

bool lower_saturating(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_vsqadd:
    case IR_vuqadd:
    case IR_vsqsub:
    case IR_vuqsub:
        return insn->esz < 2 ? lower_short_sum(l, insn) : lower_long_sum(l, insn);
    case IR_vsuqadd:
    case IR_vusqadd:
        return lower_mixed_sum(l, insn);
    case IR_vsqabs:
    case IR_vsqneg:
        return lower_saturating_sign(l, insn);
    case IR_vsqshrn:
    case IR_vuqshrn:
    case IR_vsqshrun:
        return lower_narrow(l, insn);
    case IR_vsqdmulh:
    case IR_vsqrdmulh:
        return insn->esz == 1 ? lower_doubled_high_halves(l, insn) : lower_doubled_high_words(l, insn);
    case IR_vsqdmul:
        return lower_doubled(l, insn);
    case IR_vshadd:
    case IR_vuhadd:
        return lower_halving_bytes(l, insn);
    case IR_vurshri:
        return lower_rounding_shift_bytes(l, insn);
    case IR_vsrhadd:
    case IR_vurhadd: /* words; others are one instruction */
    case IR_vshsub:
    case IR_vuhsub:
        return lower_average(l, insn);
    case IR_vsqshli:
    case IR_vuqshli:
    case IR_vsqshlui:
        return lower_saturating_shift(l, insn);
    default:
        return lower_product(l, insn);
    }
}
