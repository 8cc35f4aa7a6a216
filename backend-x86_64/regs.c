/* Registers on the way through a block: which value is where, who gives way. */
#include "lower.h"

#include <string.h>

/* A place in memory for the value: a free one, or one whose value is not needed any more. */
static void take_slot(struct lower *l, unsigned v)
{
    for (int s = 0; s < CPU_SPILLS; s++) {
        int owner = l->slot_value[s];
        if (owner != NONE && l->w[owner].slot == s && l->w[owner].last >= l->now)
            continue;
        l->slot_value[s] = (int16_t)v;
        l->w[v].slot = (int16_t)s;
        return;
    }
    l->failed = true;
    l->w[v].slot = 0;
}

static bool is_xmm(unsigned reg) { return reg >= XMM; }

static int home_register(const struct lower *l, unsigned v)
{
    int home = l->w[v].home;
    if (home == NONE)
        return NONE;
    if (!is_vector(l, v))
        return pin_of((unsigned)home);
    return host.v_pin[home] < 0 ? NONE : XMM + host.v_pin[home];
}

int register_of(const struct lower *l, unsigned v)
{
    return l->w[v].reg != NONE ? l->w[v].reg : home_register(l, v);
}

struct x86_mem memory_of(const struct lower *l, unsigned v)
{
    const struct where *w = &l->w[v];
    if (w->home == NONE)
        return slot_mem(w->slot);
    return is_vector(l, v) ? v_mem((unsigned)w->home) : x_mem((unsigned)w->home);
}

static void store_reg(struct lower *l, unsigned reg, struct x86_mem mem)
{
    if (is_xmm(reg))
        emit_v_rm(&l->e, V_STOREUPS, reg - XMM, VEX_NONE, mem);
    else
        emit_rm(&l->e, X86_STORE, 64, reg, mem);
}

void load_into(struct lower *l, unsigned reg, unsigned v)
{
    int from = register_of(l, v);
    if (is_const(l, v))
        emit_mov_imm(&l->e, reg, (uint64_t)const_of(l, v));
    else if (is_immediate(l, v))
        emit_guest_address(l, reg, (uint64_t)const_of(l, v));
    else if (from == (int)reg)
        return;
    else if (is_xmm(reg) && from != NONE)
        move_xmm(l, reg - XMM, (unsigned)from - XMM);
    else if (is_xmm(reg))
        emit_v_rm(&l->e, V_MOVUPS, reg - XMM, VEX_NONE, memory_of(l, v));
    else if (from != NONE)
        emit_rr(&l->e, X86_MOV, 64, reg, (unsigned)from);
    else
        emit_rm(&l->e, X86_MOV, l->w[v].slot == FLAGS_SLOT ? 32 : 64, reg, memory_of(l, v));
}

/* Vectors that another operation may compute again. */
static bool is_pure_vector(const struct ir_insn *insn)
{
    return ir_ops[insn->op].result == IR_VEC && ir_ops[insn->op].flags & IR_PURE;
}

void release_reg(struct lower *l, unsigned reg)
{
    int v = l->in_reg[reg];
    if (v == NONE)
        return;
    l->w[v].reg = NONE;
    l->left_in[reg] = (int16_t)(is_pure_vector(insn_at(l, (unsigned)v)) ? v : NONE);
    l->in_reg[reg] = NONE;
}

static void evict(struct lower *l, unsigned reg)
{
    if (l->in_reg[reg] == NONE)
        return;
    unsigned v = (unsigned)l->in_reg[reg];
    struct where *w = &l->w[v];
    if (w->home == NONE && w->slot == NONE && !is_immediate(l, v) && w->last >= l->now) {
        l->failed |= l->may_be_cold; /* the rare case would come back without it */
        take_slot(l, v);
        store_reg(l, reg, slot_mem(w->slot));
    }
    release_reg(l, reg);
}

static void hold(struct lower *l, unsigned reg) { l->busy |= 1ull << reg; }

/* --- pinned registers that are lent ------------------------------------------------------------------- */

static bool is_needed_at_home(const struct lower *l, unsigned r)
{
    if (l->w[l->now].target == (int)r)
        return true;
    for (int v = l->at_home[0][r]; v != NONE; v = l->w[v].next_at_home)
        if (l->w[v].last >= l->now)
            return true;
    return false;
}

static bool needs_all_pins(const struct lower *l)
{
    const struct ir_insn *insn = insn_at(l, l->now);
    bool moves = insn->op == IR_get_x || insn->op == IR_put_x, leaves = ir_ops[insn->op].flags & IR_END ||
                 insn->op == IR_branch_if || insn->op == IR_call || insn->op == IR_call_to;
    return l->lends_nothing || moves || leaves;
}

