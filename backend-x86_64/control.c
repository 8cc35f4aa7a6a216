/* Control: how a block ends, how it reaches other blocks, and the way into and out of compiled code.
 *
 * Every cycle of guest code has a poll of cpu->stop in it: at branches backwards, and where the target of an indirect
 * branch or of an unexpected return is looked up. At a block's boundary RAX and RCX are free, the other registers are
 * the guest's or nobody's. */
#include "lower.h"

enum { TARGET = RAX, SCRATCH = RCX };

/* --- pieces ------------------------------------------------------------------------------------------- */

/* An instruction with a /digit and a field of struct cpu. */
static void emit_on_field(struct emit *e, unsigned opcode, unsigned digit, struct x86_mem field)
{
    emit_bytes(e, 2, opcode | (0x80u | digit << 3 | RBP) << 8);
    emit_bytes(e, 4, (uint32_t)field.displacement);
}

static void emit_push_field(struct emit *e, struct x86_mem field) { emit_on_field(e, 0xff, 6, field); }
static void emit_pop_field(struct emit *e, struct x86_mem field) { emit_on_field(e, 0x8f, 0, field); }

/* So that the four bytes that follow `opcode` bytes of opcode can be written in one piece, also by another thread while
 * this code runs: they lie within eight aligned ones. */
static void align_displacement(struct emit *e, unsigned opcode)
{
    static const uint32_t nops[4] = {0, 0x90, 0x9066, 0x001f0f};
    unsigned place = ((uintptr_t)e->at + opcode) & 7;
    if (place > 4)
        emit_bytes(e, 8 - place, nops[8 - place]);
}

/* opcode with a displacement; returns its place. */
static uint8_t *emit_relative(struct emit *e, unsigned bytes, unsigned opcode)
{
    emit_bytes(e, bytes, opcode);
    emit_bytes(e, 4, 0);
    return e->at - 4;
}

/* Within eight aligned bytes, so that other threads see the old number or the new one. */
static void write_number(uint8_t *at, uint32_t number)
{
    struct {
        uint8_t bytes[4];
    } *place = (void *)at;
    __asm__ volatile("movl %1, %0" : "=m"(*place) : "r"(number) : "memory");
}

static void patch_here(struct lower *l, uint8_t *displacement)
{
    if (!l->e.full)
        emit_patch(displacement, l->e.at);
}

static void store_pc(struct lower *l, uint64_t pc)
{
    if (fits32((int64_t)pc)) {
        emit_store_imm(&l->e, 64, CPU_FIELD(pc), (int32_t)pc);
        note_fixed(l);
    } else {
        emit_guest_address(l, RAX, pc);
        emit_rm(&l->e, X86_STORE, 64, RAX, CPU_FIELD(pc));
    }
}

void emit_leave_at(struct lower *l, uint64_t pc, unsigned reason)
{
    store_pc(l, pc);
    emit_mov_imm(&l->e, SCRATCH, 0);
    emit_mov_imm(&l->e, RAX, reason);
    jmp_to_stub(l, l->buffer->exit);
}

void emit_leave_where(struct lower *l, enum x86_cc cc, uint64_t pc, unsigned reason)
{
    l->lends_nothing = true;
    if (l->way_out_count == MAX_EXITS || l->lent)
        l->failed = true;
    else
        l->ways_out[l->way_out_count++] = (struct way_out){emit_jcc(&l->e, cc), pc, reason};
}

void emit_ways_out(struct lower *l)
{
    for (unsigned i = 0; i < l->way_out_count; i++) {
        patch_here(l, l->ways_out[i].jump);
        emit_leave_at(l, l->ways_out[i].pc, l->ways_out[i].reason);
    }
}

bool lower_check_sp(struct lower *l, const struct ir_insn *insn)
{
    if (insn->op != IR_check_sp)
        return false;
    emit_unary(&l->e, UNARY_TEST, 32, use(l, insn->arg[0]));
    emit_bytes(&l->e, 4, 15);
    emit_leave_where(l, CC_NE, l->pc + 4, EXIT_CODE);
    return true;
}

/* --- links -------------------------------------------------------------------------------------------- */

static struct code_link *new_link(struct lower *l)
{
    static struct code_link none;
    struct code_buffer *buffer = l->buffer;
    if (buffer->link_count == buffer->link_capacity) {
        l->failed = true;
        return &none;
    }
    struct code_link *link = &buffer->links[buffer->link_count++];
    *link = (struct code_link){0};
    return link;
}

