/* Ordered, exclusive and atomic accesses. Under x86-TSO plain loads acquire and plain stores release; STLR must not be
 * overtaken by a later LDAR and is an exchange. What is not aligned goes to the function, which knows the rules. */
#include "lower.h"

#include <xemu/mem.h>

static const uint8_t load_ops[4] = {X86_MOVZX8, X86_MOVZX16, X86_MOV, X86_MOV};
static const uint8_t xchg_ops[4] = {X86_XCHG8, X86_XCHG16, X86_XCHG, X86_XCHG};
static const uint8_t xadd_ops[4] = {X86_XADD8, X86_XADD16, X86_XADD, X86_XADD};
static const uint8_t cmpxchg_ops[4] = {X86_CMPXCHG8, X86_CMPXCHG16, X86_CMPXCHG, X86_CMPXCHG};
static unsigned width_of(unsigned size) { return size == 3 ? 64 : 32; }

static void zero_extend(struct lower *l, unsigned size, unsigned reg)
{
    if (size < 2)
        emit_rr(&l->e, size ? X86_MOVZX16 : X86_MOVZX8, 32, reg, reg);
    else if (size == 2)
        emit_rr(&l->e, X86_MOV, 32, reg, reg);
}

/* The rare case of an address that isn't a multiple of the size. */
static struct cold *check_alignment(struct lower *l, const struct ir_insn *insn, unsigned size, unsigned address)
{
    struct cold *cold = new_cold(l, insn);
    cold->args[0] = (int16_t)address;
    if (size) {
        emit_test_imm(&l->e, 32, address, (1 << size) - 1);
        leave_for_cold(l, cold, 0, CC_NE);
    }
    return cold;
}

/* RAX for CMPXCHG. What these operands have there moves out; RAX itself keeps it until it is written. */
static void take_accumulator(struct lower *l, unsigned *address, unsigned *value)
{
    l->busy |= 1u << RAX;
    if (*address == RAX || *value == RAX) {
        unsigned moved = take_temp(l);
        emit_rr(&l->e, X86_MOV, 64, moved, RAX);
        *address = *address == RAX ? moved : *address;
        *value = *value == RAX ? moved : *value;
    }
    take_fixed(l, RAX);
}

static void close_cold_with(struct lower *l, struct cold *cold, int result)
{
    cold->result = (int16_t)result;
    close_cold(l, cold);
}

static void lower_load_acquire(struct lower *l, const struct ir_insn *insn)
{
    unsigned size = (unsigned)insn->imm, address = use(l, insn->arg[0]);
    unsigned reg = take_temp(l);
    struct cold *cold = check_alignment(l, insn, size, address);
    note_fault_site(l);
    emit_rm(&l->e, (enum x86_op)load_ops[size], width_of(size), reg, x86_at(address, 0));
    bind_value(l, l->now, reg);
    close_cold_with(l, cold, (int)reg);
}

static void lower_store_release(struct lower *l, const struct ir_insn *insn)
{
    unsigned size = (unsigned)insn->imm, address = use(l, insn->arg[0]), value = use(l, insn->arg[1]);
    unsigned t = take_temp(l);
    struct cold *cold = check_alignment(l, insn, size, address);
    cold->args[1] = (int16_t)value;
    emit_rr(&l->e, X86_MOV, 64, t, value);
    note_fault_site(l);
    emit_rm(&l->e, (enum x86_op)xchg_ops[size], width_of(size), t, x86_at(address, 0));
    close_cold_with(l, cold, NONE);
}

static bool is_comparison(enum atomic_op op)
{
    return op == ATOMIC_SMAX || op == ATOMIC_SMIN || op == ATOMIC_UMAX || op == ATOMIC_UMIN;
}

