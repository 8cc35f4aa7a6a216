/* From IR to x86-64: one pass over a block, with registers allocated on the way. */
#include "lower.h"

#include <xemu/log.h>

#include <string.h>

/* --- before: what is needed, until when, and what its users compute instead ---------------------------- */

static bool is_truth(enum ir_op op)
{
    return op == IR_cond || op == IR_is_zero || op == IR_is_nonzero || op == IR_test_bit;
}

static bool is_flags(enum ir_op op) { return has_origin(op) || op == IR_fcmp; }

/* The next conditional branch behind operation v. */
static unsigned next_branch(const struct lower *l, unsigned v)
{
    while (insn_at(l, v)->op != IR_branch_if)
        v++;
    return v;
}

/* Whether `user` computes operand number `index` itself, so that it need not be a value. */
static bool computes(const struct lower *l, unsigned v, unsigned index)
{
    const struct ir_insn *user = insn_at(l, v), *insn = insn_at(l, user->arg[index]);
    if (is_truth(insn->op))
        return user->op == IR_branch_if || (user->op == IR_select && index == 2) || user->op == IR_is_zero ||
               user->op == IR_is_nonzero;
    if (insn->op == IR_fcmp && (l->plain || l->careful)) /* a function compares */
        return false;
    if (has_origin(insn->op) && user->op == IR_put_nzcv)
        return user->imm && (!(user->imm & PUT_AT_FAULTS) || recipe_of(l, v)) &&
               (user->imm == PUT_AT_FAULTS || reads_condition(l, next_branch(l, v), user->arg[0]));
    if (is_flags(insn->op))
        return user->op == IR_cond && is_condition_of(insn, (unsigned)user->imm);
    if (insn->op == IR_carry)
        return (user->op == IR_adc || user->op == IR_nzcv_adc) && index == 2;
    if (insn->op == IR_and)
        return l->w[v].folded && user->op == IR_nzcv_logic && user->w == insn->w;
    if (insn->op == IR_vuxtl || insn->op == IR_vsxtl)
        return !l->plain && is_element_of_product(l, user, index);
    if (insn->op == IR_aese || insn->op == IR_aesd) /* with the columns mixed it is one round of the host's */
        return host.aes && !l->plain &&
               (user->op == (insn->op == IR_aese ? IR_aesmc : IR_aesimc) || (user->op == IR_put_vreg && is_overwritten(l, v)));
    if (insn->op == IR_pair)
        return !l->plain && user->op == IR_vtable && index == 2 && is_zero_vector(l, user->arg[index]);
    if (insn->op == IR_fneg)
        return is_negation_of_factor(l, user, index);
    if (insn->op == IR_shl)
        return l->w[v].folded && user->op == IR_add && index == 1 && is_address_part(l, insn);
    bool memory = user->op == IR_load || user->op == IR_store || user->op == IR_load_vec || user->op == IR_store_vec;
    return insn->op == IR_add && memory && index == 0 && is_address_part(l, insn);
}

/* An AND is folded for one user only, the others for all of theirs. */
static bool may_fold(const struct lower *l, unsigned v)
{
    return l->w[v].folded && (insn_at(l, v)->op != IR_and || l->w[v].uses == 1);
}

/* What computes() knows, so that users may compute it. */
static const bool is_foldable[IR_OP_COUNT] = {
    [IR_cond] = true,     [IR_is_zero] = true,  [IR_is_nonzero] = true, [IR_test_bit] = true, [IR_fcmp] = true,
    [IR_nzcv_sub] = true, [IR_nzcv_add] = true, [IR_nzcv_logic] = true, [IR_carry] = true,    [IR_and] = true,
    [IR_fneg] = true,     [IR_shl] = true,      [IR_add] = true,        [IR_vuxtl] = true,    [IR_vsxtl] = true,
    [IR_aese] = true,     [IR_aesd] = true,     [IR_pair] = true,
};

