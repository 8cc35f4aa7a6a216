/* Vectors of integers: moves and lanes. */
#include "lower.h"

/* --- any register as an operand ----------------------------------------------------------------------- */

static unsigned with_form(struct lower *l, enum x86_vop op, unsigned reg)
{
    if (emit_v_has(op, host.level, reg))
        return reg;
    unsigned t = take_xmm(l);
    move_xmm(l, t, reg);
    return t;
}

void move_xmm(struct lower *l, unsigned to, unsigned from)
{
    if (to != from)
        emit_v_rr(&l->e, V_MOVAPS, to, VEX_NONE, from);
}

/* reg = op(a, b), and imm (-1: none). */
static void three(struct lower *l, enum x86_vop op, unsigned reg, unsigned a, unsigned b, int imm)
{
    unsigned to = reg;
    if (host.level >= HOST_V3) {
        a = with_form(l, op, a);
        b = with_form(l, op, b);
        if (!emit_v_has(op, host.level, reg))
            to = take_xmm(l);
        emit_v_rr(&l->e, op, to, a, b);
    } else if (reg == b && reg != a && emit_v_commutes(op)) {
        emit_v_rr(&l->e, op, reg, reg, a);
    } else {
        if (reg == b && reg != a) {
            unsigned t = take_xmm(l);
            move_xmm(l, t, b);
            b = t;
        }
        move_xmm(l, reg, a);
        emit_v_rr(&l->e, op, reg, reg, b);
    }
    if (imm >= 0)
        emit_bytes(&l->e, 1, (uint8_t)imm);
    move_xmm(l, reg, to);
}

void emit_v(struct lower *l, enum x86_vop op, unsigned reg, unsigned a, unsigned b) { three(l, op, reg, a, b, -1); }

void emit_v_imm(struct lower *l, enum x86_vop op, unsigned reg, unsigned a, unsigned b, unsigned imm)
{
    three(l, op, reg, a, b, (int)imm);
}

void emit_v_unary(struct lower *l, enum x86_vop op, unsigned reg, unsigned a)
{
    emit_v_rr(&l->e, op, reg, VEX_NONE, a);
}

void emit_v_mem(struct lower *l, enum x86_vop op, unsigned reg, unsigned a, struct x86_mem mem)
{
    if (host.level < HOST_V3)
        move_xmm(l, reg, a);
    emit_v_rm(&l->e, op, reg, a, mem);
}

void shift_lanes(struct lower *l, unsigned esz, unsigned digit, unsigned reg, unsigned a, unsigned count)
{
    if (host.level < HOST_V3)
        move_xmm(l, reg, a);
    emit_v_shift(&l->e, esz, digit, reg, a, count);
}

void rotate_lanes(struct lower *l, unsigned esz, unsigned reg, unsigned a, unsigned count)
{
    unsigned bits = 8u << esz;
    if (host.level >= HOST_V4) {
        shift_lanes(l, esz, ROTATE_RIGHT, reg, a, bits - count);
        return;
    }
    unsigned t = take_xmm(l);
    shift_lanes(l, esz, RIGHT, t, a, bits - count);
    shift_lanes(l, esz, LEFT, reg, a, count);
    emit_v(l, V_POR, reg, reg, t);
    leave_xmm(l, t);
}

void zero_above(struct lower *l, unsigned reg, unsigned bytes)
{
    if (bytes == 8)
        emit_v_unary(l, V_MOVQ, reg, reg);
    else if (bytes == 4)
        emit_v_imm(l, V_INSERTPS, reg, reg, reg, 0x0e);
    else if (bytes < 4)
        emit_v_mem(l, V_PAND, reg, reg, constant_mem(bytes == 2 ? JIT_LOW_2 : JIT_LOW_1));
}

/* The result in reg has this many bytes; what is above may be anything. */
void finish_vector(struct lower *l, unsigned reg, unsigned bytes)
{
    if (bytes < 16)
        zero_above(l, reg, bytes);
    l->w[l->now].bytes = (uint8_t)bytes;
}

void clear_xmm(struct lower *l, unsigned reg) { emit_v(l, V_PXOR, reg, reg, reg); }
void all_ones(struct lower *l, unsigned reg)
{
    if (reg < 16)
        emit_v(l, V_PCMPEQD, reg, reg, reg);
    else
        emit_v_imm(l, V_PTERNLOG, reg, reg, reg, 0xff);
}

