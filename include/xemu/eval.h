/* ir_ops.def as C functions: eval_<name>() computes one operation. Integer operations come as eval32_<name> and
 * eval64_<name>. Used by the interpreter, the constant folder and the reference evaluator. */
#ifndef XEMU_EVAL_H
#define XEMU_EVAL_H

#include <xemu/cpu.h>
#include <xemu/critical.h>
#include <xemu/eval_support.h>
#include <xemu/fp.h>
#include <xemu/mem.h>
#include <xemu/pauth.h>
#include <xemu/simd.h>

#define UNUSED __attribute__((unused))
#define EVAL static inline __attribute__((always_inline, unused))

/* Integers: once per width. */
#define EVAL_INT(name, params, expr)                       \
    EVAL uint64_t eval32_##name params(uint32_t)           \
    {                                                      \
        typedef uint32_t U UNUSED;                         \
        typedef int32_t S UNUSED;                          \
        enum { BITS = 32 };                                \
        return (U)(expr);                                  \
    }                                                      \
    EVAL uint64_t eval64_##name params(uint64_t)           \
    {                                                      \
        typedef uint64_t U UNUSED;                         \
        typedef int64_t S UNUSED;                          \
        enum { BITS = 64 };                                \
        return (U)(expr);                                  \
    }
#define PARAMS1(u)  (u a)
#define PARAMS1I(u) (u a, int64_t imm)
#define PARAMS2(u)  (u a, u b)
#define PARAMS2I(u) (u a, u b, int64_t imm)
#define PARAMS3(u)  (u a, u b, u c)
#define I1(name, expr)  EVAL_INT(name, PARAMS1, expr)
#define I1I(name, expr) EVAL_INT(name, PARAMS1I, expr)
#define I2(name, expr)  EVAL_INT(name, PARAMS2, expr)
#define I2I(name, expr) EVAL_INT(name, PARAMS2I, expr)
#define I3(name, expr)  EVAL_INT(name, PARAMS3, expr)

/* Lane-wise integer operations: once per element size. */
#define EVAL_LANES(name, expr, u, s, bits, log2, f)                                                            \
    EVAL union vec eval_##name##_##bits(UNUSED struct cpu *cpu, unsigned lanes, union vec A, UNUSED union vec B, \
                                        UNUSED union vec C, UNUSED int64_t imm)                                \
    {                                                                                                          \
        typedef u U UNUSED;                                                                                    \
        typedef s S UNUSED;                                                                                    \
        enum { BITS = bits, ESZ UNUSED = log2 };                                                               \
        union vec r = {0};                                                                                     \
        for (unsigned i = 0; i < lanes; i++) {                                                                 \
            UNUSED U a = A.f[i], b = B.f[i], c = C.f[i];                                                       \
            UNUSED const U *const all = A.f;                                                                   \
            r.f[i] = (U)(expr);                                                                                \
        }                                                                                                      \
        return r;                                                                                              \
    }
#define EVAL_VECTOR(name, expr)                                                                            \
    EVAL_LANES(name, expr, uint8_t, int8_t, 8, 0, b)                                                       \
    EVAL_LANES(name, expr, uint16_t, int16_t, 16, 1, h)                                                    \
    EVAL_LANES(name, expr, uint32_t, int32_t, 32, 2, s)                                                    \
    EVAL_LANES(name, expr, uint64_t, int64_t, 64, 3, d)                                                    \
    static inline UNUSED union vec eval_##name(struct cpu *cpu, unsigned esz, unsigned lanes, union vec a, \
                                               union vec b, union vec c, int64_t imm)                      \
    {                                                                                                      \
        switch (esz) {                                                                                     \
        case 0:                                                                                            \
            return eval_##name##_8(cpu, lanes, a, b, c, imm);                                              \
        case 1:                                                                                            \
            return eval_##name##_16(cpu, lanes, a, b, c, imm);                                             \
        case 2:                                                                                            \
            return eval_##name##_32(cpu, lanes, a, b, c, imm);                                             \
        default:                                                                                           \
            return eval_##name##_64(cpu, lanes, a, b, c, imm);                                             \
        }                                                                                                  \
    }
#define V1(name, expr)  EVAL_VECTOR(name, expr)
#define V1I(name, expr) EVAL_VECTOR(name, expr)
#define V2(name, expr)  EVAL_VECTOR(name, expr)
#define V2I(name, expr) EVAL_VECTOR(name, expr)
#define V3(name, expr)  EVAL_VECTOR(name, expr)
#define V3I(name, expr) EVAL_VECTOR(name, expr)
#define Q1(name, expr)  EVAL_VECTOR(name, expr)
#define Q2(name, expr)  EVAL_VECTOR(name, expr)
#define Q3(name, expr)  EVAL_VECTOR(name, expr)

