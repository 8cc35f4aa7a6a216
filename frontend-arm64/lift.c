/* The lifter: the meanings once more, in a vocabulary whose values are names of IR operations. */
#include <xemu/critical.h>
#include <xemu/exit.h>
#include <xemu/fp.h>
#include <xemu/insn.h>
#include <xemu/ir.h>
#include <xemu/log.h>
#include <xemu/mem.h>

#include <string.h>

/* A struct, so that neither C operators nor `if` apply to a value. */
typedef struct {
    uint16_t id;
} ir_value;
typedef struct {
    uint16_t id;
} ir_vector;
#define VAL ir_value
#define VEC ir_vector

struct shape {
    uint8_t esz, lanes;
};

/* Which value a guest register holds at this point of the block, or UNKNOWN. */
enum { UNKNOWN = UINT16_MAX };
struct contents {
    uint16_t x[32], v[32], nzcv;
};

struct cx {
    struct ir_block *block;
    struct contents now;
    uint64_t pc;
    unsigned w;
    bool guarded;  /* the page is (FEAT_BTI) */
    bool sp_moved; /* by this instruction */
    bool ended;
};

/* The place of the next operation, to be written at once. */
static inline struct ir_insn *next(struct cx *cx)
{
    struct ir_block *block = cx->block;
    if (__builtin_expect(block->count == IR_MAX_INSNS, false))
        panic("IR block at %#lx is full", block->pc);
    return &block->insns[block->count++];
}

static inline uint16_t last(const struct cx *cx) { return (uint16_t)(cx->block->count - 1); }

/* Appends an operation with these members and returns its name. It is built where it stays: a struct that is passed on
 * the stack is read right after it was written in parts, which the host does slowly. */
#define APPEND(cx, ...) (*next(cx) = (struct ir_insn){__VA_ARGS__}, last(cx))

#define VOCABULARY static inline __attribute__((unused))
#define INT_VALUE(op_, w_, ...) (VAL){APPEND(cx, .op = IR_##op_, .w = (uint8_t)(w_), __VA_ARGS__)}
#define ARGS(...) .arg = {__VA_ARGS__}

#define VOCABULARY_INT(name, PARAMS, ...)                                              \
    VOCABULARY VAL v_##name PARAMS { return INT_VALUE(name, cx->w, __VA_ARGS__); }     \
    VOCABULARY VAL v64_##name PARAMS { return INT_VALUE(name, 64, __VA_ARGS__); }      \
    VOCABULARY VAL v32_##name PARAMS { return INT_VALUE(name, 32, __VA_ARGS__); }
#define KIND_I1(name)  VOCABULARY_INT(name, (struct cx *cx, VAL a), ARGS(a.id))
#define KIND_I1I(name) VOCABULARY_INT(name, (struct cx *cx, VAL a, int64_t imm), ARGS(a.id), .imm = imm)
#define KIND_I2(name)  VOCABULARY_INT(name, (struct cx *cx, VAL a, VAL b), ARGS(a.id, b.id))
#define KIND_I2I(name) VOCABULARY_INT(name, (struct cx *cx, VAL a, VAL b, int64_t imm), ARGS(a.id, b.id), .imm = imm)
#define KIND_I3(name)  VOCABULARY_INT(name, (struct cx *cx, VAL a, VAL b, VAL c), ARGS(a.id, b.id, c.id))

#define VOCABULARY_SHAPED(name, result, PARAMS, ...)                                                          \
    VOCABULARY result v_##name PARAMS                                                                         \
    {                                                                                                         \
        return (result){APPEND(cx, .op = IR_##name, .esz = s.esz, .lanes = s.lanes, __VA_ARGS__)};               \
    }
#define CX_SHAPE struct cx *cx, struct shape s
#define KIND_V1(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a), ARGS(a.id))
#define KIND_V1I(name) VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, int64_t imm), ARGS(a.id), .imm = imm)
#define KIND_V2(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VEC b), ARGS(a.id, b.id))
#define KIND_V2I(name) VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VEC b, int64_t imm), ARGS(a.id, b.id), .imm = imm)
#define KIND_V3(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VEC b, VEC c), ARGS(a.id, b.id, c.id))
#define KIND_V3I(name) \
    VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VEC b, VEC c, int64_t imm), ARGS(a.id, b.id, c.id), .imm = imm)