static void begin_values(struct lower *l)
{
    for (unsigned v = 0; v < l->block->count; v++) {
        const struct ir_insn *insn = insn_at(l, v);
        bool selects = insn->op == IR_select && (l->w[insn->arg[0]].packed || l->w[insn->arg[1]].packed);
        l->w[v] = (struct where){.reg = NONE, .slot = NONE, .home = NONE, .target = NONE, .partner = NONE, .via = NONE,
                                 .bytes = 16, .folded = is_foldable[insn->op],
                                 .packed = ir_ops[insn->op].flags & IR_FLAGS || selects};
    }
}

static bool is_dropped(const struct lower *l, unsigned v) { return !l->w[v].uses && ir_may_be_dropped(insn_at(l, v)); }

static void find_uses(struct lower *l)
{
    for (unsigned v = l->block->count; v-- > 0;) { /* users come before what they use: all is known of them */
        const struct ir_insn *insn = insn_at(l, v);
        if (l->w[v].folded)
            l->w[v].folded = l->w[v].uses && may_fold(l, v);
        unsigned args = ir_ops[insn->op].args;
        if (!args || is_dropped(l, v))
            continue;
        for (unsigned i = 0; i < args; i++) {
            struct where *operand = &l->w[insn->arg[i]];
            if (!operand->uses++)
                operand->last = (uint16_t)v;
            if (operand->folded && !computes(l, v, i))
                operand->folded = false;
        }
    }
}

/* Whether users compute the operation, in its place or once more. */
static bool is_repeated(const struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    bool again = l->w[v].folded || has_origin(insn->op) || insn->op == IR_cond;
    return again && l->w[v].via == NONE && l->w[v].capture == CAPTURE_FLAGS;
}

/* The operands of such an operation are needed as long as it is itself. */
static void find_lifetimes(struct lower *l)
{
    for (unsigned v = l->block->count; v-- > 0;) { /* the last need of v is known: all its users were here */
        const struct ir_insn *insn = insn_at(l, v);
        if (insn->op == IR_store_exclusive && l->w[v].partner != NONE && l->w[l->w[v].partner].last < v)
            l->w[l->w[v].partner].last = (uint16_t)v;
        if (!is_foldable[insn->op] || !is_repeated(l, v))
            continue;
        for (unsigned i = 0; i < ir_ops[insn->op].args; i++)
            if (l->w[insn->arg[i]].last < l->w[v].last)
                l->w[insn->arg[i]].last = l->w[v].last;
    }
}

/* Whether guest register r holds the base of the address, at operation `at`. */
static bool is_base_register(const struct lower *l, unsigned address, unsigned at, unsigned r)
{
    const struct ir_insn *sum = insn_at(l, address);
    unsigned base = sum->op == IR_add && is_const(l, sum->arg[1]) ? sum->arg[0] : address;
    if (insn_at(l, base)->op == IR_get_x && insn_at(l, base)->imm == r)
        return true;
    for (unsigned put = base + 1; put < at; put++)
        if (insn_at(l, put)->op == IR_put_x && insn_at(l, put)->imm == r &&
            (insn_at(l, put)->arg[0] == base || insn_at(l, put)->arg[0] == address))
            return true;
    return false;
}

/* A load of the same instruction as v, of which LDP and its kin have many. If it faults, the registers loaded before may
 * have changed (Arm ARM D1.3.5, UNKNOWN), but not the base register. */
static bool is_load_beside(const struct lower *l, unsigned between, unsigned v, const struct ir_insn *put)
{
    if (insn_at(l, between)->op != IR_load && insn_at(l, between)->op != IR_load_vec)
        return false;
    for (unsigned i = v; i < between; i++)
        if (insn_at(l, i)->op == IR_mark)
            return false;
    return put->op == IR_put_vreg || !is_base_register(l, insn_at(l, between)->arg[0], between, (unsigned)put->imm);
}

