/* System calls from compiled code: one stub for all blocks.
 *
 * It is jumped to, with the way back in RCX, and jumps back. A return would be predicted wrong: kernels that guard
 * against attacks on the predictor of returns leave nothing of use in it, and the first return behind a call costs up
 * to 50 ns, half as much as a short call. The guest's own return, soon behind, has that price natively, too.
 *
 * RSP stays that of compiled code; signal handlers have their own stack. The guest's general registers are in *cpu
 * meanwhile, and so is the pc; the kernel leaves the vector registers as they are. */
#include "lower.h"

#include <xemu/direct.h>
#include <xemu/exit.h>
#include <xemu/report.h>

#include <errno.h>

enum { FLAG = RCX, POINTER = RDX }; /* beside RAX, which has the number or the result */

static void emit_part(struct emit *e, enum report_part part)
{
    emit_mov_imm(e, FLAG, part);
    emit_rm(e, X86_STORE8, 32, FLAG, CPU_FIELD(part));
}

/* RAX becomes the host's number, or the code goes to where *away will be. */
static void emit_number(struct emit *e, const struct direct_call *direct, uint8_t *away[3])
{
    emit_rm(e, X86_MOV, 32, RAX, x_mem(8));
    emit_ri(e, X86_CMP, 32, RAX, (int32_t)direct->count);
    away[0] = emit_jcc(e, CC_AE);
    emit_mov_imm(e, POINTER, (uint64_t)direct->numbers);
    emit_rm(e, X86_MOVZX16, 32, RAX, (struct x86_mem){POINTER, RAX, 1, 0});
    emit_ri(e, X86_SUB, 32, RAX, 1);
    away[1] = emit_jcc(e, CC_B);
    emit_rm(e, X86_MOV, 64, POINTER, CPU_FIELD(task));
    emit_rm(e, X86_MOV, 32, FLAG, x86_at(POINTER, direct->watched[0]));
    emit_rm(e, X86_OR, 32, FLAG, x86_at(POINTER, direct->watched[1]));
    away[2] = emit_jcc(e, CC_NE);
}

static void emit_arguments(struct emit *e)
{
    static const uint8_t registers[] = {RDI, RSI, RDX, R10, R8, R9};
    for (unsigned i = 0; i < sizeof registers; i++)
        emit_rm(e, X86_MOV, 64, registers[i], x_mem(i));
}

/* The thread reads the code again, which has to be seen before it looks at the epoch. */
static void emit_back_in_code(struct emit *e, const struct direct_call *direct)
{
    emit_part(e, PART_CODE);
    emit_rm(e, X86_MOV, 64, POINTER, CPU_FIELD(jit));
    emit_mov_imm(e, FLAG, true);
    emit_rm(e, X86_XCHG8, 32, FLAG, x86_at(POINTER, direct->reading));
}

static void emit_go_back(struct emit *e)
{
    emit_pins(e, X86_MOV);
    emit_rm(e, X86_MOV, 64, RCX, CPU_FIELD(call_return));
    emit_jmp_reg(e, RCX);
}

/* To the run loop. */
static void emit_leave_for(struct emit *e, enum exit_reason reason, const uint8_t *exit)
{
    emit_pins(e, X86_MOV);
    emit_mov_imm(e, RCX, 0);
    emit_mov_imm(e, RAX, reason);
    emit_jmp_to(e, exit);
}

/* function(cpu), on the C stack; the result is in RAX. */
static void emit_call_with_cpu(struct emit *e, const void *function)
{
    emit_mov_imm(e, RAX, (uint64_t)function);
    emit_rm(e, X86_LEA, 64, RDI, x86_at(RBP, -CPU_BIAS));
    emit_c_call(e);
}

static struct call_place emit_call(struct emit *e, const struct direct_call *direct, const uint8_t *exit)
{
    struct call_place place;
    emit_part(e, PART_SYSCALL);
    emit_rm(e, X86_MOV, 64, POINTER, CPU_FIELD(jit));
    emit_mov_imm(e, FLAG, false);
    emit_rm(e, X86_STORE8, 32, FLAG, x86_at(POINTER, direct->reading));
    emit_arguments(e);
    place.check = (const char *)e->at;
    emit_mi32(e, X86_CMP, CPU_FIELD(stop), 0);
    uint8_t *restart = emit_jcc(e, CC_NE);
    place.insn = (const char *)e->at;
    emit_bytes(e, 2, 0x050f); /* syscall */
    place.done = (const char *)e->at;
    emit_back_in_code(e, direct);
    emit_ri(e, X86_CMP, 64, RAX, -EINTR);
    uint8_t *interrupted = emit_jcc(e, CC_E);
    emit_rm(e, X86_STORE, 64, RAX, x_mem(0));
    emit_mi32(e, X86_CMP, CPU_FIELD(stop), 0);
    uint8_t *stopped = emit_jcc(e, CC_NE);
    emit_mov_imm(e, RCX, (uint64_t)(const void *)direct->epoch);
    emit_rm(e, X86_MOV, 64, RCX, x86_at(RCX, 0));
    emit_rm(e, X86_CMP, 64, RCX, x86_at(POINTER, direct->seen_epoch));
    uint8_t *block_may_be_gone = emit_jcc(e, CC_NE);
    emit_go_back(e);

    emit_patch(stopped, e->at);
    emit_patch(block_may_be_gone, e->at);
    emit_rm(e, X86_MOV, 64, RCX, CPU_FIELD(pc));
    emit_ri(e, X86_ADD, 64, RCX, 4);
    emit_rm(e, X86_STORE, 64, RCX, CPU_FIELD(pc));
    emit_leave_for(e, EXIT_BRANCH, exit);
    emit_patch(interrupted, e->at);
    emit_call_with_cpu(e, (const void *)direct->interrupted);
    emit_leave_for(e, EXIT_BRANCH, exit);
    emit_patch(restart, e->at);
    place.restart = (const char *)e->at;
    emit_back_in_code(e, direct);
    emit_leave_for(e, EXIT_SYSCALL, exit);
    return place;
}

static void emit_other(struct emit *e, const struct direct_call *direct, const uint8_t *exit)
{
    emit_call_with_cpu(e, (const void *)direct->other);
    emit_test_imm(e, 32, RAX, 0xff);
    uint8_t *nothing = emit_jcc(e, CC_E);
    emit_go_back(e);
    emit_patch(nothing, e->at);
    emit_leave_for(e, EXIT_SYSCALL, exit);
}

struct call_place emit_direct_call(struct emit *e, const struct direct_call *direct, const uint8_t *exit)
{
    uint8_t *away[3];
    emit_pins(e, X86_STORE);
    emit_rm(e, X86_STORE, 64, RCX, CPU_FIELD(call_return));
    emit_number(e, direct, away);
    struct call_place place = emit_call(e, direct, exit);
    for (unsigned i = 0; i < sizeof away / sizeof *away; i++)
        emit_patch(away[i], e->at);
    emit_other(e, direct, exit);
    return place;
}
