/* Vectors and floating point: values lie in memory (home or slot, both aligned), operations pass through XMM0 and
 * XMM1. Floating point runs on the host's unit under the guest's MXCSR; a result that isn't certain to be ARM's too
 * (fp_stands() in fp.h) and any FPCR that SSE cannot do lead to the operation's function. */
#include "lower.h"

#include <xemu/fp.h>

/* --- moves between the register files ----------------------------------------------------------------- */

static struct x86_mem plus(struct x86_mem mem, unsigned bytes)
{
    mem.displacement += (int32_t)bytes;
    return mem;
}

static const uint8_t load_ops[4] = {X86_MOVZX8, X86_MOVZX16, X86_MOV, X86_MOV};
static const uint8_t store_ops[4] = {X86_STORE8, X86_STORE16, X86_STORE, X86_STORE};

static unsigned width_of(unsigned esz) { return esz == 3 ? 64 : 32; }

/* An integer of at most 64 bits, the rest zero. */
static void store_scalar(struct lower *l, struct x86_mem to, unsigned reg)
{
    emit_rm(&l->e, X86_STORE, 64, reg, to);
    emit_store_imm(&l->e, 64, plus(to, 8), 0);
}

static void lower_lane_to_int(struct lower *l, const struct ir_insn *insn)
{
    struct x86_mem from = plus(vector_memory(l, insn->arg[0]), (unsigned)insn->imm << insn->esz);
    unsigned reg = take_temp(l);
    emit_rm(&l->e, load_ops[insn->esz], width_of(insn->esz), reg, from);
    bind_value(l, l->now, reg);
}

static void lower_int_to_lane(struct lower *l, const struct ir_insn *insn)
{
    unsigned from = use_reg(l, insn->arg[0]), reg = take_temp(l);
    struct x86_mem to = vector_destination(l);
    static const uint8_t extend[4] = {X86_MOVZX8, X86_MOVZX16, X86_MOV, X86_MOV};
    emit_rr(&l->e, extend[insn->esz], width_of(insn->esz), reg, from);
    store_scalar(l, to, reg);
}

static void lower_pair(struct lower *l, const struct ir_insn *insn)
{
    unsigned low = use_reg(l, insn->arg[0]), high = use_reg(l, insn->arg[1]);
    struct x86_mem to = vector_destination(l);
    emit_rm(&l->e, X86_STORE, 64, low, to);
    emit_rm(&l->e, X86_STORE, 64, high, plus(to, 8));
}

static void lower_insert(struct lower *l, const struct ir_insn *insn)
{
    unsigned value = use_reg(l, insn->arg[1]);
    emit_rm(&l->e, X86_MOVUPS, 32, 0, vector_memory(l, insn->arg[0]));
    struct x86_mem to = vector_destination(l);
    emit_rm(&l->e, X86_STOREUPS, 32, 0, to);
    emit_rm(&l->e, store_ops[insn->esz], width_of(insn->esz), value, plus(to, (unsigned)insn->imm << insn->esz));
}

static bool lower_dup_lane(struct lower *l, const struct ir_insn *insn)
{
    struct x86_mem from = plus(vector_memory(l, insn->arg[0]), (unsigned)insn->imm << insn->esz);
    if (insn->lanes == 1) {
        unsigned reg = take_temp(l);
        emit_rm(&l->e, load_ops[insn->esz], width_of(insn->esz), reg, from);
        store_scalar(l, vector_destination(l), reg);
        return true;
    }
    if (insn->esz < 2 || insn->lanes << insn->esz != 16)
        return false;
    unsigned reg = take_temp(l);
    emit_rm(&l->e, X86_MOV, width_of(insn->esz), reg, from);
    emit_sse_rr(&l->e, 0x66, 1, 0x6e, width_of(insn->esz), 0, reg); /* movd, movq */
    emit_sse_rr(&l->e, 0x66, 1, 0x70, 32, 0, 0);                    /* pshufd */
    emit_bytes(&l->e, 1, insn->esz == 2 ? 0x00 : 0x44);
    emit_rm(&l->e, X86_STOREUPS, 32, 0, vector_destination(l));
    return true;
}