/* --- moves between the register files ----------------------------------------------------------------- */

static void lower_umov(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t extract[4] = {V_PEXTRB, V_PEXTRW, V_PEXTRD, V_PEXTRQ};
    unsigned from = use_xmm(l, insn->arg[0]), reg = result_reg(l);
    if (insn->imm == 0 && insn->esz >= 2) {
        emit_v_rr(&l->e, insn->esz == 3 ? V_MOVQ_FROM_X : V_MOVD_FROM_X, from, VEX_NONE, reg);
        return;
    }
    emit_v_rr(&l->e, (enum x86_vop)extract[insn->esz], from, VEX_NONE, reg);
    emit_bytes(&l->e, 1, (uint8_t)insn->imm);
}

static void lower_from_int(struct lower *l, const struct ir_insn *insn)
{
    unsigned bytes = 1u << insn->esz;
    if (is_const(l, insn->arg[0]) && !const_of(l, insn->arg[0])) {
        clear_xmm(l, result_xmm(l));
    } else {
        unsigned from = use(l, insn->arg[0]);
        if (insn->esz < 2) {
            unsigned t = take_temp(l);
            emit_rr(&l->e, insn->esz ? X86_MOVZX16 : X86_MOVZX8, 32, t, from);
            from = t;
        }
        emit_v_rr(&l->e, insn->esz == 3 ? V_MOVQ_TO_X : V_MOVD_TO_X, result_xmm(l), VEX_NONE, from);
    }
    l->w[l->now].bytes = (uint8_t)bytes;
}

static void lower_pair(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = insn->arg[0], b = insn->arg[1];
    bool constant = is_const(l, a) && is_const(l, b);
    int64_t low = const_of(l, a), high = const_of(l, b);
    if (constant && (low == 0 || low == -1) && (high == low || high == 0)) {
        unsigned reg = result_xmm(l);
        low ? all_ones(l, reg) : clear_xmm(l, reg);
        if (low && !high)
            finish_vector(l, reg, 8);
        return;
    }
    unsigned ra = use(l, a);
    if (constant && high == low) {
        unsigned reg = result_xmm(l);
        emit_v_rr(&l->e, V_MOVQ_TO_X, reg, VEX_NONE, ra);
        emit_v(l, V_PUNPCKLQDQ, reg, reg, reg);
        return;
    }
    if (is_const(l, b) && high == 0) {
        emit_v_rr(&l->e, V_MOVQ_TO_X, result_xmm(l), VEX_NONE, ra);
        l->w[l->now].bytes = 8;
        return;
    }
    unsigned rb = use(l, b), reg = result_xmm(l);
    emit_v_rr(&l->e, V_MOVQ_TO_X, reg, VEX_NONE, ra);
    emit_v_rr(&l->e, V_PINSRQ, reg, reg, rb);
    emit_bytes(&l->e, 1, 1);
}

static void lower_insert(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t insert[4] = {V_PINSRB, V_PINSRW, V_PINSRD, V_PINSRQ};
    unsigned a = use_xmm(l, insn->arg[0]), value = use(l, insn->arg[1]), reg = result_xmm(l);
    if (host.level < HOST_V3)
        move_xmm(l, reg, a);
    emit_v_rr(&l->e, (enum x86_vop)insert[insn->esz], reg, host.level < HOST_V3 ? reg : a, value);
    emit_bytes(&l->e, 1, (uint8_t)insn->imm);
}

/* Lane 0 of `from` in every lane. */
static void broadcast(struct lower *l, unsigned esz, unsigned reg, unsigned from)
{
    static const uint8_t ops[4] = {V_PBROADCASTB, V_PBROADCASTW, V_PBROADCASTD, V_PBROADCASTQ};
    if (host.level >= HOST_V3) {
        emit_v_unary(l, (enum x86_vop)ops[esz], reg, from);
        return;
    }
    if (esz == 0) {
        emit_v(l, V_PUNPCKLBW, reg, from, from);
        from = reg;
    }
    if (esz < 2) {
        emit_v_unary(l, V_PSHUFLW, reg, from);
        emit_bytes(&l->e, 1, 0);
        emit_v(l, V_PUNPCKLQDQ, reg, reg, reg);
    } else {
        emit_v_unary(l, V_PSHUFD, reg, from);
        emit_bytes(&l->e, 1, esz == 2 ? 0 : 0x44);
    }
}

