/* AES, SHA-1, SHA-256, CRC-32 and polynomial multiplication by the host's instructions. */
#include "lower.h"

/* AESE adds the round key first, AESENCLAST last: a zero key there. */
static bool lower_aes(struct lower *l, const struct ir_insn *insn)
{
    if (!host.aes)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l), none = take_xmm(l);
    emit_v(l, V_PXOR, t, a, b);
    clear_xmm(l, none);
    emit_v(l, insn->op == IR_aese ? V_AESENCLAST : V_AESDECLAST, t, t, none);
    leave_xmm(l, none);
    move_xmm(l, result_xmm(l), t);
    return true;
}

/* A round: what comes before the columns are mixed is not computed by itself. */
static void lower_aes_round(struct lower *l, const struct ir_insn *insn, const struct ir_insn *first)
{
    unsigned a = use_xmm(l, first->arg[0]), b = use_xmm(l, first->arg[1]), t = take_xmm(l), none = take_xmm(l);
    emit_v(l, V_PXOR, t, a, b);
    clear_xmm(l, none);
    leave_xmm(l, a);
    leave_xmm(l, b);
    emit_v(l, insn->op == IR_aesmc ? V_AESENC : V_AESDEC, result_xmm(l), t, none);
}

/* Mixing columns alone: an inverse last round, then a full round, whose other steps cancel. */
static bool lower_aes_mix(struct lower *l, const struct ir_insn *insn)
{
    if (!host.aes)
        return false;
    if (l->w[insn->arg[0]].folded) {
        lower_aes_round(l, insn, insn_at(l, insn->arg[0]));
        return true;
    }
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    if (insn->op == IR_aesimc) {
        unsigned from = a < 16 ? a : t;
        move_xmm(l, from, a);
        emit_v_unary(l, V_AESIMC, t, from);
    } else {
        unsigned none = take_xmm(l);
        clear_xmm(l, none);
        emit_v(l, V_AESDECLAST, t, a, none);
        emit_v(l, V_AESENC, t, t, none);
    }
    move_xmm(l, result_xmm(l), t);
    return true;
}

/* Four rounds. The host does two at a time, on lanes f, e, b, a and h, g, d, c (the lowest first); of the operands one
 * is a, b, c, d and the other e, f, g, h, and SHA256H2 has them the other way round. XMM0 is a guest's register. */
static bool lower_sha256_rounds(struct lower *l, const struct ir_insn *insn)
{
    if (!host.sha)
        return false;
    bool second = insn->op == IR_sha256h2;
    unsigned abcd = use_xmm(l, insn->arg[second]), efgh = use_xmm(l, insn->arg[!second]);
    unsigned abef = take_xmm(l), cdgh = take_xmm(l);
    emit_v_imm(l, V_SHUFPS, abef, efgh, abcd, 0x11);
    emit_v_imm(l, V_SHUFPS, cdgh, efgh, abcd, 0xbb);
    leave_xmm(l, abcd);
    leave_xmm(l, efgh);
    unsigned words = use_xmm(l, insn->arg[2]), kept = take_xmm(l);
    move_xmm(l, kept, 0);
    move_xmm(l, 0, words);
    emit_sha(&l->e, SHA256RNDS2, cdgh, abef); /* now a, b, e, f; the others are the old ones */
    emit_v_unary(l, V_PSHUFD, 0, 0);
    emit_bytes(&l->e, 1, 0x0e);
    emit_sha(&l->e, SHA256RNDS2, abef, cdgh);
    move_xmm(l, 0, kept);
    leave_xmm(l, kept);
    emit_v_imm(l, V_SHUFPS, result_xmm(l), abef, cdgh, second ? 0x11 : 0xbb);
    return true;
}

static bool lower_sha256_schedule(struct lower *l, const struct ir_insn *insn)
{
    if (!host.sha)
        return false;
    unsigned n = use_xmm(l, insn->arg[1]), t = take_xmm(l), last;
    if (insn->op == IR_sha256su0) {
        unsigned d = use_xmm(l, insn->arg[0]);
        move_xmm(l, t, d);
        last = take_xmm(l);
        move_xmm(l, last, n);
        emit_sha(&l->e, SHA256MSG1, t, last);
    } else {
        unsigned m = use_xmm(l, insn->arg[2]);
        emit_v_imm(l, V_PALIGNR, t, m, n, 4);
        if (n != m)
            leave_xmm(l, n);
        unsigned d = use_xmm(l, insn->arg[0]);
        emit_v(l, V_PADDD, t, t, d);
        if (d != m)
            leave_xmm(l, d);
        last = take_xmm(l);
        move_xmm(l, last, m);
        emit_sha(&l->e, SHA256MSG2, t, last);
    }
    leave_xmm(l, last);
    move_xmm(l, result_xmm(l), t);
    return true;
}

/* Four rounds of SHA-1. The host has the lanes the other way round and adds the round's constant itself, which is taken
 * off before; it wants E added to the first word. */
