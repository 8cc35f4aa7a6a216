/* From IR to x86-64: one pass over a block, with registers allocated on the way.
 *
 * Host registers: RBP is cpu + CPU_BIAS, so that x0..x30 and SP have one-byte displacements; the pinned guest
 * registers live in callee-saved registers (pins[]); cpu->spill has a slot for each value that is spilled;
 * the others hold values. The guest's state is always complete: what isn't pinned is in *cpu, so a fault needs only
 * the pinned registers and the pc.
 *
 * Flags are kept in cpu->flags in the host's format; a value of the flags is PACKED, in a register, in that format.
 * Conditions compare the operands of the flags' origin again instead of looking at the packed value. */
#include "lower.h"

#include <xemu/log.h>

#include <string.h>

const struct pin pins[PINS] = {{0, RBX}, {1, R12}, {2, R13}, {19, R14}, {31, R15}};

static const uint8_t temps[] = {RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11};
enum { TEMPS = sizeof temps };

static int pin_of(unsigned guest)
{
    for (int i = 0; i < PINS; i++)
        if (pins[i].guest == guest)
            return pins[i].host;
    return NONE;
}

static bool is_const(const struct lower *l, unsigned v) { return insn_at(l, v)->op == IR_const; }
static bool fits32(int64_t imm) { return imm == (int32_t)imm; }

static bool is_small_const(const struct lower *l, unsigned v, unsigned w)
{
    return is_const(l, v) && (w == 32 || fits32(insn_at(l, v)->imm));
}

/* --- registers ---------------------------------------------------------------------------------------- */

int take_slot(struct lower *l)
{
    for (int s = 3; s < CPU_SPILLS; s++) /* the first ones pass constants to functions */
        if (!l->slot_used[s]) {
            l->slot_used[s] = true;
            return s;
        }
    l->failed = true;
    return 3;
}

/* The value survives in memory without its register. */
static void save_value(struct lower *l, unsigned v)
{
    struct where *w = &l->w[v];
    if (w->home != NONE || w->slot != NONE || is_const(l, v) || w->last < l->now)
        return;
    w->slot = (int16_t)take_slot(l);
    emit_rm(&l->e, X86_STORE, 64, (unsigned)w->reg, slot_mem(w->slot));
}

static void release_reg(struct lower *l, unsigned reg)
{
    if (l->in_reg[reg] != NONE)
        l->w[l->in_reg[reg]].reg = NONE;
    l->in_reg[reg] = NONE;
}

static void evict(struct lower *l, unsigned reg)
{
    if (l->in_reg[reg] == NONE)
        return;
    save_value(l, (unsigned)l->in_reg[reg]);
    release_reg(l, reg);
}

/* A temporary for anything: a free one, or the one whose value is needed last. It is busy until the operation
 * ends. */
unsigned take_temp(struct lower *l)
{
    int best = NONE, best_last = -1;
    for (int i = 0; i < TEMPS; i++) {
        unsigned reg = temps[i];
        if (l->busy >> reg & 1)
            continue;
        int last = l->in_reg[reg] == NONE ? INT16_MAX : l->w[l->in_reg[reg]].last;
        if (l->in_reg[reg] != NONE && l->w[l->in_reg[reg]].last < l->now)
            last = INT16_MAX;
        if (last > best_last) {
            best_last = last;
            best = (int)reg;
        }
    }
    if (best == NONE) {
        l->failed = true;
        return RAX;
    }
    evict(l, (unsigned)best);
    l->busy |= (uint16_t)(1u << best);
    return (unsigned)best;
}

/* This temporary, for instructions with fixed registers. */
void take_fixed(struct lower *l, unsigned reg)
{
    evict(l, reg);
    l->busy |= (uint16_t)(1u << reg);
}

void bind_value(struct lower *l, unsigned v, unsigned reg)
{
    release_reg(l, reg);
    l->in_reg[reg] = (int16_t)v;
    l->w[v].reg = (int16_t)reg;
}

static bool home_is_pin(const struct lower *l, unsigned v)
{
    return l->w[v].home != NONE && ir_ops[insn_at(l, v)->op].result == IR_INT && pin_of((unsigned)l->w[v].home) != NONE;
}

/* Where the value can be read now, without code: a register, or NONE. */
static int register_of(const struct lower *l, unsigned v)
{
    if (l->w[v].reg != NONE)
        return l->w[v].reg;
    return home_is_pin(l, v) ? pin_of((unsigned)l->w[v].home) : NONE;
}

static struct x86_mem memory_of(const struct lower *l, unsigned v)
{
    return l->w[v].home != NONE ? x_mem((unsigned)l->w[v].home) : slot_mem(l->w[v].slot);
}

/* Loads the value into reg, whatever it is. */
static void load_into(struct lower *l, unsigned reg, unsigned v)
{
    int from = register_of(l, v);
    if (is_const(l, v))
        emit_mov_imm(&l->e, reg, (uint64_t)insn_at(l, v)->imm);
    else if (from != NONE && (unsigned)from != reg)
        emit_rr(&l->e, X86_MOV, 64, reg, (unsigned)from);
    else if (from == NONE)
        emit_rm(&l->e, X86_MOV, 64, reg, memory_of(l, v));
}

/* A register that holds the value; read only. A temporary among them is busy until the operation ends. */
unsigned use_reg(struct lower *l, unsigned v)
{
    int reg = register_of(l, v);
    if (reg == NONE) {
        reg = (int)take_temp(l);
        load_into(l, (unsigned)reg, v);
        bind_value(l, v, (unsigned)reg);
    }
    l->busy |= (uint16_t)(1u << reg);
    return (unsigned)reg;
}

/* op reg, value: with an immediate, a register or memory. */
static void emit_with(struct lower *l, enum x86_op op, unsigned w, unsigned reg, unsigned v)
{
    int from = register_of(l, v);
    if (is_small_const(l, v, w) && op != X86_IMUL && op != X86_MOV)
        emit_ri(&l->e, op, w, reg, (int32_t)insn_at(l, v)->imm);
    else if (from != NONE)
        emit_rr(&l->e, op, w, reg, (unsigned)from);
    else if (is_const(l, v))
        emit_rr(&l->e, op, w, reg, use_reg(l, v));
    else
        emit_rm(&l->e, op, w, reg, memory_of(l, v));
}