/* The exit by a link whose jump, conditional jump or call is emitted next: opcode, in bytes. */
static struct side_exit *emit_link(struct lower *l, uint64_t target, unsigned bytes, unsigned opcode)
{
    if (l->exit_count == MAX_EXITS) {
        l->failed = true;
        return &l->exits[0];
    }
    struct code_link *link = new_link(l);
    struct side_exit *out = &l->exits[l->exit_count++];
    *out = (struct side_exit){.link = (unsigned)(link - l->buffer->links)};
    align_displacement(&l->e, bytes);
    link->displacement = emit_relative(&l->e, bytes, opcode);
    link->target = target;
    return out;
}

static uint8_t *emit_poll(struct lower *l)
{
    emit_mi32(&l->e, X86_CMP, CPU_FIELD(stop), 0);
    return emit_jcc(&l->e, CC_NE);
}

/* Where a call comes back to. */
static void emit_return_point(struct lower *l, uint64_t pc)
{
    struct code_link *point = new_link(l);
    point->target = pc;
    if (fits32((int64_t)pc)) {
        align_displacement(&l->e, 2);
        point->displacement = emit_relative(&l->e, 2, 0x3d48); /* cmp rax, pc */
        if (!l->e.full)
            write_number(point->displacement, (uint32_t)pc);
        note_fixed(l);
    } else if (l->literal_count < MAX_EXITS) {
        l->literals[l->literal_count++] =
            (struct literal){emit_relative(&l->e, 3, 0x053b48), point}; /* cmp rax, [rip + displacement] */
    } else {
        l->failed = true;
    }
    jcc_to_stub(l, CC_NE, l->buffer->return_miss);
}

/* Backwards: to the target while the thread may run, else into the stub. */
void lower_branch(struct lower *l, uint64_t target)
{
    if (target > l->pc) {
        emit_link(l, target, 1, 0xe9);
        return;
    }
    emit_mi32(&l->e, X86_CMP, CPU_FIELD(stop), 0);
    struct side_exit *out = emit_link(l, target, 2, 0x800f | CC_E << 8);
    out->poll = emit_jmp(&l->e);
}

/* A conditional branch backwards ends the block, and nothing is left to do where it isn't taken. */
static bool leaves_loop_at_once(const struct lower *l)
{
    const struct ir_insn *behind = insn_at(l, l->now + 1);
    bool puts = l->late_put != NONE && insn_at(l, (unsigned)l->late_put)->imm & PUT_IF_NOT_TAKEN;
    return behind->op == IR_branch && (uint64_t)behind->imm > l->pc && !puts;
}

void lower_branch_if(struct lower *l, enum x86_cc cc, uint64_t target, const struct ir_insn *put)
{
    if (target > l->pc && !put && l->exclusive == NONE) {
        emit_link(l, target, 2, 0x800f | cc << 8);
        return;
    }
    if (target > l->pc && l->late_put_count < MAX_EXITS) {
        struct late_put *late = &l->late_puts[l->late_put_count++];
        *late = (struct late_put){.target = target, .put = put};
        if (l->exclusive != NONE) { /* moves leave EFLAGS alone */
            late->exclusive = insn_at(l, (unsigned)l->exclusive);
            late->address = use(l, late->exclusive->arg[0]);
            late->value = use(l, (unsigned)l->exclusive);
        }
        late->jump = emit_jcc(&l->e, cc);
        return;
    }
    l->failed |= l->exclusive != NONE;
    uint8_t *over = leaves_loop_at_once(l) ? NULL : emit_jcc(&l->e, cc ^ 1);
    if (!over) {
        emit_link(l, (uint64_t)insn_at(l, l->now + 1)->imm, 2, 0x800f | (cc ^ 1) << 8);
        l->w[l->now + 1].done = true;
    }
    if (put)
        emit_late_put(l, put);
    lower_branch(l, target);
    if (over)
        patch_here(l, over);
}

void emit_late_puts(struct lower *l)
{
    for (unsigned i = 0; i < l->late_put_count; i++) {
        const struct late_put *late = &l->late_puts[i];
        patch_here(l, late->jump);
        if (late->exclusive)
            emit_open_monitor(l, late->exclusive, late->address, late->value);
        if (late->put)
            emit_late_put(l, late->put);
        emit_link(l, late->target, 1, 0xe9);
    }
}