static bool lower_dup_int(struct lower *l, const struct ir_insn *insn)
{
    if (insn->esz < 2 || insn->lanes << insn->esz != 16)
        return false;
    emit_sse_rr(&l->e, 0x66, 1, 0x6e, width_of(insn->esz), 0, use_reg(l, insn->arg[0]));
    emit_sse_rr(&l->e, 0x66, 1, 0x70, 32, 0, 0);
    emit_bytes(&l->e, 1, insn->esz == 2 ? 0x00 : 0x44);
    emit_rm(&l->e, X86_STOREUPS, 32, 0, vector_destination(l));
    return true;
}

/* --- integer lanes: op xmm, xmm/m128 with prefix 66 --------------------------------------------------- */

#define MAP2 0x3800
static const struct {
    uint16_t op;        /* enum ir_op */
    uint16_t opcode[4]; /* for lanes of 1, 2, 4, 8 bytes; 0: none; MAP2: of 0F38 */
    bool swapped;       /* the instruction has its operands the other way round */
} integer_rows[] = {
    {IR_vadd, {0xfc, 0xfd, 0xfe, 0xd4}, false},
    {IR_vsub, {0xf8, 0xf9, 0xfa, 0xfb}, false},
    {IR_vmul, {0, 0xd5, MAP2 | 0x40, 0}, false},
    {IR_vand, {0xdb, 0xdb, 0xdb, 0xdb}, false},
    {IR_vandn, {0xdf, 0xdf, 0xdf, 0xdf}, true},
    {IR_vor, {0xeb, 0xeb, 0xeb, 0xeb}, false},
    {IR_vxor, {0xef, 0xef, 0xef, 0xef}, false},
    {IR_vcmeq, {0x74, 0x75, 0x76, MAP2 | 0x29}, false},
    {IR_vcmgt, {0x64, 0x65, 0x66, MAP2 | 0x37}, false},
    {IR_vsmax, {MAP2 | 0x3c, 0xee, MAP2 | 0x3d, 0}, false},
    {IR_vsmin, {MAP2 | 0x38, 0xea, MAP2 | 0x39, 0}, false},
    {IR_vumax, {0xde, MAP2 | 0x3e, MAP2 | 0x3f, 0}, false},
    {IR_vumin, {0xda, MAP2 | 0x3a, MAP2 | 0x3b, 0}, false},
    {IR_vurhadd, {0xe0, 0xe3, 0, 0}, false},
    {IR_zip1, {0x60, 0x61, 0x62, 0x6c}, false},
    {IR_zip2, {0x68, 0x69, 0x6a, 0x6d}, false},
};

static void vector_op(struct lower *l, unsigned opcode, unsigned reg, struct x86_mem mem)
{
    emit_sse_rm(&l->e, 0x66, opcode & MAP2 ? 2 : 1, opcode & 0xff, reg, mem);
}

/* Writes XMM0; bytes beyond the shape become zero. */
static void store_vector(struct lower *l, const struct ir_insn *insn)
{
    unsigned bytes = (unsigned)insn->lanes << insn->esz;
    if (bytes == 8)
        emit_sse_rr(&l->e, 0xf3, 1, 0x7e, 32, 0, 0); /* movq */
    emit_rm(&l->e, X86_STOREUPS, 32, 0, vector_destination(l));
}

static bool lower_lanes(struct lower *l, const struct ir_insn *insn)
{
    unsigned bytes = (unsigned)insn->lanes << insn->esz;
    bool permutes = insn->op == IR_zip1 || insn->op == IR_zip2;
    if (bytes != 16 && (bytes != 8 || permutes))
        return false;
    for (size_t i = 0; i < sizeof integer_rows / sizeof *integer_rows; i++) {
        if (integer_rows[i].op != insn->op || !integer_rows[i].opcode[insn->esz])
            continue;
        unsigned first = insn->arg[integer_rows[i].swapped], second = insn->arg[!integer_rows[i].swapped];
        emit_rm(&l->e, X86_MOVUPS, 32, 0, vector_memory(l, first));
        vector_op(l, integer_rows[i].opcode[insn->esz], 0, vector_memory(l, second));
        store_vector(l, insn);
        return true;
    }
    return false;
}