/* Guest register r is about to change: values that are only there move out. */
static void leave_home(struct lower *l, unsigned r, enum ir_type type)
{
    for (unsigned v = 0; v < l->now; v++) {
        struct where *w = &l->w[v];
        if (w->home != (int)r || ir_ops[insn_at(l, v)->op].result != type)
            continue;
        if (w->last > l->now && w->reg == NONE && w->slot == NONE) {
            if (type == IR_VEC) {
                w->slot = (int16_t)take_slot(l);
                emit_rm(&l->e, X86_MOVUPS, 32, 7, v_mem(r)); /* XMM7: the others may hold what comes there */
                emit_rm(&l->e, X86_STOREUPS, 32, 7, slot_mem(w->slot));
            } else {
                unsigned reg = take_temp(l);
                load_into(l, reg, v);
                bind_value(l, v, reg);
            }
        }
        w->home = NONE;
    }
}

/* A register for the result of the operation, to be written at once. */
static unsigned result_reg(struct lower *l)
{
    unsigned reg = take_temp(l);
    bind_value(l, l->now, reg);
    return reg;
}

/* The same, holding a copy of v; v's own register if it dies here. */
static unsigned result_from(struct lower *l, unsigned v)
{
    int own = l->w[v].reg;
    if (own != NONE && l->w[v].last <= l->now && !is_const(l, v)) {
        bind_value(l, l->now, (unsigned)own);
        l->w[v].reg = NONE;
        l->busy |= (uint16_t)(1u << own);
        return (unsigned)own;
    }
    if (own != NONE)
        l->busy |= (uint16_t)(1u << own);
    unsigned reg = take_temp(l);
    load_into(l, reg, v);
    bind_value(l, l->now, reg);
    return reg;
}

/* Marks the register of an operand, so that taking others doesn't move it. */
static void hold(struct lower *l, unsigned v)
{
    if (l->w[v].reg != NONE)
        l->busy |= (uint16_t)(1u << l->w[v].reg);
}

/* --- flags and conditions ----------------------------------------------------------------------------- */

enum { PACKED_N = 0x8000, PACKED_Z = 0x4000, PACKED_C = 0x100, PACKED_V = 1 };

/* EFLAGS into RAX, as the value of the operation. */
static void capture_flags(struct lower *l, bool invert_carry)
{
    if (invert_carry)
        emit_bytes(&l->e, 1, 0xf5); /* cmc */
    emit_bytes(&l->e, 1, 0x9f);     /* lahf */
    emit_setcc(&l->e, CC_O, RAX);
    bind_value(l, l->now, RAX);
}

/* Sets EFLAGS as the origin of the flags did. */
static void emit_origin(struct lower *l, const struct ir_insn *origin)
{
    unsigned a = origin->arg[0], b = origin->arg[1], w = origin->w;
    switch (origin->op) {
    case IR_nzcv_sub:
        if (is_small_const(l, b, w) && register_of(l, a) == NONE && w == 32 && !is_const(l, a)) {
            emit_mi32(&l->e, X86_CMP, memory_of(l, a), (int32_t)insn_at(l, b)->imm);
        } else {
            hold(l, b);
            emit_with(l, X86_CMP, w, use_reg(l, a), b);
        }
        break;
    case IR_nzcv_logic: {
        unsigned reg = use_reg(l, a);
        emit_rr(&l->e, X86_TEST, w, reg, reg);
        break;
    }
    default: { /* IR_nzcv_add */
        hold(l, a);
        hold(l, b);
        unsigned reg = take_temp(l);
        load_into(l, reg, a);
        emit_with(l, X86_ADD, w, reg, b);
        release_reg(l, reg);
        break;
    }
    }
}

/* The host's condition after emit_origin(), or NONE where there is no single one. */
static int origin_cc(enum ir_op origin, unsigned cond)
{
    static const int8_t after_sub[8] = {CC_E, CC_AE, CC_S, CC_O, CC_A, CC_GE, CC_G, NONE};
    static const int8_t after_add[8] = {CC_E, CC_B, CC_S, CC_O, NONE, CC_GE, CC_G, NONE};
    int cc = origin == IR_nzcv_sub ? after_sub[cond >> 1] : after_add[cond >> 1];
    return cc == NONE ? NONE : cc ^ (int)(cond & 1);
}

static bool has_origin(const struct lower *l, unsigned flags)
{
    enum ir_op op = insn_at(l, flags)->op;
    return op == IR_nzcv_sub || op == IR_nzcv_add || op == IR_nzcv_logic;
}

/* Tests a packed value; returns the host's condition that holds if cond does. */
static enum x86_cc test_packed(struct lower *l, unsigned flags, unsigned cond)
{
    static const int32_t masks[4] = {PACKED_Z, PACKED_C, PACKED_N, PACKED_V};
    unsigned reg = use_reg(l, flags), t, u;
    enum x86_cc cc;

    if (cond >> 1 < 4) {
        emit_test_imm(&l->e, 32, reg, masks[cond >> 1]);
        return CC_NE ^ (cond & 1);
    }
    t = take_temp(l);
    emit_rr(&l->e, X86_MOV, 32, t, reg);
    if (cond >> 1 == 4) { /* HI: C and not Z */
        emit_ri(&l->e, X86_AND, 32, t, PACKED_C | PACKED_Z);
        emit_ri(&l->e, X86_CMP, 32, t, PACKED_C);
        cc = CC_E;
    } else {
        emit_shift_imm(&l->e, SHIFT_SHR, 32, t, 15);
        emit_rr(&l->e, X86_XOR, 32, t, reg);
        emit_ri(&l->e, X86_AND, 32, t, 1); /* N != V */
        if (cond >> 1 == 6) {              /* GT: and not Z */
            u = take_temp(l);
            emit_rr(&l->e, X86_MOV, 32, u, reg);
            emit_ri(&l->e, X86_AND, 32, u, PACKED_Z);
            emit_rr(&l->e, X86_OR, 32, t, u);
        }
        cc = CC_E;
    }
    return cc ^ (cond & 1);
}

