/* SM3 and SM4 by rotations and logic of words, and affine transformations of bytes. */
#include "lower.h"

enum { XOR3 = 0x96, MAJORITY = 0xe8, CHOOSE = 0xca }; /* V_PTERNLOG */

static void copy_word(struct lower *l, unsigned reg, unsigned a, unsigned lane)
{
    emit_v_unary(l, V_PSHUFD, reg, a);
    emit_bytes(&l->e, 1, lane * 0x55);
}

/* Lane `to` of reg = lane `from` of a; `clear` has a bit for each lane that becomes zero. */
static void insert_word(struct lower *l, unsigned reg, unsigned to, unsigned a, unsigned from, unsigned clear)
{
    emit_v_imm(l, V_INSERTPS, reg, reg, a, from << 6 | to << 4 | clear);
}

/* t ^= t rotated by m, and by n. u and v change. */
static void xor_rotated(struct lower *l, unsigned t, unsigned u, unsigned v, unsigned m, unsigned n)
{
    rotate_lanes(l, 2, u, t, m);
    rotate_lanes(l, 2, v, t, n);
    emit_v_imm(l, V_PTERNLOG, t, u, v, XOR3);
}

/* --- SM3 ------------------------------------------------------------------------------------------------ */

static void lower_sm3ss1(struct lower *l, const struct ir_insn *insn)
{
    unsigned n = use_xmm(l, insn->arg[0]), m = use_xmm(l, insn->arg[1]), a = use_xmm(l, insn->arg[2]), t = take_xmm(l);
    rotate_lanes(l, 2, t, n, 12);
    emit_v(l, V_PADDD, t, t, m);
    emit_v(l, V_PADDD, t, t, a);
    rotate_lanes(l, 2, t, t, 7);
    insert_word(l, t, 3, t, 3, 7);
    move_xmm(l, result_xmm(l), t);
}

/* What is in t but for the last word, which lacks what the first one gives. */
static void add_first_to_last(struct lower *l, unsigned t, unsigned first, unsigned u, unsigned v, unsigned w)
{
    shift_lanes(l, 3, BYTES_LEFT, u, first, 12);
    rotate_lanes(l, 2, u, u, 15);
    xor_rotated(l, u, v, w, 15, 23);
    emit_v(l, V_PXOR, t, t, u);
}

static bool lower_sm3_schedule(struct lower *l, const struct ir_insn *insn)
{
    unsigned d = use_xmm(l, insn->arg[0]), n = use_xmm(l, insn->arg[1]), m = use_xmm(l, insn->arg[2]);
    if (free_xmms(l) < 4)
        return false;
    unsigned t = take_xmm(l), u = take_xmm(l), v = take_xmm(l), w = take_xmm(l);
    if (insn->op == IR_sm3partw1) {
        shift_lanes(l, 3, BYTES_RIGHT, t, m, 4);
        rotate_lanes(l, 2, t, t, 15);
        emit_v_imm(l, V_PTERNLOG, t, d, n, XOR3);
        xor_rotated(l, t, u, v, 15, 23);
        add_first_to_last(l, t, t, u, v, w);
    } else {
        rotate_lanes(l, 2, t, m, 7);
        emit_v(l, V_PXOR, t, t, n);
        add_first_to_last(l, t, t, u, v, w);
        emit_v(l, V_PXOR, t, t, d);
    }
    move_xmm(l, result_xmm(l), t);
    return true;
}

