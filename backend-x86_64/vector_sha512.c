/* SHA-512: two rounds, or two words of the schedule, at a time. */
#include "lower.h"

/* The rotations of the functions of FIPS 180-4, 4.1.3; the last one of the schedule's is a shift. */
struct sigma {
    uint8_t count[3];
    bool shifts;
};
static const struct sigma big_sigma0 = {{28, 34, 39}, false}, big_sigma1 = {{14, 18, 41}, false};
static const struct sigma small_sigma0 = {{1, 8, 7}, true}, small_sigma1 = {{19, 61, 6}, true};

/* --- level 4: in vector registers ----------------------------------------------------------------------- */

enum { XOR3 = 0x96, CHOOSE = 0xe2, MAJORITY = 0xe8 }; /* of PTERNLOG; CHOOSE: by the second operand, first or third */

/* t = sigma(a), by u; a may be v, which changes. */
static void sigma_vector(struct lower *l, struct sigma s, unsigned t, unsigned u, unsigned v, unsigned a)
{
    shift_lanes(l, 3, ROTATE_RIGHT, t, a, s.count[0]);
    shift_lanes(l, 3, ROTATE_RIGHT, u, a, s.count[1]);
    shift_lanes(l, 3, s.shifts ? RIGHT : ROTATE_RIGHT, v, a, s.count[2]);
    emit_v_imm(l, V_PTERNLOG, t, u, v, XOR3);
}

static void duplicate(struct lower *l, unsigned reg, unsigned a, bool high)
{
    emit_v_unary(l, V_PSHUFD, reg, a);
    emit_bytes(&l->e, 1, high ? 0xee : 0x44);
}

/* The operands and the result live in registers that are no temporaries: all of these are free. */
static bool is_all_pinned(struct lower *l, const struct ir_insn *insn)
{
    for (unsigned i = 0; i < 3; i++) {
        const struct where *w = &l->w[insn->arg[i]];
        if (w->home == NONE || host.v_pin[w->home] < 0)
            return false;
        if (w->reg != NONE)
            release_reg(l, (unsigned)w->reg);
    }
    int target = l->w[l->now].target;
    return target != NONE && host.v_pin[target] >= 0;
}

/* The first round is computed in the high lane, with what the second one knows of it in the low lane. */
static void rounds_in_vectors(struct lower *l, const struct ir_insn *insn, bool second)
{
    struct sigma s = second ? big_sigma0 : big_sigma1;
    unsigned d = use_xmm(l, insn->arg[0]), n = use_xmm(l, insn->arg[1]), m = use_xmm(l, insn->arg[2]);
    unsigned t = take_xmm(l), u = take_xmm(l), v = take_xmm(l), w = take_xmm(l);
    if (second)
        duplicate(l, v, m, false);
    sigma_vector(l, s, t, u, w, second ? v : m);
    duplicate(l, u, n, false);
    if (second)
        emit_v_imm(l, V_PTERNLOG, u, v, m, MAJORITY);
    else
        emit_v_imm(l, V_PTERNLOG, u, m, n, CHOOSE);
    emit_v(l, V_PADDQ, u, u, d);
    emit_v(l, V_PADDQ, t, t, u);
    duplicate(l, u, t, true);
    duplicate(l, w, m, true);
    if (second) {
        emit_v_imm(l, V_PTERNLOG, w, u, m, MAJORITY);
    } else {
        emit_v(l, V_PADDQ, u, u, m);
        emit_v_imm(l, V_PTERNLOG, w, u, n, CHOOSE);
    }
    emit_v(l, V_PADDQ, w, w, d);
    unsigned reg = result_xmm(l); /* the operands are read */
    move_xmm(l, reg, t);
    sigma_vector(l, s, v, t, u, u);
    emit_v(l, V_PADDQ, v, v, w);
    emit_v_imm(l, V_SHUFPS, reg, v, reg, 0xe4);
}

/* --- all levels: in general registers --------------------------------------------------------------------- */

/* t = sigma(a): the rotations one after another, each of the sum so far. */
static void add_sigma(struct lower *l, struct sigma s, unsigned sum, unsigned t, unsigned a)
{
    emit_rr(&l->e, X86_MOV, 64, t, a);
    emit_shift_imm(&l->e, SHIFT_ROR, 64, t, s.count[2] - s.count[1]);
    emit_rr(&l->e, X86_XOR, 64, t, a);
    emit_shift_imm(&l->e, SHIFT_ROR, 64, t, s.count[1] - s.count[0]);
    emit_rr(&l->e, X86_XOR, 64, t, a);
    emit_shift_imm(&l->e, SHIFT_ROR, 64, t, s.count[0]);
    emit_rr(&l->e, X86_ADD, 64, sum, t);
}

static void lane_to(struct lower *l, unsigned reg, unsigned from, unsigned lane)
{
    emit_v_rr(&l->e, lane ? V_PEXTRQ : V_MOVQ_FROM_X, from, VEX_NONE, reg);
    if (lane)
        emit_bytes(&l->e, 1, 1);
}