static void lower_dup_lane(struct lower *l, const struct ir_insn *insn)
{
    unsigned from = use_xmm(l, insn->arg[0]), lane = (unsigned)insn->imm, esz = insn->esz;
    if (insn->lanes == 1) {
        unsigned reg = result_xmm(l);
        if (esz == 2) {
            emit_v_imm(l, V_INSERTPS, reg, from, from, lane << 6 | 0x0e);
            l->w[l->now].bytes = 4;
            return;
        }
        if (lane)
            shift_lanes(l, 3, BYTES_RIGHT, reg, from, lane << esz);
        if (esz == 3 && !lane)
            emit_v_unary(l, V_MOVQ, reg, from);
        else if (!lane)
            move_xmm(l, reg, from);
        if (esz != 3)
            zero_above(l, reg, 1u << esz);
        l->w[l->now].bytes = (uint8_t)(1u << esz);
        return;
    }
    unsigned reg = result_xmm(l);
    if (esz >= 2) {
        emit_v_unary(l, V_PSHUFD, reg, from);
        emit_bytes(&l->e, 1, esz == 2 ? lane * 0x55 : lane ? 0xee : 0x44);
    } else {
        if (lane) {
            shift_lanes(l, 3, BYTES_RIGHT, reg, from, lane << esz);
            from = reg;
        }
        broadcast(l, esz, reg, from);
    }
    finish_vector(l, reg, bytes_of(insn));
}

static void lower_dup_int(struct lower *l, const struct ir_insn *insn)
{
    unsigned from = use(l, insn->arg[0]), reg = result_xmm(l);
    emit_v_rr(&l->e, insn->esz == 3 ? V_MOVQ_TO_X : V_MOVD_TO_X, reg, VEX_NONE, from);
    broadcast(l, insn->esz, reg, reg);
    finish_vector(l, reg, bytes_of(insn));
}

/* --- lanes: one instruction --------------------------------------------------------------------------- */

enum { SWAPPED = 1, KEEPS_ZERO = 2 };

static const struct {
    uint16_t op;     /* enum ir_op */
    uint8_t ops[4];  /* enum x86_vop for lanes of 1, 2, 4, 8 bytes */
    uint8_t flags;   /* SWAPPED: the operands are the other way round; KEEPS_ZERO: of zeros it makes zero */
} binary_rows[] = {
    {IR_vadd, {V_PADDB, V_PADDW, V_PADDD, V_PADDQ}, KEEPS_ZERO},
    {IR_vsub, {V_PSUBB, V_PSUBW, V_PSUBD, V_PSUBQ}, KEEPS_ZERO},
    {IR_vmul, {0, V_PMULLW, V_PMULLD, V_PMULLQ}, KEEPS_ZERO},
    {IR_vand, {V_PAND, V_PAND, V_PAND, V_PAND}, KEEPS_ZERO},
    {IR_vandn, {V_PANDN, V_PANDN, V_PANDN, V_PANDN}, SWAPPED | KEEPS_ZERO},
    {IR_vor, {V_POR, V_POR, V_POR, V_POR}, KEEPS_ZERO},
    {IR_vxor, {V_PXOR, V_PXOR, V_PXOR, V_PXOR}, KEEPS_ZERO},
    {IR_vcmeq, {V_PCMPEQB, V_PCMPEQW, V_PCMPEQD, V_PCMPEQQ}, 0},
    {IR_vcmgt, {V_PCMPGTB, V_PCMPGTW, V_PCMPGTD, V_PCMPGTQ}, KEEPS_ZERO},
    {IR_vsmax, {V_PMAXSB, V_PMAXSW, V_PMAXSD, 0}, KEEPS_ZERO},
    {IR_vsmin, {V_PMINSB, V_PMINSW, V_PMINSD, 0}, KEEPS_ZERO},
    {IR_vumax, {V_PMAXUB, V_PMAXUW, V_PMAXUD, V_PMAXUQ}, KEEPS_ZERO},
    {IR_vumin, {V_PMINUB, V_PMINUW, V_PMINUD, V_PMINUQ}, KEEPS_ZERO},
    {IR_vurhadd, {V_PAVGB, V_PAVGW, 0, 0}, KEEPS_ZERO},
};

static bool zero_from(const struct lower *l, const struct ir_insn *insn, unsigned bytes)
{
    for (unsigned i = 0; i < ir_ops[insn->op].args; i++)
        if (l->w[insn->arg[i]].bytes > bytes)
            return false;
    return true;
}