/* Results that may be computed in the register that they are put into. */
static void find_targets(struct lower *l)
{
    for (unsigned put = 0; put < l->block->count; put++) {
        const struct ir_insn *insn = insn_at(l, put);
        if (insn->op != IR_put_x && insn->op != IR_put_vreg)
            continue;
        unsigned v = insn->arg[0];
        bool vector = insn->op == IR_put_vreg;
        bool clear = l->w[v].target == NONE && !l->w[v].packed && !is_immediate(l, v) &&
                     insn_at(l, v)->op != IR_get_x && insn_at(l, v)->op != IR_get_vreg;
        for (unsigned between = v + 1; clear && between < put; between++) {
            const struct ir_insn *other = insn_at(l, between);
            bool same = other->imm == insn->imm && (vector ? other->op == IR_put_vreg || other->op == IR_get_vreg
                                                           : other->op == IR_put_x || other->op == IR_get_x);
            clear = !same && (!ir_may_leave(other) || is_load_beside(l, between, v, insn));
        }
        if (clear)
            l->w[v].target = (int16_t)insn->imm;
    }
}

static void analyse(struct lower *l)
{
    begin_values(l);
    find_uses(l);
    analyse_flags(l);
    find_partners(l);
    find_lifetimes(l);
    find_targets(l);
}

/* --- one operation ------------------------------------------------------------------------------------ */

static void lower_condition(struct lower *l, const struct ir_insn *insn)
{
    enum x86_cc cc = emit_truth(l, insn->arg[0]);
    unsigned flags = l->e.flags_written;
    const struct ir_insn *put = l->late_put == NONE ? NULL : insn_at(l, (unsigned)l->late_put);
    lower_branch_if(l, cc, (uint64_t)insn->imm, put && put->imm & PUT_IF_TAKEN ? put : NULL);
    l->e.flags_written = flags; /* what the way out wrote is not seen here */
    l->late_put = NONE;
    if (put && put->imm & PUT_IF_NOT_TAKEN) {
        leave_flags(l);
        take_fixed(l, RAX);
        emit_late_put(l, put);
        l->flags_of = MAX_VALUES;
    }
}

/* What no value is but an access to registers or memory. */
static bool lower_effect(struct lower *l, const struct ir_insn *insn)
{
    return lower_memory(l, insn) || lower_flags(l, insn) || lower_check_sp(l, insn);
}

static void lower_insn(struct lower *l, const struct ir_insn *insn)
{
    if (l->on_loan && !may_be_on_loan(insn))
        end_lending(l);
    switch ((enum ir_op)insn->op) {
    case IR_const:
        break;
    case IR_mark:
        l->pc = (uint64_t)insn->imm;
        begin_instruction(l);
        break;
    case IR_branch:
        lower_branch(l, (uint64_t)insn->imm);
        break;
    case IR_branch_if:
        lower_condition(l, insn);
        l->may_have_left = true;
        l->recipe = 0;
        break;
    case IR_call:
    case IR_call_to:
        lower_call(l, insn);
        forget_values(l);
        break;
    case IR_jump:
        lower_jump(l, insn);
        break;
    case IR_stop:
        lower_stop(l, insn);
        break;
    default:
        if (reuse_value(l, insn))
            break;
        lower_check_fpcr(l, insn);
        if (ir_ops[insn->op].flags & IR_PURE ? lower_flags(l, insn) || lower_integer(l, insn) : lower_effect(l, insn))
            break;
        if (!l->plain && (lower_vector(l, insn) || lower_float(l, insn) || lower_atomic(l, insn)))
            break;
        call_function(l, insn);
        l->fp_checked &= insn->op != IR_put_sysreg;
    }
}

/* --- blocks ------------------------------------------------------------------------------------------- */

/* FCMP is compared at its place even if its users do it again. */
static bool needs_code(const struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    return (!l->w[v].folded || insn->op == IR_fcmp) && !is_dropped(l, v) && l->w[v].via == NONE && !l->w[v].done;
}

static int32_t guest_instructions(const struct ir_block *block)
{
    int32_t count = 0;
    for (unsigned i = 0; i < block->count; i++)
        count += block->insns[i].op == IR_mark;
    return count;
}

static void lower_all(struct lower *l)
{
    l->fp_known = l->fp_checked;
    analyse(l);
    l->stretch_end = 0;
    for (l->now = 0; l->now < l->block->count; l->now++) {
        if (!needs_code(l, l->now))
            continue;
        lower_insn(l, insn_at(l, l->now));
        end_operation(l);
    }
    end_instructions(l);
}