/* Shifts by an immediate: opcodes 71, 72, 73 for words, doublewords, quadwords. */
static bool lower_lane_shift(struct lower *l, const struct ir_insn *insn, unsigned digit)
{
    unsigned bytes = (unsigned)insn->lanes << insn->esz;
    if (insn->esz == 0 || (bytes != 16 && bytes != 8) || (digit == 4 && insn->esz == 3))
        return false;
    emit_rm(&l->e, X86_MOVUPS, 32, 0, vector_memory(l, insn->arg[0]));
    emit_sse_shift(&l->e, 0x70 + insn->esz, digit, 0, (unsigned)insn->imm); /* beyond the size: as ARM's */
    store_vector(l, insn);
    return true;
}

/* PMOVSX, PMOVZX from the low or high half in memory. */
static bool lower_widen(struct lower *l, const struct ir_insn *insn, bool is_signed)
{
    static const uint8_t opcodes[4] = {0, 0x20, 0x23, 0x25};
    if (insn->lanes << insn->esz != 16)
        return false;
    emit_sse_rm(&l->e, 0x66, 2, opcodes[insn->esz] + (is_signed ? 0 : 0x10), 0,
                plus(vector_memory(l, insn->arg[0]), insn->imm ? 8 : 0));
    store_vector(l, insn);
    return true;
}

/* --- sequences over whole vectors --------------------------------------------------------------------- */

/* 66-prefixed register forms, by their opcodes in map 0F. */
enum { PAND = 0xdb, PANDN = 0xdf, POR = 0xeb, PXOR = 0xef, PCMPEQD = 0x76, PACKUSWB = 0x67 };

static void rr(struct lower *l, unsigned opcode, unsigned reg, unsigned rm)
{
    emit_sse_rr(&l->e, 0x66, opcode & MAP2 ? 2 : 1, opcode & 0xff, 32, reg, rm);
}

static void load_vector(struct lower *l, unsigned reg, unsigned v) { emit_rm(&l->e, X86_MOVUPS, 32, reg, vector_memory(l, v)); }

static void all_ones(struct lower *l, unsigned reg) { rr(l, PCMPEQD, reg, reg); }

static void invert(struct lower *l, unsigned reg)
{
    all_ones(l, 2);
    rr(l, PXOR, reg, 2);
}

static bool is_whole(const struct ir_insn *insn)
{
    unsigned bytes = (unsigned)insn->lanes << insn->esz;
    return bytes == 16 || bytes == 8;
}

/* The low halves (part 0) or the high ones of twice as wide lanes in XMM0 and XMM1, packed into XMM0. */
static void pack_halves(struct lower *l, unsigned esz, unsigned part)
{
    unsigned shift_opcode = 0x71 + esz, bits = 8u << esz;
    for (unsigned reg = 0; reg < 2; reg++) {
        if (!part)
            emit_sse_shift(&l->e, shift_opcode, 6, reg, bits);
        emit_sse_shift(&l->e, shift_opcode, 2, reg, bits);
    }
    rr(l, esz == 0 ? PACKUSWB : MAP2 | 0x2b, 0, 1);
}

static bool lower_uzp(struct lower *l, const struct ir_insn *insn, unsigned part)
{
    if (insn->lanes << insn->esz != 16)
        return false;
    load_vector(l, 0, insn->arg[0]);
    load_vector(l, 1, insn->arg[1]);
    if (insn->esz < 2) {
        pack_halves(l, insn->esz, part);
    } else if (insn->esz == 2) {
        emit_sse_rr(&l->e, 0, 1, 0xc6, 32, 0, 1); /* shufps */
        emit_bytes(&l->e, 1, part ? 0xdd : 0x88);
    } else {
        rr(l, part ? 0x6d : 0x6c, 0, 1);
    }
    store_vector(l, insn);
    return true;
}

/* Narrowing without rounding and saturation. */
static bool lower_narrow(struct lower *l, const struct ir_insn *insn)
{
    unsigned esz = insn->esz, wide = 8u << (esz + 1);
    if (insn->imm >> 8 || insn->lanes << esz != 8)
        return false;
    load_vector(l, 0, insn->arg[0]);
    if (insn->imm)
        emit_sse_shift(&l->e, 0x71 + esz, 2, 0, (unsigned)insn->imm);
    if (esz == 2) {
        rr(l, 0x70, 0, 0); /* pshufd: lanes 0 and 2 */
        emit_bytes(&l->e, 1, 0x08);
    } else {
        emit_sse_shift(&l->e, 0x71 + esz, 6, 0, wide / 2);
        emit_sse_shift(&l->e, 0x71 + esz, 2, 0, wide / 2);
        rr(l, esz == 0 ? PACKUSWB : MAP2 | 0x2b, 0, 0);
    }
    store_vector(l, insn);
    return true;
}

