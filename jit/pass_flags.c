/* Flags that nobody reads are not written: neither those that the block itself overwrites, nor those that the
 * code behind the block overwrites before it reads them. Where that is so on one side of a branch only, the
 * flags are written on the other side.
 *
 *   put_nzcv %4, #0x0        const                   (no operation)
 *   %6 = get_nzcv #0x0   =>  %6 = get_nzcv #0x0      (without users: the lifter knew %4)
 *   %7 = cond %4, ...        %7 = cond %4, ...
 *   branch_if %7, #X         branch_if %7, #X        where X and Y begin with comparisons;
 *   branch #Y                branch #Y               put_nzcv %4, #0x1 if X reads the flags
 *
 * Behind several branches by the same flags, as a search has them, each branch that needs it has a put of its own.
 * Up to the next branch each instruction that may leave the code finds the flags written; where they matter to faults
 * only, by a put_nzcv %4, #0x4. Behind a branch an old value may show in the frame of a signal, but only where the
 * guest's code is done with it. The code ahead is looked at within the block's page only: what is read here is noted in
 * the block, so that a change of it invalidates the block, too. */
#include "passes.h"

#include <xemu/insn.h>
#include <xemu/mem.h>

#include <stdatomic.h>

/* What one instruction does to the flags first. MAY_LEAVE: neither reads nor writes, and may fault; BRANCHES:
 * it has to be lifted for where it goes. */
enum effect { UNKNOWN, NEITHER, MAY_LEAVE, READS, WRITES, BRANCHES };

enum { AHEAD = 40, PLACES = 8, PAGE_BYTES = 4096 };

/* The way ahead. */
struct ahead {
    struct ir_block *block;
    unsigned left;        /* instructions that may still be looked at */
    unsigned count, done; /* places, and how many of them were gone through */
    uint64_t places[PLACES];
};

static enum effect effect_of(const struct ir_block *one)
{
    const struct ir_insn *last = one->insns + one->count - 1;
    bool leaves = false, calls = false;
    for (unsigned i = 0; i < one->count; i++) {
        calls |= ir_is_call((enum ir_op)one->insns[i].op);
        leaves |= i + 1 < one->count && ir_may_leave(&one->insns[i]);
        if (one->insns[i].op == IR_get_nzcv || one->insns[i].op == IR_get_sysreg)
            return READS;
        if (one->insns[i].op == IR_put_nzcv)
            return WRITES;
    }
    bool goes_on = last->op == IR_branch && (one->count == 1 || last[-1].op != IR_branch_if) &&
                   (uint64_t)last->imm == one->pc + 4;
    return !goes_on || calls ? BRANCHES : leaves ? MAY_LEAVE : NEITHER;
}

/* System registers are many instructions in one, and so are the stages of memory copies and sets: a prologue writes the
 * flags, the others read them. A branch to the next instruction looks like none. */
static bool depends_on_operation_only(enum a64_op op)
{
    bool stages = op == A64_CPY || op == A64_CPYF || op == A64_SET;
    return op != A64_MSR && op != A64_MRS && op != A64_B && !stages;
}

/* Lifts the instruction into *one where the answer is BRANCHES. */
static enum effect effect_at(struct ir_block *one, uint64_t pc)
{
    static _Atomic uint8_t known[A64_OP_COUNT];
    struct a64_insn in;
    a64_decode((uint32_t)mem_load(pc, 2), pc, &in);
    enum effect effect = (enum effect)atomic_load_explicit(&known[in.op], memory_order_relaxed);
    if (effect == UNKNOWN || effect == BRANCHES) {
        lift_block(one, pc, 1, NULL);
        effect = effect_of(one);
        if (depends_on_operation_only(in.op))
            atomic_store_explicit(&known[in.op], (uint8_t)effect, memory_order_relaxed);
    }
    return effect;
}

/* False: too many. */
static bool add_place(struct ahead *ahead, uint64_t pc)
{
    for (unsigned i = 0; i < ahead->count; i++)
        if (ahead->places[i] == pc)
            return true;
    if (ahead->count == PLACES)
        return false;
    ahead->places[ahead->count++] = pc;
    return true;
}

/* Where the lifted instruction goes. False: nobody knows, or too many places. */
static bool add_targets(struct ahead *ahead, const struct ir_block *one)
{
    const struct ir_insn *last = one->insns + one->count - 1, *before = one->count > 1 ? last - 1 : NULL;
    if (last->op != IR_branch || (before && before->op == IR_call_to))
        return false;
    if (before && before->op == IR_call)
        return add_place(ahead, (uint64_t)before->imm);
    if (before && before->op == IR_branch_if && !add_place(ahead, (uint64_t)before->imm))
        return false;
    return add_place(ahead, (uint64_t)last->imm);
}

/* Whether the code from pc on overwrites the flags before it reads them, or, as long as it is one with the
 * block, may leave; up to its first branch, whose targets are added then. */
static bool overwrites(struct ahead *ahead, uint64_t pc, bool same)
{
    struct ir_block one; /* of which little is touched */
    for (;; pc += 4) {
        if ((pc ^ ahead->block->pc) / PAGE_BYTES || pc & 3 || !ahead->left--)
            return false;
        if (pc < ahead->block->read_start)
            ahead->block->read_start = pc;
        if (pc + 4 > ahead->block->read_end)
            ahead->block->read_end = pc + 4;
        enum effect effect = effect_at(&one, pc);
        if (effect == BRANCHES)
            return add_targets(ahead, &one);
        if (effect == READS || effect == WRITES || (effect == MAY_LEAVE && same))
            return effect == WRITES;
    }
}