/* Sets EFLAGS for a truth value; returns the condition that holds if it is 1. */
static enum x86_cc emit_truth(struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    unsigned a = insn->arg[0];

    if (!l->w[v].folded) {
        unsigned reg = use_reg(l, v);
        emit_rr(&l->e, X86_TEST, 32, reg, reg);
        return CC_NE;
    }
    switch (insn->op) {
    case IR_cond:
        if (insn->imm >> 1 == 7) { /* AL, NV: always */
            emit_rr(&l->e, X86_CMP, 32, RSP, RSP);
            return CC_E;
        }
        if (has_origin(l, a) && origin_cc(insn_at(l, a)->op, (unsigned)insn->imm) != NONE) {
            emit_origin(l, insn_at(l, a));
            return (enum x86_cc)origin_cc(insn_at(l, a)->op, (unsigned)insn->imm);
        }
        return test_packed(l, a, (unsigned)insn->imm);
    case IR_test_bit:
        emit_bt_imm(&l->e, insn->imm < 32 ? 32 : 64, use_reg(l, a), (unsigned)insn->imm);
        return CC_B;
    default: /* is_zero, is_nonzero */
        if (l->w[a].folded)
            return emit_truth(l, a) ^ (insn->op == IR_is_zero);
        unsigned reg = use_reg(l, a);
        emit_rr(&l->e, X86_TEST, insn->w, reg, reg);
        return insn->op == IR_is_zero ? CC_E : CC_NE;
    }
}

/* A value of flags in the architecture's format, in a temporary of its own. */
static unsigned unpacked_flags(struct lower *l, unsigned v)
{
    unsigned from = use_reg(l, v), to = take_temp(l), t = take_temp(l);
    emit_rr(&l->e, X86_MOV, 32, to, from);
    emit_ri(&l->e, X86_AND, 32, to, PACKED_N | PACKED_Z);
    emit_shift_imm(&l->e, SHIFT_SHL, 32, to, 16);
    emit_rr(&l->e, X86_MOV, 32, t, from);
    emit_ri(&l->e, X86_AND, 32, t, PACKED_C);
    emit_shift_imm(&l->e, SHIFT_SHL, 32, t, 21);
    emit_rr(&l->e, X86_OR, 32, to, t);
    emit_rr(&l->e, X86_MOV, 32, t, from);
    emit_shift_imm(&l->e, SHIFT_SHL, 32, t, 31);
    emit_shift_imm(&l->e, SHIFT_SHR, 32, t, 3);
    emit_rr(&l->e, X86_OR, 32, to, t);
    return to;
}

/* The other way: flags in the architecture's format in v, packed into a temporary. */
static unsigned packed_flags(struct lower *l, unsigned v)
{
    unsigned to, t;
    if (is_const(l, v)) {
        to = take_temp(l);
        emit_mov_imm(&l->e, to, jit_pack_flags((uint32_t)insn_at(l, v)->imm));
        return to;
    }
    unsigned from = use_reg(l, v);
    to = take_temp(l);
    t = take_temp(l);
    emit_rr(&l->e, X86_MOV, 32, to, from);
    emit_shift_imm(&l->e, SHIFT_SHR, 32, to, 16);
    emit_ri(&l->e, X86_AND, 32, to, PACKED_N | PACKED_Z);
    emit_rr(&l->e, X86_MOV, 32, t, from);
    emit_shift_imm(&l->e, SHIFT_SHR, 32, t, 21);
    emit_ri(&l->e, X86_AND, 32, t, PACKED_C);
    emit_rr(&l->e, X86_OR, 32, to, t);
    emit_rr(&l->e, X86_MOV, 32, t, from);
    emit_shift_imm(&l->e, SHIFT_SHR, 32, t, 28);
    emit_ri(&l->e, X86_AND, 32, t, PACKED_V);
    emit_rr(&l->e, X86_OR, 32, to, t);
    return to;
}

/* --- functions ---------------------------------------------------------------------------------------- */

/* The address of an operand's value in memory, into reg; `index` is its place among the operands. */
static void pass_operand(struct lower *l, unsigned reg, unsigned v, unsigned index)
{
    struct where *w = &l->w[v];
    struct x86_mem mem;
    if (is_const(l, v)) {
        mem = slot_mem((int)index);
        int64_t imm = insn_at(l, v)->imm;
        if (fits32(imm)) {
            emit_store_imm(&l->e, 64, mem, (int32_t)imm);
        } else {
            emit_mov_imm(&l->e, RAX, (uint64_t)imm);
            emit_rm(&l->e, X86_STORE, 64, RAX, mem);
        }
    } else if (home_is_pin(l, v)) {
        mem = slot_mem((int)index);
        emit_rm(&l->e, X86_STORE, 64, (unsigned)pin_of((unsigned)w->home), mem);
    } else if (w->home != NONE) {
        mem = ir_ops[insn_at(l, v)->op].result == IR_VEC ? v_mem((unsigned)w->home) : x_mem((unsigned)w->home);
    } else {
        mem = slot_mem(w->slot);
    }
    emit_rm(&l->e, X86_LEA, 64, reg, mem);
}

/* The effects on memory, which may fault inside the function: it then leaves by longjmp(), so the state in *cpu
 * must be whole. */
static bool may_fault_in_function(enum ir_op op)
{
    const struct ir_op_info *info = &ir_ops[op];
    return !(info->flags & (IR_PURE | IR_SHAPE)) && info->args && info->arg[0] == IR_INT && op != IR_put_x &&
           op != IR_put_nzcv && op != IR_put_sysreg;
}

static void save_state(struct lower *l)
{
    for (int i = 0; i < PINS; i++)
        emit_rm(&l->e, X86_STORE, 64, pins[i].host, x_mem(pins[i].guest));
    emit_mov_imm(&l->e, RAX, l->pc);
    emit_rm(&l->e, X86_STORE, 64, RAX, CPU_FIELD(pc));
}

