/* Guest memory and guest registers. Addresses are the host's; what cannot be accessed faults, and the site's entry
 * leads back to the guest's instruction. */
#include "lower.h"

#include <xemu/mem.h>

/* --- addresses ---------------------------------------------------------------------------------------- */

static bool is_scaling(const struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    return insn->op == IR_shl && insn->w == 64 && is_const(l, insn->arg[1]) && const_of(l, insn->arg[1]) <= 3;
}

/* A sum that fits an x86 address, or an index's shift in such a sum. */
bool is_address_part(const struct lower *l, const struct ir_insn *insn)
{
    if (insn->op == IR_add && insn->w == 64)
        return !is_const(l, insn->arg[0]) && (!is_const(l, insn->arg[1]) || fits32(const_of(l, insn->arg[1])));
    return insn->op == IR_shl && is_scaling(l, (unsigned)(insn - l->block->insns));
}

static struct x86_mem address_of(struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    if (!l->w[v].folded)
        return x86_at(use(l, v), 0);
    if (is_const(l, insn->arg[1]))
        return x86_at(use(l, insn->arg[0]), (int32_t)const_of(l, insn->arg[1]));
    unsigned base = use(l, insn->arg[0]);
    const struct ir_insn *index = insn_at(l, insn->arg[1]);
    if (!l->w[insn->arg[1]].folded)
        return (struct x86_mem){(uint8_t)base, (uint8_t)use(l, insn->arg[1]), 0, 0};
    return (struct x86_mem){(uint8_t)base, (uint8_t)use(l, index->arg[0]), (uint8_t)const_of(l, index->arg[1]), 0};
}

/* --- loads and stores --------------------------------------------------------------------------------- */

/* A load whose only user, right behind, extends its sign: the user, or null. */
static const struct ir_insn *extension_behind(const struct lower *l)
{
    const struct ir_insn *insn = insn_at(l, l->now), *next = insn + 1;
    static const uint8_t extends[3] = {IR_sext8, IR_sext16, IR_sext32};
    if (l->now + 1 >= l->block->count || l->w[l->now].uses != 1 || insn->imm > 2 || next->op != extends[insn->imm] ||
        next->arg[0] != l->now || (next->op == IR_sext32 && next->w == 32))
        return NULL;
    return next;
}

static void lower_load(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t ops[4] = {X86_MOVZX8, X86_MOVZX16, X86_MOV, X86_MOV};
    static const uint8_t signed_ops[3] = {X86_MOVSX8, X86_MOVSX16, X86_MOVSXD};
    const struct ir_insn *extension = extension_behind(l);
    struct x86_mem mem = address_of(l, insn->arg[0]);
    if (extension) { /* the extension's value is loaded; the load's own is not needed */
        l->now++;
        unsigned reg = result_reg(l);
        note_fault_site(l);
        emit_rm(&l->e, signed_ops[insn->imm], extension->w, reg, mem);
        return;
    }
    unsigned reg = result_reg(l);
    note_fault_site(l);
    emit_rm(&l->e, ops[insn->imm], insn->imm == 3 ? 64 : 32, reg, mem);
}

static void lower_store(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t ops[4] = {X86_STORE8, X86_STORE16, X86_STORE, X86_STORE};
    unsigned v = insn->arg[1];
    struct x86_mem mem = address_of(l, insn->arg[0]);
    if (insn->imm >= 2 && is_const(l, v) && (insn->imm == 2 || fits32(const_of(l, v)))) {
        note_fault_site(l);
        emit_store_imm(&l->e, insn->imm == 3 ? 64 : 32, mem, (int32_t)const_of(l, v));
        return;
    }
    unsigned value = use(l, v);
    note_fault_site(l);
    emit_rm(&l->e, ops[insn->imm], insn->imm == 3 ? 64 : 32, value, mem);
}

static void lower_load_vec(struct lower *l, const struct ir_insn *insn)
{
    struct x86_mem mem = address_of(l, insn->arg[0]);
    if (insn->imm < 2) {
        unsigned t = take_temp(l);
        note_fault_site(l);
        emit_rm(&l->e, insn->imm ? X86_MOVZX16 : X86_MOVZX8, 32, t, mem);
        emit_v_rr(&l->e, V_MOVD_TO_X, result_xmm(l), VEX_NONE, t);
    } else {
        static const uint8_t ops[5] = {0, 0, V_MOVD_TO_X, V_MOVQ, V_MOVUPS};
        unsigned reg = result_xmm(l);
        note_fault_site(l);
        emit_v_rm(&l->e, (enum x86_vop)ops[insn->imm], reg, VEX_NONE, mem);
    }
    l->w[l->now].bytes = (uint8_t)(1u << insn->imm);
}

