/* Control: how a block begins and ends, how it reaches other blocks, and the way into and out of compiled code. */
#include "lower.h"

enum { FRAME = 8 }; /* aligns the stack for calls */

/* --- leaving ------------------------------------------------------------------------------------------ */

void store_pc(struct lower *l, uint64_t pc)
{
    if (pc == (uint64_t)(int32_t)pc) {
        emit_store_imm(&l->e, 64, CPU_FIELD(pc), (int32_t)pc);
    } else {
        emit_mov_imm(&l->e, RAX, pc);
        emit_rm(&l->e, X86_STORE, 64, RAX, CPU_FIELD(pc));
    }
}

void leave(struct lower *l, enum exit_reason reason, const uint8_t *link)
{
    emit_mov_imm(&l->e, RDX, (uint64_t)link);
    emit_mov_imm(&l->e, RAX, reason);
    emit_jmp_to(&l->e, l->buffer->exit);
}

/* A jump to the block at target: at first to code right behind it that asks for the block and for the link. */
void lower_branch(struct lower *l, uint64_t target)
{
    uint8_t *link = emit_jmp(&l->e);
    if (!l->e.full)
        emit_patch(link, l->e.at);
    store_pc(l, target);
    leave(l, EXIT_BRANCH, link);
}

void lower_jump(struct lower *l, const struct ir_insn *insn)
{
    unsigned pc = use(l, insn->arg[0]);
    emit_rm(&l->e, X86_STORE, 64, pc, CPU_FIELD(pc));
    unsigned index = take_temp(l), table = take_temp(l);
    emit_rm(&l->e, X86_MOV, 64, table, CPU_FIELD(jit_table));
    emit_rr(&l->e, X86_MOV, 32, index, pc);
    emit_shift_imm(&l->e, SHIFT_SHR, 32, index, 2);
    emit_ri(&l->e, X86_AND, 32, index, JIT_TABLE_ENTRIES - 1);
    emit_shift_imm(&l->e, SHIFT_SHL, 32, index, 4);
    emit_rr(&l->e, X86_ADD, 64, index, table);
    emit_rm(&l->e, X86_CMP, 64, pc, x86_at(index, offsetof(struct jit_table_entry, pc)));
    uint8_t *miss = emit_jcc(&l->e, CC_NE);
    emit_rm(&l->e, X86_MOV, 64, index, x86_at(index, offsetof(struct jit_table_entry, code)));
    emit_jmp_reg(&l->e, index);
    if (!l->e.full)
        emit_patch(miss, l->e.at);
    leave(l, EXIT_BRANCH, NULL);
}

void lower_stop(struct lower *l, const struct ir_insn *insn)
{
    enum exit_reason reason = (enum exit_reason)(insn->imm & 0xff);
    emit_store_imm(&l->e, 32, CPU_FIELD(exit_imm), (int32_t)(insn->imm >> 8));
    store_pc(l, reason == EXIT_CODE ? l->pc + 4 : l->pc);
    leave(l, reason, NULL);
}

void emit_poll(struct lower *l)
{
    emit_mi32(&l->e, X86_CMP, CPU_FIELD(stop), 0);
    uint8_t *stopped = emit_jcc(&l->e, CC_NE);
    emit_rm(&l->e, X86_MOV, 64, RAX, CPU_FIELD(generation));
    emit_rm(&l->e, X86_MOV, 64, RAX, x86_at(RAX, 0));
    emit_rm(&l->e, X86_CMP, 64, RAX, CPU_FIELD(jit_generation));
    uint8_t *fresh = emit_jcc(&l->e, CC_E);
    if (!l->e.full)
        emit_patch(stopped, l->e.at);
    store_pc(l, l->block->pc);
    leave(l, EXIT_BRANCH, NULL);
    if (!l->e.full)
        emit_patch(fresh, l->e.at);
}

void backend_link(uint8_t *displacement, const void *code) { emit_patch(displacement, code); }

/* --- entry and exit ----------------------------------------------------------------------------------- */

jit_entry *backend_stubs(struct code_buffer *buffer)
{
    static const uint8_t saved[] = {RBX, RBP, R12, R13, R14, R15};
    struct emit e = {.at = buffer->at, .end = buffer->end, .level = (uint8_t)host.level};
    jit_entry *entry;

    *(void **)&entry = e.at;
    for (unsigned i = 0; i < sizeof saved; i++) {
        if (saved[i] >> 3)
            emit_bytes(&e, 1, 0x41);
        emit_bytes(&e, 1, 0x50 | (saved[i] & 7)); /* push */
    }
    emit_ri(&e, X86_SUB, 64, RSP, FRAME);
    emit_rm(&e, X86_LEA, 64, RBP, x86_at(RDI, CPU_BIAS));
    emit_load_state(&e);
    emit_jmp_reg(&e, RSI);

    buffer->exit = e.at;
    emit_save_state(&e);
    emit_ri(&e, X86_ADD, 64, RSP, FRAME);
    for (unsigned i = sizeof saved; i-- > 0;) {
        if (saved[i] >> 3)
            emit_bytes(&e, 1, 0x41);
        emit_bytes(&e, 1, 0x58 | (saved[i] & 7)); /* pop */
    }
    emit_bytes(&e, 1, 0xc3); /* ret */
    buffer->call = emit_call_stub(&e);
    buffer->at = e.at;
    return entry;
}