/* put_vreg of the result right behind: the function may write there. */
static int direct_destination(const struct lower *l)
{
    const struct ir_insn *next = insn_at(l, l->now + 1);
    bool direct = next->op == IR_put_vreg && next->arg[0] == l->now && ir_ops[insn_at(l, l->now)->op].result == IR_VEC;
    return direct ? (int)next->imm : NONE;
}

static void call_function(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t argument[3] = {RDX, RCX, R8};
    const struct ir_op_info *info = &ir_ops[insn->op];
    int direct = direct_destination(l);

    for (unsigned i = 0; i < info->args; i++) /* operands in registers go to memory, even if they die here */
        if (l->w[insn->arg[i]].reg != NONE)
            save_value(l, insn->arg[i]);
    for (int i = 0; i < TEMPS; i++)
        evict(l, temps[i]);
    if (may_fault_in_function(insn->op))
        save_state(l);
    for (unsigned i = 0; i < info->args; i++)
        pass_operand(l, argument[i], insn->arg[i], i);
    if (direct != NONE) {
        leave_home(l, (unsigned)direct, IR_VEC);
        emit_rm(&l->e, X86_LEA, 64, R9, v_mem((unsigned)direct));
        l->w[l->now].home = (int16_t)direct;
    } else if (info->result) {
        l->w[l->now].slot = (int16_t)take_slot(l);
        emit_rm(&l->e, X86_LEA, 64, R9, slot_mem(l->w[l->now].slot));
    }
    /* The function reads the operation itself: a copy lies in front of the block's code. */
    emit_rm(&l->e, X86_LEA, 64, RDI, x86_at(RBP, -CPU_BIAS));
    emit_mov_imm(&l->e, RSI, (uint64_t)insn);
    call_c(l, (const void *)ir_functions[insn->op]);
    if (insn->op == IR_fcmp) { /* flags in the architecture's format */
        unsigned reg = packed_flags(l, l->now);
        l->w[l->now].slot = NONE;
        bind_value(l, l->now, reg);
    }
}

/* --- integers ----------------------------------------------------------------------------------------- */

static void lower_binary(struct lower *l, const struct ir_insn *insn, enum x86_op op, bool commutes)
{
    unsigned a = insn->arg[0], b = insn->arg[1];
    if (commutes && l->w[b].reg != NONE && l->w[b].last <= l->now && !(l->w[a].reg != NONE && l->w[a].last <= l->now)) {
        unsigned t = a;
        a = b;
        b = t;
    }
    hold(l, b);
    unsigned reg = result_from(l, a);
    emit_with(l, op, insn->w, reg, b == a ? l->now : b);
}

/* a op ~b. */
static void lower_with_not(struct lower *l, const struct ir_insn *insn, enum x86_op op)
{
    hold(l, insn->arg[0]);
    unsigned reg = result_from(l, insn->arg[1]);
    emit_unary(&l->e, UNARY_NOT, insn->w, reg);
    if (insn->arg[0] == insn->arg[1]) {
        /* a op ~a: nothing (and), or all ones (or, xor) */
        emit_mov_imm(&l->e, reg, op == X86_AND ? 0 : insn->w == 32 ? UINT32_MAX : UINT64_MAX);
        return;
    }
    emit_with(l, op, insn->w, reg, insn->arg[0]);
}

static void lower_shift(struct lower *l, const struct ir_insn *insn, enum x86_shift shift)
{
    unsigned a = insn->arg[0], b = insn->arg[1];
    if (is_const(l, b)) {
        unsigned count = (unsigned)insn_at(l, b)->imm & (insn->w - 1);
        unsigned reg = result_from(l, a);
        if (count)
            emit_shift_imm(&l->e, shift, insn->w, reg, count);
        else if (insn->w == 32)
            emit_rr(&l->e, X86_MOV, 32, reg, reg);
        return;
    }
    hold(l, a);
    hold(l, b);
    unsigned count = use_reg(l, b);
    if (l->in_reg[RCX] != (int)b || count != RCX) {
        if (l->w[a].reg == RCX) { /* a moves out of the way */
            unsigned reg = take_temp(l);
            emit_rr(&l->e, X86_MOV, 64, reg, RCX);
            l->in_reg[RCX] = NONE;
            bind_value(l, a, reg);
        }
        evict(l, RCX);
        l->busy |= 1u << RCX;
        emit_rr(&l->e, X86_MOV, 32, RCX, count);
    }
    unsigned reg = take_temp(l);
    load_into(l, reg, a);
    emit_shift_cl(&l->e, shift, insn->w, reg);
    if (l->in_reg[RCX] != (int)b)
        release_reg(l, RCX);
    bind_value(l, l->now, reg);
}

static void lower_extend(struct lower *l, const struct ir_insn *insn, enum x86_op op, unsigned w)
{
    unsigned from = use_reg(l, insn->arg[0]), to = result_reg(l);
    emit_rr(&l->e, op, w, to, from);
}

static void lower_bit_field(struct lower *l, const struct ir_insn *insn)
{
    unsigned lsb = (unsigned)insn->imm & 63, width = (unsigned)(insn->imm >> 8), w = insn->w;
    bool is_signed = insn->op == IR_sbfx;
    unsigned reg = result_from(l, insn->arg[0]);
    if (lsb + width < w || is_signed)
        emit_shift_imm(&l->e, SHIFT_SHL, w, reg, w - lsb - width);
    if (w - width || w == 32)
        emit_shift_imm(&l->e, is_signed ? SHIFT_SAR : SHIFT_SHR, w, reg, w - width);
}

