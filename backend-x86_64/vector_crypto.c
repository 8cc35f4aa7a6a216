/* AES, SHA-256 and polynomial multiplication by the host's instructions. */
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

/* Mixing columns alone: an inverse last round, then a full round, whose other steps cancel. */
static bool lower_aes_mix(struct lower *l, const struct ir_insn *insn)
{
    if (!host.aes)
        return false;
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
    case IR_pmull:
        return lower_pmull(l, insn);
    default:
        return false;
    }
}