#define KIND_W1        KIND_V1I
#define KIND_W2        KIND_V2I
#define KIND_W3        KIND_V3I
#define KIND_Q1        KIND_V1I
#define KIND_Q2        KIND_V2I
#define KIND_Q3        KIND_V3I
#define KIND_F1        KIND_V1I
#define KIND_F2        KIND_V2I
#define KIND_F3        KIND_V3I
#define KIND_WF1       KIND_V1I
#define KIND_WF2       KIND_V2I
#define KIND_WF3       KIND_V3I
#define KIND_VX(name)  VOCABULARY_SHAPED(name, VAL, (CX_SHAPE, VEC a, int64_t imm), ARGS(a.id), .imm = imm)
#define KIND_XV(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VAL a, VAL b, int64_t imm), ARGS(a.id, b.id), .imm = imm)
#define KIND_VXV(name) VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VAL b, int64_t imm), ARGS(a.id, b.id), .imm = imm)
#define KIND_FX        KIND_VX
#define KIND_XF(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VAL a, int64_t imm), ARGS(a.id), .imm = imm)
#define KIND_FFX(name) VOCABULARY_SHAPED(name, VAL, (CX_SHAPE, VEC a, VEC b, int64_t imm), ARGS(a.id, b.id), .imm = imm)

#define VOCABULARY_EFFECT(name, result, PARAMS, ...) \
    VOCABULARY result v_##name PARAMS { return (result){APPEND(cx, .op = IR_##name, __VA_ARGS__)}; }
#define VOCABULARY_VOID(name, PARAMS, ...) \
    VOCABULARY void v_##name PARAMS { (void)APPEND(cx, .op = IR_##name, __VA_ARGS__); }
#define KIND_E__(name)    VOCABULARY_VOID(name, (struct cx *cx, int64_t imm), .imm = imm)
#define KIND_E__i(name)   VOCABULARY_EFFECT(name, VAL, (struct cx *cx, int64_t imm), .imm = imm)
#define KIND_E__v(name)   VOCABULARY_EFFECT(name, VEC, (struct cx *cx, int64_t imm), .imm = imm)
#define KIND_E_v_(name)   VOCABULARY_VOID(name, (struct cx *cx, VEC a, int64_t imm), ARGS(a.id), .imm = imm)
#define KIND_E_p_(name)   VOCABULARY_VOID(name, (struct cx *cx, VAL a, int64_t imm), ARGS(a.id), .imm = imm)
#define KIND_E_i_(name)   VOCABULARY_VOID(name, (struct cx *cx, VAL a), ARGS(a.id))
#define KIND_E_i_i(name)  VOCABULARY_EFFECT(name, VAL, (struct cx *cx, VAL a, int64_t imm), ARGS(a.id), .imm = imm)
#define KIND_E_i_v(name)  VOCABULARY_EFFECT(name, VEC, (struct cx *cx, VAL a, int64_t imm), ARGS(a.id), .imm = imm)
#define KIND_E_ii_(name)  VOCABULARY_VOID(name, (struct cx *cx, VAL a, VAL b, int64_t imm), ARGS(a.id, b.id), .imm = imm)
#define KIND_E_iv_(name)  VOCABULARY_VOID(name, (struct cx *cx, VAL a, VEC b, int64_t imm), ARGS(a.id, b.id), .imm = imm)
#define KIND_E_ii_i(name) \
    VOCABULARY_EFFECT(name, VAL, (struct cx *cx, VAL a, VAL b, int64_t imm), ARGS(a.id, b.id), .imm = imm)
#define KIND_E_iv_i(name) \
    VOCABULARY_EFFECT(name, VAL, (struct cx *cx, VAL a, VEC b, int64_t imm), ARGS(a.id, b.id), .imm = imm)
#define KIND_E_iii_i(name) \
    VOCABULARY_EFFECT(name, VAL, (struct cx *cx, VAL a, VAL b, VAL c, int64_t imm), ARGS(a.id, b.id, c.id), .imm = imm)
#define KIND_E_ivv_v(name) \
    VOCABULARY_EFFECT(name, VEC, (struct cx *cx, VAL a, VEC b, VEC c, int64_t imm), ARGS(a.id, b.id, c.id), .imm = imm)

#define ROW(kind, name) KIND_##kind(name)
#include <xemu/ir_rows.h>
#undef ROW