/* The register of a guest register that the operation has nothing to do with; its value waits in *cpu. */
static int borrow(struct lower *l)
{
    for (unsigned i = PINS; i-- > PINS - LENDABLE && !needs_all_pins(l);) {
        unsigned reg = pins[i].host;
        if ((l->busy | l->lent) >> reg & 1 || is_needed_at_home(l, pins[i].guest))
            continue;
        store_reg(l, reg, x_mem(pins[i].guest));
        l->failed |= l->may_be_cold;
        l->lent |= 1u << reg;
        return (int)reg;
    }
    return NONE;
}

void load_lent(struct lower *l, uint32_t lent)
{
    for (unsigned i = 0; i < PINS; i++)
        if (lent >> pins[i].host & 1)
            emit_rm(&l->e, X86_MOV, 64, pins[i].host, x_mem(pins[i].guest));
}

static void take_back(struct lower *l, uint32_t lent)
{
    for (unsigned i = 0; i < PINS; i++)
        if (lent >> pins[i].host & 1)
            evict(l, pins[i].host);
    load_lent(l, lent);
    l->lent &= ~lent;
    l->on_loan &= ~lent;
}

void end_lending(struct lower *l) { take_back(l, l->lent); }

/* --- for a stretch of code ---------------------------------------------------------------------------- */

bool may_be_on_loan(const struct ir_insn *insn)
{
    bool memory = insn->op == IR_load || insn->op == IR_store || insn->op == IR_load_vec || insn->op == IR_store_vec;
    return memory || !ir_may_leave(insn);
}

/* Finds out how long the stretch is that begins here, and what it needs. */
static void look_ahead(struct lower *l)
{
    unsigned v = l->now;
    l->stretch_needs = 0;
    for (; v < l->block->count && may_be_on_loan(insn_at(l, v)); v++) {
        const struct ir_insn *insn = insn_at(l, v);
        bool moves = insn->op == IR_put_x || (insn->op == IR_get_x && l->w[v].uses);
        if (moves && pin_of((unsigned)insn->imm) != NONE)
            l->stretch_needs |= 1u << pin_of((unsigned)insn->imm);
    }
    l->stretch_end = v;
}

/* A register for values of the stretch that begins here, if it is long: one store and one load spare many. */
static int take_loan(struct lower *l)
{
    enum { LONG = 80 };
    if (l->now >= l->stretch_end)
        look_ahead(l);
    if (l->stretch_end < l->now + LONG || l->lends_nothing || l->may_be_cold)
        return NONE;
    for (unsigned i = 0; i < LOANABLE; i++) {
        unsigned reg = loanable(i).host;
        if ((l->busy | l->lent | l->stretch_needs) >> reg & 1 || is_needed_at_home(l, loanable(i).guest))
            continue;
        store_reg(l, reg, x_mem(loanable(i).guest));
        l->lent |= 1u << reg;
        l->on_loan |= 1u << reg;
        return (int)reg;
    }
    return NONE;
}

static uint16_t loans_at_site(const struct lower *l)
{
    unsigned lent = 0;
    for (unsigned i = 0; i < LOANABLE; i++)
        lent |= (l->on_loan >> loanable(i).host & 1) << i;
    return (uint16_t)lent;
}

/* --- temporaries -------------------------------------------------------------------------------------- */

/* How soon the register's value is to give way: one that is still needed when it is needed last, and before that one that
 * isn't, the one used last at last. */
enum { UNUSED = INT16_MAX, IMMEDIATE = UNUSED - 1, GONE = IMMEDIATE - 1 };
static int readiness(const struct lower *l, unsigned reg)
{
    int v = l->in_reg[reg] == NONE ? l->left_in[reg] : l->in_reg[reg];
    if (v == NONE)
        return UNUSED;
    if (l->in_reg[reg] == NONE || l->w[v].last < l->now)
        return is_pure_vector(insn_at(l, (unsigned)v)) ? GONE - l->w[v].last : UNUSED;
    return is_immediate(l, (unsigned)v) ? IMMEDIATE : l->w[v].last;
}

static void choose(struct lower *l, unsigned reg, int *best, int *best_readiness)
{
    int ready = l->busy >> reg & 1 ? -1 : readiness(l, reg);
    if (ready > *best_readiness) {
        *best_readiness = ready;
        *best = (int)reg;
    }
}

/* A free register of the list, or the one whose value is needed last. */
static unsigned take_from(struct lower *l, const uint8_t *list, unsigned count, unsigned base)
{
    int best = NONE, best_readiness = -1;
    for (unsigned i = 0; i < count; i++)
        choose(l, base + list[i], &best, &best_readiness);
    for (unsigned i = 0; i < LOANABLE && list == temps && l->on_loan; i++)
        if (l->on_loan >> loanable(i).host & 1)
            choose(l, loanable(i).host, &best, &best_readiness);
    if (list == temps && best_readiness < IMMEDIATE) { /* somebody will want it again */
        int loan = take_loan(l);
        best = loan == NONE ? best : loan;
    }
    if (best == NONE && list == temps)
        best = borrow(l);
    if (best == NONE) {
        l->failed = true;
        return base + list[0];
    }
    evict(l, (unsigned)best);
    l->left_in[best] = NONE;
    hold(l, (unsigned)best);
    return (unsigned)best;
}