static bool lower_select_bits(struct lower *l, const struct ir_insn *insn)
{
    if (!is_whole(insn))
        return false;
    load_vector(l, 0, insn->arg[0]);
    load_vector(l, 1, insn->arg[0]);
    emit_sse_rm(&l->e, 0x66, 1, PAND, 0, vector_memory(l, insn->arg[1]));
    emit_sse_rm(&l->e, 0x66, 1, PANDN, 1, vector_memory(l, insn->arg[2]));
    rr(l, POR, 0, 1);
    store_vector(l, insn);
    return true;
}

/* Comparisons that SSE lacks: a >= b is not b > a; unsigned a >= b where the larger one is a; any common bit. */
static bool lower_lane_compare(struct lower *l, const struct ir_insn *insn)
{
    static const uint16_t equal[4] = {0x74, 0x75, 0x76, MAP2 | 0x29}, greater[4] = {0x64, 0x65, 0x66, MAP2 | 0x37};
    static const uint16_t largest[3] = {0xde, MAP2 | 0x3e, MAP2 | 0x3f};
    bool is_unsigned = insn->op == IR_vcmhi || insn->op == IR_vcmhs, strict = insn->op == IR_vcmhi;
    if (!is_whole(insn) || (is_unsigned && insn->esz == 3))
        return false;
    unsigned a = insn->arg[strict], b = insn->arg[!strict]; /* a > b is not b >= a */
    load_vector(l, 0, insn->op == IR_vcmge ? b : a);
    load_vector(l, 1, insn->op == IR_vcmge ? a : b);
    if (insn->op == IR_vcmge) {
        rr(l, greater[insn->esz], 0, 1);
        invert(l, 0);
    } else if (insn->op == IR_vcmtst) {
        rr(l, PAND, 0, 1);
        rr(l, PXOR, 1, 1);
        rr(l, equal[insn->esz], 0, 1);
        invert(l, 0);
    } else {
        rr(l, largest[insn->esz], 1, 0);
        rr(l, equal[insn->esz], 0, 1);
        if (strict)
            invert(l, 0);
    }
    store_vector(l, insn);
    return true;
}

static bool lower_unary(struct lower *l, const struct ir_insn *insn)
{
    static const uint16_t subtract[4] = {0xf8, 0xf9, 0xfa, 0xfb}, absolute[3] = {MAP2 | 0x1c, MAP2 | 0x1d, MAP2 | 0x1e};
    if (!is_whole(insn) || (insn->op == IR_vabs && insn->esz == 3))
        return false;
    load_vector(l, 1, insn->arg[0]);
    if (insn->op == IR_vabs) {
        rr(l, absolute[insn->esz], 0, 1);
    } else if (insn->op == IR_vneg) {
        rr(l, PXOR, 0, 0);
        rr(l, subtract[insn->esz], 0, 1);
    } else {
        all_ones(l, 0);
        rr(l, PXOR, 0, 1);
    }
    store_vector(l, insn);
    return true;
}

/* EXT of whole vectors: PALIGNR of b above a. */
static bool lower_ext(struct lower *l, const struct ir_insn *insn)
{
    if (insn->lanes << insn->esz != 16)
        return false;
    load_vector(l, 0, insn->arg[1]);
    load_vector(l, 1, insn->arg[0]);
    emit_sse_rr(&l->e, 0x66, 3, 0x0f, 32, 0, 1);
    emit_bytes(&l->e, 1, (uint8_t)insn->imm);
    store_vector(l, insn);
    return true;
}

static bool lower_combine(struct lower *l, const struct ir_insn *insn)
{
    load_vector(l, 0, insn->arg[0]);
    load_vector(l, 1, insn->arg[1]);
    rr(l, 0x6c, 0, 1);
    store_vector(l, insn);
    return true;
}

/* --- floating point ----------------------------------------------------------------------------------- */