/* The old value by a loop around CMPXCHG: RAX old, t new; `other` is a temporary for comparisons. */
static void compare_loop(struct lower *l, enum atomic_op op, unsigned size, unsigned address, unsigned value, unsigned t,
                         unsigned other)
{
    unsigned w = width_of(size);
    static const uint8_t extend[2] = {X86_MOVSX8, X86_MOVSX16};
    note_fault_site(l);
    emit_rm(&l->e, (enum x86_op)load_ops[size], w, RAX, x86_at(address, 0));
    uint8_t *again = l->e.at;
    switch (op) {
    case ATOMIC_CLR:
        emit_rr(&l->e, X86_MOV, w, t, value);
        emit_unary(&l->e, UNARY_NOT, w, t);
        emit_rr(&l->e, X86_AND, w, t, RAX);
        break;
    case ATOMIC_EOR:
    case ATOMIC_SET:
        emit_rr(&l->e, X86_MOV, w, t, RAX);
        emit_rr(&l->e, op == ATOMIC_EOR ? X86_XOR : X86_OR, w, t, value);
        break;
    default: { /* the old value stays unless the other one beats it */
        bool is_signed = op == ATOMIC_SMAX || op == ATOMIC_SMIN, larger = op == ATOMIC_SMAX || op == ATOMIC_UMAX;
        enum x86_cc better = is_signed ? (larger ? CC_L : CC_G) : (larger ? CC_B : CC_A);
        if (size < 2) {
            emit_rr(&l->e, is_signed ? (enum x86_op)extend[size] : (enum x86_op)load_ops[size], 32, other, value);
            emit_rr(&l->e, is_signed ? (enum x86_op)extend[size] : (enum x86_op)load_ops[size], 32, t, RAX);
        } else {
            emit_rr(&l->e, X86_MOV, w, other, value);
            emit_rr(&l->e, X86_MOV, w, t, RAX);
        }
        emit_rr(&l->e, X86_CMP, w, t, other);
        emit_cmov(&l->e, better, w, t, other);
    }
    }
    note_fault_site(l);
    emit_locked(&l->e, (enum x86_op)cmpxchg_ops[size], w, t, x86_at(address, 0));
    emit_jcc_to(&l->e, CC_NE, again);
}

static void lower_read_modify_write(struct lower *l, const struct ir_insn *insn)
{
    unsigned size = (unsigned)insn->imm & 0xff, w = width_of(size);
    enum atomic_op op = (enum atomic_op)(insn->imm >> 8);
    bool unused = !l->w[l->now].uses;
    unsigned address = use(l, insn->arg[0]), value = use(l, insn->arg[1]);
    bool exchange = op == ATOMIC_ADD || op == ATOMIC_SWP;
    if (!exchange)
        take_accumulator(l, &address, &value);
    unsigned t = take_temp(l), other = is_comparison(op) ? take_temp(l) : NO_REGISTER;
    struct cold *cold = check_alignment(l, insn, size, address);
    cold->args[1] = (int16_t)value;
    if (exchange) {
        emit_rr(&l->e, X86_MOV, 64, t, value);
        note_fault_site(l);
        if (op == ATOMIC_SWP)
            emit_rm(&l->e, (enum x86_op)xchg_ops[size], w, t, x86_at(address, 0));
        else
            emit_locked(&l->e, (enum x86_op)xadd_ops[size], w, t, x86_at(address, 0));
    } else if (unused && size >= 2 && op <= ATOMIC_SET) {
        emit_rr(&l->e, X86_MOV, 64, t, value);
        if (op == ATOMIC_CLR)
            emit_unary(&l->e, UNARY_NOT, 64, t);
        note_fault_site(l);
        emit_locked(&l->e, op == ATOMIC_CLR ? X86_AND_TO : op == ATOMIC_EOR ? X86_XOR_TO : X86_OR_TO, w, t, x86_at(address, 0));
    } else {
        compare_loop(l, op, size, address, value, t, other);
        emit_rr(&l->e, X86_MOV, 64, t, RAX);
    }
    zero_extend(l, size, t);
    bind_value(l, l->now, t);
    close_cold_with(l, cold, (int)t);
}

static void lower_compare_and_swap(struct lower *l, const struct ir_insn *insn)
{
    unsigned size = (unsigned)insn->imm;
    unsigned address = use(l, insn->arg[0]), expected = use(l, insn->arg[1]), value = use(l, insn->arg[2]);
    take_accumulator(l, &address, &value);
    struct cold *cold = check_alignment(l, insn, size, address);
    cold->args[1] = (int16_t)expected;
    cold->args[2] = (int16_t)value;
    if (expected != RAX)
        emit_rr(&l->e, X86_MOV, 64, RAX, expected);
    note_fault_site(l);
    emit_locked(&l->e, (enum x86_op)cmpxchg_ops[size], width_of(size), value, x86_at(address, 0));
    zero_extend(l, size, RAX);
    bind_value(l, l->now, RAX);
    close_cold_with(l, cold, RAX);
}

/* The store of the same address and size behind an exclusive load, with nothing between that could leave the code but
 * by a branch: it succeeds if memory still has what the load found. The monitor gets into *cpu only where a branch
 * leaves between them. */