/* (a & ~mask) | (b << lsb & mask) by rotating the field's place to the bottom. */
static void lower_insert(struct lower *l, const struct ir_insn *insn)
{
    unsigned lsb = (unsigned)insn->imm & 63, width = (unsigned)(insn->imm >> 8), w = insn->w;
    hold(l, insn->arg[0]);
    hold(l, insn->arg[1]);
    unsigned low = take_temp(l);
    load_into(l, low, insn->arg[1]);
    unsigned reg = take_temp(l);
    load_into(l, reg, insn->arg[0]);
    if (width == w) {
        emit_rr(&l->e, X86_MOV, w, reg, low);
    } else {
        if (lsb)
            emit_shift_imm(&l->e, SHIFT_ROR, w, reg, lsb);
        emit_shift_imm(&l->e, SHIFT_SHR, w, reg, width);
        emit_shift_imm(&l->e, SHIFT_SHL, w, reg, width);
        emit_shift_imm(&l->e, SHIFT_SHL, w, low, w - width);
        emit_shift_imm(&l->e, SHIFT_SHR, w, low, w - width);
        emit_rr(&l->e, X86_OR, w, reg, low);
        if (lsb)
            emit_shift_imm(&l->e, SHIFT_ROL, w, reg, lsb);
    }
    bind_value(l, l->now, reg);
}

static void lower_extr(struct lower *l, const struct ir_insn *insn)
{
    hold(l, insn->arg[0]);
    hold(l, insn->arg[1]);
    unsigned high = use_reg(l, insn->arg[0]);
    unsigned reg = take_temp(l);
    load_into(l, reg, insn->arg[1]);
    if (insn->imm)
        emit_shrd_imm(&l->e, insn->w, reg, high, (unsigned)insn->imm);
    else if (insn->w == 32)
        emit_rr(&l->e, X86_MOV, 32, reg, reg);
    bind_value(l, l->now, reg);
}

static void lower_mulh(struct lower *l, const struct ir_insn *insn, enum x86_unary op)
{
    hold(l, insn->arg[0]);
    hold(l, insn->arg[1]);
    unsigned b = use_reg(l, insn->arg[1]);
    if (b == RAX || b == RDX) {
        unsigned t = R8 != l->w[insn->arg[0]].reg ? R8 : R9;
        take_fixed(l, t);
        emit_rr(&l->e, X86_MOV, 64, t, b);
        b = t;
    }
    unsigned a = use_reg(l, insn->arg[0]);
    l->busy |= 1u << RAX | 1u << RDX;
    if (a != RAX) {
        evict(l, RAX);
        emit_rr(&l->e, X86_MOV, 64, RAX, a);
    } else {
        evict(l, RAX);
    }
    evict(l, RDX);
    emit_unary(&l->e, op, 64, b);
    bind_value(l, l->now, RDX);
}

/* Truth of a comparison as a value. */
static void put_truth(struct lower *l, enum x86_cc cc)
{
    unsigned reg = take_temp(l);
    emit_setcc(&l->e, cc, reg);
    emit_rr(&l->e, X86_MOVZX8, 32, reg, reg);
    bind_value(l, l->now, reg);
}

static void lower_compare(struct lower *l, const struct ir_insn *insn, enum x86_cc cc)
{
    hold(l, insn->arg[1]);
    emit_with(l, X86_CMP, insn->w, use_reg(l, insn->arg[0]), insn->arg[1]);
    put_truth(l, cc);
}

static void lower_adc(struct lower *l, const struct ir_insn *insn, bool flags)
{
    hold(l, insn->arg[0]);
    hold(l, insn->arg[1]);
    unsigned c = use_reg(l, insn->arg[2]);
    unsigned b = use_reg(l, insn->arg[1]);
    if (flags)
        take_fixed(l, RAX);
    unsigned reg = take_temp(l);
    load_into(l, reg, insn->arg[0]);
    emit_bt_imm(&l->e, 32, c, 0);
    emit_rr(&l->e, X86_ADC, insn->w, reg, b);
    if (flags)
        capture_flags(l, false);
    else
        bind_value(l, l->now, reg);
}

static void lower_select(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = insn->arg[0], b = insn->arg[1], c = insn->arg[2];
    bool packed = l->w[l->now].packed;
    hold(l, a);
    hold(l, b);
    /* What is only in a pinned or folded place is read before the condition's code. */
    unsigned yes = packed && !l->w[a].packed ? packed_flags(l, a) : use_reg(l, a);
    unsigned reg;
    if (packed && !l->w[b].packed) {
        reg = packed_flags(l, b);
    } else {
        reg = take_temp(l);
        load_into(l, reg, b);
    }
    enum x86_cc cc = emit_truth(l, c);
    emit_cmov(&l->e, cc, packed ? 32 : insn->w, reg, yes);
    bind_value(l, l->now, reg);
}

/* --- memory ------------------------------------------------------------------------------------------- */

static void note_fault_site(struct lower *l)
{
    struct code_buffer *buffer = l->buffer;
    if (buffer->site_count == buffer->site_capacity) {
        l->failed = true;
        return;
    }
    buffer->sites[buffer->site_count++] = (struct fault_site){(uint32_t)(l->e.at - buffer->start), l->pc};
}

static struct x86_mem address_of(struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    if (l->w[v].folded)
        return x86_at(use_reg(l, insn->arg[0]), (int32_t)insn_at(l, insn->arg[1])->imm);
    return x86_at(use_reg(l, v), 0);
}

static void lower_load(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t ops[4] = {X86_MOVZX8, X86_MOVZX16, X86_MOV, X86_MOV};
    struct x86_mem mem = address_of(l, insn->arg[0]);
    unsigned reg = take_temp(l);
    note_fault_site(l);
    emit_rm(&l->e, ops[insn->imm], insn->imm == 3 ? 64 : 32, reg, mem);
    bind_value(l, l->now, reg);
}

static void lower_store(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t ops[4] = {X86_STORE8, X86_STORE16, X86_STORE, X86_STORE};
    hold(l, insn->arg[1]);
    struct x86_mem mem = address_of(l, insn->arg[0]);
    unsigned value = use_reg(l, insn->arg[1]);
    note_fault_site(l);
    emit_rm(&l->e, ops[insn->imm], insn->imm == 3 ? 64 : 32, value, mem);
}

