/* Structures of three elements, between memory and registers. */
#include "lower.h"

/* t = a in the lanes whose number is `part` modulo 3. */
static void take_third(struct lower *l, unsigned esz, unsigned part, unsigned t, unsigned a)
{
    struct x86_mem others = constant_mem((enum jit_constant)(JIT_TWO_THIRDS_B + 3 * esz + part));
    if (host.level >= HOST_V4) {
        emit_v_rm(&l->e, V_PTERNLOG, t, a, others);
        emit_bytes(&l->e, 1, 0xe4); /* the third operand chooses the first one, or the second */
        return;
    }
    emit_v(l, V_PXOR, t, t, a); /* the difference, where it is to stay */
    emit_v_mem(l, V_PAND, t, t, others);
    emit_v(l, V_PXOR, t, t, a);
}

/* Lanes where first + step * lane is 0, 1, 2 modulo 3 come from a, b, c. A step is its own inverse. */
static bool lower_thirds(struct lower *l, const struct ir_insn *insn)
{
    unsigned first = (unsigned)insn->imm & 0xff, step = (unsigned)insn->imm >> 8;
    unsigned a = use_xmm(l, insn->arg[0]), b = use_xmm(l, insn->arg[1]), c = use_xmm(l, insn->arg[2]), t = take_xmm(l);
    move_xmm(l, t, a);
    take_third(l, insn->esz, (4 - first) * step % 3, t, b);
    take_third(l, insn->esz, (5 - first) * step % 3, t, c);
    bind_value(l, l->now, XMM + t);
    finish_vector(l, t, bytes_of(insn));
    return true;
}

/* The shuffle of words that has lane (first + step * i) % lanes in lane i. */
static uint8_t word_order(unsigned first, unsigned step, unsigned lanes)
{
    unsigned order = 0;
    for (unsigned i = 0; i < 4; i++)
        order |= (first + step * i) % lanes << 2 * i;
    return (uint8_t)order;
}

static bool lower_stride(struct lower *l, const struct ir_insn *insn)
{
    unsigned first = (unsigned)insn->imm & 0xff, step = (unsigned)insn->imm >> 8, esz = insn->esz, lanes = insn->lanes;
    unsigned a = use_xmm(l, insn->arg[0]), reg = result_xmm(l);
    if (esz == 3) {
        emit_v_unary(l, V_PSHUFD, reg, a);
        emit_bytes(&l->e, 1, first ? 0x4e : 0xe4);
    } else if (esz == 2) {
        emit_v_unary(l, V_PSHUFD, reg, a);
        emit_bytes(&l->e, 1, word_order(first, step, lanes));
    } else if (esz == 1 && lanes == 4) {
        emit_v_unary(l, V_PSHUFLW, reg, a);
        emit_bytes(&l->e, 1, word_order(first, step, lanes));
    } else {
        enum jit_constant order = esz          ? JIT_STRIDE_H
                                  : lanes == 8 ? JIT_STRIDE_B8
                                  : step == 3  ? JIT_STRIDE_B
                                               : JIT_STRIDE_BACK_B;
        if (first) {
            if (lanes == 8 && esz == 0) {
                emit_v(l, V_PUNPCKLQDQ, reg, a, a);
                a = reg;
            }
            emit_v_imm(l, V_PALIGNR, reg, a, a, first << esz);
            a = reg;
        }
        emit_v_mem(l, V_PSHUFB, reg, a, constant_mem(order));
    }
    finish_vector(l, reg, bytes_of(insn));
    return true;
}

bool lower_structure(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_vthirds:
        return lower_thirds(l, insn);
    case IR_vstride:
        return lower_stride(l, insn);
    default:
        return false;
    }
}