VOCABULARY VAL v_const(struct cx *cx, uint64_t value) { return INT_VALUE(const, 0, .imm = (int64_t)value); }
VOCABULARY VAL v_address(struct cx *cx, uint64_t value)
{
    return INT_VALUE(const, 0, .esz = CONST_ADDRESS, .imm = (int64_t)value);
}

/* Guest registers that the block has read or written already are not read again, up to the next call:
 *
 *   mov x3, #5               put_x %0, #0x3
 *   add x4, x3, x1           %3 = get_x #0x1
 *                            %4 = add.64 %0, %3
 */
VOCABULARY VAL read_x(struct cx *cx, unsigned r)
{
    if (cx->now.x[r] == UNKNOWN)
        cx->now.x[r] = v_get_x(cx, r).id;
    return (VAL){cx->now.x[r]};
}

VOCABULARY VEC read_vreg(struct cx *cx, unsigned r)
{
    if (cx->now.v[r] == UNKNOWN)
        cx->now.v[r] = v_get_vreg(cx, r).id;
    return (VEC){cx->now.v[r]};
}

/* The operation stays, as a place where flags may be put (jit/pass_flags.c). */
VOCABULARY VAL read_nzcv(struct cx *cx)
{
    uint16_t read = v_get_nzcv(cx, 0).id;
    if (cx->now.nzcv == UNKNOWN)
        cx->now.nzcv = read;
    return (VAL){cx->now.nzcv};
}

static bool is_flags(const struct ir_block *block, unsigned value)
{
    const struct ir_insn *insn = &block->insns[value];
    if (insn->op == IR_select)
        return is_flags(block, insn->arg[0]) || is_flags(block, insn->arg[1]);
    return ir_ops[insn->op].flags & IR_FLAGS;
}

/* A number put where flags are, and flags put where a number is, change their form on the way. */
VOCABULARY void write_x(struct cx *cx, VAL value, unsigned r)
{
    v_put_x(cx, value, r);
    cx->now.x[r] = is_flags(cx->block, value.id) ? UNKNOWN : value.id;
}

VOCABULARY void write_vreg(struct cx *cx, VEC value, unsigned r)
{
    v_put_vreg(cx, value, r);
    cx->now.v[r] = value.id;
}

VOCABULARY void write_nzcv(struct cx *cx, VAL flags)
{
    v_put_nzcv(cx, flags, 0);
    cx->now.nzcv = is_flags(cx->block, flags.id) ? flags.id : UNKNOWN;
}

static void forget_contents(struct cx *cx) { memset(&cx->now, 0xff, sizeof cx->now); }

static void call(struct cx *cx, struct ir_insn insn)
{
    *next(cx) = insn;
    forget_contents(cx);
}

/* Compiled code is not entered with FPCR.AH or FPCR.NEP (backend-x86_64/float.c). */
VOCABULARY VEC negated(struct cx *cx, struct shape s, VEC a) { return v_fneg(cx, s, a); }
VOCABULARY VEC absolute(struct cx *cx, struct shape s, VEC a) { return v_fabs(cx, s, a); }
VOCABULARY VEC with_signs(struct cx *cx, struct shape s, VEC a, VEC signs) 
{
    s = (struct shape){3, s.lanes << s.esz == 16 ? 2 : 1};
    return v_vxor(cx, s, a, signs);
}
VOCABULARY VEC muladd_bfloat(struct cx *cx, struct shape s, VEC sum, VEC a, VEC b) { return v_fmuladd(cx, s, sum, a, b, 0); }
VOCABULARY VEC merged(struct cx *cx, struct shape s, VEC value, unsigned r) { return (void)cx, (void)s, (void)r, value; }

static void end(struct cx *cx, struct ir_insn insn)
{
    *next(cx) = insn;
    cx->ended = true;
}

/* Code goes on behind a call, and behind a branch forward: it is left where the branch is taken. */
VOCABULARY void branch(struct cx *cx, uint64_t target, enum branch_kind kind)
{
    if (kind == BRANCH_CALL)
        call(cx, (struct ir_insn){.op = IR_call, .imm = (int64_t)target});
    else
        end(cx, (struct ir_insn){.op = IR_branch, .imm = (int64_t)target});
}

