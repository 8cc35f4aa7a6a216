/* Operations that are functions: always, or in a rare case. One stub saves the guest's state and every temporary
 * around the call, so that the block's code needs to know nothing of the C calling convention. */
#include "lower.h"

#include <string.h>

/* --- the guest's state in registers ------------------------------------------------------------------- */

void emit_pins(struct emit *e, enum x86_op op)
{
    for (int i = 0; i < PINS; i++)
        emit_rm(e, op, 64, pins[i].host, x_mem(pins[i].guest));
}

void emit_load_state(struct emit *e)
{
    emit_pins(e, X86_MOV);
    for (unsigned r = 0; r < 32; r++)
        if (host.v_pin[r] >= 0)
            emit_v_rm(e, V_MOVUPS, (unsigned)host.v_pin[r], VEX_NONE, v_mem(r));
}

void emit_save_state(struct emit *e)
{
    emit_pins(e, X86_STORE);
    for (unsigned r = 0; r < 32; r++)
        if (host.v_pin[r] >= 0)
            emit_v_rm(e, V_STOREUPS, (unsigned)host.v_pin[r], VEX_NONE, v_mem(r));
}

/* Calls the function of operation number RAX with the operation at RDX, the operands in cpu->args and the result in
 * cpu->args[3]. Keeps every register but RAX and RDX; the caller has saved these two in cpu->saved. */
const uint8_t *emit_call_stub(struct emit *e)
{
    static const uint8_t pointers[4] = {RDX, RCX, R8, R9};
    const uint8_t *entry = e->at;
    for (int i = 0; i < TEMPS; i++)
        if (temps[i] != RAX && temps[i] != RDX)
            emit_rm(e, X86_STORE, 64, temps[i], CPU_FIELD(saved[temps[i]]));
    for (unsigned i = 0; i < host.xmm_temps; i++)
        emit_v_rm(e, V_STOREUPS, host.xmm_temp[i], VEX_NONE, CPU_FIELD(saved_v[i]));
    emit_save_state(e);
    emit_rr(e, X86_MOV, 64, RSI, RDX);
    emit_mov_imm(e, RDX, (uint64_t)(const void *)ir_functions);
    emit_rm(e, X86_MOV, 64, RAX, (struct x86_mem){RDX, RAX, 3, 0});
    emit_rm(e, X86_LEA, 64, RDI, x86_at(RBP, -CPU_BIAS));
    for (int i = 0; i < 4; i++)
        emit_rm(e, X86_LEA, 64, pointers[i], CPU_FIELD(args[i]));
    emit_on_c_stack(e);
    emit_load_state(e);
    for (unsigned i = 0; i < host.xmm_temps; i++)
        emit_v_rm(e, V_MOVUPS, host.xmm_temp[i], VEX_NONE, CPU_FIELD(saved_v[i]));
    for (int i = 0; i < TEMPS; i++)
        if (temps[i] != RAX && temps[i] != RDX)
            emit_rm(e, X86_MOV, 64, temps[i], CPU_FIELD(saved[temps[i]]));
    emit_bytes(e, 1, 0xc3); /* ret */
    return entry;
}

static void pass(struct lower *l, unsigned index, unsigned reg)
{
    if (reg >= XMM)
        emit_v_rm(&l->e, V_STOREUPS, reg - XMM, VEX_NONE, CPU_FIELD(args[index]));
    else
        emit_rm(&l->e, X86_STORE, 64, reg, CPU_FIELD(args[index]));
}

static void fetch(struct lower *l, unsigned reg)
{
    if (reg >= XMM)
        emit_v_rm(&l->e, V_MOVUPS, reg - XMM, VEX_NONE, CPU_FIELD(args[3]));
    else
        emit_rm(&l->e, X86_MOV, 64, reg, CPU_FIELD(args[3]));
}

/* Changes the sign of each number of an operand that was passed. */
static void negate(struct lower *l, unsigned index, unsigned esz)
{
    for (int word = esz == 3; word < 4; word += esz == 3 ? 2 : 1) {
        struct x86_mem mem = CPU_FIELD(args[index]);
        mem.displacement += 4 * word;
        emit_mi32(&l->e, X86_XOR, mem, INT32_MIN);
    }
}

/* The effects on memory, which may fault inside the function: it then leaves by longjmp(), so the pc must be right. */
static bool may_fault_in_function(enum ir_op op)
{
    const struct ir_op_info *info = &ir_ops[op];
    return !(info->flags & (IR_PURE | IR_SHAPE)) && info->args && info->arg[0] == IR_INT && op != IR_put_sysreg;
}

/* Functions that compute with the host's unit, or set FPCR and FPSR: the host must not trap inside. Some do numbers with
 * integers only. */
