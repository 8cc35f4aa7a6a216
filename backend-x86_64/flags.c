/* Flags and truth values. */
#include "lower.h"

#include <string.h>

enum { PACKED_N = 0x8000, PACKED_Z = 0x4000, PACKED_C = 0x100, PACKED_V = 1 };

static bool is_small_const(const struct lower *l, unsigned v, unsigned w)
{
    return is_const(l, v) && (w == 32 || fits32(const_of(l, v)));
}

/* op reg, value, for operations that write nothing but EFLAGS, or a temporary. */
static void emit_with(struct lower *l, enum x86_op op, unsigned w, unsigned reg, unsigned v)
{
    emit_op(l, op, w, reg, operand_of(l, v, w));
}

static void emit_test(struct lower *l, unsigned w, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    if (!l->w[v].folded && w == 32 && is_in_memory_only(l, v)) {
        emit_mi32(&l->e, X86_CMP, memory_of(l, v), 0);
        return;
    }
    if (!l->w[v].folded) {
        unsigned reg = use(l, v);
        emit_rr(&l->e, X86_TEST, w, reg, reg);
        return;
    }
    unsigned a = use(l, insn->arg[0]); /* an AND that nobody else needs */
    if (is_small_const(l, insn->arg[1], w))
        emit_test_imm(&l->e, w, a, (int32_t)const_of(l, insn->arg[1]));
    else
        emit_rr(&l->e, X86_TEST, w, use(l, insn->arg[1]), a);
}

static void emit_origin(struct lower *l, unsigned flags)
{
    const struct ir_insn *origin = insn_at(l, flags);
    unsigned a = origin->arg[0], b = origin->arg[1], w = origin->w;
    if (l->flags_of == flags && l->flags_at == l->e.flags_written)
        return;
    if (l->w[flags].via != NONE) {
        l->failed = true; /* analyse_flags() promised otherwise */
        return;
    }
    if (origin->op == IR_nzcv_logic) {
        emit_test(l, w, a);
    } else if (origin->op == IR_nzcv_sub) {
        unsigned reg = use(l, a);
        emit_with(l, X86_CMP, w, reg, b);
    } else {
        use(l, a);
        unsigned reg = take_temp(l);
        load_into(l, reg, a);
        emit_with(l, X86_ADD, w, reg, b);
    }
    l->flags_of = flags;
    l->flags_at = l->e.flags_written;
}