VOCABULARY void branch_if(struct cx *cx, VAL truth, uint64_t target)
{
    *next(cx) = (struct ir_insn){.op = IR_branch_if, .arg = {truth.id}, .imm = (int64_t)target};
    if (target <= cx->pc)
        branch(cx, cx->pc + 4, BRANCH_PLAIN);
}

VOCABULARY void branch_to(struct cx *cx, VAL target, enum branch_kind kind)
{
    if (kind == BRANCH_GUARDED && !cx->guarded)
        kind = BRANCH_PLAIN;
    if (kind == BRANCH_CALL)
        call(cx, (struct ir_insn){.op = IR_call_to, .arg = {target.id}});
    else
        end(cx, (struct ir_insn){.op = IR_jump, .arg = {target.id}, .imm = kind});
}

VOCABULARY void stop(struct cx *cx, enum exit_reason reason, unsigned imm)
{
    end(cx, (struct ir_insn){.op = IR_stop, .imm = reason | (int64_t)imm << 8});
}

#include "meanings.inc"

/* --- from instructions to blocks ---------------------------------------------------------------------- */

typedef void lifter(struct cx *cx, const struct a64_insn *in);

static void lift_undefined(struct cx *cx, const struct a64_insn *in)
{
    (void)in;
    stop(cx, EXIT_UNDEFINED, 0);
}

#define A64_SEM(name) \
    static void lift_##name(struct cx *cx, const struct a64_insn *in) { sem_##name(cx, in); }
#include "a64_rows.inc"

#define LIFTER_0(name) lift_##name
#define LIFTER_1(name) lift_undefined
#define A64_ROW(name, meaning, feature, todo) [A64_##name] = LIFTER_##todo(meaning),
static lifter *const lifters[A64_OP_COUNT] = {
    [A64_UNALLOCATED] = lift_undefined,
#include "a64_rows.inc"
};

/* No instruction's meaning has more operations than this (LD4, ST4 of 16-byte vectors). */
#define MAX_OPS_PER_INSN 128

/* The stores of the instruction whose operations begin at `first` are those of a critical section. */
static void mark_stores(struct cx *cx, unsigned first, uint64_t section)
{
    for (struct ir_insn *insn = cx->block->insns + first; insn < cx->block->insns + cx->block->count; insn++) {
        if (insn->op != IR_store && insn->op != IR_store_vec && insn->op != IR_store_release)
            continue;
        insn->imm |= (int64_t)(section << CRITICAL_SHIFT) | (insn->op == IR_store_release ? CRITICAL_RELEASE : 0);
        insn->op = insn->op == IR_store_vec ? IR_critical_store_vec : IR_critical_store;
    }
}

static bool may_leave_for_good(const struct ir_insn *last)
{
    return last->op == IR_branch_if || ir_is_call((enum ir_op)last->op);
}

void lift_block(struct ir_block *block, uint64_t pc, unsigned max_insns, lift_goes_on *goes_on)
{
    struct cx cx = {.block = block, .pc = pc, .guarded = guest_range_guarded(pc)};
    uint64_t page_end = (pc | 4095) + 1, section;
    struct critical_scan scan = CRITICAL_SCAN;

    forget_contents(&cx);
    block->pc = block->read_start = block->read_end = pc;
    block->count = 0;
    block->critical = false;
    for (unsigned n = 0; n < max_insns && block->count < IR_MAX_INSNS - MAX_OPS_PER_INSN; n++, cx.pc += 4) {
        struct a64_insn in;
        if (cx.pc == page_end || (goes_on && n && may_leave_for_good(&block->insns[block->count - 1]) && !goes_on(cx.pc)))
            break;
        a64_decode((uint32_t)mem_load(cx.pc, 2), cx.pc, &in);
        cx.w = a64_has_sf(in.op) && !in.sf ? 32 : 64;
        unsigned first = block->count;
        block->critical |= critical_scan(&scan, &in);
        *next(&cx) = (struct ir_insn){.op = IR_mark, .imm = (int64_t)cx.pc};
        block->read_end = cx.pc + 4;
        lifters[in.op](&cx, &in);
        if (__builtin_expect((section = critical_section_at(cx.pc)) != 0, 0))
            mark_stores(&cx, first, section);
        block->critical |= section != 0;
        if (cx.sp_moved)
            v_check_sp(&cx, read_x(&cx, 31));
        cx.sp_moved = false;
        if (cx.ended)
            return;
    }
    branch(&cx, cx.pc, BRANCH_PLAIN);
}