static bool uses_mxcsr(enum ir_op op)
{
    switch (op) {
    case IR_get_sysreg:
    case IR_put_sysreg:
        return true;
    case IR_vsqshrn:
    case IR_vuqshrn:
    case IR_vsqshrun:
    case IR_frecpe:
    case IR_frecpx:
    case IR_frsqrte:
    case IR_bfcvt:
    case IR_bfdot:
        return false;
    default:
        return ir_ops[op].flags & IR_FPCR;
    }
}

/* Before: the host does not trap. After: it does, and Invalid Operation is noted in cpu->fpsr, so that MXCSR.IE tells
 * of a trap only. RAX is free. */
static void emit_mask_invalid(struct lower *l, bool masked)
{
    enum { IE = 1, IM = 0x80 };
    struct x86_mem csr = CPU_FIELD(saved[15]);
    emit_mxcsr(&l->e, 3, csr);
    if (masked) {
        emit_mi32(&l->e, X86_OR, csr, IM);
    } else {
        emit_rm(&l->e, X86_MOV, 32, RAX, csr);
        emit_ri(&l->e, X86_AND, 32, RAX, IE);
        emit_rm(&l->e, X86_OR_TO, 32, RAX, CPU_FIELD(fpsr));
        emit_mi32(&l->e, X86_AND, csr, ~(IE | IM));
    }
    emit_mxcsr(&l->e, 2, csr);
}

/* Of code_buffer.counts; changes RAX and RDX. *at: behind the displacement that is added. */
static void emit_count(struct lower *l, unsigned which, int32_t n, uint8_t **at)
{
    if (!l->buffer->counts)
        return;
    l->buffer->portable = false;
    emit_mov_imm(&l->e, RDX, (uint64_t)&l->buffer->counts[which]);
    emit_rm(&l->e, X86_MOV, 64, RAX, x86_at(RDX, 0));
    emit_rm(&l->e, X86_LEA, 64, RAX, x86_at(RAX, n));
    if (at)
        *at = l->e.at - sizeof n;
    emit_rm(&l->e, X86_STORE, 64, RAX, x86_at(RDX, 0));
}

/* *count += 1, once for every thread, with registers and EFLAGS as they were: LAHF and SETO keep the flags in RAX. */
static void emit_count_run(struct lower *l, uint64_t *count)
{
    emit_rm(&l->e, X86_STORE, 64, RAX, CPU_FIELD(saved[RAX]));
    emit_rm(&l->e, X86_STORE, 64, RDX, CPU_FIELD(saved[RDX]));
    emit_bytes(&l->e, 4, 0xc0900f9f); /* lahf; seto al */
    emit_mov_imm(&l->e, RDX, (uint64_t)count);
    emit_bytes(&l->e, 4, 0x02ff48f0); /* lock inc qword [rdx] */
    emit_bytes(&l->e, 3, 0x9e7f04);   /* add al, 127; sahf */
    emit_rm(&l->e, X86_MOV, 64, RAX, CPU_FIELD(saved[RAX]));
    emit_rm(&l->e, X86_MOV, 64, RDX, CPU_FIELD(saved[RDX]));
}

static void end_instruction(struct lower *l, struct code_profile *profile)
{
    unsigned count = profile->count + profile->again;
    if (count)
        profile->insns[count - 1].end = (uint32_t)(l->e.at - l->start);
}

static void profile_instruction(struct lower *l, struct code_profile *profile)
{
    if (!l->buffer->loop || profile->again) /* the first round's last one has its end */
        end_instruction(l, profile);
    struct code_profile_insn *insn = &profile->insns[profile->count + profile->again];
    unsigned *count = l->buffer->loop ? &profile->again : &profile->count;
    ++*count;
    *insn = (struct code_profile_insn){.counted = l->may_have_left && !profile->uncounted};
    if (insn->counted)
        emit_count_run(l, &insn->runs);
    insn->start = insn->end = (uint32_t)(l->e.at - l->start);
    if (!profile->uncounted)
        l->buffer->portable = false;
}

/* The instructions up to the next one that may be left out are counted at once; how many they are is written into
 * the code as they come. Registers and EFLAGS stay as they were. */
static void count_instruction(struct lower *l)
{
    enum { WIDE = 0x1000 /* a displacement of four bytes */ };
    if (l->may_have_left) {
        emit_rm(&l->e, X86_STORE, 64, RAX, CPU_FIELD(saved[RAX]));
        emit_rm(&l->e, X86_STORE, 64, RDX, CPU_FIELD(saved[RDX]));
        emit_count(l, 0, WIDE, &l->counted_at);
        emit_rm(&l->e, X86_MOV, 64, RAX, CPU_FIELD(saved[RAX]));
        emit_rm(&l->e, X86_MOV, 64, RDX, CPU_FIELD(saved[RDX]));
        l->counted = 0;
    }
    l->counted++;
    if (!l->e.full)
        memcpy(l->counted_at, &l->counted, sizeof l->counted);
}

void begin_instruction(struct lower *l)
{
    struct code_profile *profile = l->buffer->profile;
    if (l->buffer->counts)
        count_instruction(l);
    if (profile && profile->count + profile->again < sizeof profile->insns / sizeof *profile->insns)
        profile_instruction(l, profile);
    l->may_have_left = false;
}