static bool lower_binary_row(struct lower *l, const struct ir_insn *insn)
{
    unsigned bytes = bytes_of(insn);
    for (size_t i = 0; i < sizeof binary_rows / sizeof *binary_rows; i++) {
        enum x86_vop op = (enum x86_vop)binary_rows[i].ops[insn->esz & 3];
        if (binary_rows[i].op != insn->op || !emit_v_has(op, host.level, 0))
            continue;
        bool swapped = binary_rows[i].flags & SWAPPED;
        unsigned a = use_xmm(l, insn->arg[swapped]), b = use_xmm(l, insn->arg[!swapped]), reg = result_xmm(l);
        emit_v(l, op, reg, a, b);
        if (bytes < 16 && !(binary_rows[i].flags & KEEPS_ZERO && zero_from(l, insn, bytes)))
            zero_above(l, reg, bytes);
        l->w[l->now].bytes = (uint8_t)bytes;
        return true;
    }
    return false;
}

/* --- multiplication ----------------------------------------------------------------------------------- */

static bool is_widened(const struct lower *l, unsigned v, enum ir_op op)
{
    return insn_at(l, v)->op == (uint8_t)op && insn_at(l, v)->esz == 3;
}

/* A product of words, of which the host's instruction reads the low one of each doubleword. */
static bool multiplies(const struct lower *l, const struct ir_insn *insn, enum ir_op widening)
{
    return insn->op == IR_vmul && insn->esz == 3 && is_widened(l, insn->arg[0], widening) &&
           is_widened(l, insn->arg[1], widening);
}

bool is_element_of_product(const struct lower *l, const struct ir_insn *user, unsigned index)
{
    const struct ir_insn *widened = insn_at(l, user->arg[index]), *element = insn_at(l, widened->arg[0]);
    return multiplies(l, user, (enum ir_op)widened->op) && element->op == IR_dup_lane && element->esz == 2 &&
           element->lanes == 4;
}

static unsigned use_factor(struct lower *l, unsigned v)
{
    return use_xmm(l, l->w[v].folded ? insn_at(l, v)->arg[0] : v);
}

static bool lower_vmul(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = insn->arg[0], b = insn->arg[1], bytes = bytes_of(insn);
    bool is_signed = multiplies(l, insn, IR_vsxtl);
    if (is_signed || multiplies(l, insn, IR_vuxtl)) {
        unsigned ra = use_factor(l, a), rb = use_factor(l, b), reg = result_xmm(l);
        emit_v(l, is_signed ? V_PMULDQ : V_PMULUDQ, reg, ra, rb);
        finish_vector(l, reg, bytes);
        return true;
    }
    if (insn->esz != 0)
        return lower_binary_row(l, insn);
    /* Bytes: the products of the odd ones in their places, those of the even ones masked in. */
    unsigned ra = use_xmm(l, a), rb = use_xmm(l, b), odd = take_xmm(l), t = take_xmm(l);
    shift_lanes(l, 1, RIGHT, odd, ra, 8);
    shift_lanes(l, 1, RIGHT, t, rb, 8);
    emit_v(l, V_PMULLW, odd, odd, t);
    shift_lanes(l, 1, LEFT, odd, odd, 8);
    emit_v(l, V_PMULLW, t, ra, rb);
    emit_v_mem(l, V_PAND, t, t, constant_mem(JIT_EVEN_BYTES));
    leave_xmm(l, ra);
    unsigned reg = result_xmm(l);
    emit_v(l, V_POR, reg, odd, t);
    finish_vector(l, reg, bytes);
    return true;
}

/* --- comparisons, selection --------------------------------------------------------------------------- */