/* Stubs: what links lead to at first and polls always; and the literals. */
void emit_exits(struct lower *l)
{
    for (unsigned i = 0; i < l->exit_count && !l->e.full; i++) {
        struct code_link *link = &l->buffer->links[l->exits[i].link];
        link->stub = (int32_t)(l->e.at - link->displacement);
        patch_here(l, link->displacement);
        if (l->exits[i].poll)
            patch_here(l, l->exits[i].poll);
        emit_mov_imm(&l->e, SCRATCH, l->exits[i].link);
        note_reloc(l, RELOC_LINK);
        jmp_to_stub(l, l->buffer->exit_link);
    }
    if (l->literal_count)
        emit_bytes(&l->e, -(uintptr_t)l->e.at & 7, 0);
    for (unsigned i = 0; i < l->literal_count && !l->e.full; i++) {
        struct code_link *point = l->literals[i].point;
        patch_here(l, l->literals[i].displacement);
        point->displacement = l->e.at;
        emit_bytes(&l->e, 8, point->target);
        note_reloc(l, RELOC_GUEST);
    }
}

void backend_link(const struct code_link *link, const uint8_t *code)
{
    write_number(link->displacement, (uint32_t)(code - (link->displacement + 4)));
}

void backend_unlink(const struct code_link *link) { backend_link(link, link->displacement + link->stub); }

/* No instruction has an odd address. */
void backend_close_return(const struct code_link *point) { write_number(point->displacement, UINT32_MAX); }

/* --- indirect branches -------------------------------------------------------------------------------- */

/* The table's entry for the block at TARGET, into SCRATCH; the jumps lead away where it has another, and where the
 * thread is to stop. */
static void emit_look_up(struct emit *e, enum branch_kind kind, uint8_t *away[2])
{
    _Static_assert(sizeof(struct jit_table_entry) == 16, "an instruction's address, times 4, is its entry's offset");
    emit_bytes(e, 3, 0x850c8d); /* lea ecx, [rax * 4 + displacement] */
    emit_bytes(e, 4, kind * JIT_TABLE_KIND * 16);
    emit_rm(e, X86_AND, 32, SCRATCH, CPU_FIELD(jit_table_mask));
    emit_rm(e, X86_ADD, 64, SCRATCH, CPU_FIELD(jit_table));
    emit_rm(e, X86_CMP, 64, TARGET, x86_at(SCRATCH, offsetof(struct jit_table_entry, pc)));
    away[0] = emit_jcc(e, CC_NE);
    emit_mi32(e, X86_CMP, CPU_FIELD(stop), 0);
    away[1] = emit_jcc(e, CC_NE);
}

/* jmp or call [SCRATCH + 8]: the digit tells. */
enum { FOUND_CALL = 2, FOUND_JMP = 4 };
static void emit_go_to_found(struct emit *e, unsigned digit)
{
    _Static_assert(offsetof(struct jit_table_entry, code) == 8, "the code's place in an entry");
    emit_bytes(e, 3, 0x0840ff | (digit << 3 | SCRATCH) << 8);
}

void lower_jump(struct lower *l, const struct ir_insn *insn)
{
    unsigned pc = use(l, insn->arg[0]);
    uint8_t *away[2];
    if (pc != TARGET)
        emit_rr(&l->e, X86_MOV, 64, TARGET, pc);
    if (insn->imm == BRANCH_RETURN) {
        emit_bytes(&l->e, 1, 0xc3); /* ret */
        return;
    }
    emit_look_up(&l->e, (enum branch_kind)insn->imm, away);
    emit_go_to_found(&l->e, FOUND_JMP);
    patch_here(l, away[0]);
    patch_here(l, away[1]);
    jmp_to_stub(l, l->buffer->not_found[insn->imm]);
}

static void call_found(struct lower *l, unsigned pc)
{
    struct call_miss *miss = &l->call_misses[l->call_miss_count++];
    if (pc != TARGET)
        emit_rr(&l->e, X86_MOV, 64, TARGET, pc);
    emit_look_up(&l->e, BRANCH_CALL, miss->jumps);
    emit_go_to_found(&l->e, FOUND_CALL);
    miss->back = l->e.at;
}

void lower_call(struct lower *l, const struct ir_insn *insn)
{
    if (insn->op == IR_call_to) {
        call_found(l, use(l, insn->arg[0]));
    } else {
        uint64_t target = (uint64_t)insn->imm;
        uint8_t *poll = target <= l->pc ? emit_poll(l) : NULL;
        emit_link(l, target, 1, 0xe8)->poll = poll;
    }
    emit_return_point(l, l->pc + 4);
}

void emit_call_misses(struct lower *l)
{
    for (unsigned i = 0; i < l->call_miss_count; i++) {
        patch_here(l, l->call_misses[i].jumps[0]);
        patch_here(l, l->call_misses[i].jumps[1]);
        call_stub(l, l->buffer->not_found[BRANCH_CALL]);
        emit_jmp_to(&l->e, l->call_misses[i].back);
    }
}

/* --- stops -------------------------------------------------------------------------------------------- */