/* Same: pc is where the block merely ends. */
static bool is_dead_at(struct ir_block *block, uint64_t pc, bool same)
{
    struct ahead ahead = {.block = block, .left = AHEAD, .count = 1, .places = {pc}};
    bool dead = true;
    for (; dead && ahead.done < ahead.count; ahead.done++)
        dead = overwrites(&ahead, ahead.places[ahead.done], same && !ahead.done);
    return dead;
}

static bool is_used(const struct ir_block *block, unsigned v)
{
    bool used = false;
    for (unsigned i = v + 1; i < block->count && !used; i++) {
        const uint16_t *arg = block->insns[i].arg;
        used = (arg[0] == v) | (arg[1] == v) | (arg[2] == v); /* also if it has fewer, where v is 0 */
    }
    return used;
}

/* A branch whose two sides are all that may need the flags. */
struct fork {
    const struct ir_insn *by;
    struct ir_insn *spare; /* an operation without users in front of it, or null */
};

enum { FORKS = 3 };

/* Who needs the flags, going backwards. */
struct need {
    bool needed;               /* by what follows... */
    bool ahead, same;          /* ...if the code at pc does, which is asked only when a put depends on it */
    uint64_t pc;
    bool faults;               /* by what follows, where it faults; before the last branch */
    unsigned count;            /* if not 0: by nothing but the sides of these branches, the last one first; what follows */
    struct fork forks[FORKS];  /* is then where that one is not taken */
};

static struct need need_ahead(uint64_t pc, bool same)
{
    return (struct need){.needed = true, .ahead = true, .same = same, .pc = pc};
}

/* Whatever depends on the flags further up, more need for them changes nothing. */
static bool is_certain(const struct need *need) { return need->needed && !need->ahead && !need->count; }

static bool is_needed(struct ir_block *block, const struct need *need)
{
    return need->needed && !(need->ahead && is_dead_at(block, need->pc, need->same));
}

/* Whether the branch finds the flags of `put` in its hands. */
static bool compares(const struct ir_block *block, const struct ir_insn *put, const struct ir_insn *by)
{
    const struct ir_insn *condition = &block->insns[by->arg[0]];
    return condition->op == IR_cond && (condition->arg[0] == put->arg[0] || block->insns[put->arg[0]].op == IR_const);
}

/* The flags are written where the branches lead, as far as they are needed there. Returns whether they are at all. */
static bool put_at_forks(struct ir_block *block, struct ir_insn *insn, const struct need *need)
{
    int64_t when[FORKS];
    bool each = true, needed = false, behind = is_needed(block, need);
    for (unsigned i = 0; i < need->count; i++) {
        const struct ir_insn *by = need->forks[i].by;
        behind = behind && !is_dead_at(block, pass_pc_of(by) + 4, false);
        bool taken = !is_dead_at(block, (uint64_t)by->imm, false);
        when[i] = (taken ? PUT_IF_TAKEN : PUT_NOW) | (behind ? PUT_IF_NOT_TAKEN : PUT_NOW);
        needed |= taken || behind;
        each &= compares(block, insn, by);
        behind = false;
    }
    if (!each)
        return needed;
    unsigned first = need->count - 1;
    for (unsigned i = 0; i < first; i++)
        if (when[i] != PUT_NOW)
            *need->forks[i].spare = (struct ir_insn){.op = IR_put_nzcv, .arg = {insn->arg[0]}, .imm = when[i]};
    insn->imm = when[first];
    return when[first] != PUT_NOW;
}

static void put(struct ir_block *block, struct ir_insn *insn, struct need *need)
{
    bool needed = need->count ? put_at_forks(block, insn, need) : is_needed(block, need);
    if (!needed && !need->faults)
        *insn = (struct ir_insn){.op = IR_const};
    else if (need->faults && (!needed || insn->imm))
        insn->imm |= PUT_AT_FAULTS;
    *need = (struct need){0};
}

static void branch(const struct ir_insn *insn, struct need *need)
{
    bool more = need->count && need->count < FORKS && need->forks[need->count - 1].spare;
    if (need->faults || (need->count && !more))
        *need = (struct need){.needed = true};
    need->forks[need->count++] = (struct fork){.by = insn};
}

/* Where the block's code ends. */
static uint64_t end_of(const struct ir_block *block)
{
    for (unsigned i = block->count; i-- > 0;)
        if (block->insns[i].op == IR_mark)
            return (uint64_t)block->insns[i].imm + 4;
    return block->pc;
}

void pass_flags(struct ir_block *block)
{
    struct need need = {.needed = true};
    for (unsigned i = block->count; i-- > 0;) {
        struct ir_insn *insn = &block->insns[i];
        if (insn->op == IR_branch)
            need = need_ahead((uint64_t)insn->imm, (uint64_t)insn->imm == end_of(block));
        else if (insn->op == IR_call)
            need = need_ahead((uint64_t)insn->imm, false);
        else if (insn->op == IR_branch_if)
            branch(insn, &need);
        else if (insn->op == IR_put_nzcv)
            put(block, insn, &need);
        else if (ir_faults_only(insn) && need.count < 2)
            need.faults = true;
        else if (insn->op == IR_get_nzcv ? !is_certain(&need) && is_used(block, i) : ir_may_leave(insn))
            need = (struct need){.needed = true};
        else if (insn->op == IR_get_nzcv && need.count) /* its users read what was put */
            need.forks[need.count - 1].spare = insn;
    }
}