/* An operation with a rare case. Everything that moves values about is done before the first jump to it. */
struct fp_op {
    struct cold *cold;
    struct x86_mem args[3], result;
    unsigned temp; /* for the check */
};

/* Opens the rare case: it is taken where FPCR asks for what SSE cannot do. */
static struct fp_op open_fp(struct lower *l, const struct ir_insn *insn)
{
    struct fp_op op = {.cold = &l->colds[0], .result = slot_mem(0), .temp = take_temp(l)};
    for (unsigned i = 0; i < ir_ops[insn->op].args; i++)
        op.args[i] = vector_memory(l, insn->arg[i]);
    if (ir_ops[insn->op].result == IR_VEC)
        op.result = vector_destination(l);
    if (l->cold_count == sizeof l->colds / sizeof *l->colds)
        l->failed = true;
    else
        op.cold = &l->colds[l->cold_count++];
    *op.cold = (struct cold){.insn = insn, .reg = NONE, .result = op.result};
    for (unsigned i = 0; i < 3; i++)
        op.cold->args[i] = op.args[i];
    emit_mi32(&l->e, X86_CMP, CPU_FIELD(fp_host), 0);
    op.cold->jumps[0] = emit_jcc(&l->e, CC_E);
    return op;
}

/* Leads to the rare case if the result in XMM0 has the largest exponent (infinity, NaN) or the smallest of a normal
 * number: (exponent + 1) without bit 1 is zero for just these two. */
static void check_scalar(struct lower *l, struct cold *cold, unsigned esz, unsigned reg)
{
    emit_sse_rr(&l->e, 0x66, 1, 0x7e, width_of(esz), 0, reg); /* movd, movq */
    emit_shift_imm(&l->e, SHIFT_SHR, width_of(esz), reg, esz == 3 ? 52 : 23);
    emit_ri(&l->e, X86_ADD, 32, reg, 1);
    emit_test_imm(&l->e, 32, reg, esz == 3 ? 0x7fd : 0xfd);
    cold->jumps[1] = emit_jcc(&l->e, CC_E);
}

/* The same for each lane. XMM1 and XMM2 are free. */
static void check_lanes(struct lower *l, struct cold *cold, unsigned esz)
{
    emit_sse_rr(&l->e, 0, 1, 0x28, 32, 1, 0); /* movaps xmm1, xmm0 */
    emit_sse_shift(&l->e, esz == 3 ? 0x73 : 0x72, 2, 1, esz == 3 ? 52 : 23);
    emit_sse_rr(&l->e, 0x66, 1, 0x76, 32, 2, 2);                      /* pcmpeqd: all ones, -1 */
    emit_sse_rr(&l->e, 0x66, 1, esz == 3 ? 0xfb : 0xfa, 32, 1, 2);    /* exponent + 1 */
    emit_sse_shift(&l->e, esz == 3 ? 0x73 : 0x72, 6, 1, esz == 3 ? 53 : 24); /* without the sign */
    emit_sse_shift(&l->e, esz == 3 ? 0x73 : 0x72, 2, 2, esz == 3 ? 63 : 31); /* 1 ... */
    emit_sse_shift(&l->e, esz == 3 ? 0x73 : 0x72, 6, 2, esz == 3 ? 54 : 25); /* ... as bit 1 of the exponent */
    emit_sse_rr(&l->e, 0x66, 1, 0xdf, 32, 2, 1);                      /* pandn: xmm2 = ~xmm2 & xmm1 */
    emit_sse_rr(&l->e, 0x66, 1, 0xef, 32, 1, 1);
    emit_sse_rr(&l->e, 0x66, esz == 3 ? 2 : 1, esz == 3 ? 0x29 : 0x76, 32, 2, 1); /* equal to zero */
    emit_sse_rr(&l->e, 0x66, 2, 0x17, 32, 2, 2);                      /* ptest */
    cold->jumps[1] = emit_jcc(&l->e, CC_NE);
}

static unsigned scalar_prefix(unsigned esz) { return esz == 3 ? 0xf2 : 0xf3; }
static unsigned packed_prefix(unsigned esz) { return esz == 3 ? 0x66 : 0; }