static void lower_store_vec(struct lower *l, const struct ir_insn *insn)
{
    static const uint8_t ops[5] = {0, 0, V_MOVD_FROM_X, V_STOREQ, V_STOREUPS};
    struct x86_mem mem = address_of(l, insn->arg[0]);
    unsigned value = use_xmm(l, insn->arg[1]);
    if (insn->imm < 2) {
        unsigned t = take_temp(l);
        emit_v_rr(&l->e, V_MOVD_FROM_X, value, VEX_NONE, t);
        note_fault_site(l);
        emit_rm(&l->e, insn->imm ? X86_STORE16 : X86_STORE8, 32, t, mem);
    } else {
        note_fault_site(l);
        emit_v_rm(&l->e, (enum x86_vop)ops[insn->imm], value, VEX_NONE, mem);
    }
}

/* DC ZVA: 64 bytes of one page, so that the first store faults or none. */
static void lower_zero_block(struct lower *l, const struct ir_insn *insn)
{
    unsigned address = use(l, insn->arg[0]), block = take_temp(l), zero = take_xmm(l);
    emit_rr(&l->e, X86_MOV, 64, block, address);
    emit_ri(&l->e, X86_AND, 64, block, -ZVA_BYTES);
    emit_v(l, V_PXOR, zero, zero, zero);
    note_fault_site(l);
    for (int at = 0; at < ZVA_BYTES; at += 16)
        emit_v_rm(&l->e, V_STOREUPS, zero, VEX_NONE, x86_at(block, at));
}

/* --- guest registers ---------------------------------------------------------------------------------- */

bool is_overwritten(const struct lower *l, unsigned put)
{
    enum { AHEAD = 128 };
    const struct ir_insn *insn = insn_at(l, put);
    enum ir_op get = insn->op == IR_put_x ? IR_get_x : IR_get_vreg;
    for (unsigned v = put + 1; v < l->block->count && v < put + AHEAD; v++) {
        const struct ir_insn *other = insn_at(l, v);
        if (other->op == insn->op && other->imm == insn->imm)
            return true;
        if (ir_may_leave(other) || (other->op == get && other->imm == insn->imm && l->w[v].uses))
            return false;
    }
    return false;
}

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
    if (register_of(l, v) != NONE)
        use(l, v);
    if (pin == NONE && l->w[v].reg != NONE && is_overwritten(l, l->now))
        return;
    leave_home(l, r, IR_INT);
    if (pin != NONE)
        load_into(l, (unsigned)pin, v);
    else if (is_const(l, v) && register_of(l, v) == NONE && fits32(const_of(l, v)))
        emit_store_imm(&l->e, 64, x_mem(r), (int32_t)const_of(l, v));
    else
        emit_rm(&l->e, X86_STORE, 64, use(l, v), x_mem(r));
    if (!is_immediate(l, v) && l->w[v].home == NONE)
        set_home(l, v, r);
}

static void lower_put_vreg(struct lower *l, const struct ir_insn *insn)
{
    unsigned v = insn->arg[0], r = (unsigned)insn->imm;
    l->above[r] = l->w[v].bytes;
    if (l->w[v].home == (int)r || l->w[v].folded)
        return;
    unsigned from = use_xmm(l, v);
    if (host.v_pin[r] < 0 && l->w[v].reg != NONE && is_overwritten(l, l->now))
        return;
    leave_home(l, r, IR_VEC);
    if (host.v_pin[r] >= 0)
        move_xmm(l, (unsigned)host.v_pin[r], from);
    else
        emit_v_rm(&l->e, V_STOREUPS, from, VEX_NONE, v_mem(r));
    if (l->w[v].home == NONE)
        set_home(l, v, r);
}

/* The thread pointer is a field like a register, FPCR one to be read; the others are functions. */
static bool lower_sysreg(struct lower *l, const struct ir_insn *insn)
{
    if (insn->op == IR_get_sysreg && insn->imm == SYSREG_FPCR) {
        emit_rm(&l->e, X86_MOV, 32, result_reg(l), CPU_FIELD(fpcr));
        return true;
    }
    if (insn->imm != SYSREG_TPIDR_EL0)
        return false;
    if (insn->op == IR_get_sysreg)
        emit_rm(&l->e, X86_MOV, 64, result_reg(l), CPU_FIELD(tpidr_el0));
    else
        emit_rm(&l->e, X86_STORE, 64, use(l, insn->arg[0]), CPU_FIELD(tpidr_el0));
    return true;
}

bool lower_memory(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_get_vreg:
        l->w[l->now].bytes = l->above[insn->imm];
        set_home(l, l->now, (unsigned)insn->imm);
        return true;
    case IR_get_x:
        set_home(l, l->now, (unsigned)insn->imm);
        return true;
    case IR_put_x:
        lower_put_x(l, insn);
        return true;
    case IR_put_vreg:
        lower_put_vreg(l, insn);
        return true;
    case IR_get_sysreg:
    case IR_put_sysreg:
        return lower_sysreg(l, insn);
    case IR_load:
        lower_load(l, insn);
        return true;
    case IR_store:
        lower_store(l, insn);
        return true;
    case IR_zero_block:
        lower_zero_block(l, insn);
        return true;
    case IR_load_vec:
        lower_load_vec(l, insn);
        return true;
    case IR_store_vec:
        lower_store_vec(l, insn);
        return true;
    default:
        return false;
    }
}