/* Floating-point lanes, as raw bits. */
#define EVAL_FLOAT(name, expr)                                                                             \
    EVAL union vec eval_##name(struct cpu *cpu, unsigned ESZ, unsigned lanes, union vec A, UNUSED union vec B, \
                               UNUSED union vec C, UNUSED int64_t imm)                                     \
    {                                                                                                      \
        union vec r = {0};                                                                                 \
        _Pragma("GCC unroll 4") for (unsigned i = 0; i < lanes; i++)                                       \
        {                                                                                                  \
            UNUSED uint64_t a = eval_lane(A, ESZ, i), b = eval_lane(B, ESZ, i), c = eval_lane(C, ESZ, i);  \
            r = eval_lane_set(r, ESZ, i, (expr));                                                          \
        }                                                                                                  \
        return r;                                                                                          \
    }
#define F1(name, expr) EVAL_FLOAT(name, expr)
#define F2(name, expr) EVAL_FLOAT(name, expr)
#define F3(name, expr) EVAL_FLOAT(name, expr)

/* Whole vectors, and mixtures. */
#define EVAL_SHAPED(name, result, A, B, C, expr)                                                              \
    static inline UNUSED result eval_##name(UNUSED struct cpu *cpu, UNUSED unsigned ESZ, UNUSED unsigned LANES, \
                                            A a, UNUSED B b, UNUSED C c, UNUSED int64_t imm)                  \
    {                                                                                                         \
        return (expr);                                                                                        \
    }
#define W1(name, expr)  EVAL_SHAPED(name, union vec, union vec, union vec, union vec, expr)
#define W2(name, expr)  EVAL_SHAPED(name, union vec, union vec, union vec, union vec, expr)
#define W3(name, expr)  EVAL_SHAPED(name, union vec, union vec, union vec, union vec, expr)
#define WF1(name, expr) EVAL_SHAPED(name, union vec, union vec, union vec, union vec, expr)
#define WF2(name, expr) EVAL_SHAPED(name, union vec, union vec, union vec, union vec, expr)
#define WF3(name, expr) EVAL_SHAPED(name, union vec, union vec, union vec, union vec, expr)
#define VX(name, expr)  EVAL_SHAPED(name, uint64_t, union vec, union vec, union vec, expr)
#define XV(name, expr)  EVAL_SHAPED(name, union vec, uint64_t, uint64_t, uint64_t, expr)
#define VXV(name, expr) EVAL_SHAPED(name, union vec, union vec, uint64_t, uint64_t, expr)
#define FX(name, expr)  EVAL_SHAPED(name, uint64_t, union vec, union vec, union vec, expr)
#define XF(name, expr)  EVAL_SHAPED(name, union vec, uint64_t, uint64_t, uint64_t, expr)
#define FFX(name, expr) EVAL_SHAPED(name, uint64_t, union vec, union vec, union vec, expr)

/* Effects. */
#define EVAL_EFFECT(name, result, params, expr) \
    EVAL result eval_##name params { expr; }
#define CPU_IMM UNUSED struct cpu *cpu, UNUSED int64_t imm
#define E__(name, expr)     EVAL_EFFECT(name, void, (CPU_IMM), expr)
#define E__i(name, expr)    EVAL_EFFECT(name, uint64_t, (CPU_IMM), return expr)
#define E__v(name, expr)    EVAL_EFFECT(name, union vec, (CPU_IMM), return expr)
#define E_i_(name, expr)    EVAL_EFFECT(name, void, (CPU_IMM, uint64_t a), expr)
#define E_p_(name, expr)    EVAL_EFFECT(name, void, (CPU_IMM, uint64_t a), expr)
#define E_v_(name, expr)    EVAL_EFFECT(name, void, (CPU_IMM, union vec a), expr)
#define E_i_i(name, expr)   EVAL_EFFECT(name, uint64_t, (CPU_IMM, uint64_t a), return expr)
#define E_i_v(name, expr)   EVAL_EFFECT(name, union vec, (CPU_IMM, uint64_t a), return expr)
#define E_ii_(name, expr)   EVAL_EFFECT(name, void, (CPU_IMM, uint64_t a, uint64_t b), expr)
#define E_iv_(name, expr)   EVAL_EFFECT(name, void, (CPU_IMM, uint64_t a, union vec b), expr)
#define E_ii_i(name, expr)  EVAL_EFFECT(name, uint64_t, (CPU_IMM, uint64_t a, uint64_t b), return expr)
#define E_iv_i(name, expr)  EVAL_EFFECT(name, uint64_t, (CPU_IMM, uint64_t a, union vec b), return expr)
#define E_iii_i(name, expr) EVAL_EFFECT(name, uint64_t, (CPU_IMM, uint64_t a, uint64_t b, uint64_t c), return expr)
#define E_ivv_v(name, expr) EVAL_EFFECT(name, union vec, (CPU_IMM, uint64_t a, union vec b, UNUSED union vec c), \
                                          return expr)

#include <xemu/ir_ops.def>
#include <xemu/ir_kinds_undef.h>

#endif