/* A round. */
static bool lower_sm3tt(struct lower *l, const struct ir_insn *insn)
{
    bool second = insn->imm & 2, late = insn->imm & 1;
    unsigned d = use_xmm(l, insn->arg[0]), n = use_xmm(l, insn->arg[1]), m = use_xmm(l, insn->arg[2]);
    if (free_xmms(l) < 4)
        return false;
    unsigned t = take_xmm(l), u = take_xmm(l), v = take_xmm(l), state = take_xmm(l);
    copy_word(l, t, d, 3);
    copy_word(l, u, d, 2);
    copy_word(l, v, d, 1);
    emit_v_imm(l, V_PTERNLOG, t, u, v, !late ? XOR3 : second ? CHOOSE : MAJORITY);
    emit_v(l, V_PADDD, t, t, d);
    copy_word(l, u, n, 3);
    if (!second) {
        copy_word(l, v, d, 3);
        rotate_lanes(l, 2, v, v, 12);
        emit_v(l, V_PXOR, u, u, v);
    }
    emit_v(l, V_PADDD, t, t, u);
    copy_word(l, u, m, (unsigned)insn->imm >> 2);
    emit_v(l, V_PADDD, t, t, u);
    if (second)
        xor_rotated(l, t, u, v, 9, 17);
    emit_v_unary(l, V_PSHUFD, state, d);
    emit_bytes(&l->e, 1, 0x39); /* each word in the place of the one below */
    rotate_lanes(l, 2, u, state, second ? 19 : 9);
    insert_word(l, state, 1, u, 1, 0);
    insert_word(l, state, 3, t, 0, 0);
    move_xmm(l, result_xmm(l), state);
    return true;
}

/* --- SM4 ------------------------------------------------------------------------------------------------ */

/* The S-box is an affine transformation, the inverse in SM4's field, and the first again: the host has the inverse in
 * AES's field, which the transformations lead to and back from. */
static void substitute(struct lower *l, unsigned reg)
{
    enum { ADDED_BEFORE = 0x3e, ADDED_BEHIND = 0xd3 };
    emit_v_rm(&l->e, V_GF2P8AFFINE, reg, reg, constant_mem(JIT_SM4_BEFORE));
    emit_bytes(&l->e, 1, ADDED_BEFORE);
    emit_v_rm(&l->e, V_GF2P8AFFINEINV, reg, reg, constant_mem(JIT_SM4_BEHIND));
    emit_bytes(&l->e, 1, ADDED_BEHIND);
}

/* Four rounds, each with a word of the keys: the state's first word is changed by the others, and becomes the last. */
static bool lower_sm4(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t cipher[] = {2, 10, 18, 24}, schedule[] = {13, 23};
    bool enciphers = insn->op == IR_sm4e;
    if (!host.gfni)
        return false;
    unsigned a = use_xmm(l, insn->arg[0]), keys = use_xmm(l, insn->arg[1]), state = take_xmm(l);
    move_xmm(l, state, a);
    if (a != keys)
        leave_xmm(l, a);
    unsigned t = take_xmm(l), u = take_xmm(l);
    for (unsigned round = 0; round < 4; round++) {
        copy_word(l, t, keys, round);
        for (unsigned word = 1; word < 4; word++) {
            copy_word(l, u, state, word);
            emit_v(l, V_PXOR, t, t, u);
        }
        substitute(l, t);
        insert_word(l, t, 0, t, 0, 0xe);
        emit_v(l, V_PXOR, state, state, t);
        for (unsigned i = 0; i < (enciphers ? sizeof cipher : sizeof schedule); i++) {
            rotate_lanes(l, 2, u, t, (enciphers ? cipher : schedule)[i]);
            emit_v(l, V_PXOR, state, state, u);
        }
        emit_v_unary(l, V_PSHUFD, state, state);
        emit_bytes(&l->e, 1, 0x39);
    }
    leave_xmm(l, keys);
    move_xmm(l, result_xmm(l), state);
    return true;
}

bool lower_sm(struct lower *l, const struct ir_insn *insn)
{
    if (host.level < HOST_V4)
        return false;
    switch ((enum ir_op)insn->op) {
    case IR_sm3ss1:
        lower_sm3ss1(l, insn);
        return true;
    case IR_sm3partw1:
    case IR_sm3partw2:
        return lower_sm3_schedule(l, insn);
    case IR_sm3tt:
        return lower_sm3tt(l, insn);
    case IR_sm4e:
    case IR_sm4ekey:
        return lower_sm4(l, insn);
    default:
        return false;
    }
}