/* The flags' operation whose flags the current one leaves in EFLAGS. */
void note_flags(struct lower *l)
{
    const struct ir_insn *insn = insn_at(l, l->now);
    const struct ir_block *block = l->block;
    for (unsigned v = l->now > 4 ? l->now - 4 : 0; v < l->now + 3 && v < block->count; v++) {
        const struct ir_insn *flags = &block->insns[v];
        bool twin = (flags->op == IR_nzcv_sub && insn->op == IR_sub) || (flags->op == IR_nzcv_add && insn->op == IR_add);
        bool same = twin && flags->arg[0] == insn->arg[0] && flags->arg[1] == insn->arg[1];
        bool tested = flags->op == IR_nzcv_logic && flags->arg[0] == l->now && insn->op == IR_and;
        if ((same || tested) && flags->w == insn->w) {
            l->flags_of = v;
            l->flags_at = l->e.flags_written;
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

bool is_condition_of(const struct ir_insn *flags, unsigned cond)
{
    return (flags->op == IR_fcmp && flags->esz >= 2) || (has_origin(flags->op) && origin_cc(flags->op, cond) != NONE);
}

/* Tests a packed value; returns the host's condition that holds if cond does. */
static enum x86_cc test_packed(struct lower *l, unsigned flags, unsigned cond)
{
    static const int32_t masks[4] = {PACKED_Z, PACKED_C, PACKED_N, PACKED_V};
    unsigned reg = use(l, flags), t;

    if (cond >> 1 < 4) {
        emit_test_imm(&l->e, 32, reg, masks[cond >> 1]);
        return CC_NE ^ (cond & 1);
    }
    t = take_temp(l);
    emit_rr(&l->e, X86_MOV, 32, t, reg);
    if (cond >> 1 == 4) { /* HI: C and not Z */
        emit_ri(&l->e, X86_AND, 32, t, PACKED_C | PACKED_Z);
        emit_ri(&l->e, X86_CMP, 32, t, PACKED_C);
        return CC_E ^ (cond & 1);
    }
    emit_shift_imm(&l->e, SHIFT_SHR, 32, t, 15);
    emit_rr(&l->e, X86_XOR, 32, t, reg); /* bit 0: N != V */
    if (cond >> 1 == 5) {
        emit_test_imm(&l->e, 32, t, 1);
        return CC_E ^ (cond & 1);
    }
    emit_shift_imm(&l->e, SHIFT_SHL, 32, t, 14); /* GT: and not Z, the flag of bit 14 */
    emit_rr(&l->e, X86_OR, 32, t, reg);
    emit_test_imm(&l->e, 32, t, PACKED_Z);
    return CC_E ^ (cond & 1);
}

enum x86_cc emit_truth(struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    unsigned a = insn->arg[0];

    if (!l->w[v].folded) {
        unsigned reg = use(l, v);
        emit_rr(&l->e, X86_TEST, 32, reg, reg);
        return CC_NE;
    }
    switch (insn->op) {
    case IR_cond:
        if (insn->imm >> 1 == 7) { /* AL, NV: always */
            emit_rr(&l->e, X86_CMP, 32, RSP, RSP);
            return CC_E;
        }
        if (insn_at(l, a)->op == IR_fcmp && l->w[a].folded)
            return emit_fcmp_condition(l, a, (unsigned)insn->imm);
        if (has_origin(insn_at(l, a)->op) && origin_cc(insn_at(l, a)->op, (unsigned)insn->imm) != NONE) {
            emit_origin(l, a);
            return (enum x86_cc)origin_cc(insn_at(l, a)->op, (unsigned)insn->imm);
        }
        return test_packed(l, a, (unsigned)insn->imm);
    case IR_test_bit:
        emit_bt_imm(&l->e, insn->imm < 32 ? 32 : 64, use(l, a), (unsigned)insn->imm);
        return CC_B;
    default: /* is_zero, is_nonzero */
        if (l->w[a].folded)
            return emit_truth(l, a) ^ (insn->op == IR_is_zero);
        emit_test(l, insn->w, a);
        return insn->op == IR_is_zero ? CC_E : CC_NE;
    }
}

/* A value of flags in the architecture's format, in a temporary of its own. */
unsigned unpacked_flags(struct lower *l, unsigned v)
{
    unsigned from = use(l, v), to = take_temp(l), t = take_temp(l);
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

/* NZCV in bits 31..28 of reg to the host's format, with nothing but reg and memory. */
void pack_in_place(struct lower *l, unsigned reg)
{
    struct x86_mem scratch = CPU_FIELD(saved[0]), whole = CPU_FIELD(saved[1]);
    emit_rm(&l->e, X86_STORE, 32, reg, whole);
    emit_shift_imm(&l->e, SHIFT_SHR, 32, reg, 16);
    emit_ri(&l->e, X86_AND, 32, reg, PACKED_N | PACKED_Z);
    emit_rm(&l->e, X86_STORE, 32, reg, scratch);
    emit_rm(&l->e, X86_MOV, 32, reg, whole);
    emit_shift_imm(&l->e, SHIFT_SHR, 32, reg, 21);
    emit_ri(&l->e, X86_AND, 32, reg, PACKED_C);
    emit_rm(&l->e, X86_OR, 32, reg, scratch);
    emit_rm(&l->e, X86_STORE, 32, reg, scratch);
    emit_rm(&l->e, X86_MOV, 32, reg, whole);
    emit_shift_imm(&l->e, SHIFT_SHR, 32, reg, 28);
    emit_ri(&l->e, X86_AND, 32, reg, PACKED_V);
    emit_rm(&l->e, X86_OR, 32, reg, scratch);
}

/* The other way: flags in the architecture's format in v, packed into a temporary. */
unsigned packed_flags(struct lower *l, unsigned v)
{
    unsigned from = is_const(l, v) ? 0 : use(l, v), to = take_temp(l);
    if (is_const(l, v)) {
        emit_mov_imm(&l->e, to, jit_pack_flags((uint32_t)const_of(l, v)));
    } else {
        emit_rr(&l->e, X86_MOV, 32, to, from);
        pack_in_place(l, to);
    }
    return to;
}

/* --- operations --------------------------------------------------------------------------------------- */

static void emit_cmc(struct lower *l)
{
    emit_bytes(&l->e, 1, 0xf5);
    l->e.flags_written++;
}

/* EFLAGS into RAX, as the value of the operation. RAX is taken. */
static void capture(struct lower *l, bool invert_carry)
{
    if (invert_carry)
        emit_cmc(l);
    emit_bytes(&l->e, 1, 0x9f); /* lahf */
    emit_setcc(&l->e, CC_O, RAX);
    bind_value(l, l->now, RAX);
}

int twin_of(const struct lower *l, unsigned v)
{
    const struct ir_insn *flags = insn_at(l, v);
    enum ir_op wanted = flags->op == IR_nzcv_sub ? IR_sub : IR_add;
    for (unsigned t = v + 1; t < v + 4 && t < l->block->count; t++) {
        const struct ir_insn *insn = insn_at(l, t);
        if (insn->op == wanted && insn->w == flags->w && insn->arg[0] == flags->arg[0] && insn->arg[1] == flags->arg[1])
            return l->w[t].uses && !l->w[t].folded ? (int)t : NONE;
    }
    return NONE;
}

/* What becomes of the flags of operation `now`, which are in EFLAGS; carry is the condition that ARM's carry is. */
static void keep_flags(struct lower *l, enum x86_cc carry)
{
    if (l->w[l->now].capture == CAPTURE_CARRY) {
        unsigned reg = take_temp(l);
        emit_setcc(&l->e, carry, reg);
        bind_value(l, l->now, reg);
    } else if (l->w[l->now].capture == CAPTURE_FLAGS) {
        take_fixed(l, RAX);
        capture(l, carry == CC_AE);
    }
}

/* Constants are loaded, whatever they are. */
static struct operand first_operand_of(struct lower *l, unsigned v)
{
    return is_immediate(l, v) ? (struct operand){.reg = use(l, v)} : operand_of(l, v, 64);
}

/* reg = a op b, in the register of the result of operation v, which the current one does, too; NONE: of nobody. */
static void emit_result(struct lower *l, int v, enum x86_op op, unsigned w, struct operand a, struct operand b)
{
    bool into_b = v != NONE && b.reg != NO_REGISTER && l->w[v].target != NONE && pin_of((unsigned)l->w[v].target) == (int)b.reg;
    if (into_b && op != X86_SUB) {
        struct operand t = a;
        a = b;
        b = t;
    }
    unsigned reg = v == NONE ? take_temp(l) : result_reg_early(l, (unsigned)v, a.reg, b.reg);
    if (reg != a.reg)
        emit_op(l, X86_MOV, 64, reg, a);
    emit_op(l, op, w, reg, b);
    if (v != NONE)
        l->w[v].done = true;
    l->flags_of = l->now;
    l->flags_at = l->e.flags_written;
}

/* Nothing between the flags' operation and v, which is computed with it, sees guest registers. */
static bool is_right_behind(const struct lower *l, unsigned v)
{
    for (unsigned i = l->now + 1; i < v; i++)
        if (insn_at(l, i)->op != IR_put_nzcv && insn_at(l, i)->op != IR_const)
            return false;
    return true;
}

static void lower_nzcv(struct lower *l, const struct ir_insn *insn)
{
    int twin = insn->op == IR_nzcv_logic ? NONE : twin_of(l, l->now);
    bool all = l->w[l->now].capture == CAPTURE_FLAGS;
    struct operand a = twin == NONE ? (struct operand){.reg = use(l, insn->arg[0])} : first_operand_of(l, insn->arg[0]);
    struct operand b = {.reg = NO_REGISTER};
    if (ir_ops[insn->op].args > 1)
        b = operand_of(l, insn->arg[1], insn->w);
    if (all)
        l->busy |= 1u << RAX;
    if (twin != NONE && is_right_behind(l, (unsigned)twin))
        emit_result(l, twin, insn->op == IR_nzcv_add ? X86_ADD : X86_SUB, insn->w, a, b);
    else
        emit_origin(l, l->now);
    keep_flags(l, insn->op == IR_nzcv_sub ? CC_AE : CC_B);
    if (insn->op == IR_nzcv_add) { /* CF is ARM's carry */
        l->flags_of = l->now;
        l->flags_at = l->e.flags_written;
    }
}

/* CF is the carry of operand c, a truth value or, folded, the C of a flags' value. */
static void emit_carry(struct lower *l, unsigned c)
{
    unsigned flags = insn_at(l, c)->arg[0];
    if (!l->w[c].folded) {
        emit_bt_imm(&l->e, 32, use(l, c), 0);
    } else if (l->flags_of == flags && l->flags_at == l->e.flags_written) {
        if (insn_at(l, flags)->op == IR_nzcv_sub)
            emit_cmc(l);
    } else if (l->w[flags].via != NONE || l->w[flags].capture == CAPTURE_NONE) {
        l->failed = true; /* analyse_flags() promised otherwise */
    } else {
        emit_bt_imm(&l->e, 32, use(l, flags), l->w[flags].capture == CAPTURE_CARRY ? 0 : 8);
    }
}

/* The sum of the same operands that is computed behind flags v: both are one ADC. */
static int sum_behind(const struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    for (unsigned s = v + 1; s < v + 3 && s < l->block->count; s++) {
        const struct ir_insn *sum = insn_at(l, s);
        if (sum->op == IR_adc && sum->w == insn->w && !memcmp(sum->arg, insn->arg, sizeof sum->arg) && l->w[s].uses)
            return (int)s;
    }
    return NONE;
}

static void lower_adc(struct lower *l, const struct ir_insn *insn)
{
    bool flags = insn->op == IR_nzcv_adc;
    int sum = flags ? sum_behind(l, l->now) : (int)l->now;
    struct operand a = first_operand_of(l, insn->arg[0]), b = operand_of(l, insn->arg[1], insn->w);
    if (!l->w[insn->arg[2]].folded)
        use(l, insn->arg[2]);
    if (flags && l->w[l->now].capture == CAPTURE_FLAGS)
        l->busy |= 1u << RAX; /* the flags' */
    emit_carry(l, insn->arg[2]); /* moves leave it alone */
    emit_result(l, sum != NONE && is_right_behind(l, (unsigned)sum) ? sum : NONE, X86_ADC, insn->w, a, b);
    if (flags)
        keep_flags(l, CC_B);
}

bool is_late(const struct lower *l, unsigned v)
{
    const struct ir_insn *put = insn_at(l, v);
    if (put->op != IR_put_nzcv || !put->imm)
        return false;
    return l->w[put->arg[0]].folded || (is_const(l, put->arg[0]) && !(put->imm & PUT_AT_FAULTS));
}

void emit_late_put(struct lower *l, const struct ir_insn *put)
{
    if (is_const(l, put->arg[0])) {
        emit_store_imm(&l->e, 32, CPU_FIELD(flags), (int32_t)jit_pack_flags((uint32_t)const_of(l, put->arg[0])));
        return;
    }
    if (insn_at(l, put->arg[0])->op == IR_nzcv_sub)
        emit_cmc(l);
    emit_bytes(&l->e, 1, 0x9f); /* lahf */
    emit_setcc(&l->e, CC_O, RAX);
    emit_rm(&l->e, X86_STORE, 32, RAX, CPU_FIELD(flags));
}

static void lower_put_nzcv(struct lower *l, const struct ir_insn *insn)
{
    unsigned v = insn->arg[0];
    bool late = is_late(l, l->now);
    l->recipe = late && insn->imm & PUT_AT_FAULTS ? recipe_of(l, l->now) : 0;
    l->recipe_noted = false;
    if (late && insn->imm != PUT_AT_FAULTS)
        l->late_put = (int)l->now;
    if (late)
        return;
    unsigned reg = l->w[v].packed ? use(l, v) : packed_flags(l, v);
    leave_flags(l);
    emit_rm(&l->e, X86_STORE, 32, reg, CPU_FIELD(flags));
    if (l->w[v].packed && l->w[v].slot == NONE) {
        l->w[v].slot = FLAGS_SLOT;
        l->put_flags = (int)v;
    }
}

static void lower_truth(struct lower *l)
{
    l->w[l->now].folded = true;
    enum x86_cc cc = emit_truth(l, l->now);
    l->w[l->now].folded = false;
    unsigned reg = take_temp(l); /* not the target: it might be an operand's */
    emit_setcc(&l->e, cc, reg);
    emit_rr(&l->e, X86_MOVZX8, 32, reg, reg);
    bind_value(l, l->now, reg);
}

bool lower_flags(struct lower *l, const struct ir_insn *insn)
{
    switch ((enum ir_op)insn->op) {
    case IR_get_nzcv:
        emit_rm(&l->e, X86_MOV, 32, result_reg(l), CPU_FIELD(flags));
        return true;
    case IR_put_nzcv:
        lower_put_nzcv(l, insn);
        return true;
    case IR_cond:
    case IR_is_zero:
    case IR_is_nonzero:
    case IR_test_bit:
        lower_truth(l);
        return true;
    case IR_adc:
    case IR_nzcv_adc:
        lower_adc(l, insn);
        return true;
    case IR_nzcv_sub:
    case IR_nzcv_add:
    case IR_nzcv_logic:
        lower_nzcv(l, insn);
        return true;
    case IR_carry: {
        unsigned from = use(l, insn->arg[0]), reg = result_reg(l);
        emit_rr(&l->e, X86_MOV, 32, reg, from);
        emit_shift_imm(&l->e, SHIFT_SHR, 32, reg, 8);
        emit_ri(&l->e, X86_AND, 32, reg, 1);
        return true;
    }
    default:
        return false;
    }
}

/* --- before ------------------------------------------------------------------------------------------- */

/* Operations whose code leaves EFLAGS alone. */
static bool is_neutral(const struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    switch ((enum ir_op)insn->op) {
    case IR_const:
    case IR_mark:
    case IR_get_x:
    case IR_get_vreg:
    case IR_put_vreg:
    case IR_load:
    case IR_store:
    case IR_zext8:
    case IR_zext16:
    case IR_zext32:
    case IR_sext8:
    case IR_sext16:
    case IR_sext32:
    case IR_not:
        return true;
    case IR_umulh:
        return host.bmi2 && insn->w == 64;
    case IR_put_x:
        return !l->w[insn->arg[0]].packed;
    case IR_put_nzcv:
        return is_late(l, v);
    default:
        return l->w[v].folded || (!l->w[v].uses && ir_may_be_dropped(insn));
    }
}

/* The same, and sums and products, which LEA and MULX do then. */
static bool lets_pass(struct lower *l, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, v);
    unsigned b = insn->arg[1];
    bool difference = insn->op == IR_sub && is_small_const(l, b, insn->w) && (int32_t)const_of(l, b) != INT32_MIN;
    if (is_neutral(l, v))
        return true;
    bool product = insn->op == IR_mul && insn->w == 64 && host.bmi2;
    l->w[v].keeps_flags = insn->op == IR_add || difference || product;
    return l->w[v].keeps_flags;
}

bool reads_condition(const struct lower *l, unsigned user, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, user);
    unsigned condition = insn->arg[insn->op == IR_select ? 2 : 0];
    if (insn->op != IR_branch_if && insn->op != IR_select)
        return false;
    return insn_at(l, condition)->op == IR_cond && l->w[condition].folded && insn_at(l, condition)->arg[0] == v &&
           insn_at(l, condition)->imm >> 1 != 7 &&
           origin_cc(insn_at(l, v)->op, (unsigned)insn_at(l, condition)->imm) != NONE;
}

/* Flags of a subtraction or addition whose result is computed, too, and all of whose users come while EFLAGS still are
 * that one's: their operands need not live until then. */
static void analyse_conditions(struct lower *l, unsigned v)
{
    int twin = twin_of(l, v);
    unsigned found = 0, conditions = 0, wanted = 0;
    if (twin == NONE)
        return;
    for (unsigned c = v + 1; c <= l->w[v].last; c++) { /* other uses fail the count */
        bool condition = insn_at(l, c)->op == IR_cond && l->w[c].folded && l->w[c].uses;
        if (insn_at(l, c)->arg[0] != v || !(condition || is_late(l, c)))
            continue;
        conditions++;
        wanted += condition ? l->w[c].uses : 0;
    }
    if (conditions != l->w[v].uses)
        return;
    for (unsigned user = (unsigned)twin + 1; user < l->block->count; user++) {
        if (reads_condition(l, user, v)) { /* a branch writes no flags on its way through */
            found++;
            continue;
        }
        if (!lets_pass(l, user))
            break;
    }
    if (found == wanted)
        l->w[v].via = (int16_t)twin;
}

static bool reads_carry(const struct lower *l, unsigned user, unsigned v)
{
    const struct ir_insn *insn = insn_at(l, user);
    return (insn->op == IR_adc || insn->op == IR_nzcv_adc) && insn_at(l, insn->arg[2])->op == IR_carry &&
           insn_at(l, insn->arg[2])->arg[0] == v;
}

/* Flags of which nothing but the carry is read; and whether they are left in EFLAGS for that. */
static void analyse_carry(struct lower *l, unsigned v)
{
    unsigned carries = 0, readers = 0, reader = 0;
    int sum = insn_at(l, v)->op == IR_nzcv_adc ? sum_behind(l, v) : twin_of(l, v);
    for (unsigned user = v + 1; user <= l->w[v].last; user++)
        if (insn_at(l, user)->op == IR_carry && insn_at(l, user)->arg[0] == v && l->w[user].folded)
            carries += l->w[user].uses != 0;
    if (carries != l->w[v].uses)
        return;
    for (unsigned user = v + 1; user < l->block->count; user++) {
        if (!reads_carry(l, user, v) || (readers && sum_behind(l, reader) == (int)user))
            continue;
        reader = user;
        readers++;
    }
    l->w[v].capture = CAPTURE_CARRY;
    unsigned between = sum == NONE || insn_at(l, v)->op == IR_nzcv_adc ? v + 1 : (unsigned)sum + 1;
    while (between < reader && ((int)between == sum || lets_pass(l, between)))
        between++;
    if (readers != 1 || between != reader)
        return;
    l->w[v].capture = CAPTURE_NONE;
    if (insn_at(l, v)->op != IR_nzcv_adc)
        l->w[v].via = (int16_t)sum;
}

void analyse_flags(struct lower *l)
{
    for (unsigned v = 0; v < l->block->count; v++) {
        enum ir_op op = (enum ir_op)insn_at(l, v)->op;
        if (!(ir_ops[op].flags & IR_FLAGS) || !l->w[v].uses)
            continue;
        if (op == IR_nzcv_sub || op == IR_nzcv_add)
            analyse_conditions(l, v);
        if ((op == IR_nzcv_sub || op == IR_nzcv_add || op == IR_nzcv_adc) && l->w[v].via == NONE)
            analyse_carry(l, v);
    }
}