/* XMM0 carries vectors: MOVUPS for 16 bytes, otherwise through a temporary. */
static void lower_load_vec(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t ops[4] = {X86_MOVZX8, X86_MOVZX16, X86_MOV, X86_MOV};
    struct x86_mem mem = address_of(l, insn->arg[0]), to;
    int direct = direct_destination(l);
    unsigned reg = 0;

    if (direct != NONE)
        leave_home(l, (unsigned)direct, IR_VEC);
    if (insn->imm == 4) {
        note_fault_site(l);
        emit_rm(&l->e, X86_MOVUPS, 32, 0, mem);
    } else {
        reg = take_temp(l);
        note_fault_site(l);
        emit_rm(&l->e, ops[insn->imm], insn->imm == 3 ? 64 : 32, reg, mem);
    }
    if (direct != NONE) {
        l->w[l->now].home = (int16_t)direct;
        to = v_mem((unsigned)direct);
    } else {
        l->w[l->now].slot = (int16_t)take_slot(l);
        to = slot_mem(l->w[l->now].slot);
    }
    if (insn->imm == 4) {
        emit_rm(&l->e, X86_STOREUPS, 32, 0, to);
    } else {
        emit_rm(&l->e, X86_STORE, 64, reg, to);
        to.displacement += 8;
        emit_store_imm(&l->e, 64, to, 0);
    }
}

struct x86_mem vector_memory(const struct lower *l, unsigned v)
{
    return l->w[v].home != NONE ? v_mem((unsigned)l->w[v].home) : slot_mem(l->w[v].slot);
}

/* Values that are only in the home's register move out before it is written: here. */
struct x86_mem vector_destination(struct lower *l)
{
    int direct = direct_destination(l);
    if (direct != NONE) {
        leave_home(l, (unsigned)direct, IR_VEC);
        l->w[l->now].home = (int16_t)direct;
        return v_mem((unsigned)direct);
    }
    l->w[l->now].slot = (int16_t)take_slot(l);
    return slot_mem(l->w[l->now].slot);
}

static void lower_store_vec(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t ops[4] = {X86_STORE8, X86_STORE16, X86_STORE, X86_STORE};
    struct x86_mem mem = address_of(l, insn->arg[0]), from = vector_memory(l, insn->arg[1]);
    if (insn->imm == 4) {
        emit_rm(&l->e, X86_MOVUPS, 32, 0, from);
        note_fault_site(l);
        emit_rm(&l->e, X86_STOREUPS, 32, 0, mem);
        return;
    }
    unsigned reg = take_temp(l);
    emit_rm(&l->e, X86_MOV, 64, reg, from);
    note_fault_site(l);
    emit_rm(&l->e, ops[insn->imm], insn->imm == 3 ? 64 : 32, reg, mem);
}

/* --- guest state -------------------------------------------------------------------------------------- */

static void lower_put_x(struct lower *l, const struct ir_insn *insn)
{
    unsigned v = insn->arg[0], r = (unsigned)insn->imm;
    int pin = pin_of(r);

    if (l->w[v].home == (int)r && !l->w[v].packed)
        return;
    if (l->w[v].packed) {
        unsigned reg = unpacked_flags(l, v);
        leave_home(l, r, IR_INT);
        if (pin != NONE)
            emit_rr(&l->e, X86_MOV, 64, (unsigned)pin, reg);
        else
            emit_rm(&l->e, X86_STORE, 64, reg, x_mem(r));
        return;
    }
    hold(l, v);
    leave_home(l, r, IR_INT);
    if (pin != NONE)
        load_into(l, (unsigned)pin, v);
    else if (is_const(l, v) && fits32(insn_at(l, v)->imm))
        emit_store_imm(&l->e, 64, x_mem(r), (int32_t)insn_at(l, v)->imm);
    else
        emit_rm(&l->e, X86_STORE, 64, use_reg(l, v), x_mem(r));
    if (!is_const(l, v) && l->w[v].home == NONE)
        l->w[v].home = (int16_t)r;
}

static void lower_put_vreg(struct lower *l, const struct ir_insn *insn)
{
    unsigned v = insn->arg[0], r = (unsigned)insn->imm;
    if (l->w[v].home == (int)r)
        return;
    struct x86_mem from = vector_memory(l, v);
    leave_home(l, r, IR_VEC);
    emit_rm(&l->e, X86_MOVUPS, 32, 0, from);
    emit_rm(&l->e, X86_STOREUPS, 32, 0, v_mem(r));
}

static void lower_put_nzcv(struct lower *l, const struct ir_insn *insn)
{
    unsigned v = insn->arg[0];
    unsigned reg = l->w[v].packed ? use_reg(l, v) : packed_flags(l, v);
    emit_rm(&l->e, X86_STORE, 32, reg, CPU_FIELD(flags));
}

/* --- one operation ------------------------------------------------------------------------------------ */

static void lower_flags(struct lower *l, const struct ir_insn *insn)
{
    hold(l, insn->arg[0]);
    hold(l, insn->arg[1]);
    take_fixed(l, RAX);
    emit_origin(l, insn);
    capture_flags(l, insn->op == IR_nzcv_sub);
}