static void close_fp(struct lower *l, const struct ir_insn *insn, const struct fp_op *op)
{
    if (insn->lanes == 1)
        check_scalar(l, op->cold, insn->esz, op->temp);
    else
        check_lanes(l, op->cold, insn->esz);
    emit_rm(&l->e, X86_STOREUPS, 32, 0, op->result);
    op->cold->back = l->e.at;
}

/* Single and double, as scalars or whole vectors. */
static bool is_host_shape(const struct ir_insn *insn)
{
    return insn->esz >= 2 && (insn->lanes == 1 || insn->lanes << insn->esz == 16);
}

/* A scalar with the rest zero, or a vector, into an XMM register. */
static void load_fp(struct lower *l, const struct ir_insn *insn, unsigned reg, struct x86_mem from)
{
    if (insn->lanes == 1)
        emit_sse_rm(&l->e, scalar_prefix(insn->esz), 1, 0x10, reg, from); /* movss, movsd */
    else
        emit_rm(&l->e, X86_MOVUPS, 32, reg, from);
}

static bool lower_fp(struct lower *l, const struct ir_insn *insn, unsigned opcode)
{
    if (!is_host_shape(insn))
        return false;
    struct fp_op op = open_fp(l, insn);
    unsigned prefix = insn->lanes == 1 ? scalar_prefix(insn->esz) : packed_prefix(insn->esz);
    load_fp(l, insn, 0, op.args[0]);
    emit_sse_rm(&l->e, prefix, 1, opcode, 0, op.args[ir_ops[insn->op].args - 1]);
    close_fp(l, insn, &op);
    return true;
}

static bool lower_fma(struct lower *l, const struct ir_insn *insn)
{
    if (!is_host_shape(insn) || !__builtin_cpu_supports("fma"))
        return false;
    struct fp_op op = open_fp(l, insn);
    load_fp(l, insn, 0, op.args[0]);
    load_fp(l, insn, 1, op.args[1]);
    emit_fma231(&l->e, insn->lanes == 1 ? 0xb9 : 0xb8, width_of(insn->esz), 0, 1, op.args[2]);
    close_fp(l, insn, &op);
    return true;
}

/* FABS, FNEG: the sign bit of a scalar. */
static bool lower_sign(struct lower *l, const struct ir_insn *insn, unsigned digit)
{
    if (insn->esz < 2 || insn->lanes != 1)
        return false;
    unsigned reg = take_temp(l), bit = (8u << insn->esz) - 1;
    emit_rm(&l->e, X86_MOV, width_of(insn->esz), reg, vector_memory(l, insn->arg[0]));
    emit_bit_imm(&l->e, digit, width_of(insn->esz), reg, bit);
    store_scalar(l, vector_destination(l), reg);
    return true;
}

/* From a signed integer of 64 bits: exact or rounded by MXCSR, whatever else FPCR says. */
static bool lower_from_int(struct lower *l, const struct ir_insn *insn)
{
    if (insn->imm != FP_CVT(FP_CURRENT, true, 0) || insn->esz < 2)
        return false;
    unsigned from = use_reg(l, insn->arg[0]);
    emit_sse_rr(&l->e, 0, 1, 0x57, 32, 0, 0); /* xorps */
    emit_sse_rr(&l->e, scalar_prefix(insn->esz), 1, 0x2a, 64, 0, from);
    emit_rm(&l->e, X86_STOREUPS, 32, 0, vector_destination(l));
    return true;
}

/* Truncation to a signed integer; the host's "indefinite" result is left to the function. */
static bool lower_to_int(struct lower *l, const struct ir_insn *insn)
{
    unsigned width = (unsigned)insn->imm >> 16;
    if ((insn->imm & 0xffff) != FP_CVT(FP_ZERO, true, 0) || insn->esz < 2)
        return false;
    struct fp_op op = open_fp(l, insn);
    emit_sse_rm(&l->e, scalar_prefix(insn->esz), 1, 0x10, 0, op.args[0]);
    emit_sse_rr(&l->e, scalar_prefix(insn->esz), 1, 0x2c, width, op.temp, 0);
    emit_ri(&l->e, X86_CMP, width, op.temp, 1);
    op.cold->jumps[1] = emit_jcc(&l->e, CC_O);
    op.cold->reg = (int16_t)op.temp;
    op.cold->back = l->e.at;
    bind_value(l, l->now, op.temp);
    return true;
}

