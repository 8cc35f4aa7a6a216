/* The vocabulary of the meanings for the interpreter: a VAL is the value itself. */
#ifndef INTERP_VOCABULARY_H
#define INTERP_VOCABULARY_H

#include <xemu/eval.h>
#include <xemu/exit.h>
#include <xemu/insn.h>
#include <xemu/ir.h>

#define VAL uint64_t
#define VEC union vec

struct shape {
    uint8_t esz, lanes;
};

/* One instruction's execution. next and exit are where control goes: NO_EXIT falls through. */
#define NO_EXIT ((enum exit_reason)-1)
struct cx {
    struct cpu *cpu;
    uint64_t pc;
    unsigned w;
    enum exit_reason exit;
    enum branch_kind kind; /* of EXIT_BRANCH; BRANCH_RETURN for a direct branch */
    bool sp_moved;
};

#define VOCABULARY static inline __attribute__((always_inline, unused))
#define BY_WIDTH(name, ...) cx->w == 32 ? eval32_##name(__VA_ARGS__) : eval64_##name(__VA_ARGS__)

#define NARROW(x) (uint32_t)(x)
#define VOCABULARY_INT(name, PARAMS, ARGS32, ARGS64)                                                      \
    VOCABULARY VAL v_##name PARAMS { return cx->w == 32 ? eval32_##name ARGS32 : eval64_##name ARGS64; }  \
    VOCABULARY VAL v64_##name PARAMS { return (void)cx, eval64_##name ARGS64; }                           \
    VOCABULARY VAL v32_##name PARAMS { return (void)cx, eval32_##name ARGS32; }
#define KIND_I1(name)  VOCABULARY_INT(name, (struct cx *cx, VAL a), (NARROW(a)), (a))
#define KIND_I1I(name) VOCABULARY_INT(name, (struct cx *cx, VAL a, int64_t imm), (NARROW(a), imm), (a, imm))
#define KIND_I2(name)  VOCABULARY_INT(name, (struct cx *cx, VAL a, VAL b), (NARROW(a), NARROW(b)), (a, b))
#define KIND_I2I(name) \
    VOCABULARY_INT(name, (struct cx *cx, VAL a, VAL b, int64_t imm), (NARROW(a), NARROW(b), imm), (a, b, imm))
#define KIND_I3(name) \
    VOCABULARY_INT(name, (struct cx *cx, VAL a, VAL b, VAL c), (NARROW(a), NARROW(b), NARROW(c)), (a, b, c))

#define VOCABULARY_SHAPED(name, result, PARAMS, ...)                                                    \
    VOCABULARY result v_##name PARAMS { return eval_##name(cx->cpu, s.esz, s.lanes, __VA_ARGS__); }
#define CX_SHAPE struct cx *cx, struct shape s
#define KIND_V1(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a), a, a, a, 0)
#define KIND_V1I(name) VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, int64_t imm), a, a, a, imm)
#define KIND_V2(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VEC b), a, b, b, 0)
#define KIND_V2I(name) VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VEC b, int64_t imm), a, b, b, imm)
#define KIND_V3(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VEC b, VEC c), a, b, c, 0)
#define KIND_V3I(name) VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VEC b, VEC c, int64_t imm), a, b, c, imm)
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
#define KIND_VX(name)  VOCABULARY_SHAPED(name, VAL, (CX_SHAPE, VEC a, int64_t imm), a, a, a, imm)
#define KIND_XV(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VAL a, VAL b, int64_t imm), a, b, b, imm)
#define KIND_VXV(name) VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VEC a, VAL b, int64_t imm), a, b, b, imm)
#define KIND_FX        KIND_VX
#define KIND_XF(name)  VOCABULARY_SHAPED(name, VEC, (CX_SHAPE, VAL a, int64_t imm), a, a, a, imm)
#define KIND_FFX(name) VOCABULARY_SHAPED(name, VAL, (CX_SHAPE, VEC a, VEC b, int64_t imm), a, b, b, imm)

/* Effects may fault: the pc must be known. Volatile, or the compiler keeps only the last of an instruction's. */
#define VOCABULARY_EFFECT(name, result, PARAMS, ...)  \
    VOCABULARY result v_##name PARAMS                 \
    {                                                 \
        *(volatile uint64_t *)&cx->cpu->pc = cx->pc;  \
        return eval_##name(cx->cpu, __VA_ARGS__);     \
    }
#define VOCABULARY_STATE(name, result, PARAMS, ...) \
    VOCABULARY result v_##name PARAMS { return eval_##name(cx->cpu, __VA_ARGS__); }