static int find_store(const struct lower *l, unsigned v)
{
    const struct ir_insn *load = insn_at(l, v);
    for (unsigned s = v + 1; s < l->block->count; s++) {
        const struct ir_insn *insn = insn_at(l, s);
        if (insn->op == IR_store_exclusive)
            return insn->arg[0] == load->arg[0] && insn->imm == load->imm ? (int)s : NONE;
        if (insn->op != IR_branch_if && ir_may_leave(insn))
            return NONE;
    }
    return NONE;
}

void find_partners(struct lower *l)
{
    for (unsigned v = 0; v < l->block->count; v++) {
        int store = insn_at(l, v)->op == IR_load_exclusive ? find_store(l, v) : NONE;
        if (store != NONE) {
            l->w[v].partner = (int16_t)store;
            l->w[store].partner = (int16_t)v;
        }
    }
}

/* The monitor is the address, the size and the value that was seen. */
void emit_open_monitor(struct lower *l, const struct ir_insn *load, unsigned address, unsigned value)
{
    emit_rm(&l->e, X86_STORE, 64, address, CPU_FIELD(excl_addr));
    emit_rm(&l->e, X86_STORE, 64, value, CPU_FIELD(excl_val[0]));
    emit_store_imm(&l->e, 32, CPU_FIELD(excl_size), 1 << load->imm);
}

static void lower_load_exclusive(struct lower *l, const struct ir_insn *insn)
{
    unsigned size = (unsigned)insn->imm, address = use(l, insn->arg[0]);
    unsigned reg = take_temp(l);
    struct cold *cold = check_alignment(l, insn, size, address);
    note_fault_site(l);
    emit_rm(&l->e, (enum x86_op)load_ops[size], width_of(size), reg, x86_at(address, 0));
    if (l->w[l->now].partner == NONE)
        emit_open_monitor(l, insn, address, reg);
    else
        l->exclusive = (int)l->now;
    bind_value(l, l->now, reg);
    close_cold_with(l, cold, (int)reg);
}

static void lower_store_exclusive(struct lower *l, const struct ir_insn *insn)
{
    unsigned size = (unsigned)insn->imm, address = use(l, insn->arg[0]), value = use(l, insn->arg[1]);
    int load = l->w[l->now].partner;
    unsigned expected = load == NONE ? RAX : use(l, (unsigned)load);
    take_accumulator(l, &address, &value);
    unsigned status = take_temp(l);
    struct cold *cold = check_alignment(l, insn, size, address);
    cold->args[1] = (int16_t)value;
    if (load == NONE) {
        emit_rm(&l->e, X86_CMP, 64, address, CPU_FIELD(excl_addr)); /* another address may be the same with a tag */
        leave_for_cold(l, cold, 1, CC_NE);
        emit_mi32(&l->e, X86_CMP, CPU_FIELD(excl_size), 1 << size);
        leave_for_cold(l, cold, 2, CC_NE);
        emit_rm(&l->e, X86_MOV, 64, RAX, CPU_FIELD(excl_val[0]));
    } else if (expected != RAX) {
        emit_rr(&l->e, X86_MOV, 64, RAX, expected);
    }
    l->exclusive = NONE;
    emit_mov_imm(&l->e, status, 0);
    note_fault_site(l);
    emit_locked(&l->e, (enum x86_op)cmpxchg_ops[size], width_of(size), value, x86_at(address, 0));
    emit_setcc(&l->e, CC_NE, status);
    emit_store_imm(&l->e, 64, CPU_FIELD(excl_addr), -1);
    bind_value(l, l->now, status);
    close_cold_with(l, cold, (int)status);
}

/* Loads only (xx01) and stores only (xx10) need nothing; a locked operation is a full barrier. */
static void lower_barrier(struct lower *l, const struct ir_insn *insn)
{
    if ((insn->imm & 3) != 3)
        return;
    emit_bytes(&l->e, 1, 0xf0);
    emit_mi32(&l->e, X86_OR, CPU_FIELD(saved[14]), 0);
}

bool lower_atomic(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_load_acquire:
        lower_load_acquire(l, insn);
        return true;
    case IR_store_release:
        lower_store_release(l, insn);
        return true;
    case IR_atomic:
        lower_read_modify_write(l, insn);
        return true;
    case IR_compare_and_swap:
        lower_compare_and_swap(l, insn);
        return true;
    case IR_load_exclusive:
        lower_load_exclusive(l, insn);
        return true;
    case IR_store_exclusive:
        lower_store_exclusive(l, insn);
        return true;
    case IR_clear_exclusive:
        emit_store_imm(&l->e, 64, CPU_FIELD(excl_addr), -1);
        return true;
    case IR_barrier:
        lower_barrier(l, insn);
        return true;
    default:
        return false;
    }
}