void end_instructions(struct lower *l)
{
    if (l->buffer->profile)
        end_instruction(l, l->buffer->profile);
}

/* RDX = where the operation will stand. */
static void keep_operation(struct lower *l, const struct ir_insn *insn)
{
    if (l->kept_count == MAX_KEPT) {
        l->failed = true;
        return;
    }
    emit_bytes(&l->e, 3, 0x158d48); /* lea rdx, [rip + displacement] */
    emit_bytes(&l->e, 4, 0);
    l->kept[l->kept_count++] = (struct kept){l->e.at - 4, insn};
}

void emit_kept(struct lower *l)
{
    if (l->kept_count)
        emit_bytes(&l->e, -(uintptr_t)l->e.at & 7, 0);
    for (unsigned i = 0; i < l->kept_count && !l->e.full; i++) {
        emit_patch(l->kept[i].displacement, l->e.at);
        for (unsigned word = 0; word < sizeof(struct ir_insn) / 8; word++) {
            uint64_t bytes;
            memcpy(&bytes, (const uint8_t *)l->kept[i].insn + 8 * word, 8);
            emit_bytes(&l->e, 8, bytes);
        }
    }
}

static void emit_function(struct lower *l, const struct ir_insn *insn, uint64_t pc)
{
    emit_rm(&l->e, X86_STORE, 64, RAX, CPU_FIELD(saved[RAX]));
    emit_rm(&l->e, X86_STORE, 64, RDX, CPU_FIELD(saved[RDX]));
    emit_count(l, 1u + insn->op, 1, NULL);
    if (may_fault_in_function(insn->op)) {
        emit_guest_address(l, RAX, pc);
        emit_rm(&l->e, X86_STORE, 64, RAX, CPU_FIELD(pc));
    }
    bool numbers = uses_mxcsr((enum ir_op)insn->op);
    if (numbers)
        emit_mask_invalid(l, true);
    keep_operation(l, insn);
    emit_mov_imm(&l->e, RAX, insn->op);
    call_stub(l, l->buffer->call);
    if (numbers)
        emit_mask_invalid(l, false);
    emit_rm(&l->e, X86_MOV, 64, RAX, CPU_FIELD(saved[RAX]));
    emit_rm(&l->e, X86_MOV, 64, RDX, CPU_FIELD(saved[RDX]));
    l->e.flags_written++;
}

static unsigned use_unpacked(struct lower *l, unsigned v) { return l->w[v].packed ? unpacked_flags(l, v) : use(l, v); }

void call_function(struct lower *l, const struct ir_insn *insn)
{
    const struct ir_op_info *info = &ir_ops[insn->op];
    for (unsigned i = 0; i < info->args; i++) {
        pass(l, i, use_unpacked(l, insn->arg[i]));
        l->busy = 0;
    }
    end_lending(l);
    emit_function(l, insn, l->pc);
    if (!info->result)
        return;
    unsigned reg = result_reg(l);
    fetch(l, reg);
    if (l->w[l->now].packed)
        pack_in_place(l, reg);
}

/* --- rare cases --------------------------------------------------------------------------------------- */

struct cold *new_cold(struct lower *l, const struct ir_insn *insn)
{
    static struct cold none;
    if (l->cold_count == sizeof l->colds / sizeof *l->colds) {
        l->failed = true;
        return &none;
    }
    struct cold *cold = &l->colds[l->cold_count++];
    *cold = (struct cold){.insn = insn, .pc = l->pc, .result = NONE, .lent = l->lent};
    l->lends_nothing = true;
    l->failed |= l->on_loan != 0; /* the function would find and leave what is the guest's in them */
    return cold;
}

void leave_for_cold(struct lower *l, struct cold *cold, unsigned jump, enum x86_cc cc)
{
    cold->jumps[jump] = emit_jcc(&l->e, cc);
    l->may_be_cold = true;
}

void close_cold(struct lower *l, struct cold *cold)
{
    cold->back = l->e.at;
    l->e.flags_written++;
    l->may_be_cold = false;
}

void emit_cold(struct lower *l, const struct cold *cold)
{
    for (unsigned i = 0; i < 3; i++)
        if (cold->jumps[i] && !l->e.full)
            emit_patch(cold->jumps[i], l->e.at);
    for (unsigned i = 0; i < ir_ops[cold->insn->op].args; i++) {
        if (cold->args[i] != NONE)
            pass(l, i, (unsigned)cold->args[i]);
        if (i < 2 && cold->negate[i])
            negate(l, i, cold->insn->esz);
    }
    load_lent(l, cold->lent);
    emit_function(l, cold->insn, cold->pc);
    if (cold->result != NONE)
        fetch(l, (unsigned)cold->result);
    if (cold->packs)
        pack_in_place(l, (unsigned)cold->result);
    emit_jmp_to(&l->e, cold->back);
}