static bool lower_compare(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t equal[4] = {V_PCMPEQB, V_PCMPEQW, V_PCMPEQD, V_PCMPEQQ};
    static const uint8_t greater[4] = {V_PCMPGTB, V_PCMPGTW, V_PCMPGTD, V_PCMPGTQ};
    static const uint8_t largest[4] = {V_PMAXUB, V_PMAXUW, V_PMAXUD, V_PMAXUQ};
    bool is_unsigned = insn->op == IR_vcmhi || insn->op == IR_vcmhs, strict = insn->op == IR_vcmhi;
    if (is_unsigned && !emit_v_has((enum x86_vop)largest[insn->esz], host.level, 0))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l);
    bool inverted = true;
    if (insn->op == IR_vcmge) { /* a >= b is not b > a */
        emit_v(l, (enum x86_vop)greater[insn->esz], t, b, a);
    } else if (insn->op == IR_vcmtst) {
        emit_v(l, V_PAND, t, a, b);
    } else { /* the larger one is a, or for a > b: not, it is b */
        emit_v(l, (enum x86_vop)largest[insn->esz], t, a, b);
        emit_v(l, (enum x86_vop)equal[insn->esz], t, t, strict ? b : a);
        inverted = strict;
    }
    unsigned reg = result_xmm(l); /* a and b are read: it may be theirs */
    if (insn->op == IR_vcmtst) {
        clear_xmm(l, reg);
        emit_v(l, (enum x86_vop)equal[insn->esz], t, t, reg);
    }
    if (inverted) {
        all_ones(l, reg);
        emit_v(l, V_PXOR, reg, reg, t);
    } else {
        move_xmm(l, reg, t);
    }
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

static bool lower_select(struct lower *l, const struct ir_insn *insn)
{
    unsigned mask = use_xmm(l, insn->arg[0]), yes = use_xmm(l, insn->arg[1]), no = use_xmm(l, insn->arg[2]);
    unsigned bytes = bytes_of(insn), reg;
    if (host.level >= HOST_V4) {
        unsigned t = take_xmm(l);
        move_xmm(l, t, mask);
        emit_v_imm(l, V_PTERNLOG, t, yes, no, 0xca);
        leave_xmm(l, mask);
        reg = result_xmm(l);
        move_xmm(l, reg, t);
    } else {
        unsigned t = take_xmm(l);
        emit_v(l, V_PANDN, t, mask, no);
        if (no != mask && no != yes)
            leave_xmm(l, no);
        reg = result_xmm(l);
        emit_v(l, V_PAND, reg, mask, yes);
        emit_v(l, V_POR, reg, reg, t);
    }
    finish_vector(l, reg, bytes);
    return true;
}

static bool lower_unary(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t subtract[4] = {V_PSUBB, V_PSUBW, V_PSUBD, V_PSUBQ};
    static const uint8_t absolute[4] = {V_PABSB, V_PABSW, V_PABSD, V_PABSQ};
    if (insn->op == IR_vabs && !emit_v_has((enum x86_vop)absolute[insn->esz], host.level, 0))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), reg;
    if (insn->op == IR_vabs) {
        reg = result_xmm(l);
        emit_v_unary(l, (enum x86_vop)absolute[insn->esz], reg, a);
    } else {
        reg = result_xmm_apart(l);
        if (insn->op == IR_vneg) {
            clear_xmm(l, reg);
            emit_v(l, (enum x86_vop)subtract[insn->esz], reg, reg, a);
        } else {
            all_ones(l, reg);
            emit_v(l, V_PXOR, reg, reg, a);
        }
    }
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

static bool lower_orn(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), reg = result_xmm_apart(l);
    all_ones(l, reg);
    emit_v(l, V_PXOR, reg, reg, b);
    emit_v(l, V_POR, reg, reg, a);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* Absolute differences: the larger minus the smaller. */