#define KIND_E__(name)     VOCABULARY_STATE(name, void, (struct cx *cx, int64_t imm), imm)
#define KIND_E__i(name)    VOCABULARY_STATE(name, VAL, (struct cx *cx, int64_t imm), imm)
#define KIND_E__v(name)    VOCABULARY_STATE(name, VEC, (struct cx *cx, int64_t imm), imm)
#define KIND_E_v_(name)    VOCABULARY_STATE(name, void, (struct cx *cx, VEC a, int64_t imm), imm, a)
#define KIND_E_p_(name)    VOCABULARY_STATE(name, void, (struct cx *cx, VAL a, int64_t imm), imm, a)
#define KIND_E_i_(name)    VOCABULARY_EFFECT(name, void, (struct cx *cx, VAL a), 0, a)
#define KIND_E_i_i(name)   VOCABULARY_EFFECT(name, VAL, (struct cx *cx, VAL a, int64_t imm), imm, a)
#define KIND_E_i_v(name)   VOCABULARY_EFFECT(name, VEC, (struct cx *cx, VAL a, int64_t imm), imm, a)
#define KIND_E_ii_(name)   VOCABULARY_EFFECT(name, void, (struct cx *cx, VAL a, VAL b, int64_t imm), imm, a, b)
#define KIND_E_iv_(name)   VOCABULARY_EFFECT(name, void, (struct cx *cx, VAL a, VEC b, int64_t imm), imm, a, b)
#define KIND_E_ii_i(name)  VOCABULARY_EFFECT(name, VAL, (struct cx *cx, VAL a, VAL b, int64_t imm), imm, a, b)
#define KIND_E_iv_i(name)  VOCABULARY_EFFECT(name, VAL, (struct cx *cx, VAL a, VEC b, int64_t imm), imm, a, b)
#define KIND_E_iii_i(name) \
    VOCABULARY_EFFECT(name, VAL, (struct cx *cx, VAL a, VAL b, VAL c, int64_t imm), imm, a, b, c)
#define KIND_E_ivv_v(name) \
    VOCABULARY_EFFECT(name, VEC, (struct cx *cx, VAL a, VEC b, VEC c, int64_t imm), imm, a, b, c)

#define ROW(kind, name) KIND_##kind(name)
#include <xemu/ir_rows.h>
#undef ROW

VOCABULARY VAL v_const(struct cx *cx, uint64_t value) { return (void)cx, value; }
VOCABULARY VAL v_address(struct cx *cx, uint64_t value) { return (void)cx, value; }

VOCABULARY VAL read_x(struct cx *cx, unsigned r) { return v_get_x(cx, r); }
VOCABULARY VEC read_vreg(struct cx *cx, unsigned r) { return v_get_vreg(cx, r); }
VOCABULARY VAL read_nzcv(struct cx *cx) { return v_get_nzcv(cx, 0); }
VOCABULARY void write_x(struct cx *cx, VAL value, unsigned r) { v_put_x(cx, value, r); }
VOCABULARY void write_vreg(struct cx *cx, VEC value, unsigned r) { v_put_vreg(cx, value, r); }
VOCABULARY void write_nzcv(struct cx *cx, VAL flags) { v_put_nzcv(cx, flags, 0); }

/* FPCR.AH and FPCR.NEP (sem.h); compiled code is not entered with them. */
VOCABULARY VEC negated(struct cx *cx, struct shape s, VEC a)
{
    if (__builtin_expect(cx->cpu->fpcr & FPCR_AH, 0))
        return fp_change_signs(cx->cpu, s.esz, s.lanes, a, eval_dup(fp_sign_bit(s.esz), s.esz, s.lanes));
    return v_fneg(cx, s, a);
}

VOCABULARY VEC absolute(struct cx *cx, struct shape s, VEC a)
{
    if (__builtin_expect(cx->cpu->fpcr & FPCR_AH, 0))
        return fp_change_signs(cx->cpu, s.esz, s.lanes, a, v_vand(cx, s, a, eval_dup(fp_sign_bit(s.esz), s.esz, s.lanes)));
    return v_fabs(cx, s, a);
}

VOCABULARY VEC with_signs(struct cx *cx, struct shape s, VEC a, VEC signs)
{
    if (__builtin_expect(cx->cpu->fpcr & FPCR_AH, 0))
        return fp_change_signs(cx->cpu, s.esz, s.lanes, a, signs);
    return v_vxor(cx, s, a, signs);
}

VOCABULARY VEC muladd_bfloat(struct cx *cx, struct shape s, VEC sum, VEC a, VEC b)
{
    if (__builtin_expect(cx->cpu->fpcr & FPCR_AH, 0))
        return fp_muladd_quietly(cx->cpu, s.lanes, sum, a, b);
    return v_fmuladd(cx, s, sum, a, b, 0);
}

VOCABULARY VEC merged(struct cx *cx, struct shape s, VEC value, unsigned r)
{
    if (__builtin_expect(cx->cpu->fpcr & FPCR_NEP, 0) && s.lanes == 1)
        return eval_lane_set(cx->cpu->v[r], s.esz, 0, eval_lane(value, s.esz, 0));
    return value;
}

VOCABULARY void branch(struct cx *cx, uint64_t target, enum branch_kind kind)
{
    (void)kind;
    cx->cpu->pc = target;
    cx->exit = EXIT_BRANCH;
}

VOCABULARY void branch_if(struct cx *cx, VAL truth, uint64_t target)
{
    cx->cpu->pc = truth ? target : cx->pc + 4;
    cx->exit = EXIT_BRANCH;
}

VOCABULARY void branch_to(struct cx *cx, VAL target, enum branch_kind kind)
{
    cx->kind = kind;
    cx->cpu->pc = target;
    cx->exit = EXIT_BRANCH;
}

/* For EXIT_CODE the instruction is done; for the others pc stays on it. */
VOCABULARY void stop(struct cx *cx, enum exit_reason reason, unsigned imm)
{
    cx->cpu->pc = reason == EXIT_CODE ? cx->pc + 4 : cx->pc;
    cx->cpu->exit_imm = imm;
    cx->exit = reason;
}

#endif