static bool lower_sha1_rounds(struct lower *l, const struct ir_insn *insn)
{
    static const uint32_t constants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc};
    unsigned function = insn->op == IR_sha1c ? 0 : insn->op == IR_sha1p ? 1 : 2;
    if (!host.sha)
        return false;
    unsigned e = use_xmm(l, insn->arg[1]), t = take_xmm(l), k = take_temp(l), c = take_xmm(l);
    emit_v_imm(l, V_INSERTPS, t, e, e, 0x0e);
    leave_xmm(l, e);
    emit_mov_imm(&l->e, k, constants[function]);
    emit_v_rr(&l->e, V_MOVD_TO_X, c, VEX_NONE, k);
    emit_v_unary(l, V_PSHUFD, c, c);
    emit_bytes(&l->e, 1, 0);
    emit_v(l, V_PSUBD, t, t, c);
    leave_xmm(l, c);
    unsigned w = use_xmm(l, insn->arg[2]);
    emit_v(l, V_PADDD, t, t, w);
    leave_xmm(l, w);
    emit_v_unary(l, V_PSHUFD, t, t);
    emit_bytes(&l->e, 1, 0x1b);
    unsigned abcd = use_xmm(l, insn->arg[0]), x = take_xmm(l);
    emit_v_unary(l, V_PSHUFD, x, abcd);
    emit_bytes(&l->e, 1, 0x1b);
    emit_sha1_rounds(&l->e, x, t, function);
    leave_xmm(l, abcd);
    emit_v_unary(l, V_PSHUFD, result_xmm(l), x);
    emit_bytes(&l->e, 1, 0x1b);
    return true;
}

static bool lower_sha1h(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use_xmm(l, insn->arg[0]), t = take_xmm(l);
    rotate_lanes(l, 2, t, a, 30);
    unsigned reg = result_xmm(l);
    move_xmm(l, reg, t);
    finish_vector(l, reg, 4);
    return true;
}

/* w2, w3 | w4, w5 added to w0 to w3 and w8 to w11. */
static bool lower_sha1su0(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l);
    emit_v_imm(l, V_PALIGNR, t, b, a, 8);
    emit_v(l, V_PXOR, t, t, a);
    if (b != a)
        leave_xmm(l, b);
    leave_xmm(l, a);
    unsigned c = use_xmm(l, insn->arg[2]);
    emit_v(l, V_PXOR, t, t, c);
    leave_xmm(l, c);
    move_xmm(l, result_xmm(l), t);
    return true;
}

/* The last word depends on the first one. */
static bool lower_sha1su1(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), t = take_xmm(l);
    shift_lanes(l, 3, BYTES_RIGHT, t, b, 4);
    emit_v(l, V_PXOR, t, t, a);
    if (b != a)
        leave_xmm(l, b);
    leave_xmm(l, a);
    unsigned u = take_xmm(l);
    rotate_lanes(l, 2, u, t, 1);
    emit_v_unary(l, V_PSHUFD, t, u); /* the first in all lanes */
    emit_bytes(&l->e, 1, 0);
    shift_lanes(l, 3, BYTES_LEFT, t, t, 12);
    rotate_lanes(l, 2, t, t, 1);
    emit_v(l, V_PXOR, u, u, t);
    move_xmm(l, result_xmm(l), u);
    return true;
}

/* CRC-32 of up to eight bytes by Barrett's reduction: twice a carry-less product, with 2^96 / P and with P, all with
 * their bits in reverse. Fewer bytes lie on top, and what is left of the old value is added. */
bool lower_crc32(struct lower *l, const struct ir_insn *insn)
{
    const uint64_t factors[] = {0xb4e5b025f7011641, 0x1db710641};
    unsigned bits = 8u << insn->imm;
    if (!host.pclmul || l->plain)
        return false;
    unsigned a = use(l, insn->arg[0]), b = use(l, insn->arg[1]), t = take_temp(l), x = take_xmm(l), k = take_xmm(l);
    emit_rr(&l->e, X86_MOV, 32, t, a);
    emit_rr(&l->e, X86_XOR, 64, t, b);
    if (bits < 64)
        emit_shift_imm(&l->e, SHIFT_SHL, 64, t, 64 - bits);
    emit_v_rr(&l->e, V_MOVQ_TO_X, x, VEX_NONE, t);
    for (int i = 0; i < 2; i++) {
        emit_mov_imm(&l->e, t, factors[i]);
        emit_v_rr(&l->e, V_MOVQ_TO_X, k, VEX_NONE, t);
        emit_v_imm(l, V_PCLMULQDQ, x, x, k, 0);
    }
    unsigned reg = take_temp(l);
    emit_v_rr(&l->e, V_PEXTRQ, x, VEX_NONE, reg);
    emit_bytes(&l->e, 1, 1);
    if (bits < 32) {
        emit_rr(&l->e, X86_MOV, 32, t, a);
        emit_shift_imm(&l->e, SHIFT_SHR, 32, t, bits);
        emit_rr(&l->e, X86_XOR, 32, reg, t);
    }
    bind_value(l, l->now, reg);
    return true;
}

static bool lower_pmull(struct lower *l, const struct ir_insn *insn)
{
    if (!host.pclmul)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]);
    emit_v_imm(l, V_PCLMULQDQ, result_xmm(l), a, b, insn->imm ? 0x11 : 0x00);
    return true;
}

bool lower_crypto(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_aese:
    case IR_aesd:
        return lower_aes(l, insn);
    case IR_aesmc:
    case IR_aesimc:
        return lower_aes_mix(l, insn);
    case IR_sha256h:
    case IR_sha256h2:
        return lower_sha256_rounds(l, insn);
    case IR_sha256su0:
    case IR_sha256su1:
        return lower_sha256_schedule(l, insn);
    case IR_sha1c:
    case IR_sha1p:
    case IR_sha1m:
        return lower_sha1_rounds(l, insn);
    case IR_sha1h:
        return lower_sha1h(l, insn);
    case IR_sha1su0:
        return lower_sha1su0(l, insn);
    case IR_sha1su1:
        return lower_sha1su1(l, insn);
    case IR_pmull:
        return lower_pmull(l, insn);
    default:
        return lower_sm(l, insn) || lower_sha512(l, insn);
    }
}