/* Calls forget what was known, and one of the block itself is no further round. */
static bool is_loop(const struct ir_block *block)
{
    bool back = false, calls = false;
    for (unsigned i = 0; i < block->count; i++) {
        const struct ir_insn *insn = &block->insns[i];
        back |= (insn->op == IR_branch || insn->op == IR_branch_if) && (uint64_t)insn->imm == block->pc;
        calls |= ir_is_call((enum ir_op)insn->op);
    }
    return back && !calls;
}

enum { LOOP_ALIGNMENT = 16 };

/* A loop with numbers has its code twice. All rounds but the first run the second one, which finds done what a round
 * does: FPCR is checked, and the parts of registers that scalars leave zero are so. */
static void lower_further_rounds(struct lower *l)
{
    uint8_t above[sizeof l->above];
    memcpy(above, l->above, sizeof above);
    while ((l->e.at - l->start) % LOOP_ALIGNMENT && !l->e.full)
        emit_bytes(&l->e, 1, 0);
    l->buffer->loop = (uint32_t)(l->e.at - l->start);
    forget_values(l);
    l->fp_checked = true;
    memcpy(l->above, above, sizeof above);
    lower_all(l);
    l->failed |= !l->fp_checked;
    for (unsigned r = 0; r < sizeof above; r++)
        l->failed |= l->above[r] > above[r];
}

static bool compile(struct lower *l, struct code_buffer *buffer, const struct ir_block *block, bool plain, bool twice)
{
    l->start = (uint8_t *)(((uintptr_t)buffer->at + CODE_ALIGNMENT - 1) & ~(uintptr_t)(CODE_ALIGNMENT - 1));
    l->e = (struct emit){.at = l->start, .end = buffer->end, .level = (uint8_t)host.level};
    l->buffer = buffer;
    l->block = block;
    l->failed = false;
    l->plain = plain;
    int32_t instructions = guest_instructions(block);
    l->careful = jit_traps_within(block->pc, block->pc + 4 * (uint64_t)instructions);
    l->cold_count = l->way_out_count = l->exit_count = l->literal_count = l->kept_count = 0;
    buffer->reloc_count = 0;
    buffer->portable = buffer->reloc_capacity && !block->critical && !l->careful && !backend_exact_underflow;
    buffer->fixed = false;
    buffer->loop = 0;
    l->call_miss_count = 0;
    if (buffer->profile)
        buffer->profile->count = buffer->profile->again = 0;
    l->late_put_count = 0;
    forget_values(l);
    l->now = 0;
    l->busy = l->lent = l->on_loan = 0;
    l->lends_nothing = l->may_be_cold = false;
    l->pc = block->pc;
    lower_all(l);
    if (twice && l->fp_checked && is_loop(block))
        lower_further_rounds(l);
    for (unsigned i = 0; i < l->cold_count; i++)
        emit_cold(l, &l->colds[i]);
    emit_ways_out(l);
    emit_late_puts(l);
    emit_call_misses(l);
    emit_exits(l);
    emit_kept(l);
    return !l->e.full && !l->failed;
}

static bool try_to_compile(struct lower *l, struct code_buffer *buffer, const struct ir_block *block, bool plain,
                           bool twice)
{
    unsigned sites = buffer->site_count, links = buffer->link_count;
    bool done = compile(l, buffer, block, plain, twice);
    if (!done) {
        buffer->site_count = sites;
        buffer->link_count = links;
    }
    return done;
}

const uint8_t *backend_compile(struct code_buffer *buffer, const struct ir_block *block)
{
    static struct lower l; /* much, and as thread-local storage each thread would begin with clearing it */

    if (block->count > MAX_VALUES || buffer->end - buffer->at < CODE_ALIGNMENT)
        return NULL;
    bool done = try_to_compile(&l, buffer, block, false, true) ||
                (buffer->loop && try_to_compile(&l, buffer, block, false, false)) ||
                (!l.e.full && guest_instructions(block) == 1 && try_to_compile(&l, buffer, block, true, false));
    if (!done)
        return NULL;
    buffer->at = l.e.at;
    return l.start;
}