unsigned take_temp(struct lower *l) { return take_from(l, temps, TEMPS, 0); }
unsigned take_xmm(struct lower *l) { return take_from(l, host.xmm_temp, host.xmm_temps, XMM) - XMM; }

unsigned free_xmms(const struct lower *l)
{
    unsigned free = 0;
    for (unsigned i = 0; i < host.xmm_temps; i++)
        free += !(l->busy >> (XMM + host.xmm_temp[i]) & 1);
    return free;
}

void leave_xmm(struct lower *l, unsigned reg) { l->busy &= ~(1ull << (XMM + reg)); }

void leave_temp(struct lower *l, unsigned reg) { l->busy &= ~(1ull << reg); }

void take_fixed(struct lower *l, unsigned reg)
{
    evict(l, reg);
    hold(l, reg);
}

void bind_value(struct lower *l, unsigned v, unsigned reg)
{
    release_reg(l, reg);
    l->in_reg[reg] = (int16_t)v;
    l->w[v].reg = (int16_t)reg;
}

unsigned use(struct lower *l, unsigned v)
{
    int reg = register_of(l, v);
    if (reg == NONE) {
        reg = (int)(is_vector(l, v) ? XMM + take_xmm(l) : take_temp(l));
        load_into(l, (unsigned)reg, v);
        bind_value(l, v, (unsigned)reg);
        l->failed |= l->may_be_cold;
    }
    hold(l, (unsigned)reg);
    return (unsigned)reg;
}

unsigned use_xmm(struct lower *l, unsigned v) { return use(l, v) - XMM; }

void set_home(struct lower *l, unsigned v, unsigned r)
{
    int16_t *first = &l->at_home[is_vector(l, v)][r];
    l->w[v].home = (int16_t)r;
    l->w[v].next_at_home = *first;
    *first = (int16_t)v;
}

void leave_home(struct lower *l, unsigned r, enum ir_type type)
{
    int v = l->at_home[type == IR_VEC][r];
    l->at_home[type == IR_VEC][r] = NONE;
    for (; v != NONE; v = l->w[v].next_at_home) {
        struct where *w = &l->w[v];
        if (w->last > l->now && w->reg == NONE && w->slot == NONE) {
            unsigned reg = type == IR_VEC ? XMM + take_xmm(l) : take_temp(l);
            load_into(l, reg, (unsigned)v);
            bind_value(l, (unsigned)v, reg);
        }
        w->home = NONE;
    }
}

void leave_flags(struct lower *l)
{
    if (l->put_flags == NONE)
        return;
    unsigned v = (unsigned)l->put_flags;
    if (l->w[v].last > l->now && l->w[v].reg == NONE)
        use(l, v);
    l->w[v].slot = NONE;
    l->put_flags = NONE;
}

/* The pinned register that the result may go to at once, or NONE; its old value has moved out then. */
static int target_register(struct lower *l, bool apart)
{
    struct where *w = &l->w[l->now];
    if (w->target == NONE)
        return NONE;
    bool vector = is_vector(l, l->now);
    int reg = vector ? (host.v_pin[w->target] < 0 ? NONE : XMM + host.v_pin[w->target]) : pin_of((unsigned)w->target);
    if (reg == NONE || (apart && l->busy >> reg & 1) || (!vector && l->lent >> reg & 1))
        return NONE;
    leave_home(l, (unsigned)w->target, vector ? IR_VEC : IR_INT);
    set_home(l, l->now, (unsigned)w->target);
    hold(l, (unsigned)reg);
    return reg;
}

static unsigned result(struct lower *l, bool apart)
{
    int reg = target_register(l, apart);
    if (reg != NONE)
        return (unsigned)reg;
    reg = (int)(is_vector(l, l->now) ? XMM + take_xmm(l) : take_temp(l));
    bind_value(l, l->now, (unsigned)reg);
    return (unsigned)reg;
}

unsigned result_reg(struct lower *l) { return result(l, false); }
unsigned result_xmm(struct lower *l) { return result(l, false) - XMM; }
unsigned result_reg_apart(struct lower *l) { return result(l, true); }
unsigned result_xmm_apart(struct lower *l) { return result(l, true) - XMM; }