static void lower_insn(struct lower *l, const struct ir_insn *insn)
{
    unsigned a = insn->arg[0];
    switch ((enum ir_op)insn->op) {
    case IR_const:
        break;
    case IR_mark:
        l->pc = (uint64_t)insn->imm;
        break;
    case IR_get_x:
        l->w[l->now].home = (int16_t)insn->imm;
        break;
    case IR_get_vreg:
        l->w[l->now].home = (int16_t)insn->imm;
        break;
    case IR_get_nzcv:
        emit_rm(&l->e, X86_MOV, 32, result_reg(l), CPU_FIELD(flags));
        break;
    case IR_put_x:
        lower_put_x(l, insn);
        break;
    case IR_put_vreg:
        lower_put_vreg(l, insn);
        break;
    case IR_put_nzcv:
        lower_put_nzcv(l, insn);
        break;
    case IR_add:
        lower_binary(l, insn, X86_ADD, true);
        break;
    case IR_sub:
        lower_binary(l, insn, X86_SUB, false);
        break;
    case IR_and:
        lower_binary(l, insn, X86_AND, true);
        break;
    case IR_or:
        lower_binary(l, insn, X86_OR, true);
        break;
    case IR_xor:
        lower_binary(l, insn, X86_XOR, true);
        break;
    case IR_mul:
        lower_binary(l, insn, X86_IMUL, true);
        break;
    case IR_andn:
        lower_with_not(l, insn, X86_AND);
        break;
    case IR_orn:
        lower_with_not(l, insn, X86_OR);
        break;
    case IR_xorn:
        lower_with_not(l, insn, X86_XOR);
        break;
    case IR_shl:
        lower_shift(l, insn, SHIFT_SHL);
        break;
    case IR_lsr:
        lower_shift(l, insn, SHIFT_SHR);
        break;
    case IR_asr:
        lower_shift(l, insn, SHIFT_SAR);
        break;
    case IR_ror:
        lower_shift(l, insn, SHIFT_ROR);
        break;
    case IR_not:
        emit_unary(&l->e, UNARY_NOT, insn->w, result_from(l, a));
        break;
    case IR_neg:
        emit_unary(&l->e, UNARY_NEG, insn->w, result_from(l, a));
        break;
    case IR_rev:
        emit_bswap(&l->e, insn->w, result_from(l, a));
        break;
    case IR_umulh:
        lower_mulh(l, insn, UNARY_MUL);
        break;
    case IR_smulh:
        lower_mulh(l, insn, UNARY_IMUL);
        break;
    case IR_zext8:
        lower_extend(l, insn, X86_MOVZX8, 32);
        break;
    case IR_zext16:
        lower_extend(l, insn, X86_MOVZX16, 32);
        break;
    case IR_zext32:
        lower_extend(l, insn, X86_MOV, 32);
        break;
    case IR_sext8:
        lower_extend(l, insn, X86_MOVSX8, insn->w);
        break;
    case IR_sext16:
        lower_extend(l, insn, X86_MOVSX16, insn->w);
        break;
    case IR_sext32:
        lower_extend(l, insn, insn->w == 64 ? X86_MOVSXD : X86_MOV, insn->w);
        break;
    case IR_ubfx:
    case IR_sbfx:
        lower_bit_field(l, insn);
        break;
    case IR_bfi:
        lower_insert(l, insn);
        break;
    case IR_extr:
        lower_extr(l, insn);
        break;
    case IR_eq:
        lower_compare(l, insn, CC_E);
        break;
    case IR_ult:
        lower_compare(l, insn, CC_B);
        break;
    case IR_cond:
    case IR_is_zero:
    case IR_is_nonzero:
    case IR_test_bit:
        l->w[l->now].folded = true;
        put_truth(l, emit_truth(l, l->now));
        l->w[l->now].folded = false;
        break;
    case IR_select:
        lower_select(l, insn);
        break;
    case IR_adc:
        lower_adc(l, insn, false);
        break;
    case IR_nzcv_adc:
        lower_adc(l, insn, true);
        break;
    case IR_nzcv_sub:
    case IR_nzcv_add:
    case IR_nzcv_logic:
        lower_flags(l, insn);
        break;
    case IR_carry: {
        unsigned reg = result_from(l, a);
        emit_shift_imm(&l->e, SHIFT_SHR, 32, reg, 8);
        emit_ri(&l->e, X86_AND, 32, reg, 1);
        break;
    }
    case IR_load:
        lower_load(l, insn);
        break;
    case IR_store:
        lower_store(l, insn);
        break;
    case IR_load_vec:
        lower_load_vec(l, insn);
        break;
    case IR_store_vec:
        lower_store_vec(l, insn);
        break;
    case IR_branch:
        lower_branch(l, (uint64_t)insn->imm, (enum branch_kind)insn->esz);
        break;
    case IR_branch_if:
        lower_branch_if(l, emit_truth(l, a), (uint64_t)insn->imm);
        break;
    case IR_jump:
        lower_jump(l, insn);
        break;
    case IR_stop:
        lower_stop(l, insn);
        break;
    default:
        if (!lower_vector(l, insn))
            call_function(l, insn);
    }
}

/* --- before: who needs what until when ---------------------------------------------------------------- */

/* v and everything that its users compute instead of it are needed by operation `user`. */
static void needed_by(struct lower *l, unsigned v, unsigned user)
{
    const struct ir_insn *insn = insn_at(l, v);
    if (l->w[v].last < user)
        l->w[v].last = (uint16_t)user;
    if (l->w[v].folded || (insn->op == IR_cond && l->w[v].uses)) {
        for (unsigned i = 0; i < ir_ops[insn->op].args; i++)
            needed_by(l, insn->arg[i], user);
    }
    if (insn->op == IR_nzcv_sub || insn->op == IR_nzcv_add || insn->op == IR_nzcv_logic)
        for (unsigned i = 0; i < ir_ops[insn->op].args; i++)
            if (l->w[insn->arg[i]].last < user)
                l->w[insn->arg[i]].last = (uint16_t)user;
}

static bool takes_truth(const struct ir_insn *user, unsigned index)
{
    return user->op == IR_branch_if || (user->op == IR_select && index == 2) || user->op == IR_is_zero ||
           user->op == IR_is_nonzero;
}

static bool takes_address(const struct ir_insn *user, unsigned index)
{
    return index == 0 && (user->op == IR_load || user->op == IR_store || user->op == IR_load_vec ||
                          user->op == IR_store_vec);
}

static bool is_truth(enum ir_op op)
{
    return op == IR_cond || op == IR_is_zero || op == IR_is_nonzero || op == IR_test_bit;
}

static bool is_foldable_address(const struct lower *l, const struct ir_insn *insn)
{
    return insn->op == IR_add && insn->w == 64 && is_const(l, insn->arg[1]) && fits32(insn_at(l, insn->arg[1])->imm);
}

static void analyse(struct lower *l)
{
    const struct ir_block *block = l->block;
    for (unsigned v = 0; v < block->count; v++) {
        const struct ir_insn *insn = &block->insns[v];
        bool flags = jit_makes_flags(insn->op) ||
                     (insn->op == IR_select && (l->w[insn->arg[0]].packed || l->w[insn->arg[1]].packed));
        l->w[v] = (struct where){.reg = NONE, .slot = NONE, .home = NONE, .packed = flags,
                                 .folded = is_truth(insn->op) || is_foldable_address(l, insn)};
        for (unsigned i = 0; i < ir_ops[insn->op].args; i++) {
            unsigned arg = insn->arg[i];
            l->w[arg].uses++;
            bool folds = is_truth(insn_at(l, arg)->op) ? takes_truth(insn, i) : takes_address(insn, i);
            if (!folds)
                l->w[arg].folded = false;
        }
    }
    for (unsigned v = 0; v < block->count; v++)
        for (unsigned i = 0; i < ir_ops[block->insns[v].op].args; i++)
            needed_by(l, block->insns[v].arg[i], v);
}