/* y = (y ^ z) & x ^ z: y or z, as x says. */
static void choose(struct lower *l, unsigned x, unsigned y, unsigned z)
{
    emit_rr(&l->e, X86_XOR, 64, y, z);
    emit_rr(&l->e, X86_AND, 64, y, x);
    emit_rr(&l->e, X86_XOR, 64, y, z);
}

/* y = the majority of x, y and z; x changes. */
static void majority(struct lower *l, unsigned x, unsigned y, unsigned z)
{
    emit_rr(&l->e, X86_XOR, 64, x, z);
    choose(l, x, y, z);
}

static void add_lane(struct lower *l, unsigned sum, unsigned t, unsigned from, unsigned lane)
{
    lane_to(l, t, from, lane);
    emit_rr(&l->e, X86_ADD, 64, sum, t);
}

static void rounds_in_general_registers(struct lower *l, const struct ir_insn *insn, bool second)
{
    struct sigma s = second ? big_sigma0 : big_sigma1;
    unsigned d = use_xmm(l, insn->arg[0]), n = use_xmm(l, insn->arg[1]), m = use_xmm(l, insn->arg[2]);
    unsigned x = take_temp(l), y = take_temp(l), z = take_temp(l), high = take_temp(l), t = take_temp(l);
    lane_to(l, x, m, !second); /* what the first round's sigma is of */
    lane_to(l, z, m, second);
    lane_to(l, y, n, 0);
    if (second) {
        lane_to(l, high, n, 0);
        emit_rr(&l->e, X86_MOV, 64, t, x);
        majority(l, t, high, z);
    } else {
        lane_to(l, t, n, 1);
        emit_rr(&l->e, X86_MOV, 64, high, y);
        choose(l, x, high, t);
    }
    add_lane(l, high, t, d, 1);
    add_sigma(l, s, high, t, x);
    if (second) {
        emit_rr(&l->e, X86_MOV, 64, t, high);
        majority(l, t, x, z);
        add_sigma(l, s, x, t, high);
    } else {
        emit_rr(&l->e, X86_ADD, 64, z, high);
        choose(l, z, x, y);
        add_sigma(l, s, x, t, z);
    }
    add_lane(l, x, t, d, 0);
    unsigned reg = result_xmm(l);
    emit_v_rr(&l->e, V_MOVQ_TO_X, reg, VEX_NONE, x);
    emit_v_rr(&l->e, V_PINSRQ, reg, reg, high);
    emit_bytes(&l->e, 1, 1);
}

/* --- the schedule ------------------------------------------------------------------------------------------- */

/* t = sigma(a). */
static void sigma_of_lanes(struct lower *l, struct sigma s, unsigned t, unsigned a)
{
    rotate_lanes(l, 3, t, a, 64 - (s.count[1] - s.count[0]));
    emit_v(l, V_PXOR, t, t, a);
    rotate_lanes(l, 3, t, t, 64 - s.count[0]);
    unsigned u = take_xmm(l);
    shift_lanes(l, 3, RIGHT, u, a, s.count[2]);
    emit_v(l, V_PXOR, t, t, u);
    leave_xmm(l, u);
}

static void lower_schedule0(struct lower *l, const struct ir_insn *insn)
{
    unsigned d = use_xmm(l, insn->arg[0]), n = use_xmm(l, insn->arg[1]), t = take_xmm(l);
    emit_v_imm(l, V_PALIGNR, t, n, d, 8);
    if (n != d)
        leave_xmm(l, n);
    unsigned sum = take_xmm(l);
    sigma_of_lanes(l, small_sigma0, sum, t);
    leave_xmm(l, t);
    emit_v(l, V_PADDQ, result_xmm(l), sum, d);
}

static void lower_schedule1(struct lower *l, const struct ir_insn *insn)
{
    unsigned n = use_xmm(l, insn->arg[1]), sum = take_xmm(l);
    sigma_of_lanes(l, small_sigma1, sum, n);
    leave_xmm(l, n);
    unsigned d = use_xmm(l, insn->arg[0]);
    emit_v(l, V_PADDQ, sum, sum, d);
    unsigned m = use_xmm(l, insn->arg[2]);
    emit_v(l, V_PADDQ, result_xmm(l), sum, m);
}

bool lower_sha512(struct lower *l, const struct ir_insn *insn)
{
    bool second = insn->op == IR_sha512h2;
    switch ((enum ir_op)insn->op) {
    case IR_sha512h:
    case IR_sha512h2:
        if (host.level >= HOST_V4 && is_all_pinned(l, insn))
            rounds_in_vectors(l, insn, second);
        else
            rounds_in_general_registers(l, insn, second);
        return true;
    case IR_sha512su0:
        lower_schedule0(l, insn);
        return true;
    case IR_sha512su1:
        lower_schedule1(l, insn);
        return true;
    default:
        return false;
    }
}