void lower_stop(struct lower *l, const struct ir_insn *insn)
{
    enum exit_reason reason = (enum exit_reason)(insn->imm & 0xff);
    emit_store_imm(&l->e, 32, CPU_FIELD(exit_imm), (int32_t)(insn->imm >> 8));
    if (reason == EXIT_SYSCALL) {
        store_pc(l, l->pc);
        emit_bytes(&l->e, 7, 0x050d8d48); /* lea rcx, [rip + 5]: behind the jump */
        jmp_to_stub(l, l->buffer->direct_call);
        emit_link(l, l->pc + 4, 1, 0xe9);
        return;
    }
    emit_leave_at(l, reason == EXIT_CODE ? l->pc + 4 : l->pc, reason);
}

/* --- what all blocks share ---------------------------------------------------------------------------- */

static const uint8_t callee_saved[] = {RBX, RBP, R12, R13, R14, R15};
enum { SAVED = sizeof callee_saved, ALIGN = 8 }; /* the C stack is aligned to 16 bytes then */

static void emit_push_or_pop(struct emit *e, unsigned opcode, unsigned reg)
{
    if (reg >> 3)
        emit_bytes(e, 1, 0x41);
    emit_bytes(e, 1, opcode | (reg & 7));
}

static void emit_entry(struct emit *e)
{
    for (unsigned i = 0; i < SAVED; i++)
        emit_push_or_pop(e, 0x50, callee_saved[i]);
    emit_ri(e, X86_SUB, 64, RSP, ALIGN);
    emit_rm(e, X86_LEA, 64, RBP, x86_at(RDI, CPU_BIAS));
    emit_rm(e, X86_STORE, 64, RSP, CPU_FIELD(host_sp));
    emit_rm(e, X86_MOV, 64, RSP, CPU_FIELD(return_sp));
    emit_rr(e, X86_MOV, 64, RAX, RSI);
    emit_load_state(e);
    emit_jmp_reg(e, RAX);
}

static void emit_leave(struct emit *e)
{
    emit_save_state(e);
    emit_rr(e, X86_MOV, 64, RDX, RCX);
    emit_rm(e, X86_STORE, 64, RSP, CPU_FIELD(return_sp));
    emit_rm(e, X86_MOV, 64, RSP, CPU_FIELD(host_sp));
    emit_ri(e, X86_ADD, 64, RSP, ALIGN);
    for (unsigned i = SAVED; i-- > 0;)
        emit_push_or_pop(e, 0x58, callee_saved[i]);
    emit_bytes(e, 1, 0xc3); /* ret */
}

void emit_c_call(struct emit *e)
{
    emit_rm(e, X86_STORE, 64, RSP, CPU_FIELD(return_sp));
    emit_rm(e, X86_MOV, 64, RSP, CPU_FIELD(host_sp));
    emit_bytes(e, 2, 0xd0ff); /* call rax */
    emit_rm(e, X86_MOV, 64, RSP, CPU_FIELD(return_sp));
}

/* The return address waits in *cpu, not on the stack of return points: if the function leaves by the recovery point
 * nothing of it stays behind. */
void emit_on_c_stack(struct emit *e)
{
    emit_pop_field(e, CPU_FIELD(call_return));
    emit_c_call(e);
    emit_push_field(e, CPU_FIELD(call_return));
}

const uint8_t *backend_stubs(struct code_buffer *buffer)
{
    struct emit e = {.at = buffer->at, .end = buffer->end, .level = (uint8_t)host.level};
    uint8_t *away[2];

    const uint8_t *entry = e.at;
    emit_entry(&e);
    buffer->exit_link = e.at;
    emit_mov_imm(&e, RAX, EXIT_BRANCH);
    buffer->exit = e.at;
    emit_leave(&e);
    buffer->call = emit_call_stub(&e);
    buffer->direct_call = e.at;
    buffer->call_place = emit_direct_call(&e, &buffer->direct, buffer->exit);
    buffer->return_empty = e.at;
    emit_ri(&e, X86_SUB, 64, RSP, 8); /* it stays where it is */
    buffer->return_miss = e.at;
    emit_look_up(&e, BRANCH_RETURN, away);
    emit_go_to_found(&e, FOUND_JMP);
    emit_patch(away[0], e.at);
    emit_patch(away[1], e.at);
    for (int kind = 0; kind < BRANCH_KINDS; kind++) {
        buffer->not_found[kind] = e.at;
        emit_rm(&e, X86_STORE, 64, TARGET, CPU_FIELD(pc));
        emit_mi32(&e, X86_OR, CPU_FIELD(pstate), kind << PSTATE_BTYPE_SHIFT);
        emit_mov_imm(&e, RCX, 0);
        emit_jmp_to(&e, buffer->exit_link);
    }
    buffer->at = e.at;
    return entry;
}