/* --- blocks ------------------------------------------------------------------------------------------- */

/* NZCV in bits 31..28 of reg to the host's format, with nothing but reg and memory: N and Z, C, V. */
static void emit_pack(struct lower *l, unsigned reg)
{
    struct x86_mem scratch = slot_mem(1);
    emit_rm(&l->e, X86_STORE, 32, reg, slot_mem(2));
    emit_shift_imm(&l->e, SHIFT_SHR, 32, reg, 16);
    emit_ri(&l->e, X86_AND, 32, reg, PACKED_N | PACKED_Z);
    emit_rm(&l->e, X86_STORE, 32, reg, scratch);
    emit_rm(&l->e, X86_MOV, 32, reg, slot_mem(2));
    emit_shift_imm(&l->e, SHIFT_SHR, 32, reg, 21);
    emit_ri(&l->e, X86_AND, 32, reg, PACKED_C);
    emit_rm(&l->e, X86_OR, 32, reg, scratch);
    emit_rm(&l->e, X86_STORE, 32, reg, scratch);
    emit_rm(&l->e, X86_MOV, 32, reg, slot_mem(2));
    emit_shift_imm(&l->e, SHIFT_SHR, 32, reg, 28);
    emit_ri(&l->e, X86_AND, 32, reg, PACKED_V);
    emit_rm(&l->e, X86_OR, 32, reg, scratch);
}

/* The rare cases: every temporary is kept, the function computes the result. */
static void emit_cold(struct lower *l, const struct cold *cold)
{
    static const uint8_t argument[3] = {RDX, RCX, R8};
    for (unsigned i = 0; i < 3; i++)
        if (cold->jumps[i] && !l->e.full)
            emit_patch(cold->jumps[i], l->e.at);
    for (int i = 0; i < TEMPS; i++)
        emit_rm(&l->e, X86_STORE, 64, temps[i], CPU_FIELD(saved[i]));
    for (unsigned i = 0; i < ir_ops[cold->insn->op].args; i++)
        emit_rm(&l->e, X86_LEA, 64, argument[i], cold->args[i]);
    emit_rm(&l->e, X86_LEA, 64, R9, cold->result);
    emit_rm(&l->e, X86_LEA, 64, RDI, x86_at(RBP, -CPU_BIAS));
    emit_mov_imm(&l->e, RSI, (uint64_t)cold->insn);
    call_c(l, (const void *)ir_functions[cold->insn->op]);
    for (int i = 0; i < TEMPS; i++)
        emit_rm(&l->e, X86_MOV, 64, temps[i], CPU_FIELD(saved[i]));
    if (cold->reg != NONE)
        emit_rm(&l->e, X86_MOV, 64, (unsigned)cold->reg, cold->result);
    if (cold->packs) /* unordered (C, V), the common case of the rare ones, or any other: by shifts */
        emit_pack(l, (unsigned)cold->reg);
    emit_jmp_to(&l->e, cold->back);
}

/* The operations that functions will read lie in front of the code: the block's own storage is reused. */
static const struct ir_insn *keep_operations(struct code_buffer *buffer, const struct ir_block *block)
{
    uint8_t *place = (uint8_t *)(((uintptr_t)buffer->at + 7) & ~(uintptr_t)7);
    size_t bytes = block->count * sizeof(struct ir_insn);
    if (place + bytes + 64 > buffer->end)
        return NULL;
    memcpy(place, block->insns, bytes);
    buffer->at = place + bytes;
    return (const struct ir_insn *)place;
}

static bool needs_code(const struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    const struct ir_op_info *info = &ir_ops[insn->op];
    bool pure = info->flags & IR_PURE || insn->op == IR_get_x || insn->op == IR_get_vreg || insn->op == IR_get_nzcv;
    return !l->w[v].folded && !(pure && !l->w[v].uses);
}

const uint8_t *backend_compile(struct code_buffer *buffer, const struct ir_block *block)
{
    static __thread struct lower l;
    const struct ir_insn *operations = NULL;
    uint8_t *before = buffer->at;
    unsigned sites = buffer->site_count;

    if (block->count > MAX_VALUES || !(operations = keep_operations(buffer, block)))
        return NULL;
    l.e = (struct emit){buffer->at, buffer->end, false};
    l.buffer = buffer;
    l.block = block;
    l.failed = false;
    l.cold_count = l.exit_count = l.literal_count = 0;
    memset(l.slot_used, 0, sizeof l.slot_used);
    for (int i = 0; i < 16; i++)
        l.in_reg[i] = NONE;
    l.now = 0;
    l.pc = block->pc;
    analyse(&l);
    for (l.now = 0; l.now < block->count; l.now++) {
        l.busy = 0;
        if (needs_code(&l, l.now))
            lower_insn(&l, &operations[l.now]);
        for (unsigned i = 0; i < ir_ops[operations[l.now].op].args; i++) { /* values that end here free their place */
            struct where *w = &l.w[operations[l.now].arg[i]];
            if (w->last <= l.now && w->slot != NONE && w != &l.w[l.now]) {
                l.slot_used[w->slot] = false;
                w->slot = NONE;
            }
            if (w->last <= l.now && w->reg != NONE)
                release_reg(&l, (unsigned)w->reg);
        }
    }
    for (unsigned i = 0; i < l.cold_count; i++)
        emit_cold(&l, &l.colds[i]);
    emit_exits(&l);
    if (l.e.full || l.failed) {
        buffer->at = before;
        buffer->site_count = sites;
        return NULL;
    }
    const uint8_t *code = buffer->at;
    buffer->at = l.e.at;
    return code;
}