unsigned result_reg_from(struct lower *l, unsigned v)
{
    int reg = target_register(l, false), own = l->w[v].reg;
    if (reg != NONE)
        return (unsigned)reg;
    if (own == NONE || l->w[v].last > l->now)
        return result(l, false);
    l->w[v].reg = NONE;
    l->in_reg[own] = NONE;
    bind_value(l, l->now, (unsigned)own);
    hold(l, (unsigned)own);
    return (unsigned)own;
}

unsigned result_reg_early(struct lower *l, unsigned v, unsigned ra, unsigned rb)
{
    unsigned now = l->now;
    int target = l->w[v].target, pin = target == NONE ? NONE : pin_of((unsigned)target);
    l->now = v;
    unsigned reg = pin != NONE && pin == (int)rb && ra != rb ? result_reg_apart(l) : result_reg(l);
    l->now = now;
    return reg;
}

static bool is_same_operand(const struct lower *l, unsigned a, unsigned b)
{
    return a == b || (is_const(l, a) && is_const(l, b) && const_of(l, a) == const_of(l, b));
}

static bool is_same_operation(const struct lower *l, const struct ir_insn *a, const struct ir_insn *b)
{
    if (a->op != b->op || a->esz != b->esz || a->lanes != b->lanes || a->imm != b->imm)
        return false;
    for (unsigned i = 0; i < ir_ops[a->op].args; i++)
        if (!is_same_operand(l, a->arg[i], b->arg[i]))
            return false;
    return true;
}

bool reuse_value(struct lower *l, const struct ir_insn *insn)
{
    for (unsigned i = 0; i < host.xmm_temps && is_pure_vector(insn); i++) {
        unsigned reg = XMM + host.xmm_temp[i];
        int v = l->in_reg[reg] == NONE ? l->left_in[reg] : l->in_reg[reg];
        bool lives = l->in_reg[reg] != NONE && l->w[v].last >= l->now;
        if (v == NONE || !is_same_operation(l, insn_at(l, (unsigned)v), insn))
            continue;
        hold(l, reg);
        if (lives || l->w[l->now].target != NONE)
            move_xmm(l, result_xmm(l), reg - XMM);
        else
            bind_value(l, l->now, reg);
        l->w[l->now].bytes = l->w[v].bytes;
        return true;
    }
    return false;
}

bool is_in_memory_only(const struct lower *l, unsigned v)
{
    return !is_immediate(l, v) && !l->w[v].packed && register_of(l, v) == NONE;
}

struct operand operand_of(struct lower *l, unsigned v, unsigned w)
{
    if (is_const(l, v) && (w == 32 || fits32(const_of(l, v))))
        return (struct operand){.is_imm = true, .imm = (int32_t)const_of(l, v), .reg = NO_REGISTER};
    if (is_in_memory_only(l, v))
        return (struct operand){.is_mem = true, .reg = NO_REGISTER, .mem = memory_of(l, v)};
    return (struct operand){.reg = use(l, v)};
}

void emit_op(struct lower *l, enum x86_op op, unsigned w, unsigned reg, struct operand b)
{
    if (b.is_imm)
        emit_ri(&l->e, op, w, reg, b.imm);
    else if (b.is_mem)
        emit_rm(&l->e, op, w, reg, b.mem);
    else
        emit_rr(&l->e, op, w, reg, b.reg);
}

/* A value that ends here stays in its register, which take_from() knows to be free. */
void end_operation(struct lower *l)
{
    l->lends_nothing = l->may_be_cold = false;
    if (l->lent & ~l->on_loan)
        take_back(l, l->lent & ~l->on_loan);
    l->busy = 0;
}

void forget_values(struct lower *l)
{
    memset(l->slot_value, 0xff, sizeof l->slot_value);
    memset(l->in_reg, 0xff, sizeof l->in_reg);
    memset(l->left_in, 0xff, sizeof l->left_in);
    memset(l->at_home, 0xff, sizeof l->at_home);
    l->put_flags = l->late_put = l->exclusive = NONE;
    l->flags_of = MAX_VALUES;
    l->recipe = 0;
    l->fp_checked = false;
    memset(l->above, sizeof(union vec), sizeof l->above);
    l->may_have_left = true;
}

void note_fault_site(struct lower *l)
{
    struct code_buffer *buffer = l->buffer;
    ptrdiff_t offset = l->e.at - l->start;
    if (buffer->site_count + 1 >= buffer->site_capacity || l->lent != l->on_loan || offset > UINT16_MAX) {
        l->failed = true;
        return;
    }
    l->lends_nothing = true;
    if (l->recipe && !l->recipe_noted)
        buffer->sites[buffer->site_count++] = jit_recipe_site(l->recipe);
    l->recipe_noted = true;
    buffer->sites[buffer->site_count++] = (struct fault_site){
        .offset = (uint16_t)offset,
        .insn = (l->pc - l->block->pc) / 4 & 63,
        .lent = loans_at_site(l) & 255,
        .flags = l->recipe != 0,
    };
}