static bool lower_difference(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t sub[4] = {V_PSUBB, V_PSUBW, V_PSUBD, V_PSUBQ};
    static const uint8_t max[2][4] = {{V_PMAXUB, V_PMAXUW, V_PMAXUD, V_PMAXUQ}, {V_PMAXSB, V_PMAXSW, V_PMAXSD, V_PMAXSQ}};
    static const uint8_t min[2][4] = {{V_PMINUB, V_PMINUW, V_PMINUD, V_PMINUQ}, {V_PMINSB, V_PMINSW, V_PMINSD, V_PMINSQ}};
    bool is_signed = insn->op == IR_vsabd;
    if (!emit_v_has((enum x86_vop)max[is_signed][insn->esz], host.level, 0))
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), reg = result_xmm_apart(l);
    emit_v(l, (enum x86_vop)max[is_signed][insn->esz], reg, a, b);
    emit_v(l, (enum x86_vop)min[is_signed][insn->esz], t, a, b);
    emit_v(l, (enum x86_vop)sub[insn->esz], reg, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* (a + b) / 2 without the lost carry: (a & b) + ((a ^ b) >> 1). */
static bool lower_halving(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t add[4] = {0, V_PADDW, V_PADDD, V_PADDQ};
    bool is_signed = insn->op == IR_vshadd;
    if (insn->esz == 0 || insn->esz == 3)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), reg = result_xmm_apart(l);
    emit_v(l, V_PXOR, t, a, b);
    shift_lanes(l, insn->esz, is_signed ? ARITHMETIC : RIGHT, t, t, 1);
    emit_v(l, V_PAND, reg, a, b);
    emit_v(l, (enum x86_vop)add[insn->esz], reg, reg, t);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

/* --- widths ------------------------------------------------------------------------------------------- */

static bool lower_widen(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t ops[2][4] = {{0, V_PMOVZXBW, V_PMOVZXWD, V_PMOVZXDQ}, {0, V_PMOVSXBW, V_PMOVSXWD, V_PMOVSXDQ}};
    unsigned a = use_xmm(l, insn->arg[0]);
    if (insn->imm) {
        unsigned t = take_xmm(l);
        emit_v_unary(l, V_PSHUFD, t, a);
        emit_bytes(&l->e, 1, 0xee);
        a = t;
    }
    unsigned reg = result_xmm(l);
    emit_v_unary(l, (enum x86_vop)ops[insn->op == IR_vsxtl][insn->esz], reg, a);
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

static bool lower_narrow(struct lower *l, const struct ir_insn *insn)
{
    static const enum jit_constant shuffles[3] = {JIT_PACK_B, JIT_PACK_H, JIT_PACK_S};
    static const uint8_t add[4] = {0, V_PADDW, V_PADDD, V_PADDQ};
    unsigned esz = insn->esz, count = (unsigned)insn->imm & 0xff, bytes = bytes_of(insn);
    if (bytes > 8 || insn->lanes == 1)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    if (insn->imm >> 8 && count) {
        unsigned k = take_temp(l);
        emit_mov_imm(&l->e, k, 1ull << (count - 1));
        emit_v_rr(&l->e, V_MOVQ_TO_X, t, VEX_NONE, k);
        broadcast(l, esz + 1, t, t);
        emit_v(l, (enum x86_vop)add[esz + 1], t, t, a);
        a = t;
    }
    if (count) {
        shift_lanes(l, esz + 1, RIGHT, t, a, count);
        a = t;
    }
    unsigned reg = result_xmm(l);
    if (esz == 2) {
        emit_v_unary(l, V_PSHUFD, t, a);
        emit_bytes(&l->e, 1, 0x08);
        emit_v_unary(l, V_MOVQ, reg, t);
    } else {
        emit_v_mem(l, V_PSHUFB, reg, a, constant_mem(shuffles[esz]));
    }
    l->w[l->now].bytes = 8;
    return true;
}

bool lower_vector(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_umov:
        lower_umov(l, insn);
        return true;
    case IR_from_int:
        lower_from_int(l, insn);
        return true;
    case IR_pair:
        lower_pair(l, insn);
        return true;
    case IR_ins_int:
        lower_insert(l, insn);
        return true;
    case IR_dup_lane:
        lower_dup_lane(l, insn);
        return true;
    case IR_dup_int:
        lower_dup_int(l, insn);
        return true;
    case IR_vmul:
        return lower_vmul(l, insn);
    case IR_vcmge:
    case IR_vcmhi:
    case IR_vcmhs:
    case IR_vcmtst:
        return lower_compare(l, insn);
    case IR_vbsl:
        return lower_select(l, insn);
    case IR_vabs:
    case IR_vneg:
    case IR_vnot:
        return lower_unary(l, insn);
    case IR_vorn:
        return lower_orn(l, insn);
    case IR_vsabd:
    case IR_vuabd:
        return lower_difference(l, insn);
    case IR_vshadd:
    case IR_vuhadd:
        return lower_halving(l, insn) || lower_saturating(l, insn);
    case IR_vsxtl:
    case IR_vuxtl:
        return lower_widen(l, insn);
    case IR_vshrn:
        return lower_narrow(l, insn);
    case IR_vcombine: {
        unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]);
        emit_v(l, V_PUNPCKLQDQ, result_xmm(l), a, b);
        return true;
    }
    default:
        return lower_binary_row(l, insn) || lower_shifts(l, insn) || lower_bits(l, insn) || lower_permutation(l, insn) || lower_saturating(l, insn) ||
               lower_crypto(l, insn);
    }
}