/* Between single and double. */
static bool lower_convert(struct lower *l, const struct ir_insn *insn)
{
    unsigned from = (unsigned)insn->imm & 0xff;
    if (insn->lanes != 1 || insn->imm >> 8 != FP_CURRENT || from < 2 || insn->esz < 2 || from == insn->esz)
        return false;
    struct fp_op op = open_fp(l, insn);
    emit_sse_rr(&l->e, 0, 1, 0x57, 32, 0, 0); /* xorps: the rest is zero */
    emit_sse_rm(&l->e, scalar_prefix(from), 1, 0x5a, 0, op.args[0]);
    close_fp(l, insn, &op);
    return true;
}

/* FCMP: less, equal and greater as the guest's flags in the host's format; unordered is the rare case. */
static bool lower_fcmp(struct lower *l, const struct ir_insn *insn)
{
    if (insn->esz < 2)
        return false;
    unsigned less = take_temp(l), equal = take_temp(l), flags = take_temp(l);
    struct fp_op op = open_fp(l, insn);
    emit_sse_rm(&l->e, scalar_prefix(insn->esz), 1, 0x10, 0, op.args[0]);
    emit_mov_imm(&l->e, less, 0x8000);
    emit_mov_imm(&l->e, equal, 0x4100);
    emit_mov_imm(&l->e, flags, 0x100);
    emit_sse_rm(&l->e, packed_prefix(insn->esz), 1, 0x2e, 0, op.args[1]); /* ucomiss, ucomisd */
    op.cold->jumps[1] = emit_jcc(&l->e, CC_P);
    emit_cmov(&l->e, CC_B, 32, flags, less);
    emit_cmov(&l->e, CC_E, 32, flags, equal);
    op.cold->reg = (int16_t)flags;
    op.cold->packs = true;
    op.cold->back = l->e.at;
    bind_value(l, l->now, flags);
    return true;
}

bool lower_vector(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_umov:
        lower_lane_to_int(l, insn);
        return true;
    case IR_from_int:
        lower_int_to_lane(l, insn);
        return true;
    case IR_pair:
        lower_pair(l, insn);
        return true;
    case IR_ins_int:
        lower_insert(l, insn);
        return true;
    case IR_dup_lane:
        return lower_dup_lane(l, insn);
    case IR_dup_int:
        return lower_dup_int(l, insn);
    case IR_uzp1:
        return lower_uzp(l, insn, 0);
    case IR_uzp2:
        return lower_uzp(l, insn, 1);
    case IR_vshrn:
        return lower_narrow(l, insn);
    case IR_vbsl:
        return lower_select_bits(l, insn);
    case IR_vcmge:
    case IR_vcmhi:
    case IR_vcmhs:
    case IR_vcmtst:
        return lower_lane_compare(l, insn);
    case IR_vabs:
    case IR_vneg:
    case IR_vnot:
        return lower_unary(l, insn);
    case IR_vext:
        return lower_ext(l, insn);
    case IR_vcombine:
        return lower_combine(l, insn);
    case IR_vshli:
        return lower_lane_shift(l, insn, 6);
    case IR_vushri:
        return lower_lane_shift(l, insn, 2);
    case IR_vsshri:
        return lower_lane_shift(l, insn, 4);
    case IR_vsxtl:
        return lower_widen(l, insn, true);
    case IR_vuxtl:
        return lower_widen(l, insn, false);
    case IR_fadd:
        return lower_fp(l, insn, 0x58);
    case IR_fmul:
        return lower_fp(l, insn, 0x59);
    case IR_fsub:
        return lower_fp(l, insn, 0x5c);
    case IR_fdiv:
        return lower_fp(l, insn, 0x5e);
    case IR_fsqrt:
        return lower_fp(l, insn, 0x51);
    case IR_fmuladd:
        return lower_fma(l, insn);
    case IR_fabs:
        return lower_sign(l, insn, 6);
    case IR_fneg:
        return lower_sign(l, insn, 7);
    case IR_int_to_fp:
        return lower_from_int(l, insn);
    case IR_fp_to_int:
        return lower_to_int(l, insn);
    case IR_fcmp:
        return lower_fcmp(l, insn);
    case IR_fcvt:
        return lower_convert(l, insn);
    default:
        return lower_lanes(l, insn);
    }
}
